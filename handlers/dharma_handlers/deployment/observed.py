"""All that a decision about a Deployment may look at, and what it reads out of it. The shell fills it; nothing here does I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from dharma_crds.blueprint import Blueprint
from dharma_crds.deployment import CheckStatus
from dharma_handlers import labels
from dharma_handlers.deployment.names import Names
from dharma_handlers.deployment.parts import is_ready, items, label, part
from dharma_handlers.deployment.revision import Revision, hash_on, revision_on
from dharma_handlers.outcome import Manifest

ObjectName = tuple[str, str]
"""Kind and name of an object in the Deployment's namespace."""

BOTH: Final = "*"
"""What a Service selects that selects the pods of all versions."""
_SERVICE_NAME: Final = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that was seen for one decision."""

    now: datetime
    children: Mapping[ObjectName, Manifest] = field(default_factory=dict[ObjectName, Manifest])
    """All objects labelled as this Deployment's, pods and EndpointSlices included, from the watch cache."""
    blueprints: Mapping[str, Blueprint] = field(default_factory=dict[str, Blueprint])
    """The Blueprints of the namespace that `bind` names, those that are there."""
    quotas: tuple[Manifest, ...] | None = None
    """ResourceQuotas of the namespace. None: not asked; a decision that needs them says so."""
    checks: tuple[CheckStatus, ...] = ()
    """How the checks stand that run, or have ended, for the version and the stage that were last asked for."""
    autoscaled: frozenset[str] = frozenset()
    """ReplicaSets whose number of pods an autoscaler has set."""


@dataclass(frozen=True)
class View:
    """The Deployment's objects, read."""

    names: Names
    observed: Observed

    @cached_property
    def replica_sets(self) -> dict[str, Manifest]:
        """All ReplicaSets, by the version that they run."""
        return {
            hash_on(item): item for item in self._of_kind("ReplicaSet") if hash_on(item) and "deletionTimestamp" not in item["metadata"]
        }

    def revision(self, version: str) -> Revision | None:
        """Return an earlier version, from its ReplicaSet."""
        replica_set = self.replica_sets.get(version)
        return None if replica_set is None else revision_on(replica_set)

    def scale(self, version: str) -> int:
        """Tell how many pods there are to be of a version; 0 without a ReplicaSet."""
        replica_set = self.replica_sets.get(version)
        return 0 if replica_set is None else int(replica_set["spec"].get("replicas", 1))

    def pods(self, version: str) -> list[Manifest]:
        """List the pods of a version that run or are to run: not those that are on their way out, nor what evictions left."""
        return [pod for pod in self._of_kind("Pod") if hash_on(pod) == version and not _ended(pod)]

    def ready(self, version: str) -> frozenset[str]:
        """Return the uids of the ready ones among them."""
        return frozenset(pod["metadata"]["uid"] for pod in self.pods(version) if is_ready(pod))

    @cached_property
    def jobs(self) -> list[Manifest]:
        """All Jobs of checks."""
        return list(self._of_kind("Job"))

    def service(self, name: str) -> Manifest | None:
        """One of the Services as it is now."""
        return self.observed.children.get(("Service", name))

    def selected(self, service: str) -> str | None:
        """Name the version that a Service selects, or BOTH. None: there is no such Service."""
        live = self.service(service)
        return None if live is None else str(part(live, "spec", "selector").get(labels.REVISION, BOTH))

    def holds_exactly(self, service: str, uids: frozenset[str]) -> bool:
        """Tell whether a Service leads to these pods and to no others: in the slices of each family of addresses."""
        families = self._ready_endpoints(service)
        return all(found == uids for found in families.values()) if families else not uids

    def _ready_endpoints(self, service: str) -> dict[str, frozenset[str]]:
        families: dict[str, frozenset[str]] = {}
        for item in self._of_kind("EndpointSlice"):
            if label(item, _SERVICE_NAME) != service:
                continue
            family = str(item.get("addressType", ""))
            ready = {_target(endpoint) for endpoint in items(item, "endpoints") if _endpoint_ready(endpoint)}
            families[family] = families.get(family, frozenset()) | ready
        return families

    def _of_kind(self, kind: str) -> Iterator[Manifest]:
        return (child for (found, _), child in self.observed.children.items() if found == kind)


def _ended(pod: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"] or part(pod, "status").get("phase") in {"Failed", "Succeeded"}


def _endpoint_ready(endpoint: Mapping[str, Any]) -> bool:
    ready = part(endpoint, "conditions").get("ready")
    return ready is None or bool(ready)  # unknown counts as ready: proxies read it so


def _target(endpoint: Mapping[str, Any]) -> str:
    """Name the pod of an endpoint by its uid; one that is no pod's by its address, so that it equals none."""
    return str(part(endpoint, "targetRef").get("uid") or f"address {endpoint.get('addresses')}")
