"""Runs what was decided: actions of one component in the order given, components side by side. Each is a numbered crash point."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import aiohttp
import psycopg
from redis.exceptions import RedisError

from dharma_handlers.blueprint import actions
from dharma_handlers.blueprint.actions import Action
from dharma_handlers.blueprint.observed import ActionFailure
from dharma_handlers.blueprint.patroni import PATRONI_USER
from dharma_handlers.blueprint.postgres import primary_of
from dharma_handlers.blueprint.scope import Scope
from dharma_operator.blueprint import logins, pgbouncer, postgres, postgres_actions, redis
from dharma_operator.blueprint.patroni import Patroni, PatroniError
from dharma_operator.blueprint.pods import Pod
from dharma_operator.blueprint.sql import sentence
from dharma_operator.kube.client import Client
from dharma_operator.kube.crashpoints import point
from dharma_operator.kube.errors import ApiError, NotFound
from dharma_operator.kube.resources import CONFIG_MAP, POD, ObjectKey
from dharma_operator.store import Store


class CannotActError(Exception):
    """What the action needs is not there any more; the next look decides anew."""


_FAILURES = (psycopg.Error, RedisError, PatroniError, ApiError, CannotActError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Deeds:
    """What was done, and what was tried in vain."""

    done: tuple[Action, ...] = ()
    failures: tuple[ActionFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class Actor:
    """The means to act on one Blueprint's services, as they were observed."""

    client: Client
    store: Store
    session: aiohttp.ClientSession
    namespace: str
    blueprint: str
    scopes: Mapping[str, Scope]
    pods: Mapping[str, tuple[Pod, ...]]

    async def run(self, decided: Iterable[Action]) -> Deeds:
        """Run all actions; the first failure of a component ends that component's turn. Raises nothing for what a service does."""
        by_component: defaultdict[str, list[Action]] = defaultdict(list)
        for action in decided:
            by_component[action.component].append(action)
        deeds = await asyncio.gather(*(self._run_component(some) for some in by_component.values()))
        return Deeds(tuple(chain.from_iterable(deed.done for deed in deeds)), tuple(chain.from_iterable(deed.failures for deed in deeds)))

    async def _run_component(self, decided: list[Action]) -> Deeds:
        done: list[Action] = []
        for action in decided:
            try:
                await self._run_one(action)
            except _FAILURES as error:
                return Deeds(tuple(done), (ActionFailure(action.component, action.describe(), sentence(error)),))
            done.append(action)
        return Deeds(tuple(done))

    async def _run_one(self, action: Action) -> None:
        match action:
            case actions.AnnotatePod():
                await self._patch_pod(action.pod, {"annotations": dict(action.annotations)})
            case actions.LabelPod():
                await self._patch_pod(action.pod, {"labels": dict(action.labels)})
            case actions.DeleteConfigMap():
                await self.client.delete(ObjectKey(CONFIG_MAP, self.namespace, action.name))
            case _:
                # The client numbers its writes by itself; these go to data services.
                with point(f"{type(action).__name__} {self.namespace}/{self.blueprint}: {action.describe()}"):
                    await self._ask(action, self.scopes[action.component])

    async def _ask(self, action: Action, scope: Scope) -> None:
        match action:
            case actions.PatchPatroniConfig():
                await self._patch_configuration(scope, action)
            case actions.RestartMember():
                await self._patroni(scope).restart_pending(self._address(scope, action.pod))
            case actions.Switchover():
                await self._patroni(scope).switchover(self._address(scope, action.leader), action.leader, action.candidate)
            case actions.ReloadPgBouncer():
                await pgbouncer.reload(logins.console_login(scope, self._address(scope, action.pod)))
            case actions.SetRedisConfig():
                await redis.set_config(logins.redis_login(scope, self._address(scope, action.pod)), action.settings)
            case actions.LoadRedisAcl():
                await redis.load_acl(logins.redis_login(scope, self._address(scope, action.pod)))
            case actions.ReplicateFrom():
                await redis.replicate_from(logins.redis_login(scope, self._address(scope, action.pod)), action.host, action.port)
            case _:
                await postgres_actions.act(logins.postgres_login(scope, self._primary(scope)), action)

    async def _patch_configuration(self, scope: Scope, action: actions.PatchPatroniConfig) -> None:
        """Patch, then wait until all members have read it: only then do they tell which settings wait for a restart."""
        members = [logins.postgres_login(scope, pod.address) for pod in self.pods[scope.component.name] if pod.ready]
        loaded = await asyncio.gather(*(postgres.loaded_at(member) for member in members))
        await self._patroni(scope).patch_config(self._primary(scope), action.patch)
        if "postgresql" in action.patch:
            await postgres.wait_for_reload(members, loaded)

    def _patroni(self, scope: Scope) -> Patroni:
        return Patroni(self.session, PATRONI_USER, logins.patroni_password(scope))

    def _primary(self, scope: Scope) -> str:
        primary = primary_of(scope)
        if primary is None:
            raise CannotActError("there is no primary at the moment")
        return self._address(scope, primary)

    def _address(self, scope: Scope, pod: str) -> str:
        for candidate in self.pods[scope.component.name]:
            if candidate.name == pod:
                return candidate.address
        raise CannotActError(f"pod {pod} is not there any more")

    async def _patch_pod(self, pod: str, metadata: Mapping[str, Mapping[str, str]]) -> None:
        try:
            self.store.wrote(await self.client.patch(ObjectKey(POD, self.namespace, pod), {"metadata": metadata}))
        except NotFound as error:
            raise CannotActError(f"pod {pod} is not there any more") from error
