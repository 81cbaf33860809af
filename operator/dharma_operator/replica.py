"""One replica's working parts: its caches, its part in the election, its engine; their order of start and end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from dharma_operator.audit import Audit
from dharma_operator.controllers import Controllers
from dharma_operator.engine import Cause, Engine, RunResult
from dharma_operator.engine import stop as stop_engine
from dharma_operator.events import Recorder
from dharma_operator.kube.applier import Applier
from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    LIMIT_RANGE,
    NAMESPACE,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICA_SET,
    RESOURCE_QUOTA,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from dharma_operator.lease import Lease, lead_while_held
from dharma_operator.metrics import Metrics
from dharma_operator.runner import Runner
from dharma_operator.settings import Settings
from dharma_operator.store import Store
from dharma_operator.watches import Watches
from dharma_operator.workqueue import OwnerKey

_logger = logging.getLogger(__name__)

CHILDREN = (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    LIMIT_RANGE,
    NAMESPACE,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICA_SET,
    RESOURCE_QUOTA,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
"""Kinds of children that are watched in every namespace. Secrets are not: see `Store.ensure_namespaced_watch`."""

_GRACE_SECONDS = 5.0
"""For runs in progress when the process is asked to stop."""
_LAG_PERIOD_SECONDS = 0.5


class Replica:
    """Watches, stands by, leads, and ends. Objects of our own kinds are told to its `store` from outside."""

    def __init__(
        self, settings: Settings, controllers: Controllers, metrics: Metrics, store: Store, client: Client, lease_client: Client
    ) -> None:
        """`lease_client` has connections of its own: the renewal of the lease must not queue behind a thousand writes."""
        self._settings = settings
        self._controllers = controllers
        self._client = client
        self._metrics = metrics
        self._store = store
        self._engine: Engine | None = None
        self._serving: asyncio.Task[None] | None = None
        self._background: list[asyncio.Task[None]] = []
        self._lease = Lease(lease_client, Lease.key(settings.pod_namespace, settings.lease_name), settings.pod_name, settings.lease_seconds)
        self._watches = Watches(client, store, metrics)
        self._audit = Audit(client, store, settings.namespaces)
        self._runner = Runner(
            client=client,
            store=store,
            controllers=controllers,
            applier=Applier(client, store),
            recorder=Recorder(client, self._lease.identity),
            settings=settings,
            metrics=metrics,
        )
        self.error: Exception | None = None
        """What made a part fail."""

    def start(self, on_failure: Callable[[], None]) -> None:
        """Start all parts. A part that fails calls `on_failure` and leaves its error in `error`: half an operator is worse than none."""
        self._store.connect(on_change=self._changed, ensure_watch=self._watches.ensure)
        self._watches.start(CHILDREN, self._settings.namespaces)
        beside = [part for one in self._controllers for part in one.background(self._client, self._store, self._changed)]
        for part in (self._audit.serve(), self._measure_lag(), self._elect(), *beside):
            self._background.append(asyncio.create_task(self._guard(part, on_failure)))

    async def end(self) -> None:
        """Let the runs in progress end, hand over the lease, stop the rest. A second call does nothing."""
        if self._engine is not None and self._serving is not None:
            _logger.info("stopping", extra={"running": len(self._engine)})
            await stop_engine(self._engine, self._serving, _GRACE_SECONDS)
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._lease.release()
        await self._watches.stop()

    def unhealthy(self) -> list[str]:
        """Return what only a restart can help."""
        return [f"the watch of {name} is dead" for name in self._watches.dead()]

    def unready(self) -> list[str]:
        """Return what the caches lack."""
        audit = [] if self._audit.synced.is_set() else [self._audit.waits_for]
        return [f"waiting for {what}" for what in (*audit, *self._watches.missing())]

    async def _elect(self) -> None:
        """Stand by until the caches are full, then take part in the election. Standbys keep their caches warm."""
        await self._watches.synced()
        await self._audit.synced.wait()
        self._metrics.synced(synced=True)
        held = {str(resource): count for resource, count in self._store.counts().items() if count}
        _logger.info("caches are full", extra={"objects": held})
        await lead_while_held(self._lease, self._lead)

    async def _lead(self) -> None:
        engine = Engine(self._run, self._metrics, concurrency=self._settings.concurrency, resync_seconds=self._settings.resync_seconds)
        engine.start_with((*self._store.owners(), *self._store.orphaned()))
        serving = asyncio.create_task(engine.serve(), name="engine")
        self._engine, self._serving = engine, serving
        self._metrics.leader(leads=True)
        try:
            await serving
        finally:
            self._engine = None
            self._metrics.leader(leads=False)
            serving.cancel()
            await asyncio.wait({serving})

    async def _run(self, key: OwnerKey) -> RunResult:
        if self._engine is None or not self._lease.valid:
            return RunResult(failed=True)  # the lease ran out while the process stood still: its renewal, or its loss, comes next
        result = await self._runner.run(key, self._engine.failures(key))
        if result.gone and key.namespace and not any(owner.namespace == key.namespace for owner in self._store.owners()):
            self._watches.release(key.namespace)
        return result

    def _changed(self, key: OwnerKey, cause: Cause) -> None:
        """Hear what the store saw about an owner. Standbys run nothing: who begins to lead looks at everything."""
        if self._engine is not None and (cause is Cause.SPEC or self._store.owner(key) is not None):
            self._engine.enqueue(key, cause)

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_PERIOD_SECONDS
            await asyncio.sleep(_LAG_PERIOD_SECONDS)
            self._metrics.lag(max(0.0, loop.time() - due))

    async def _guard(self, part: Coroutine[None, None, None], on_failure: Callable[[], None]) -> None:
        try:
            await part
        except Exception as error:
            self.error = error
            _logger.exception("the operator stops: a part of it failed")
            on_failure()
