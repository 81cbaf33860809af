"""The operator process: HTTP, connections, the wait for its kinds, and Kopf around one replica."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack

import kopf

from dharma_operator.controllers import Controller, Controllers
from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import ApiError, NotFound
from dharma_operator.kube.resources import OWNERS
from dharma_operator.metrics import Metrics
from dharma_operator.replica import Replica
from dharma_operator.server import Server
from dharma_operator.settings import Settings
from dharma_operator.store import Store
from dharma_operator.wiring import make_registry, make_settings

_logger = logging.getLogger(__name__)

_CRD_RETRY_SECONDS = 2.0


class Operator:
    """The process. `serve` is its whole life."""

    def __init__(self, settings: Settings, make_controllers: Callable[[Settings], Iterable[Controller]]) -> None:
        self._settings = settings
        self._controllers = Controllers(make_controllers(settings))
        self._metrics = Metrics()
        self._store = Store()
        self._replica: Replica | None = None
        self._state = "waiting for a login at the Kubernetes API"
        """Why there is no replica yet, or no more."""
        self._stop = asyncio.Event()
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
            lease_client = await stack.enter_async_context(Client(on_request=self._metrics.request, connections=2))
            if await self._kinds_are_served(client):
                await self._run(Replica(settings, self._controllers, self._metrics, self._store, client, lease_client))

    async def _run(self, replica: Replica) -> None:
        async def end() -> None:
            self._replica, self._state = None, "the process is stopping"
            await replica.end()
            await self._server.stop()
            self._stop.set()  # Kopf waits five seconds for its own task that waits for this

        self._replica = replica
        replica.start(on_failure=self._stop.set)
        try:
            await kopf.operator(
                registry=make_registry(self._store, end),
                settings=make_settings(),
                clusterwide=not self._settings.namespaces,
                namespaces=self._settings.namespaces,
                stop_flag=self._stop,
            )
        finally:
            await end()
        if replica.error is not None:
            raise replica.error

    async def _kinds_are_served(self, client: Client) -> bool:
        """Wait until all of our kinds are served, for Kopf looks for them only once. False when the process is asked to stop meanwhile."""
        said = False
        while missing := await self._missing_kinds(client):
            self._state = f"waiting for the custom resource definitions of {', '.join(missing)}: install them (kubectl apply -f crds/)"
            if not said:
                _logger.warning(self._state)
            said = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _CRD_RETRY_SECONDS)
                return False
        return True

    async def _missing_kinds(self, client: Client) -> list[str]:
        api_version = OWNERS[0].api_version
        try:
            served = await client.request("get", "GET", f"/apis/{api_version}")
        except NotFound:
            return [str(resource) for resource in OWNERS]
        except ApiError as error:
            _logger.warning("the kinds of %s cannot be looked up: %s", api_version, error)
            return [str(resource) for resource in OWNERS]
        names = {item["name"] for item in served["resources"]}
        return [str(resource) for resource in OWNERS if resource.plural not in names]

    def _unhealthy(self) -> list[str]:
        return self._replica.unhealthy() if self._replica is not None else []

    def _unready(self) -> list[str]:
        return self._replica.unready() if self._replica is not None else [self._state]
