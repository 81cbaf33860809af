"""A change of one field, and what of it is a change at all: values flattened to leaves, spellings and defaults evened out."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

Json = Any
"""What JSON can hold: None, bool, int, float, str, list, dict."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that is not as it should be."""

    kind: str
    """Of the object, such as `Deployment`."""
    name: str
    """`namespace/name`, or the name alone of what has no namespace."""
    path: str
    """From the root: `spec.template.spec.containers[web].image`; keys of maps and names in lists in brackets. Empty: the whole object."""
    before: Json
    """What should be there; None for nothing."""
    after: Json
    """What is there; None for nothing."""
    manager: str = ""
    """Who wrote it, as the field's owner calls itself; empty when unknown. Anyone can call itself anything."""
    time: float = 0.0
    """When, seconds since 1970 UTC; 0 when unknown."""
    reach: int = 1
    """How many running things hang on the object: replicas, selected pods, bound accounts."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value that differs."""

    path: str
    """With empty brackets, such as `spec.containers[].image`: what rules are written for."""
    key: str
    """What stood in the last brackets; empty for none."""
    before: Json
    after: Json
    full: str = ""
    """The path with what stands in its brackets."""


_BRACKETS: Final = re.compile(r"\[[^\]]*\]")
_LAST: Final = re.compile(r"\[([^\]]*)\][^\[]*$")
_QUANTITY: Final = re.compile(r"^([0-9.]+)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$")
_FACTOR: Final = {
    None: 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip
_KEYS: Final = ("name", "mountPath", "containerPort", "port", "key", "ip", "type", "path", "host")
"""By which members lists of objects are compared, the first that all items have with different values."""


def general(path: str) -> str:
    """Empty the brackets."""
    return _BRACKETS.sub("[]", path)


def quantity(value: Json) -> float | None:
    """Read a Kubernetes quantity (`500m`, `1Gi`, 2) in its unit; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    found = _QUANTITY.match(value) if isinstance(value, str) else None
    try:
        return float(found[1]) * _FACTOR[found[2]] if found else None
    except ValueError:
        return None


def leaves(change: Change) -> list[Leaf]:
    """Take a change apart into the values that differ; empty when before and after say the same."""
    before, after = dict(_flat(change.path, change.before, change.after)), dict(_flat(change.path, change.after, change.before))
    found: list[Leaf] = []
    for path in [*before, *(path for path in after if path not in before)]:
        old, new = before.get(path), after.get(path)
        if not _same(old, new):
            last = _LAST.search(path)
            found.append(Leaf(general(path), last[1] if last else "", old, new, path))
    return found


def _flat(path: str, value: Json, other: Json) -> Iterator[tuple[str, Json]]:
    match value:
        case dict():
            beside = _mapping(other)
            for key, inner in _mapping(value).items():
                plain = re.fullmatch(r"\w+", str(key)) and not path.endswith(("labels", "annotations", "data", "stringData"))
                yield from _flat(f"{path}.{key}".lstrip(".") if plain else f"{path}[{key}]", inner, beside.get(key))
        case list():
            yield from _flat_list(path, _sequence(value), _sequence(other))
        case None:
            return
        case _:
            yield path, value


def _flat_list(path: str, items: list[Json], others: list[Json]) -> Iterator[tuple[str, Json]]:
    if not all(isinstance(item, dict) for item in items):
        for item in items:
            yield f"{path}[{item if isinstance(item, str | int | float) else json.dumps(item, sort_keys=True)}]", item
        return
    known = {json.dumps(item, sort_keys=True) for item in others}
    key = next((key for key in _KEYS if _tells_apart(key, items) and _tells_apart(key, others)), None)
    if key is not None:
        named = {item[key]: item for item in others}
        for item in items:
            yield from _flat(f"{path}[{item[key]}]", item, named.get(item[key]))
        return
    # Items that both sides have are the same wherever they stand; the rest is compared in order.
    rest = [item for item in others if json.dumps(item, sort_keys=True) not in {json.dumps(one, sort_keys=True) for one in items}]
    left = [item for item in items if json.dumps(item, sort_keys=True) not in known]
    for index, item in enumerate(left):
        if item == {}:  # in a list it says something: a rule without conditions holds for everything
            yield f"{path}[{index}]", "{}"
        yield from _flat(f"{path}[{index}]", item, rest[index] if index < len(rest) else None)


def _mapping(value: Json) -> dict[str, Json]:
    return cast("dict[str, Json]", value) if isinstance(value, dict) else {}


def _sequence(value: Json) -> list[Json]:
    return list(cast("Iterable[Json]", value)) if isinstance(value, list) else []


def _tells_apart(key: str, items: list[Json]) -> bool:
    values = [_mapping(item).get(key) for item in items]
    return all(isinstance(value, str | int) for value in values) and len(set(values)) == len(items)


def _same(one: Json, other: Json) -> bool:
    if one == other and type(one) is type(other):
        return True
    first, second = quantity(one), quantity(other)
    return first is not None and second is not None and abs(first - second) <= 1e-9 * max(abs(first), abs(second))
