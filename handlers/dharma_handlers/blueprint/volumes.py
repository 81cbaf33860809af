"""Volume claims, made by the operator before the workload asks for them, so that growing one is an ordinary change."""

from dharma_crds.blueprint import Storage
from dharma_crds.quantity import Quantity
from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Manifest

VOLUME = "data"
"""Name of the volume in pods and of the claim template; a claim is `data-<pod>`."""


def claims(scope: Scope, storage: Storage, count: int, used_bytes: int | None = None) -> list[Manifest]:
    """Build the claims of the first `count` pods. Volumes never shrink: a claim keeps the size that it has, if that is larger."""
    size = wanted_size(scope, storage, count, used_bytes)
    built: list[Manifest] = []
    for ordinal in range(count):
        name = scope.names.claim(ordinal)
        largest = max(size, _requested(scope.child("PersistentVolumeClaim", name)) or size)
        metadata = scope.metadata(name, holds_data=True)
        built.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": _spec(storage, str(largest))})
    return built


def wanted_size(scope: Scope, storage: Storage, count: int, used_bytes: int | None) -> Quantity:
    """Decide the size of all volumes: the spec's, or the next step when the data fills more than `grow.above` percent of the present one.

    A step is taken from the size that the volumes have now, and only when they have it: a resize under way is waited for.
    """
    grow = storage.grow
    live = [scope.child("PersistentVolumeClaim", scope.names.claim(ordinal)) for ordinal in range(count)]
    requested = [size for size in map(_requested, live) if size is not None]
    capacities = [size for size in map(_capacity, live) if size is not None]
    if grow is None or used_bytes is None or not requested or len(capacities) < len(requested) or min(capacities) < max(requested):
        return storage.size
    present = max(requested).bytes
    if used_bytes * 100 <= present * grow.above:
        return storage.size
    grown = min(present * (100 + grow.step) // 100, grow.max.bytes)
    return max(storage.size, Quantity.of_bytes(grown))


def templates(scope: Scope, storage: Storage) -> list[Manifest]:
    """Build a StatefulSet's claim templates. They cannot be changed: those of a live one are said again as they are."""
    live = scope.child("StatefulSet", scope.names.base)
    spec = _spec(storage, str(storage.size))
    if live is not None:
        template = live["spec"]["volumeClaimTemplates"][0]["spec"]
        spec["resources"] = {"requests": {"storage": template["resources"]["requests"]["storage"]}}
        if "storageClassName" in template:
            spec["storageClassName"] = template["storageClassName"]
    return [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": VOLUME}, "spec": spec}]


def _spec(storage: Storage, size: str) -> Manifest:
    spec: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    return spec


def _requested(claim: Manifest | None) -> Quantity | None:
    return None if claim is None else Quantity(claim["spec"]["resources"]["requests"]["storage"])


def _capacity(claim: Manifest | None) -> Quantity | None:
    capacity = (claim or {}).get("status", {}).get("capacity", {}).get("storage")
    return None if capacity is None else Quantity(capacity)
