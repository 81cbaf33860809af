"""The pods of a component, as the watch cache shows them: which can be asked, and where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.resources import POD, ObjectKey

COMPONENT_LABEL = "dharma.io/component"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that can be asked something."""

    name: str
    address: str
    ready: bool
    """Its readiness probe succeeds. A pod that is not ready may still tell what it is busy with."""


def pods_of(component: str, children: Mapping[ObjectKey, Manifest]) -> tuple[Pod, ...]:
    """Return the component's running pods that are not being deleted, by name."""
    found = (_pod(child) for key, child in children.items() if key.resource == POD and _component(child) == component)
    return tuple(sorted((pod for pod in found if pod is not None), key=lambda pod: pod.name))


def _component(child: Manifest) -> str | None:
    labels: Mapping[str, str] = child["metadata"].get("labels") or {}
    return labels.get(COMPONENT_LABEL)


def _pod(manifest: Manifest) -> Pod | None:
    status: Mapping[str, Any] = manifest.get("status") or {}
    address = status.get("podIP")
    if not address or status.get("phase") != "Running" or manifest["metadata"].get("deletionTimestamp"):
        return None
    return Pod(manifest["metadata"]["name"], address, _is_ready(status.get("conditions") or ()))


def _is_ready(conditions: Iterable[Mapping[str, Any]]) -> bool:
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
