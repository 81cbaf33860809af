"""PgBouncer: one query through the pool, and its admin console."""

from collections.abc import Mapping

import psycopg

from dharma_handlers.blueprint.observed import PgBouncerMember
from dharma_operator.blueprint.sql import Connection, Login, connect_to_pooler, sentence

CONSOLE = "pgbouncer"
"""The name of the database that is no database but the console."""


async def observe(pod: str, *, through: Login, database: str, console: Login) -> PgBouncerMember:
    """Send one query through the pool to `database` and read the console's settings.

    Never raises for what a server or a network does: what could not be asked is None, and `error` says why.
    """
    answered, error = await _query_through(through, database)
    try:
        async with connect_to_pooler(console, CONSOLE) as connection:
            config = {row["key"]: row["value"] for row in await _show(connection, "SHOW CONFIG")}
            databases = {row["name"]: row for row in await _show(connection, "SHOW DATABASES")}
            version = next(iter((await _show(connection, "SHOW VERSION"))[0].values()))
    except (psycopg.Error, OSError, TimeoutError) as refused:
        return PgBouncerMember(pod=pod, answered=answered, error=error or sentence(refused))
    return PgBouncerMember(
        pod=pod, answered=answered, error=error, config=config, databases=databases, version=version.removeprefix("PgBouncer ")
    )


async def reload(console: Login) -> None:
    """Let PgBouncer read its configuration anew; clients stay connected. Raises psycopg.Error."""
    async with connect_to_pooler(console, CONSOLE) as connection:
        await connection.execute("RELOAD")


async def _query_through(login: Login, database: str) -> tuple[bool, str]:
    try:
        async with connect_to_pooler(login, database) as connection:
            row = await (await connection.execute("SELECT 1")).fetchone()
    except (psycopg.Error, OSError, TimeoutError) as error:
        return False, sentence(error)
    return row is not None, ""


async def _show(connection: Connection, command: str) -> list[Mapping[str, str]]:
    """Rows of a SHOW as column → text."""
    cursor = await connection.execute(command.encode())
    names = [column.name for column in cursor.description or ()]
    return [{name: "" if value is None else str(value) for name, value in zip(names, row, strict=True)} for row in await cursor.fetchall()]
