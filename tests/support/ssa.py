"""Server-side apply in small: a model of what the API server does with objects and their field owners, as the oracle of property tests.

It knows maps whose members have owners of their own, maps and lists that count as one value, lists of items by key, and sets. It knows no
defaults and no conversions: those are proved on a real API server.
"""

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Scalar:
    """A plain value, or a map or list that counts as one."""

    values: st.SearchStrategy[Any]


@dataclass(frozen=True)
class Struct:
    """Members by name, each with its own type and owner."""

    fields: dict[str, Any]


@dataclass(frozen=True)
class Items:
    """A list of structs that are told apart by one member."""

    key: str
    item: Struct


@dataclass(frozen=True)
class Set:
    """A list of values, each at most once."""

    values: st.SearchStrategy[Any]


Type = Scalar | Struct | Items | Set

names = st.sampled_from(["a", "b", "c"])
words = st.sampled_from(["one", "two", "three"])

SCHEMA = Struct(
    {
        "metadata": Struct({"labels": Struct({name: Scalar(words) for name in "abc"}), "finalizers": Set(names)}),
        "spec": Struct(
            {
                "replicas": Scalar(st.integers(0, 3)),
                "paused": Scalar(st.booleans()),
                "selector": Scalar(st.dictionaries(names, words, max_size=2)),
                "rules": Scalar(st.lists(st.dictionaries(names, words, min_size=1, max_size=2), max_size=2)),
                "containers": Items(
                    "name",
                    Struct(
                        {
                            "image": Scalar(words),
                            "args": Scalar(st.lists(words, max_size=2)),
                            "env": Items("name", Struct({"value": Scalar(words)})),
                            "limits": Struct({"cpu": Scalar(st.integers(1, 3)), "memory": Scalar(st.integers(1, 3))}),
                        }
                    ),
                ),
            }
        ),
        "data": Struct({name: Scalar(words) for name in "abc"}),
    }
)


def values_of(kind: Type) -> st.SearchStrategy[Any]:
    """Objects of that type, from empty to full."""
    match kind:
        case Scalar(values):
            return values
        case Struct(fields):
            return st.fixed_dictionaries({}, optional={name: values_of(member) for name, member in fields.items()})
        case Items(key, item):
            item_values = st.builds(lambda name, rest: {key: name, **rest}, names, values_of(item))
            return st.lists(item_values, max_size=2, unique_by=lambda value: value[key])
        case Set(values):
            return st.lists(values, max_size=2, unique=True)


@dataclass
class Server:
    """One object, and who owns which of its fields."""

    content: dict[str, Any] = field(default_factory=dict)
    owners: dict[str, dict[str, Any]] = field(default_factory=dict)

    def apply(self, manager: str, wanted: dict[str, Any]) -> None:
        """Apply with force."""
        before = copy.deepcopy(self.content)
        mine = {member: fields for member, fields in (fields_of(SCHEMA, wanted) or {}).items() if fields or member != "f:metadata"}
        content = merged(SCHEMA, wanted, self.content)
        others = [owned for name, owned in self.owners.items() if name != manager]
        content = without(SCHEMA, content, disowned(self.owners.get(manager, {}), mine), others)
        self.content = content
        self._take_over(manager, before)
        self.owners[manager] = mine

    def update(self, manager: str, content: dict[str, Any]) -> None:
        """Replace the object, as an ordinary update does: the manager owns what it changes."""
        before, self.content = self.content, copy.deepcopy(content)
        self._take_over(manager, before)
        self.owners[manager] = union(self.owners.get(manager, {}), changed_fields(SCHEMA, before, self.content))

    def live(self) -> dict[str, Any]:
        """The object as it is read."""
        entries = [
            {"manager": name, "operation": "Apply" if name == "iac-dharma" else "Update", "fieldsV1": fields}
            for name, fields in self.owners.items()
        ]
        live = copy.deepcopy(self.content)
        live["metadata"] = {**live.get("metadata", {}), "name": "x", "managedFields": entries}
        return live

    def _take_over(self, manager: str, before: dict[str, Any]) -> None:
        taken = changed_fields(SCHEMA, before, self.content)
        gone = union(taken, changed_fields(SCHEMA, self.content, before))
        self.owners = {name: fields if name == manager else minus(fields, gone) for name, fields in self.owners.items()}


def fields_of(kind: Type, value: Any) -> dict[str, Any] | None:
    """The fields that a value names, in the server's form. None: no trace."""
    match kind:
        case Scalar():
            return {}
        case Struct(fields):
            parts = {f"f:{name}": fields_of(fields[name], member) for name, member in value.items()}
            return {member: part for member, part in parts.items() if part is not None}
        case Items(key, item):
            return {
                f"k:{json.dumps({key: entry[key]}, separators=(',', ':'))}": {
                    ".": {}, f"f:{key}": {}, **(fields_of(item, {n: v for n, v in entry.items() if n != key}) or {}),
                }
                for entry in value
            } or None  # fmt: skip
        case Set():
            return {f"v:{json.dumps(entry)}": {} for entry in value} or None


def merged(kind: Type, wanted: Any, live: Any) -> Any:
    """What becomes of `live` when `wanted` is applied to it."""
    match kind:
        case Struct(fields) if isinstance(live, dict):
            return {**live, **{name: merged(fields[name], member, live.get(name)) for name, member in wanted.items()}}
        case Items(key, item) if isinstance(live, list):
            asked = {entry[key]: entry for entry in wanted}
            whole = Struct({key: Scalar(st.nothing()), **item.fields})
            kept = [merged(whole, asked.pop(entry[key]), entry) if entry[key] in asked else entry for entry in live]
            return kept + list(asked.values())
        case Set() if isinstance(live, list):
            return live + [entry for entry in wanted if entry not in live]
        case _:
            return copy.deepcopy(wanted)


def disowned(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Fields that were owned and are no more, as a tree whose leaves are to go."""
    gone: dict[str, Any] = {}
    for member, fields in before.items():
        if member not in now:
            gone[member] = fields
        elif rest := disowned(fields, now[member]):
            gone[member] = rest
    return gone


def without(  # noqa: C901 (one case a type, in one place)
    kind: Type, value: Any, gone: dict[str, Any], others: list[dict[str, Any]]
) -> Any:
    """Remove the fields of `gone` that none of the others owns."""
    match kind:
        case Struct(fields):
            kept = {}
            for name, member in value.items():
                rest = gone.get(f"f:{name}")
                theirs = [owned[f"f:{name}"] for owned in others if f"f:{name}" in owned]
                if rest is None or (theirs and not rest):
                    kept[name] = member
                elif rest and isinstance(member, (dict, list)) and not isinstance(fields[name], Scalar):
                    inner = without(fields[name], member, rest, theirs)
                    if inner or theirs:
                        kept[name] = inner
            return kept
        case Items(key, item):
            whole = Struct({key: Scalar(st.nothing()), **item.fields})
            entries = []
            for entry in value:
                member = f"k:{json.dumps({key: entry[key]}, separators=(',', ':'))}"
                theirs = [owned[member] for owned in others if member in owned]
                rest = gone.get(member)
                if rest is None:
                    entries.append(entry)
                elif "." not in rest:
                    entries.append(without(whole, entry, rest, theirs))
                elif theirs:
                    entries.append(without(whole, entry, {n: f for n, f in rest.items() if n != f"f:{key}"}, theirs))
            return entries
        case Set():
            members = {entry: f"v:{json.dumps(entry)}" for entry in value}
            return [entry for entry, member in members.items() if member not in gone or any(member in owned for owned in others)]
        case _:
            return value


def changed_fields(  # noqa: C901 (one case a type, in one place)
    kind: Type, before: Any, now: Any
) -> dict[str, Any]:
    """Fields of `now` that are new or other than in `before`."""
    if before is None:
        return fields_of(kind, now) or {}
    match kind:
        case Struct(fields):
            changed = {}
            for name, member in now.items():
                if name not in before:
                    changed[f"f:{name}"] = fields_of(fields[name], member) or {}
                elif before[name] != member:
                    changed[f"f:{name}"] = changed_fields(fields[name], before[name], member)
            return changed
        case Items(key, item):
            old = {entry[key]: entry for entry in before}
            whole = Struct({key: Scalar(st.nothing()), **item.fields})
            changed = {}
            for entry in now:
                member = f"k:{json.dumps({key: entry[key]}, separators=(',', ':'))}"
                if entry[key] not in old:
                    changed[member] = (fields_of(kind, [entry]) or {})[member]
                elif old[entry[key]] != entry:
                    changed[member] = changed_fields(whole, old[entry[key]], entry)
            return changed
        case Set():
            return {f"v:{json.dumps(entry)}": {} for entry in now if entry not in before}
        case _:
            return {}


def union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """All fields of both."""
    return {**one, **other, **{member: union(one[member], other[member]) for member in one.keys() & other.keys()}}


def minus(fields: dict[str, Any], gone: dict[str, Any]) -> dict[str, Any]:
    """The fields of the first without the leaves of the second; what is left empty by it goes too."""
    kept = {}
    for member, inner in fields.items():
        if member not in gone or bool(inner) is not bool(gone[member]):
            kept[member] = inner  # one of the two is the thing itself, the other something in it
        elif rest := minus(inner, gone[member]):
            kept[member] = rest
    return kept
