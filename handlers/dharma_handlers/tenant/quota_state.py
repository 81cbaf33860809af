"""What the division of quota is decided from, and what it asks for: ResourceQuotas as seen, the ledger, and guarded writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dharma_handlers import labels
from dharma_handlers.outcome import Manifest
from dharma_handlers.tenant.quota_amounts import UNLIMITED, amounts_from, texts_from

NAME: Final = "dharma-quota"
"""Name of the ResourceQuota in each namespace."""
SEQUENCE: Final = "dharma.io/quota-sequence"
"""Annotation of the ResourceQuota: sequence of the newest ledger that its last writer knew. It never becomes smaller."""


@dataclass(frozen=True, slots=True)
class QuotaObserved:
    """A ResourceQuota as it was at one resourceVersion. Amounts are whole numbers of the resource's unit."""

    namespace: str
    resource_version: str
    hard: Mapping[str, int]
    """`spec.hard`."""
    status_hard: Mapping[str, int] = field(default_factory=dict[str, int])
    """`status.hard`, which admission goes by; a resource that is not in it is not limited yet."""
    used: Mapping[str, int] = field(default_factory=dict[str, int])
    sequence: int = 0
    recent: Mapping[str, int] = field(default_factory=dict[str, int])
    """The most that admission counted within the last seconds (`quota_recent`), where `used` has fallen since."""

    def in_use(self, resource: str) -> int:
        """Return what must be taken as in use."""
        used = self.used.get(resource, 0)
        return max(used, self.recent.get(resource, 0)) if self.recent else used

    def held(self, resource: str) -> int:
        """Return what the namespace may have of the resource as long as nobody raises it."""
        return max(self.hard.get(resource, UNLIMITED), self.status_hard.get(resource, UNLIMITED), self.in_use(resource))

    def enforced(self, limits: Mapping[str, int]) -> bool:
        """Whether the API server enforces all limits here.

        Before, it admits everything: nobody may be given rights in a new namespace until this holds.
        """
        return all(name in self.hard and name in self.status_hard and name in self.used for name in limits)


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one namespace may have at most, whatever write is still on its way."""

    sequence: int
    """Of the ledger that last raised it."""
    amounts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ledger:
    """`status.allocations` of the Tenant."""

    sequence: int = 0
    """Grows with each write."""
    namespaces: Mapping[str, Allocation] = field(default_factory=dict[str, Allocation])

    def settled(self, seen: QuotaObserved | None, namespace: str) -> bool:
        """Whether no raise that this ledger granted to the namespace can still arrive: its ResourceQuota was written to afterwards."""
        entry = self.namespaces.get(namespace)
        return entry is None or (seen is not None and seen.sequence >= entry.sequence)

    def unsettled(self, seen: QuotaObserved | None, namespace: str) -> Mapping[str, int]:
        """Return the amounts that may still come of this ledger's grants to the namespace; none when it is settled."""
        return {} if self.settled(seen, namespace) else self.namespaces[namespace].amounts


@dataclass(frozen=True, slots=True)
class QuotaWrite:
    """One ResourceQuota to be written, as a whole, if it is still at that resourceVersion."""

    namespace: str
    resource_version: str | None
    """The write must be refused if the object is at another one. None: create; it must be refused if the object exists."""
    hard: Mapping[str, int]
    sequence: int

    def manifest(self, tenant: str) -> Manifest:
        """Return the object to send; the resourceVersion in it is the guard."""
        metadata: dict[str, Any] = {
            "name": NAME,
            "namespace": self.namespace,
            "labels": {labels.MANAGED_BY: labels.MANAGER, labels.TENANT: tenant},
            "annotations": {SEQUENCE: str(self.sequence)},
        }
        if self.resource_version is not None:
            metadata["resourceVersion"] = self.resource_version
        spec = {"hard": texts_from(self.hard)} if self.hard else {}
        return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec}


@dataclass(frozen=True, slots=True)
class QuotaRelease:
    """A namespace that is no project's any more: its ResourceQuota goes."""

    namespace: str
    resource_version: str | None
    """Delete only what is still at that resourceVersion. None: none was seen; ask the server, and stop if there is one."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now, in this order; everything after a write that was refused or lost must wait for the next step.

    1. `create` and `shrink`: each by itself; one that is refused is forgotten (the next step decides anew).
    2. `release`: delete the ResourceQuota of each; gone already is as good. Refused, or an error: stop.
    3. `ledger`, if given: write `status.allocations`, guarded by the resourceVersion of the Tenant that this step was computed from.
       Refused, lost or uncertain: stop.
    4. `raises`: only after that write has been confirmed, in this very run, never later and never again.
    """

    create: tuple[QuotaWrite, ...] = ()
    shrink: tuple[QuotaWrite, ...] = ()
    release: tuple[QuotaRelease, ...] = ()
    ledger: Ledger | None = None
    raises: tuple[QuotaWrite, ...] = ()
    waiting: str = ""
    """What it waits for, in a sentence; empty when all is as it should be."""

    @property
    def at_rest(self) -> bool:
        """Nothing is to be written."""
        return not (self.create or self.shrink or self.release or self.ledger)


def observed_from(manifest: Mapping[str, Any]) -> QuotaObserved:
    """Read a ResourceQuota. Raises KeyError or ValueError when it is none."""
    metadata: Mapping[str, Any] = manifest["metadata"]
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    spec: Mapping[str, Any] = manifest.get("spec") or {}
    status: Mapping[str, Any] = manifest.get("status") or {}
    sequence = annotations.get(SEQUENCE, "")
    return QuotaObserved(
        namespace=metadata["namespace"],
        resource_version=metadata["resourceVersion"],
        hard=amounts_from(spec.get("hard") or {}),
        status_hard=amounts_from(status.get("hard") or {}),
        used=amounts_from(status.get("used") or {}),
        sequence=int(sequence) if sequence.isdecimal() else 0,
    )


def ledger_from(allocations: Mapping[str, Any] | None) -> Ledger:
    """Read `status.allocations`; absent: the empty ledger."""
    if not allocations:
        return Ledger()
    namespaces: Mapping[str, Any] = allocations.get("namespaces") or {}
    entries = {name: Allocation(entry["sequence"], amounts_from(entry.get("amounts") or {})) for name, entry in namespaces.items()}
    return Ledger(allocations["sequence"], entries)


def ledger_json(ledger: Ledger) -> dict[str, Any]:
    """Write it again, sorted by name."""
    return {
        "sequence": ledger.sequence,
        "namespaces": {
            name: {"sequence": entry.sequence, "amounts": texts_from(entry.amounts)} for name, entry in sorted(ledger.namespaces.items())
        },
    }
