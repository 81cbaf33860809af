"""What the API server last told: our own objects and their children, trimmed, indexed by owner, newer wins."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from dharma_handlers.outcome import Manifest
from dharma_operator.engine import Cause
from dharma_operator.kube.compare import trim
from dharma_operator.kube.resources import OWNERS, ObjectKey, Resource, key_of, owner_label, resource_of
from dharma_operator.workqueue import OwnerKey

OWNER_LABELS: Mapping[Resource, str] = MappingProxyType({resource: owner_label(resource.kind) for resource in OWNERS})
"""The label by which a child names its owner of each kind."""

OnChange = Callable[[OwnerKey, Cause], None]
"""Told of each owner that has something to do."""

OnVersion = Callable[[ObjectKey, Manifest | None], None]
"""Told of each version of an object; None: it is gone."""

EnsureWatch = Callable[[Resource, str], Awaitable[None]]

_TOMBSTONES = 4096
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NOTHING: Mapping[ObjectKey, Manifest] = MappingProxyType({})
_NO_PART: Mapping[str, Any] = MappingProxyType({})


def part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a map within a map, empty when there is none."""
    return of.get(name) or _NO_PART


def owner_key(manifest: Mapping[str, Any]) -> OwnerKey:
    """Return the key of an object of our kinds."""
    metadata = manifest["metadata"]
    return OwnerKey(manifest["kind"], metadata.get("namespace") or "", metadata["name"])


def object_key(owner: OwnerKey) -> ObjectKey:
    """Return the same key, as the API client takes it. Raises KeyError for a kind that is not ours."""
    return ObjectKey(_OWNER_RESOURCES[owner.kind], owner.namespace or None, owner.name)


_OWNER_RESOURCES = {resource.kind: resource for resource in OWNERS}


def version_of(manifest: Mapping[str, Any]) -> int:
    """Return the resource version as the number that Kubernetes guarantees it to be since 1.35; 0 without one."""
    text = str(manifest["metadata"].get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0


def owners_of(child: Mapping[str, Any]) -> Iterator[OwnerKey]:
    """Yield the objects of our kinds that a child names by its labels."""
    metadata = child["metadata"]
    labels = part(metadata, "labels")
    for resource, label in OWNER_LABELS.items():
        if name := labels.get(label):
            yield OwnerKey(resource.kind, (metadata.get("namespace") or "") if resource.namespaced else "", name)


def trim_owner(manifest: Manifest) -> Manifest:
    """Return one of our objects without what no decision needs: the record of who set which field, and kubectl's copy of the whole."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "managedFields"}
    annotations = metadata.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        metadata["annotations"] = {name: value for name, value in annotations.items() if name != _LAST_APPLIED}
    return {**manifest, "metadata": metadata}


def _asks_for_a_run(old: Manifest | None, new: Manifest) -> bool:
    """Tell whether an owner changed in more than its status, which is our own word."""
    if old is None:
        return True
    was, now = old["metadata"], new["metadata"]
    fields = ("uid", "generation", "labels", "annotations", "deletionTimestamp")
    return any(was.get(field) != now.get(field) for field in fields)


def _content(child: Manifest) -> dict[str, Any]:
    """Return a child without the counters and times that change though nothing else does."""
    metadata = {name: value for name, value in child["metadata"].items() if name not in {"resourceVersion", "managedFields"}}
    managers = [{**entry, "time": None} for entry in child["metadata"].get("managedFields") or ()]
    return {**child, "metadata": metadata, "managers": managers}


def _unheard(_: OwnerKey, __: Cause) -> None:
    """Hear of changes before anybody can act on them."""


class Store:
    """The operator's view of the cluster.

    It is fed by watches and by the answers to the operator's own writes; of two states of one object the one with the higher
    resource version stays, so that a decision never rests on less than what the operator itself has written.
    """

    def __init__(self, on_change: OnChange | None = None) -> None:
        self._on_change = on_change or _unheard
        self._objects: dict[Resource, dict[ObjectKey, Manifest]] = {}
        self._children: dict[OwnerKey, dict[ObjectKey, Manifest]] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._ensure: EnsureWatch | None = None
        self._followed: dict[Resource, OnVersion] = {}

    def connect(self, *, on_change: OnChange, ensure_watch: EnsureWatch) -> None:
        """Name the one who hears of changes, and the one who starts watches for `ensure_namespaced_watch`."""
        self._on_change = on_change
        self._ensure = ensure_watch

    def follow(self, resource: Resource, on_version: OnVersion) -> None:
        """Name the one who hears of each version of this kind's objects as it is taken in, not only of what is there when he looks."""
        self._followed[resource] = on_version

    async def ensure_namespaced_watch(self, resource: Resource, namespace: str) -> None:
        """See that our objects of this kind in this namespace are in the store, from now on as long as the right to see them lasts.

        Returns when the first listing is in. Raises Forbidden when the right is missing, after some seconds of patience: a new one
        takes a moment.
        """
        if self._ensure is None:
            raise RuntimeError("no one starts watches for this store")
        await self._ensure(resource, namespace)

    def get(self, key: ObjectKey) -> Manifest | None:
        """One object as last seen. Shared: do not change it."""
        return self._objects.get(key.resource, {}).get(key)

    def owner(self, key: OwnerKey) -> Manifest | None:
        """One object of our kinds as last seen."""
        return self.get(object_key(key))

    def owners(self) -> Iterator[OwnerKey]:
        """All objects of our kinds."""
        for resource in OWNERS:
            for key in self._objects.get(resource, ()):
                yield OwnerKey(resource.kind, key.namespace or "", key.name)

    def orphaned(self) -> list[OwnerKey]:
        """All objects of our kinds that children name and that do not exist."""
        return [key for key in self._children if self.owner(key) is None]

    def children(self, owner: OwnerKey) -> dict[ObjectKey, Manifest]:
        """All objects that name this owner by their labels, at this moment."""
        return dict(self._children.get(owner, _NOTHING))

    def keys(self, resource: Resource, namespace: str | None = None) -> list[ObjectKey]:
        """All objects of a kind, in one namespace or in all."""
        return [key for key in self._objects.get(resource, ()) if namespace is None or key.namespace == namespace]

    def is_gone(self, uid: str) -> bool:
        """Whether an object with this uid was deleted not long ago."""
        return uid in self._deleted

    def counts(self) -> dict[Resource, int]:
        """How many objects of each kind are held."""
        return {resource: len(objects) for resource, objects in self._objects.items()}

    def seen(self, manifest: Manifest, resource: Resource | None = None) -> None:
        """Take in what a watch told; of a child, what `trim` left of it."""
        self._put(manifest, resource, ours=False)

    def wrote(self, manifest: Manifest) -> None:
        """Take in the answer to an own write: no news for the child's owner, who wrote it."""
        self._put(manifest, None, ours=True)

    def removed(self, key: ObjectKey, uid: str | None) -> None:
        """Take in that an object is gone; what is told of that very object later is old. Another one of the same name stays."""
        if uid:
            self._deleted[uid] = None
            if len(self._deleted) > _TOMBSTONES:
                self._deleted.popitem(last=False)
        old = self.get(key)
        if old is None or (uid and old["metadata"].get("uid") != uid):
            return
        del self._objects[key.resource][key]
        if key.resource in OWNERS:
            self._on_change(owner_key(old), Cause.SPEC)
            return
        self._unlink(key, old)
        if key.resource in self._followed:
            self._followed[key.resource](key, None)
        for owner in owners_of(old):
            self._on_change(owner, Cause.CHILD)

    def listed(self, resource: Resource, namespace: str | None, manifests: Iterable[Manifest], resource_version: str) -> None:
        """Take in a complete list: what is not in it and not newer than it is gone."""
        present: set[ObjectKey] = set()
        for manifest in manifests:
            present.add(key_of(manifest, resource))
            self.seen(manifest, resource)
        self.keep_only(resource, namespace, present, int(resource_version))

    def keep_only(self, resource: Resource, namespace: str | None, present: set[ObjectKey], version: int) -> list[ObjectKey]:
        """Drop what is not among `present` and is not newer than `version`; return what was dropped."""
        gone = [key for key in self.keys(resource, namespace) if key not in present and version_of(self._objects[resource][key]) <= version]
        for key in gone:
            self.removed(key, self._objects[resource][key]["metadata"].get("uid"))
        return gone

    def drop(self, resource: Resource, namespace: str) -> None:
        """Forget all objects of a kind in a namespace, as they are not watched any more. Nobody is told."""
        for key in self.keys(resource, namespace):
            self._unlink(key, self._objects[resource].pop(key))

    def _put(self, manifest: Manifest, resource: Resource | None, *, ours: bool) -> None:
        resource = resource or resource_of(manifest)
        key = key_of(manifest, resource)
        old = self.get(key)
        if manifest["metadata"].get("uid") in self._deleted or (old is not None and version_of(manifest) <= version_of(old)):
            return
        if resource in OWNERS:
            new = trim_owner(manifest)
            self._objects.setdefault(resource, {})[key] = new
            if _asks_for_a_run(old, new):
                self._on_change(owner_key(new), Cause.SPEC)
            return
        new = trim(manifest) if ours else manifest
        self._objects.setdefault(resource, {})[key] = new
        if resource in self._followed:
            self._followed[resource](key, new)
        if old is not None:
            self._unlink(key, old)
        for owner in owners_of(new):
            self._children.setdefault(owner, {})[key] = new
        if not ours and (old is None or _content(old) != _content(new)):
            for owner in {*owners_of(new), *(owners_of(old) if old else ())}:
                self._on_change(owner, Cause.CHILD)

    def _unlink(self, key: ObjectKey, child: Manifest) -> None:
        for owner in owners_of(child):
            siblings = self._children.get(owner)
            if siblings is not None and siblings.pop(key, None) is not None and not siblings:
                del self._children[owner]
