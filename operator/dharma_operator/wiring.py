"""What Kopf does for us: it watches our four kinds, logs in, and runs and stops the process.

Only event handlers are registered, so Kopf writes nothing: no finalizer, no annotation, no status. The registry is explicit;
nothing is registered by importing a module.
"""

import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator

import kopf

from dharma_operator.kube.auth import login
from dharma_operator.kube.resources import OWNERS, Resource, key_of
from dharma_operator.kube.wire import Json
from dharma_operator.store import Store

_logger = logging.getLogger(__name__)


class _Patience:
    """Seconds between Kopf's attempts at a request, without end: an API server that is away for long does not end the operator."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.2, 0.5, 1, 2), itertools.repeat(3.0))


class _NoDiffs(kopf.DiffBaseStorage):
    """Kopf copies every object, twice, to tell changes from what it keeps of former states. Nothing here asks it for changes."""

    def build(self, **_: Json) -> kopf.BodyEssence:
        """Keep nothing."""
        return kopf.BodyEssence()

    def fetch(self, **_: Json) -> kopf.BodyEssence | None:
        """Know nothing of former states."""
        return None

    def store(self, **_: Json) -> None:
        """Write nothing."""


def make_registry(store: Store, at_cleanup: Callable[[], Awaitable[None]]) -> kopf.OperatorRegistry:
    """Make the registry of all handlers. `at_cleanup` runs when Kopf has stopped its watches, before the process ends."""
    registry = kopf.OperatorRegistry()

    async def log_in(settings: kopf.OperatorSettings, **_: Json) -> kopf.ConnectionInfo:
        return await login(settings)

    async def clean_up(**_: Json) -> None:
        try:
            await at_cleanup()
        except Exception:
            # Kopf would try again after a minute: far beyond the time that a stopping process has.
            _logger.exception("the operator did not end in order")

    kopf.on.login(registry=registry)(log_in)
    kopf.on.cleanup(registry=registry)(clean_up)
    for resource in OWNERS:
        register_owner(registry, store, resource)
    return registry


def register_owner(registry: kopf.OperatorRegistry, store: Store, resource: Resource) -> None:
    """Feed the store with objects of one of our kinds. The kind is named by group and version: `deployments` alone are those of `apps`."""

    async def observe(event: Json, **_: Json) -> None:
        manifest = event["object"]
        if event["type"] == "DELETED":
            store.removed(key_of(manifest, resource), manifest["metadata"].get("uid"))
        else:
            store.seen(manifest, resource)

    kopf.on.event(resource.group, resource.version, resource.plural, id=resource.plural, registry=registry)(observe)


def make_settings() -> kopf.OperatorSettings:
    """Make Kopf's settings: it watches, and does nothing else."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True  # the process waits for its kinds before Kopf starts
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = _Patience()
    settings.queueing.idle_timeout = 1  # each object that an event came for has a task for so long
    settings.queueing.exit_timeout = 1
    return settings
