"""Whether applying an object would change anything, decided from what the watch has told, without asking the server.

Two things together answer it, and no schema is needed. The object's `managedFields` say which fields we have applied, and in which shape
(maps and lists by member, or as one value); whoever changes one of them takes it over, and it vanishes from our set. The object itself says
which values they have, in the server's spelling, which is not always ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dharma_crds.quantity import parse_quantity
from dharma_handlers.outcome import Manifest
from dharma_operator.kube.ownership import FieldSet, applied_fields, compact_entries, member_value
from dharma_operator.kube.prepare import prepared
from dharma_operator.kube.resources import FIELD_MANAGER
from dharma_operator.kube.wire import Json, is_list, is_map

_OWNABLE_METADATA = ("annotations", "finalizers", "labels", "ownerReferences")
_IDENTITY = frozenset({"apiVersion", "kind", "metadata", "status"})
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_QUANTITIES_IN = frozenset(
    {"capacity", "default", "defaultRequest", "hard", "limits", "max", "maxLimitRequestRatio", "min", "podFixed", "requests", "target"}
)
_QUANTITIES = frozenset({"averageValue", "divisor", "sizeLimit"})
_KEY_DEFAULTS: Mapping[str, Any] = {"protocol": "TCP"}
"""Members of a list item's key that the server fills in."""
_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "apiGroup": ("rbac.authorization.k8s.io",), "apiVersion": ("v1",), "divisor": ("0",), "expirationSeconds": (3600,),
    "kind": ("PersistentVolumeClaim",), "protocol": ("TCP",), "status": ({"phase": "Pending"},), "volumeMode": ("Filesystem",),
}  # fmt: skip
"""What the server adds inside maps and lists that count as one value. Elsewhere, fields that we have not applied are others' anyway."""


def differences(wanted: Mapping[str, Any], live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> list[str]:
    """Return the paths of all fields that applying `wanted` as `manager` would change in `live`; none: there is nothing to apply.

    `live` is the object as read, or trimmed by `trim`. A path reads `spec.template.spec.containers[postgres].image`. Reported are fields
    that are absent, have another value, were taken over by another manager, or were applied once and are not wanted any more. Status and
    identity do not count, nor do fields that only others own.
    """
    return differences_as_sent(prepared(wanted), live, manager)


def differences_as_sent(sent: Mapping[str, Any], live: Mapping[str, Any], manager: str = FIELD_MANAGER) -> list[str]:
    """Return the same for an object that is `prepared` already."""
    body = {key: value for key, value in sent.items() if key not in _IDENTITY}
    metadata = {key: sent["metadata"][key] for key in _OWNABLE_METADATA if key in sent.get("metadata", {})}
    if metadata:
        body["metadata"] = metadata
    owned = {member: fields for member, fields in applied_fields(live, manager).items() if member != "f:status"}
    found: list[str] = []
    _map(body, live, owned, "", "", found)
    return sorted(found)


def trim(live: Manifest) -> Manifest:
    """Return what a cache needs of an object: `differences` gives the same answer for it, in a fraction of the memory.

    Others' managed fields and kubectl's last-applied annotation go. Of a pod's spec, which nobody applies, stay its node, account and
    containers' names, images, ports and resources. The parts that stay are shared with `live`.
    """
    metadata: Manifest = dict(live.get("metadata", {}))
    entries = compact_entries(live)
    metadata.pop("managedFields", None)
    if entries:
        metadata["managedFields"] = entries
    annotations = metadata.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    trimmed = {**live, "metadata": metadata}
    if live.get("kind") == "Pod" and "spec" in live:
        trimmed["spec"] = _trim_pod(live["spec"])
    return trimmed


def _trim_pod(spec: Manifest) -> Manifest:
    kept: Manifest = {key: spec[key] for key in ("nodeName", "serviceAccountName") if key in spec}
    container_keys = ("name", "image", "ports", "resources")
    kept["containers"] = [{key: container[key] for key in container_keys if key in container} for container in spec.get("containers", ())]
    return kept


def _map(wanted: Mapping[str, Any], live: Mapping[str, Any], owned: FieldSet, path: str, name: str, found: list[str]) -> None:
    """Compare a map of which each member has an owner of its own. `name` is the key that it stands under."""
    known = 0
    for key, value in wanted.items():
        mine = owned.get("f:" + key)
        known += mine is not None
        here = f"{path}.{key}" if path else key
        if mine is None:
            found.extend(_values(value, live.get(key), here, key, name) or [here])
        elif live.get(key) is None:
            # Once applied, empty and absent now: the server does not store this empty value. Had somebody removed it, it would not be ours.
            if value or not _leaf(mine):
                found.append(here)
        else:
            _value(value, live[key], mine, here, key, name, found)
    if known < len(owned) - ("." in owned):
        gone = [member[2:] for member in owned if member.startswith("f:") and member[2:] not in wanted]
        found.extend(f"{path}.{name}" if path else name for name in gone)


def _value(wanted: Json, live: Json, owned: FieldSet, path: str, key: str, parent: str, found: list[str]) -> None:
    if wanted == live and _leaf(owned) and isinstance(wanted, bool) is isinstance(live, bool):
        return
    if is_map(wanted) and is_map(live):
        if not _leaf(owned):
            _map(wanted, live, owned, path, key, found)
        elif wanted and not live:
            found.append(path)
        elif (wanted or key.lower().endswith("selector")) and not _same(wanted, live, key, parent):
            # (Another {} asks for nothing more than to be there, and what others put into it is theirs.)
            found.append(path)
    elif is_list(wanted) and is_list(live):
        if not _leaf(owned):
            _items(wanted, live, owned, path, key, found)
        elif not _same(wanted, live, key, parent):
            found.append(path)
    elif not _same(wanted, live, key, parent):
        found.append(path)


def _values(wanted: Json, live: Json, path: str, key: str, parent: str) -> list[str]:
    """Return the paths of values that differ, whoever owns them: once all that was ours in a map is lost, so is the map."""
    if not (is_map(wanted) and is_map(live)):
        return [] if _same(wanted, live, key, parent) else [path]
    return [found for name, value in wanted.items() for found in _values(value, live.get(name), f"{path}.{name}", name, key)]


def _items(wanted: Sequence[Any], live: Sequence[Any], owned: FieldSet, path: str, name: str, found: list[str]) -> None:
    """Compare a list of which each item has an owner of its own: a set of plain values, or maps that are told apart by keys."""
    keys: dict[str, Manifest] = {member: member_value(member) for member in owned if member.startswith("k:")}
    if not keys:
        values = [member_value(member) for member in owned if member.startswith("v:")]
        found.extend(f"{path}[{item}]" for item in wanted if item not in values or item not in live)
        found.extend(f"{path}[{item}]" for item in values if item not in wanted)
        return
    names = tuple(next(iter(keys.values())))
    mine = {tuple(key.get(part) for part in names): owned[member] for member, key in keys.items()}
    there = {_identity(item, names): item for item in live}
    asked: set[tuple[Any, ...]] = set()
    for item in wanted:
        identity = _identity(item, names)
        asked.add(identity)
        here = f"{path}[{'/'.join(str(part) for part in identity)}]"
        if identity not in mine or identity not in there:
            found.append(here)
        else:
            _value(item, there[identity], mine[identity], here, "", name, found)
    found.extend(f"{path}[{'/'.join(str(part) for part in identity)}]" for identity in mine if identity not in asked)


def _identity(item: Json, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(name, _KEY_DEFAULTS.get(name)) for name in names) if is_map(item) else ()


def _leaf(owned: FieldSet) -> bool:
    return not owned or (len(owned) == 1 and "." in owned)


def _same(wanted: Json, live: Json, key: str, parent: str) -> bool:
    """Compare two values that have one owner as a whole."""
    if is_map(wanted) and is_map(live):
        return all(
            _same(value, live[name], name, key) if live.get(name) is not None else _dropped(value) for name, value in wanted.items()
        ) and all(name in wanted or value is None or value in _DEFAULTS.get(name, ()) for name, value in live.items())
    if is_list(wanted) and is_list(live):
        return len(wanted) == len(live) and all(_same(one, other, "", key) for one, other in zip(wanted, live, strict=True))
    if wanted == live and isinstance(wanted, bool) is isinstance(live, bool):
        return True
    return (parent in _QUANTITIES_IN or key in _QUANTITIES) and _same_quantity(wanted, live)


def _dropped(value: Json) -> bool:
    """Whether the server leaves out `value`, being empty, when it stores it. (Maps are not: an empty selector selects all.)."""
    return not value and not is_map(value)


def _same_quantity(wanted: Json, live: Json) -> bool:
    try:
        return parse_quantity(str(wanted)) == parse_quantity(str(live))
    except ValueError:
        return False
