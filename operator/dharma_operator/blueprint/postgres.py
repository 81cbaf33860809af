"""What a Postgres says of itself by SQL, asked as the operator's role on the primary."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from dharma_handlers.blueprint.actions import MANAGED_COMMENT
from dharma_handlers.blueprint.observed import DatabaseObserved, RoleObserved, SettingObserved
from dharma_operator.blueprint.sql import Connection, Login, connect, sentence

MAINTENANCE_DATABASE = "postgres"
RELOAD_SECONDS = 5.0
"""Patroni's members look at their configuration every `loop_wait`, 3 s."""
_POLL_SECONDS = 0.2

_ROLES = """
SELECT r.rolname, r.rolcanlogin, coalesce(shobj_description(r.oid, 'pg_authid') = %s, false), dharma.user_verifier(r.rolname),
       ARRAY(SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid)
FROM pg_roles r WHERE r.rolname !~ '^pg_'
"""
_DATABASES = "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE NOT datistemplate"
_SETTINGS = """
SELECT name, current_setting(name, true), context, pending_restart FROM pg_settings WHERE name = ANY(%s) OR pending_restart
"""
_EXTENSIONS = "SELECT extname FROM pg_extension"
_USED = """
SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database) + (SELECT coalesce(sum(size), 0) FROM pg_ls_waldir())
"""


@dataclass(frozen=True, slots=True)
class SqlObserved:
    """What SQL on the primary told."""

    answered: bool
    error: str = ""
    roles: Mapping[str, RoleObserved] | None = None
    databases: Mapping[str, DatabaseObserved] | None = None
    settings: Mapping[str, SettingObserved] | None = None


async def observe(login: Login, *, databases: Collection[str], settings: Iterable[str]) -> SqlObserved:
    """Ask the primary at `login` for roles, databases, the named settings, and for extensions of those of `databases` that exist.

    Never raises for what a server or a network does: then `answered` is False and `error` says why.
    """
    try:
        async with connect(login, MAINTENANCE_DATABASE) as connection:
            if not await _one(connection, "SELECT NOT pg_is_in_recovery()"):
                return SqlObserved(answered=False, error="the primary is still in recovery")
            roles = {
                name: RoleObserved(can_login=can_login, managed=managed, member_of=frozenset(groups), verifier=verifier)
                for name, can_login, managed, verifier, groups in await _all(connection, _ROLES, [MANAGED_COMMENT])
            }
            owners: dict[str, str] = dict(await _all(connection, _DATABASES))
            found = {
                name: SettingObserved(value=value or "", context=context, pending_restart=pending)
                for name, value, context, pending in await _all(connection, _SETTINGS, [sorted(settings)])
            }
        held = [name for name in databases if name in owners]
        extensions = dict(zip(held, await asyncio.gather(*(_extensions(login, name) for name in held)), strict=True))
    except (psycopg.Error, OSError, TimeoutError) as error:
        return SqlObserved(answered=False, error=sentence(error))
    return SqlObserved(
        answered=True,
        roles=roles,
        databases={name: DatabaseObserved(owner=owner, extensions=extensions.get(name, frozenset())) for name, owner in owners.items()},
        settings=found,
    )


@dataclass(frozen=True, slots=True)
class Used:
    """How much all databases and the WAL fill, or why that is not known."""

    size: int | None = None
    """In bytes."""
    error: str = ""


async def used(login: Login) -> Used:
    """Ask how much is filled. Never raises for what a server or a network does: a sum that takes too long is no outage."""
    try:
        async with connect(login, MAINTENANCE_DATABASE) as connection:
            return Used(size=int(await _one(connection, _USED)))
    except (psycopg.Error, OSError, TimeoutError) as error:
        return Used(error=sentence(error))


async def _extensions(login: Login, database: str) -> frozenset[str]:
    async with connect(login, database) as connection:
        return frozenset(name for (name,) in await _all(connection, _EXTENSIONS))


async def _all(connection: Connection, query: LiteralString, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, parameters)).fetchall()


async def _one(connection: Connection, query: LiteralString) -> Any:  # noqa: ANN401 (a column of any type)
    row = await (await connection.execute(query)).fetchone()
    return row[0] if row else None


async def wait_for_reload(logins: Iterable[Login], loaded: Iterable[datetime | None]) -> None:
    """Wait until each server has read its configuration again since `loaded`, `RELOAD_SECONDS` at most. A silent one is not waited for."""
    await asyncio.gather(*(_reloaded(login, before) for login, before in zip(logins, loaded, strict=True)))


async def loaded_at(login: Login) -> datetime | None:
    """Tell when a server read its configuration last, by its own clock; None when it does not answer."""
    try:
        async with connect(login, MAINTENANCE_DATABASE) as connection:
            moment: datetime = await _one(connection, "SELECT pg_conf_load_time()")
    except (psycopg.Error, OSError, TimeoutError):
        return None
    return moment


async def _reloaded(login: Login, before: datetime | None) -> None:
    deadline = asyncio.get_running_loop().time() + RELOAD_SECONDS
    while before is not None and asyncio.get_running_loop().time() < deadline:
        now = await loaded_at(login)
        if now is None or now > before:
            return
        await asyncio.sleep(_POLL_SECONDS)
