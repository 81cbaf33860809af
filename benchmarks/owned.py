"""What the operator applied, got back from what is there: the fields that it owns, and nothing that the server or others added."""

import json
from collections.abc import Mapping
from typing import Any

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.resources import FIELD_MANAGER
from dharma_operator.kube.wire import Json, is_list, is_map

_OWN = ("ownerReferences",)


def owned(live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> Manifest | None:
    """Return the manifest that makes such an object anew, in no namespace and of no owner; None when `manager` wrote nothing of it."""
    found: dict[str, Any] = {}
    for entry in live["metadata"].get("managedFields", ()):
        if entry["manager"] == manager and not entry.get("subresource"):
            _merge(found, _extract(entry["fieldsV1"], live))
    if not found:
        return None
    metadata = {name: value for name, value in found.get("metadata", {}).items() if name not in _OWN}
    return {**found, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": {**metadata, "name": live["metadata"]["name"]}}


def _extract(fields: Mapping[str, Any], live: Json) -> Json:
    """Return the part of `live` that a tree of `FieldsV1` names."""
    members = {member: below for member, below in fields.items() if member != "."}
    if not members:
        return live if not fields else _emptied(live)
    if is_list(live):
        return [part for member, below in members.items() for part in _items(member, below, live)]
    return {member[2:]: _extract(below, live[member[2:]]) for member, below in members.items() if member[2:] in live}


def _items(member: str, below: Mapping[str, Any], live: list[Any]) -> list[Any]:
    said = json.loads(member[2:])
    if member.startswith("v:"):
        return [said]
    chosen = [item for item in live if all(item.get(key) == value for key, value in said.items())]
    return [{**said, **_extract(below, item)} for item in chosen]


def _emptied(live: Json) -> Json:
    if is_map(live):
        return {}
    return [] if is_list(live) else live


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if is_map(value) and is_map(into.get(name)):
            _merge(into[name], value)
        else:
            into[name] = value
