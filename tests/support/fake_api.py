"""A small API server in memory, behind the methods of the operator's client: resource versions, uids, preconditions, watches, outages."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from dharma_operator.kube.client import Changed, Listed, Listing, WatchItem
from dharma_operator.kube.errors import AlreadyExists, ApiError, ApiUnavailable, Conflict, NotFound
from dharma_operator.kube.resources import ObjectKey, Resource, key_of

Manifest = dict[str, Any]


def merged(live: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(live) if isinstance(live, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


class FakeApi:
    """The state that all clients share."""

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, Manifest] = {}
        self.versions = itertools.count(1)
        self.version = "0"
        self.uids = itertools.count(1)
        self.queues: list[tuple[Resource, asyncio.Queue[WatchItem | ApiError]]] = []
        self.writes: list[str] = []

    def put(self, manifest: Manifest) -> Manifest:
        """Create or replace, as somebody else would do it."""
        key = key_of(manifest)
        old = self.objects.get(key)
        manifest = copy.deepcopy(manifest)
        self.version = manifest["metadata"]["resourceVersion"] = str(next(self.versions))
        manifest["metadata"].setdefault("uid", old["metadata"]["uid"] if old else f"uid-{next(self.uids)}")
        if old is None:
            manifest["metadata"].setdefault("generation", 1)
        elif old.get("spec") != manifest.get("spec"):
            manifest["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
        self.objects[key] = manifest
        self._tell(key.resource, Changed("MODIFIED" if old else "ADDED", copy.deepcopy(manifest)))
        return copy.deepcopy(manifest)

    def remove(self, key: ObjectKey) -> None:
        """Delete, as somebody else would do it."""
        gone = self.objects.pop(key)
        self.version = gone["metadata"]["resourceVersion"] = str(next(self.versions))
        self._tell(key.resource, Changed("DELETED", gone))

    def _tell(self, resource: Resource, item: WatchItem) -> None:
        for wanted, queue in self.queues:
            if wanted == resource:
                queue.put_nowait(item)

    def listing(self, resource: Resource, namespace: str | None) -> Listing:
        items = [
            copy.deepcopy(value) for key, value in self.objects.items() if key.resource == resource and namespace in (None, key.namespace)
        ]
        return Listing(items, self.version)


class FakeClient:
    """One client of it. `fail` may raise for a verb and a key."""

    def __init__(self, api: FakeApi, fail: Callable[[str, Any], None] = lambda *_: None, delay: float = 0.0) -> None:
        self.api = api
        self.fail = fail
        self.delay = delay

    async def _begin(self, verb: str, key: Any) -> None:
        await asyncio.sleep(self.delay)
        self.fail(verb, key)

    async def get(self, key: ObjectKey) -> Manifest | None:
        await self._begin("get", key)
        return copy.deepcopy(self.api.objects.get(key))

    async def create(self, manifest: Manifest) -> Manifest:
        key = key_of(manifest)
        await self._begin("create", key)
        if key in self.api.objects:
            raise AlreadyExists(409, "AlreadyExists", f"{key} already exists")
        self.api.writes.append(f"create {key}")
        return self.api.put(manifest)

    async def patch(
        self, key: ObjectKey, body: Any, *, subresource: str | None = None, uid: str | None = None, resource_version: str | None = None
    ) -> Manifest:
        await self._begin("patch", key)
        del subresource
        live = self.api.objects.get(key)
        if live is None:
            raise NotFound(404, "NotFound", f"{key} not found")
        if uid not in (None, live["metadata"]["uid"]) or resource_version not in (None, live["metadata"]["resourceVersion"]):
            raise Conflict(409, "Conflict", f"{key} has been modified")
        self.api.writes.append(f"patch {key}")
        changed = merged(live, body)
        return self.api.put(changed) if changed != live else copy.deepcopy(live)

    async def patch_status(self, key: ObjectKey, status: Any, *, uid: str | None = None, resource_version: str | None = None) -> Manifest:
        return await self.patch(key, {"status": status}, uid=uid, resource_version=resource_version)

    async def list(self, resource: Resource, namespace: str | None = None, *, trim: Any = None, **_: Any) -> Listing:
        await self._begin("list", resource)
        found = self.api.listing(resource, namespace)
        return Listing([trim(item) for item in found.items], found.resource_version) if trim else found

    async def watch(self, resource: Resource, namespace: str | None = None, *, trim: Any = None, **_: Any) -> AsyncIterator[WatchItem]:
        await self._begin("watch", resource)
        del trim
        queue: asyncio.Queue[WatchItem | ApiError] = asyncio.Queue()
        found = self.api.listing(resource, namespace)
        self.api.queues.append((resource, queue))
        yield Listed(found.items, found.resource_version)
        while True:
            item = await queue.get()
            if isinstance(item, ApiError):
                raise item
            yield item


def outage(verb: str, key: Any) -> None:
    """A `fail` of an API server that is away."""
    raise ApiUnavailable(0, "NoAnswer", "the API server does not answer")
