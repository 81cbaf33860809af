"""What is done to a Postgres by SQL: one function an action, all of them safe to repeat after a crash."""

from collections.abc import Awaitable, Callable
from typing import Any

from psycopg import sql

from dharma_handlers.blueprint import actions
from dharma_handlers.blueprint.actions import MANAGED_COMMENT
from dharma_operator.blueprint.postgres import MAINTENANCE_DATABASE
from dharma_operator.blueprint.scram import make_verifier
from dharma_operator.blueprint.sql import ACT_SECONDS, Connection, Login, connect


async def act(login: Login, action: actions.Action) -> None:
    """Run one SQL action on the primary at `login`. Raises psycopg.Error, and LookupError for an action that is none of SQL's."""
    run = _RUN[type(action)]
    database = action.database if isinstance(action, actions.CreateExtension) else MAINTENANCE_DATABASE
    async with connect(login, database, seconds=ACT_SECONDS) as connection:
        await run(connection, action)


async def _create_role(connection: Connection, action: actions.CreateRole) -> None:
    role, verifier = sql.Identifier(action.role), sql.Literal(await make_verifier(action.password))
    async with connection.transaction():
        await connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, verifier))
        await connection.execute(_comment(action.role))
        for group in action.member_of:
            await connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), role))


async def _set_role_password(connection: Connection, action: actions.SetRolePassword) -> None:
    verifier = sql.Literal(await make_verifier(action.password))
    await connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(action.role), verifier))


async def _unlock_role(connection: Connection, action: actions.UnlockRole) -> None:
    async with connection.transaction():
        await connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(action.role)))
        await connection.execute(_comment(action.role))


async def _lock_role(connection: Connection, action: actions.LockRole) -> None:
    await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(action.role)))
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [action.role])


async def _grant_role(connection: Connection, action: actions.GrantRole) -> None:
    await connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(action.group), sql.Identifier(action.role)))


async def _revoke_role(connection: Connection, action: actions.RevokeRole) -> None:
    await connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(action.group), sql.Identifier(action.role)))


async def _create_database(connection: Connection, action: actions.CreateDatabase) -> None:
    database, owner = sql.Identifier(action.database), sql.Identifier(action.owner)
    await connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))


async def _set_database_owner(connection: Connection, action: actions.SetDatabaseOwner) -> None:
    statement = sql.SQL("ALTER DATABASE {} OWNER TO {}")
    await connection.execute(statement.format(sql.Identifier(action.database), sql.Identifier(action.owner)))


async def _create_extension(connection: Connection, action: actions.CreateExtension) -> None:
    await connection.execute("SELECT dharma.create_extension(%s)", [action.extension])


def _comment(role: str) -> sql.Composed:
    return sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role), sql.Literal(MANAGED_COMMENT))


_RUN: dict[type[actions.Action], Callable[[Connection, Any], Awaitable[None]]] = {
    actions.CreateRole: _create_role,
    actions.SetRolePassword: _set_role_password,
    actions.UnlockRole: _unlock_role,
    actions.LockRole: _lock_role,
    actions.GrantRole: _grant_role,
    actions.RevokeRole: _revoke_role,
    actions.CreateDatabase: _create_database,
    actions.SetDatabaseOwner: _set_database_owner,
    actions.CreateExtension: _create_extension,
}
SQL_ACTIONS = tuple(_RUN)
"""The actions that `act` knows."""
