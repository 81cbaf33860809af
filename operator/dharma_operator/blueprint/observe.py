"""Asks all components of a Blueprint how they are, side by side, each within a bounded time."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Literal, cast

import aiohttp

from dharma_crds.blueprint import PgBouncer, Postgres
from dharma_handlers.blueprint.observed import (
    ComponentObserved,
    PgBouncerMember,
    PgBouncerObserved,
    PostgresMember,
    PostgresObserved,
    RedisMember,
    RedisObserved,
)
from dharma_handlers.blueprint.patroni import PATRONI_USER
from dharma_handlers.blueprint.redis import LIVE_SETTINGS
from dharma_handlers.blueprint.scope import Scope
from dharma_operator.blueprint import logins, pgbouncer, postgres, redis
from dharma_operator.blueprint.patroni import Patroni, PatroniError
from dharma_operator.blueprint.pods import Pod
from dharma_operator.blueprint.sql import Login

SECONDS = 10.0
"""Longest that one component is asked."""
AT_ONCE = 64
"""Components of all Blueprints that are asked at the same time."""
_ROLES: Mapping[str, Literal["primary", "replica", "standby_leader", "uninitialized"]] = {
    "primary": "primary",
    "master": "primary",
    "replica": "replica",
    "standby_leader": "standby_leader",
    "uninitialized": "uninitialized",
}


class Observer:
    """Looks at data services. Only what could be asked is in what it returns."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def observe(
        self, session: aiohttp.ClientSession, scopes: Iterable[Scope], pods: Mapping[str, tuple[Pod, ...]]
    ) -> dict[str, ComponentObserved]:
        """Ask every component that has a running pod. Raises nothing for what a service or the network does."""
        asked = [scope for scope in scopes if pods[scope.component.name]]
        answers = await asyncio.gather(*(self._bounded(session, scope, pods[scope.component.name]) for scope in asked))
        return {scope.component.name: answer for scope, answer in zip(asked, answers, strict=True)}

    async def _bounded(self, session: aiohttp.ClientSession, scope: Scope, pods: tuple[Pod, ...]) -> ComponentObserved:
        async with self._slots:
            try:
                async with asyncio.timeout(SECONDS):
                    return await _ask(session, scope, pods)
            except TimeoutError:
                return _silent(scope, pods)


async def _ask(session: aiohttp.ClientSession, scope: Scope, pods: tuple[Pod, ...]) -> ComponentObserved:
    component = scope.component
    if component.postgres is not None:
        return await _postgres(session, scope, component.postgres, pods)
    ready = [pod for pod in pods if pod.ready]
    if component.pgbouncer is not None:
        return PgBouncerObserved(await _all(_pgbouncer(scope, component.pgbouncer, pod) for pod in ready))
    return RedisObserved(await _all(_redis(scope, pod) for pod in ready))


def _silent(scope: Scope, pods: tuple[Pod, ...]) -> ComponentObserved:
    error = f"no answer within {SECONDS:.0f} s"
    if scope.component.postgres is not None:
        return PostgresObserved(error=error)
    if scope.component.pgbouncer is not None:
        return PgBouncerObserved(tuple(PgBouncerMember(pod=pod.name, answered=False, error=error) for pod in pods))
    return RedisObserved(tuple(RedisMember(pod=pod.name, answered=False, error=error) for pod in pods))


async def _postgres(session: aiohttp.ClientSession, scope: Scope, spec: Postgres, pods: tuple[Pod, ...]) -> PostgresObserved:
    patroni = Patroni(session, PATRONI_USER, logins.patroni_password(scope))
    answers = await asyncio.gather(*(_member(patroni, pod) for pod in pods))
    members = tuple(member for member in answers if member is not None)
    addresses = {pod.name: pod.address for pod in pods}
    primary = next((member for member in members if member.role == "primary" and member.state == "running"), None)
    if primary is None:
        return PostgresObserved(members=members, error="there is no primary yet")
    address = addresses[primary.pod]
    login = logins.postgres_login(scope, address)
    extended = [database.name for database in spec.databases if database.extensions]
    sql, used, config, lags = await asyncio.gather(
        postgres.observe(login, databases=extended, settings=spec.parameters),
        _used(login, spec),
        _config(patroni, address),
        _lags(patroni, address),
    )
    return PostgresObserved(
        members=tuple(_with_lag(member, lags) for member in members),
        answered=sql.answered,
        error=sql.error,
        config=config,
        roles=sql.roles,
        databases=sql.databases,
        settings=sql.settings,
        used_bytes=used.size,
        used_error=used.error,
    )


async def _member(patroni: Patroni, pod: Pod) -> PostgresMember | None:
    """Ask one member; None when it does not answer."""
    try:
        said = await patroni.member(pod.address)
    except PatroniError:
        return None  # a member that does not answer is absent, and the component says which pod it waits for
    version: int = said.get("server_version") or 0
    reasons: Mapping[str, Any] = said.get("pending_restart_reason") or {}
    return PostgresMember(
        pod=pod.name,
        role=_ROLES.get(said.get("role", ""), "unknown"),
        state=_state(said),
        timeline=said.get("timeline"),
        pending_restart=tuple(sorted(reasons)) or (("*",) if said.get("pending_restart") else ()),
        server_version=f"{version // 10000}.{version % 10000}" if version else None,
    )


def _state(said: Mapping[str, Any]) -> str:
    """Say how a member is, in Patroni's words; a replica that runs and receives nothing is behind, and stays so: that is no `running`."""
    state: str = said.get("state", "unknown")
    if _ROLES.get(said.get("role", "")) == "replica" and state == "running":
        return said.get("replication_state") or "not streaming yet"
    return state


async def _used(login: Login, spec: Postgres) -> postgres.Used:
    """Ask for it only where a volume may grow by it: with many tables the server has to look at many files."""
    return await postgres.used(login) if spec.storage.grow is not None else postgres.Used()


async def _config(patroni: Patroni, address: str) -> Mapping[str, Any] | None:
    try:
        return await patroni.config(address)
    except PatroniError:
        return None


async def _lags(patroni: Patroni, address: str) -> Mapping[str, int]:
    """Bytes of WAL that each replica is behind, where the leader knows it."""
    try:
        cluster = await patroni.cluster(address)
    except PatroniError:
        return {}
    members = cast("list[Mapping[str, Any]]", cluster.get("members") or [])
    return {member["name"]: member["lag"] for member in members if isinstance(member.get("lag"), int)}


def _with_lag(member: PostgresMember, lags: Mapping[str, int]) -> PostgresMember:
    return dataclasses.replace(member, lag_bytes=lags.get(member.pod))


async def _pgbouncer(scope: Scope, spec: PgBouncer, pod: Pod) -> PgBouncerMember:
    target = scope.sibling(spec.target)
    databases = target.component.postgres.databases if target.component.postgres is not None else ()
    return await pgbouncer.observe(
        pod.name,
        through=logins.pooled_login(target, pod.address),
        database=databases[0].name if databases else postgres.MAINTENANCE_DATABASE,
        console=logins.console_login(scope, pod.address),
    )


async def _redis(scope: Scope, pod: Pod) -> RedisMember:
    return await redis.observe(pod.name, logins.redis_login(scope, pod.address), settings=LIVE_SETTINGS)


async def _all(looks: Iterable[Awaitable[Any]]) -> tuple[Any, ...]:
    return tuple(await asyncio.gather(*looks))
