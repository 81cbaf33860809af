"""Reading objects as they come from the API server, where any part may be absent or null."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def part(of: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return a map within a map, or within a map within it; empty when there is none."""
    for name in names:
        of = of.get(name) or _NOTHING
    return of


def items(of: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a list of maps within a map; empty when there is none."""
    found: list[Mapping[str, Any]] | None = of.get(name)
    return found or []


def label(manifest: Mapping[str, Any], name: str) -> str:
    """Return a label of an object; empty without it."""
    return str(part(manifest, "metadata", "labels").get(name, ""))


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's readiness probe succeeds."""
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in items(part(pod, "status"), "conditions"))
