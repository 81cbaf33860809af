"""What an import would do: one entry an object, decided from the bundle, the live objects and the API server's dry run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final

from dharma_handlers.outcome import Manifest
from dharma_operator.cli.tenant.bundle import by_people, label, reduced
from dharma_operator.kube.wire import Json, is_list, is_map
from dharma_operator.store import part

_LISTED: Final = 6
"""How many differing fields are named for one object."""


class OnConflict(StrEnum):
    """What becomes of an object that is there already and differs."""

    FAIL = "fail"
    SKIP = "skip"
    OVERWRITE = "overwrite"


class Action(Enum):
    """What is done with one object."""

    CREATE = "create"
    UNCHANGED = "unchanged"
    SKIP = "skip"
    OVERWRITE = "overwrite"
    CONFLICT = "conflict"
    """It differs, and nobody said what to do about it: nothing at all is written."""
    REFUSED = "refused"
    """The API server would not take it: nothing at all is written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of the plan."""

    action: Action
    wanted: Manifest
    """As in the bundle."""
    live: Manifest | None = None
    fields: tuple[str, ...] = ()
    """Paths of what differs, for an object that is there already."""
    message: str = ""

    def line(self) -> str:
        """Say it in one line."""
        more = f" and {len(self.fields) - _LISTED} more" if len(self.fields) > _LISTED else ""
        fields = f": {', '.join(self.fields[:_LISTED])}{more}" if self.fields else ""
        message = f": {self.message}" if self.message else ""
        return f"{self.action.value:<9} {label(self.wanted)}{fields}{message}"


def created(wanted: Manifest, message: str = "") -> Entry:
    """Plan an object that is not there."""
    return Entry(Action.CREATE, wanted, message=message)


def refused(wanted: Manifest, live: Manifest | None, message: str) -> Entry:
    """Plan an object that would not be taken."""
    return Entry(Action.REFUSED, wanted, live, message=message)


def existing(wanted: Manifest, live: Manifest, answer: Manifest, on_conflict: OnConflict) -> Entry:
    """Plan an object that is there. `answer`: what the API server would make of the replacement, with its defaults."""
    fields = tuple(differing(reduced(live), reduced(answer)))
    if not fields:
        return Entry(Action.UNCHANGED, wanted, live)
    action = {OnConflict.FAIL: Action.CONFLICT, OnConflict.SKIP: Action.SKIP, OnConflict.OVERWRITE: Action.OVERWRITE}[on_conflict]
    return Entry(action, wanted, live, fields)


def replacement(live: Manifest, wanted: Manifest) -> Manifest:
    """Return the live object with everything that people write as the bundle has it, and the rest as it is.

    It carries the resourceVersion: the API server refuses it when somebody has written meanwhile. A replacement and no apply, since an
    apply leaves the fields of others in place, and a component that was Postgres and is Redis now would be both.
    """
    metadata = {name: value for name, value in live["metadata"].items() if name not in {"labels", "annotations", "managedFields"}}
    annotations = {name: text for name, text in part(live["metadata"], "annotations").items() if not by_people(name)}
    annotations |= wanted["metadata"].get("annotations", {})
    labels = wanted["metadata"].get("labels", {})
    metadata |= {name: value for name, value in (("labels", labels), ("annotations", annotations)) if value}
    return {**wanted, "metadata": metadata}


def possible(plan: Sequence[Entry]) -> bool:
    """Tell whether the plan may be carried out."""
    return not any(entry.action in {Action.CONFLICT, Action.REFUSED} for entry in plan)


def writes(plan: Sequence[Entry]) -> list[Entry]:
    """Return what has to be written."""
    return [entry for entry in plan if entry.action in {Action.CREATE, Action.OVERWRITE}]


def summary(plan: Sequence[Entry]) -> str:
    """Count the plan: `2 create, 1 unchanged`."""
    counted = Counter(entry.action for entry in plan)
    return ", ".join(f"{counted[action]} {action.value}" for action in Action if counted[action])


def differing(before: Json, after: Json, path: str = "") -> list[str]:
    """Return the paths of all that differs, such as `spec.components[db].postgres.version`; what is on one side only counts as a whole."""
    if is_map(before) and is_map(after):
        return _members(before, after, f"{path}." if path else "", "")
    if is_list(before) and is_list(after):
        left, right = _by_name(before), _by_name(after)
        if left is not None and right is not None:
            moved = [name for name in left if name in right] != [name for name in right if name in left]
            return _members(left, right, f"{path}[", "]") or ([path] if moved else [])
        if len(before) == len(after):
            return _members(dict(enumerate(before)), dict(enumerate(after)), f"{path}[", "]")
        return [path]
    return [] if type(before) is type(after) and before == after else [path]


def _members(left: Mapping[Any, Json], right: Mapping[Any, Json], opening: str, closing: str) -> list[str]:
    found: list[str] = []
    for name in [*left, *(name for name in right if name not in left)]:
        path = f"{opening}{name}{closing}"
        found += differing(left[name], right[name], path) if name in left and name in right else [path]
    return found


def _by_name(items: Sequence[Json]) -> dict[Any, Json] | None:
    """Key the items of a list by their names. None: not all have one, or two have the same."""
    found = {item["name"]: item for item in items if is_map(item) and isinstance(item.get("name"), str)}
    return found if len(found) == len(items) else None
