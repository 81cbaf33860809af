"""Connections to Postgres and PgBouncer as the operator: to an address, never a name, with short time-outs and a pinned search path."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg

CONNECT_SECONDS = 3
LOOK_SECONDS = 5
"""Longest that one statement of an observation may take."""
ACT_SECONDS = 60
"""Longest that one statement of an action may take: `CREATE DATABASE` copies files."""
LOCK_SECONDS = 5
"""Longest that a statement waits for a lock of somebody else."""

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Login:
    """Where to connect, and as whom."""

    address: str
    """IP address: the operator also works where the cluster's DNS is not to be had."""
    port: int
    user: str
    password: str = field(repr=False)


@asynccontextmanager
async def connect(login: Login, database: str, *, seconds: int = LOOK_SECONDS) -> AsyncGenerator[Connection]:
    """Connect to Postgres itself, each statement its own transaction, `seconds` long at most.

    Tenants own databases here, and nothing of theirs may be found by a name that the operator uses: so the search path is pg_catalog.
    Raises psycopg.OperationalError when it cannot connect.
    """
    pinned = f"-c search_path=pg_catalog -c statement_timeout={seconds}s -c lock_timeout={LOCK_SECONDS}s"
    connection = await psycopg.AsyncConnection.connect(**_arguments(login, database), options=pinned)
    async with connection:
        yield connection


@asynccontextmanager
async def connect_to_pooler(login: Login, database: str) -> AsyncGenerator[Connection]:
    """Connect to PgBouncer: no start-up options and no prepared statements, which its console does not know.

    Raises psycopg.OperationalError when it cannot connect.
    """
    connection = await psycopg.AsyncConnection.connect(
        **_arguments(login, database), prepare_threshold=None, cursor_factory=psycopg.AsyncClientCursor
    )
    async with connection:
        yield connection


def _arguments(login: Login, database: str) -> dict[str, Any]:
    return {
        "host": login.address,
        "port": login.port,
        "user": login.user,
        "password": login.password,
        "dbname": database,
        "autocommit": True,
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "iac-dharma",
        "require_auth": "scram-sha-256",  # a pod that took over an address does not get the password by asking for it in clear
        "gssencmode": "disable",
    }


def sentence(error: BaseException) -> str:
    """Return the first line of what a server or the library said, fit for a status message: no password stands in it."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].strip()
