"""Watches of children, which feed the store.

Kopf's event handlers see neither the end of a listing nor what was deleted while a watch was down; for children both are needed:
a run that begins before all of them are listed would make again what is there, and a deletion that is missed would never be put
right. So these watches are ours.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dharma_operator.kube.client import Changed, Client, Listed
from dharma_operator.kube.compare import trim
from dharma_operator.kube.errors import ApiError, Forbidden
from dharma_operator.kube.resources import MANAGED_BY, MANAGED_BY_LABEL, NAMESPACE, Resource, key_of
from dharma_operator.metrics import Metrics
from dharma_operator.store import Store

_logger = logging.getLogger(__name__)

SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


def selector_of(resource: Resource) -> str:
    """Select what is watched of a kind: our own objects, but all namespaces, as one that a Tenant asks for may be somebody else's."""
    return "" if resource == NAMESPACE else SELECTOR


_PATIENCE_SECONDS = 10.0
"""How long a new right may take until the API server knows of it."""
_RETRY_SECONDS = 0.2
_REFUSED_RETRY_SECONDS = 5.0
_DEAD_SECONDS = 240.0
"""The API server sends a bookmark each minute, and the client renews a connection that is silent for longer: this is too long."""


@dataclass(slots=True)
class _Watch:
    resource: Resource
    namespace: str | None
    heard: float
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    error: ApiError | None = None
    task: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        return f"{self.resource} in {self.namespace}" if self.namespace else str(self.resource)


class Watches:
    """All watches of children of one process."""

    def __init__(self, client: Client, store: Store, metrics: Metrics, clock: Callable[[], float] | None = None) -> None:
        self._client = client
        self._store = store
        self._metrics = metrics
        self._clock = clock or asyncio.get_running_loop().time
        self._permanent: list[_Watch] = []
        self._on_demand: dict[tuple[Resource, str], _Watch] = {}

    def start(self, resources: Iterable[Resource], namespaces: Iterable[str] = ()) -> None:
        """Watch these kinds, in these namespaces or in all, from now on. Refusals are logged and tried again."""
        for resource in resources:
            for namespace in (tuple(namespaces) if resource.namespaced else ()) or (None,):
                watch = _Watch(resource, namespace, self._clock())
                watch.task = asyncio.create_task(self._for_ever(watch), name=f"watch {watch}")
                self._permanent.append(watch)

    async def synced(self) -> None:
        """Wait until all permanent watches have listed what is there, or were refused in their namespace: it must not stop the others."""
        await asyncio.gather(*(watch.listed.wait() for watch in self._permanent))

    def missing(self) -> list[str]:
        """Return what is not listed yet, with the reason where there is one."""
        return [f"{watch}: {watch.error}" if watch.error else str(watch) for watch in self._permanent if not watch.listed.is_set()]

    def dead(self) -> list[str]:
        """Return what has not been heard of for far too long."""
        now = self._clock()
        watches = (*self._permanent, *self._on_demand.values())
        return [str(watch) for watch in watches if watch.listed.is_set() and now - watch.heard > _DEAD_SECONDS]

    async def ensure(self, resource: Resource, namespace: str) -> None:
        """See that one kind is watched in one namespace; return when it is listed. Raises Forbidden when the right does not come about."""
        watch = self._on_demand.get((resource, namespace))
        if watch is None:
            watch = self._on_demand[resource, namespace] = _Watch(resource, namespace, self._clock())
            watch.task = asyncio.create_task(self._while_allowed(watch), name=f"watch {watch}")
        await watch.listed.wait()
        if watch.error is not None:
            raise watch.error

    def release(self, namespace: str) -> None:
        """Watch nothing on demand in this namespace any more."""
        for resource, where in [key for key in self._on_demand if key[1] == namespace]:
            self._end(self._on_demand[resource, where])

    async def stop(self) -> None:
        """End all watches."""
        tasks = [watch.task for watch in (*self._permanent, *self._on_demand.values()) if watch.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _for_ever(self, watch: _Watch) -> None:
        while True:
            try:
                await self._follow(watch)
            except ApiError as error:
                if watch.error is None:
                    _logger.warning("%s cannot be watched, trying again every %.0f s: %s", watch, _REFUSED_RETRY_SECONDS, error)
                watch.error = error
                watch.heard = self._clock()  # the server does answer
                if watch.namespace is not None and isinstance(error, Forbidden):
                    watch.listed.set()  # who lists nothing there may write nothing there, and says so in the status of what he serves
            await asyncio.sleep(_REFUSED_RETRY_SECONDS)

    async def _while_allowed(self, watch: _Watch) -> None:
        """Follow until the right to do so is gone, with its RoleBinding or namespace. Who waits is told of a right that never came."""
        give_up = self._clock() + _PATIENCE_SECONDS
        while True:
            try:
                await self._follow(watch)
            except Forbidden as error:
                if not watch.listed.is_set() and self._clock() < give_up:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                self._end(watch, error)
                return
            except ApiError as error:
                self._end(watch, error)
                return

    def _end(self, watch: _Watch, error: ApiError | None = None) -> None:
        if watch.namespace is None or self._on_demand.pop((watch.resource, watch.namespace), None) is None:
            return
        _logger.info("%s is not watched any more%s", watch, f": {error}" if error else "")
        self._store.drop(watch.resource, watch.namespace)
        watch.error = error
        watch.listed.set()
        if watch.task is not None and watch.task is not asyncio.current_task():
            watch.task.cancel()

    async def _follow(self, watch: _Watch) -> None:
        async for item in self._client.watch(watch.resource, watch.namespace, label_selector=selector_of(watch.resource), trim=trim):
            watch.heard = self._clock()
            if isinstance(item, Listed):
                self._metrics.listed(watch.resource.kind)
                self._store.listed(watch.resource, watch.namespace, item.items, item.resource_version)
                watch.error = None
                watch.listed.set()
            elif isinstance(item, Changed):
                if item.type == "DELETED":
                    self._store.removed(key_of(item.object, watch.resource), item.object["metadata"].get("uid"))
                else:
                    self._store.seen(item.object, watch.resource)
