"""What has to be written so that an owner's children are as wanted: pure decisions, carried out by `applier.py`."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dharma_handlers.outcome import RETAIN_ANNOTATION, Manifest, Mode, Wanted
from dharma_operator.kube.compare import differences_as_sent
from dharma_operator.kube.ownership import wrote
from dharma_operator.kube.prepare import prepared
from dharma_operator.kube.resources import (
    CRON_JOB,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NAMESPACE,
    REPLICA_SET,
    STATEFUL_SET,
    ObjectKey,
    Resource,
    key_of,
    owner_label,
)
from dharma_operator.kube.wire import Json

_WORKLOADS = frozenset({CRON_JOB, DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, JOB, REPLICA_SET, STATEFUL_SET})
RANKS = 3


@dataclass(frozen=True, slots=True)
class Child:
    """One wanted child as it is sent: with its labels and owner."""

    key: ObjectKey
    manifest: Manifest
    mode: Mode
    adopt: bool = False

    @property
    def scope(self) -> str:
        """The namespace it is in, or that it is: what goes wrong in one namespace must not stop what is done in another."""
        return scope_of(self.key)


@dataclass(frozen=True, slots=True)
class Step:
    """One write that is needed."""

    child: Child
    action: Literal["Create", "Update"]
    fields: tuple[str, ...] = ()
    """For Update: what differs."""
    live: Manifest | None = None
    """For Update: the object as last seen."""


def child_of(owner: Manifest, wanted: Wanted) -> Child:
    """Add to a wanted object what makes it the owner's child.

    Its labels name the operator and the owner, so that the watch sees it; not so with CREATE_ONLY, whose labels stay as they are: what
    another process fills need not be watched. It gets an owner reference, by which Kubernetes deletes it after the owner, unless it has
    some already, is to be retained, or the owner lives in a namespace that it is not in.
    """
    key = key_of(wanted.manifest)
    manifest = prepared(wanted.manifest)
    metadata = manifest["metadata"] = dict(manifest["metadata"])
    if wanted.mode is not Mode.CREATE_ONLY:
        labels = {MANAGED_BY_LABEL: MANAGED_BY, owner_label(owner["kind"]): owner["metadata"]["name"]}
        metadata["labels"] = {**labels, **metadata.get("labels", {})}
    owner_namespace = owner["metadata"].get("namespace")
    reachable = owner_namespace is None or owner_namespace == key.namespace
    if reachable and not retained(manifest) and "ownerReferences" not in metadata:
        metadata["ownerReferences"] = [owner_reference(owner)]
    return Child(key, manifest, wanted.mode, wanted.adopt)


def scope_of(key: ObjectKey) -> str:
    """Name the namespace that an object is in, or is; empty for other objects of cluster scope."""
    return key.namespace or (key.name if key.resource == NAMESPACE else "")


def owner_reference(owner: Mapping[str, Any]) -> Manifest:
    """Return the reference by which a child names the object that controls it.

    Without `blockOwnerDeletion`: clusters that check it want a right on the owner's finalizers for it, and nothing here needs to wait.
    """
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }


def retained(manifest: Mapping[str, Any]) -> bool:
    """Whether the object outlives its being wanted."""
    annotations: Mapping[str, str] = manifest["metadata"].get("annotations") or {}
    return annotations.get(RETAIN_ANNOTATION) == "true"


def terminating(live: Mapping[str, Any]) -> bool:
    """Whether the object is being deleted."""
    return "deletionTimestamp" in live["metadata"]


def stranger(owner: Mapping[str, Any], live: Mapping[str, Any]) -> str | None:
    """Name whoever the object belongs to, if that is neither this owner nor nobody of us: `Blueprint shop`, `someone else`."""
    labels: Mapping[str, str] = live["metadata"].get("labels") or {}
    controller = next((item for item in live["metadata"].get("ownerReferences") or () if item.get("controller")), None)
    if controller is not None and controller["uid"] != owner["metadata"]["uid"]:
        return f"{controller['kind']} {controller['name']}"
    name = labels.get(owner_label(owner["kind"]))
    if name is not None and name != owner["metadata"]["name"]:
        return f"{owner['kind']} {name}"
    return None if labels.get(MANAGED_BY_LABEL) == MANAGED_BY or wrote(live) else "someone else"


def step_for(child: Child, live: Manifest | None) -> Step | None:
    """Decide what is to be done about one child. None: nothing, or nothing yet."""
    if live is None:
        return None if child.mode in {Mode.UPDATE_ONLY, Mode.KEEP} else Step(child, "Create")
    if child.mode in {Mode.CREATE_ONLY, Mode.KEEP} or terminating(live):
        return None
    fields = differences_as_sent(child.manifest, live)
    return Step(child, "Update", tuple(fields), live) if fields else None


def prunable(owner: Manifest, wanted: Iterable[ObjectKey], children: Mapping[ObjectKey, Manifest]) -> list[ObjectKey]:
    """Return the children that nothing wants any more, workloads first.

    Not among them: what is to be retained, what is being deleted, what we never wrote (pods, claims and slices that controllers made from
    our templates carry our labels too), and what another owner controls.
    """
    keep = set(wanted)
    surplus = [
        key
        for key, live in children.items()
        if key not in keep and not retained(live) and not terminating(live) and wrote(live) and stranger(owner, live) is None
    ]
    return sorted(surplus, key=lambda key: (-rank(key.resource), str(key)))


def rank(resource: Resource) -> int:
    """Order of creation, from 0: namespaces, then what workloads need, then workloads."""
    if resource == NAMESPACE:
        return 0
    return 2 if resource in _WORKLOADS else 1


def revision_hash(objects: Sequence[Wanted]) -> str:
    """Hash of a wanted set, for `status.revision.hash`. Independent of the order of objects and of fields.

    What is only created, and then filled by others, does not count: it is never drift, and may be wanted just while it is missing. Nor does
    what the controller writes by itself.
    """
    counted = (item for item in objects if item.mode not in {Mode.CREATE_ONLY, Mode.KEEP})
    return _digest(sorted((str(key_of(item.manifest)), item.mode.value, _text(prepared(item.manifest))) for item in counted))


def state_digest(manifest: Manifest, live: Manifest) -> str:
    """Hash of a wanted object and of what it has become, apart from what changes by itself (status, versions)."""
    ignored = {"generation", "managedFields", "resourceVersion"}
    metadata = {key: value for key, value in live["metadata"].items() if key not in ignored}
    body = {key: value for key, value in live.items() if key not in {"metadata", "status"}}
    return _digest([manifest, metadata, body])


def _text(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _digest(value: Json) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()[:16]
