"""The operator process: its parts, their start, and their end."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack

import kopf

from dharma_operator.audit import Audit
from dharma_operator.controllers import Controller, Controllers
from dharma_operator.engine import Cause, Engine, RunResult
from dharma_operator.engine import stop as stop_engine
from dharma_operator.events import Recorder
from dharma_operator.kube.applier import Applier
from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import ApiError
from dharma_operator.kube.resources import (
    CONFIG_MAP,
    DEPLOYMENT,
    NETWORK_POLICY,
    OWNERS,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from dharma_operator.lease import Lease, lead_while_held
from dharma_operator.metrics import Metrics
from dharma_operator.runner import Runner
from dharma_operator.server import Server
from dharma_operator.settings import Settings
from dharma_operator.store import Store
from dharma_operator.watches import Watches
from dharma_operator.wiring import make_registry, make_settings
from dharma_operator.workqueue import OwnerKey

_logger = logging.getLogger(__name__)

CHILDREN = (
    CONFIG_MAP,
    DEPLOYMENT,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
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
_CRD_RETRY_SECONDS = 2.0


class Operator:
    """One replica. `serve` is its whole life."""

    def __init__(self, settings: Settings, make_controllers: Callable[[Settings], Iterable[Controller]]) -> None:
        self._settings = settings
        self._controllers = Controllers(make_controllers(settings))
        self._metrics = Metrics()
        self._store = Store(self._changed)
        self._engine: Engine | None = None
        self._serving: asyncio.Task[None] | None = None
        self._waits_for: list[str] = ["a login at the Kubernetes API"]
        self._stop = asyncio.Event()
        self._background: list[asyncio.Task[None]] = []
        self._error: BaseException | None = None
        self._server = Server(lambda: self._metrics.render(self._store.counts()), self._unhealthy, self._unready)

    async def serve(self) -> None:
        """Run until a signal asks to stop. Raises what ended the process otherwise."""
        settings = self._settings
        for number in (signal.SIGINT, signal.SIGTERM):  # until Kopf's own handlers take over
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        async with AsyncExitStack() as stack:
            await self._server.start(settings.address, settings.port)
            stack.push_async_callback(self._server.stop)
            client = await stack.enter_async_context(Client(on_request=self._metrics.request))
            # The lease has connections of its own: its renewal must not queue behind a thousand writes.
            lease_client = await stack.enter_async_context(Client(on_request=self._metrics.request, connections=2))
            self._lease = Lease(
                lease_client, Lease.key(settings.pod_namespace, settings.lease_name), settings.pod_name, settings.lease_seconds
            )
            self._runner = Runner(
                client=client,
                store=self._store,
                controllers=self._controllers,
                applier=Applier(client, self._store),
                recorder=Recorder(client, self._lease.identity),
                settings=settings,
                metrics=self._metrics,
            )
            self._watches = Watches(client, self._store, self._metrics)
            self._store.watch_on_demand_by(self._watches.ensure)
            self._audit = Audit(client, self._store, settings.namespaces)
            if not await self._kinds_are_served(client):
                return
            self._watches.start(CHILDREN, settings.namespaces)
            for part in (self._audit.serve(), self._measure_lag(), self._elect()):
                self._in_background(part)
            await self._run_kopf()
        if self._error is not None:
            raise self._error

    async def _run_kopf(self) -> None:
        try:
            await kopf.operator(
                registry=make_registry(self._store, self._end),
                settings=make_settings(),
                clusterwide=not self._settings.namespaces,
                namespaces=self._settings.namespaces,
                stop_flag=self._stop,
            )
        finally:
            await self._end()

    async def _kinds_are_served(self, client: Client) -> bool:
        """Wait until all of our kinds are served, for Kopf looks for them only once. False when the process is asked to stop meanwhile."""
        said = False
        while missing := await self._missing_kinds(client):
            self._waits_for = [f"the custom resource definitions of {', '.join(missing)}: install them (kubectl apply -f crds/)"]
            if not said:
                _logger.warning("waiting for %s", self._waits_for[0])
            said = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _CRD_RETRY_SECONDS)
                return False
        self._waits_for = []
        return True

    async def _missing_kinds(self, client: Client) -> list[str]:
        group = OWNERS[0]
        try:
            served = await client.request("get", "GET", f"/apis/{group.api_version}")
        except ApiError as error:
            if error.status != 404:
                _logger.warning("the kinds of %s cannot be looked up: %s", group.api_version, error)
            return [str(resource) for resource in OWNERS]
        names = {item["name"] for item in served["resources"]}
        return [str(resource) for resource in OWNERS if resource.plural not in names]

    async def _elect(self) -> None:
        """Stand by until the caches are full, then take part in the election. Standbys keep their caches warm."""
        await self._watches.synced()
        await self._audit.synced.wait()
        self._metrics.synced(synced=True)
        _logger.info(
            "caches are full", extra={"objects": {str(resource): count for resource, count in self._store.counts().items() if count}}
        )
        await lead_while_held(self._lease, self._lead)

    async def _lead(self) -> None:
        engine = Engine(self._run, self._metrics, concurrency=self._settings.concurrency, resync_seconds=self._settings.resync_seconds)
        engine.start_with(self._store.owners())
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

    def _in_background(self, part: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._guard(part))
        self._background.append(task)

    async def _guard(self, part: Awaitable[None]) -> None:
        """Stop the whole process when a part fails: half an operator is worse than none."""
        try:
            await part
        except Exception as error:
            self._error = error
            _logger.exception("the operator stops: a part of it failed")
            self._stop.set()

    async def _end(self) -> None:
        """Let the runs in progress end, hand over the lease, stop the rest. Called when Kopf has stopped its watches."""
        self._waits_for = ["the process is stopping"]
        if self._engine is not None and self._serving is not None:
            _logger.info("stopping", extra={"running": len(self._engine)})
            await stop_engine(self._engine, self._serving, _GRACE_SECONDS)
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._lease.release()
        await self._watches.stop()
        await self._server.stop()
        self._stop.set()  # Kopf waits five seconds for its own task that waits for this

    def _unhealthy(self) -> list[str]:
        return [f"the watch of {name} is dead" for name in self._watches.dead()] if not self._waits_for else []

    def _unready(self) -> list[str]:
        if self._waits_for:
            return [f"waiting for {what}" for what in self._waits_for]
        audit = [] if self._audit.synced.is_set() else [self._audit.waits_for]
        return [f"waiting for {what}" for what in (*audit, *self._watches.missing())]
