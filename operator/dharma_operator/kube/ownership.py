"""Who owns which field: `metadata.managedFields`, as the server keeps it and as the cache does."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias, cast

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.resources import FIELD_MANAGER
from dharma_operator.kube.wire import Json

FieldSet: TypeAlias = Mapping[str, Any]
"""A tree in the server's `FieldsV1` form. Members: `f:<field>`, `k:<keys of a list's item, as JSON>`, `v:<value in a set, as JSON>` and `.`
(the thing itself). A node without members is owned as a whole: a plain value, something empty, or a map or list that is one value."""

_NOTHING: FieldSet = {}
_AUTOSCALER = "kube-controller-manager"
"""Field manager of HorizontalPodAutoscalers, which write through the `scale` subresource."""


def wrote(live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> bool:
    """Whether `manager` ever wrote the object itself (its status does not count): others' objects may carry our labels too."""
    return any(entry.get("manager") == manager and not entry.get("subresource") for entry in _entries(live))


def by_others(live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> bool:
    """Whether somebody else than `manager` wrote the object itself, as the server tells it in full."""
    return any(entry.get("manager") != manager and not entry.get("subresource") for entry in _entries(live))


def autoscaled(live: Mapping[str, Any]) -> bool:
    """Whether an autoscaler has set the number of replicas. It may be gone since: then that number simply stayed."""
    return any(entry.get("manager") == _AUTOSCALER and entry.get("subresource") == "scale" for entry in _entries(live))


def applied_fields(live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> FieldSet:
    """Return the fields that `manager` owns by server-side apply. The result is shared: read only."""
    found: FieldSet = _NOTHING
    for entry in _entries(live):
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            fields = entry.get("fieldsV1") or _NOTHING
            parsed = _parse(fields) if isinstance(fields, str) else fields
            found = _union(found, parsed) if found else parsed
    return found


def compact_entries(live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> list[Manifest]:
    """Return what this module needs of `managedFields`, with each tree as JSON text, a tenth of its size in memory."""
    compact: list[Manifest] = []
    for entry in _entries(live):
        if entry.get("manager") == _AUTOSCALER and entry.get("subresource") == "scale":
            compact.append({"manager": _AUTOSCALER, "subresource": "scale"})
        if entry.get("manager") != manager or entry.get("subresource"):
            continue
        kept = {"manager": manager, "operation": entry.get("operation")}
        if entry.get("operation") == "Apply":
            fields = entry.get("fieldsV1") or _NOTHING
            kept["fieldsV1"] = fields if isinstance(fields, str) else json.dumps(fields, separators=(",", ":"), sort_keys=True)
        compact.append(kept)
    return compact


@lru_cache(maxsize=8192)
def member_value(member: str) -> Json:
    """Return what stands in `k:{"name":"postgres"}` or `v:"x"`. The result is shared: read only."""
    return json.loads(member[2:])


@lru_cache(maxsize=512)
def _parse(text: str) -> FieldSet:
    # Children of one kind own the same fields, whatever their values: a few trees serve thousands of objects.
    return cast("FieldSet", json.loads(text))


def _entries(live: Mapping[str, Any]) -> list[Manifest]:
    return cast("list[Manifest]", live.get("metadata", {}).get("managedFields") or [])


def _union(one: FieldSet, other: FieldSet) -> FieldSet:
    """Two entries of one manager exist after its objects were applied in two API versions."""
    return {**one, **other, **{member: _union(one[member], other[member]) for member in one.keys() & other.keys()}}
