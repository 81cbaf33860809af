"""Compares what Kopf's watches have told of our own objects with what the API server holds.

Kopf's event handlers are told neither that a listing is complete, nor what was deleted while a watch was down, nor that a
watch has silently died. A list now and then, of names and versions alone, tells all three.
"""

import asyncio
import logging
import random
from collections.abc import Mapping

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import ApiError, Forbidden, NotFound
from dharma_operator.kube.resources import OWNERS, ObjectKey, key_of
from dharma_operator.store import Store, version_of

_logger = logging.getLogger(__name__)

_PERIOD_SECONDS = 300.0
_SPREAD = 0.2
_CATCH_UP_SECONDS = 30.0
_START_SECONDS = 2.0
"""At the start the list is soon read again: what was deleted between it and the first listing of a watch is never told."""
_POLL_SECONDS = 0.05
_RETRY_SECONDS = 2.0


class DeadWatchError(Exception):
    """A watch does not tell what happens. The process should be started anew."""


class Audit:
    """Looks after the watches of our own kinds."""

    def __init__(self, client: Client, store: Store, namespaces: tuple[str, ...]) -> None:
        self._client = client
        self._store = store
        self._namespaces = namespaces
        self.synced = asyncio.Event()
        """Set once the store holds all that was there at the start."""
        self.waits_for = "the first list of our kinds"
        """What is missing, for a person, until it is synced."""

    async def serve(self) -> None:
        """Wait for the first listings, then look again every five minutes. Raises DeadWatchError."""
        while not self.synced.is_set():
            try:
                if not await self._behind(_START_SECONDS):
                    self.synced.set()
            except NotFound as error:
                self.waits_for = f"the custom resource definitions, which are not installed: {error}"
                await asyncio.sleep(_RETRY_SECONDS)
            except ApiError as error:
                self.waits_for = f"the first list of our kinds: {error}"
                await asyncio.sleep(_RETRY_SECONDS)
        while True:
            await asyncio.sleep(_PERIOD_SECONDS * random.uniform(1 - _SPREAD, 1 + _SPREAD))  # noqa: S311 (spreads load, guards nothing)
            try:
                await self._look()
            except ApiError as error:
                _logger.info("the caches cannot be compared with the API server now: %s", error)

    async def _look(self) -> None:
        """Drop what is gone; two looks in a row that find the store behind mean a dead watch."""
        if await self._behind(_CATCH_UP_SECONDS) and (behind := await self._behind(_CATCH_UP_SECONDS)):
            names = ", ".join(sorted(str(key) for key in behind)[:5])
            raise DeadWatchError(f"the watch does not tell of changes any more: {names} changed over {_CATCH_UP_SECONDS:.0f} s ago")

    async def _behind(self, patience: float) -> list[ObjectKey]:
        """Return what the store does not hold, or only in an older version, and does not get to hold within `patience` seconds."""
        clock = asyncio.get_running_loop().time
        missing = await self._list()
        give_up = clock() + patience
        while True:
            missing = {key: version for key, version in missing.items() if self._lacks(key, version)}
            if not missing or clock() >= give_up:
                return list(missing)
            await asyncio.sleep(_POLL_SECONDS)

    async def _list(self) -> Mapping[ObjectKey, tuple[int, str]]:
        expected: dict[ObjectKey, tuple[int, str]] = {}
        for resource in OWNERS:
            for namespace in (self._namespaces or (None,)) if resource.namespaced else (None,):
                try:
                    listing = await self._client.list(resource, namespace, trim=_name_and_version)
                except Forbidden:
                    if namespace is None:
                        raise
                    continue  # what may not be seen is not held either; the others do not wait for the right
                present = {key_of(item, resource): (version_of(item), str(item["metadata"]["uid"])) for item in listing.items}
                for key in self._store.keep_only(resource, namespace, set(present), int(listing.resource_version)):
                    _logger.warning("%s was deleted while its watch was down", key)
                expected |= present
        return expected

    def _lacks(self, key: ObjectKey, expected: tuple[int, str]) -> bool:
        version, uid = expected
        if self._store.is_gone(uid):
            return False
        held = self._store.get(key)
        return held is None or version_of(held) < version


def _name_and_version(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion")
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": {name: metadata[name] for name in kept if name in metadata},
    }
