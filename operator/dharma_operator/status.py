"""The status of our objects: conditions with their times, drift, revision; and the smallest patch that brings it about. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dharma_handlers.outcome import Condition
from dharma_operator.kube.applier import DriftItem
from dharma_operator.kube.wire import Json, is_map

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
SUSPENDED = "Suspended"
DRIFT_FREE = "DriftFree"

_FIRST = (READY, RECONCILING, STALLED)
_DRIFT_ITEMS = 10
_MESSAGE_LENGTH = 1024
"""Of a condition's message: longer texts belong into the log."""


def format_time(moment: datetime) -> str:
    """Write a moment as Kubernetes does: `2026-11-20T08:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition_of(status: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Return the condition of that type in a status, None without one."""
    return next((condition for condition in status.get("conditions") or () if condition.get("type") == kind), None)


def conditions(previous: Iterable[Mapping[str, Any]], wanted: Sequence[Condition], generation: int, now: datetime) -> list[dict[str, Any]]:
    """Return the conditions of a status. `lastTransitionTime` moves only when the status of a condition changes; `wanted` is complete."""
    before = {condition.get("type"): condition for condition in previous}
    ordered = sorted(wanted, key=lambda condition: _FIRST.index(condition.type) if condition.type in _FIRST else len(_FIRST))
    return [_condition(before.get(condition.type), condition, generation, now) for condition in ordered]


def keep_but(previous: Iterable[Mapping[str, Any]], changed: Sequence[Condition], generation: int, now: datetime) -> list[dict[str, Any]]:
    """Return the conditions as they were, `changed` ones replaced or added."""
    before = list(previous)
    fresh = {condition["type"]: condition for condition in conditions(before, changed, generation, now)}
    kept = [dict(fresh.pop(str(condition.get("type")), condition)) for condition in before]
    return [*kept, *fresh.values()]


def _condition(previous: Mapping[str, Any] | None, wanted: Condition, generation: int, now: datetime) -> dict[str, Any]:
    same = previous is not None and previous.get("status") == wanted.status and previous.get("lastTransitionTime")
    return {
        "type": wanted.type,
        "status": wanted.status,
        "reason": wanted.reason,
        "message": wanted.message if len(wanted.message) <= _MESSAGE_LENGTH else wanted.message[: _MESSAGE_LENGTH - 1] + "…",
        "lastTransitionTime": previous["lastTransitionTime"] if previous is not None and same else format_time(now),
        "observedGeneration": generation,
    }


def amend(wanted: Sequence[Condition], *more: Condition) -> tuple[Condition, ...]:
    """`wanted` with `more`; of two of one type the later stays."""
    return tuple({condition.type: condition for condition in (*wanted, *more)}.values())


def drift(previous: Mapping[str, Any] | None, found: Sequence[DriftItem], *, corrected: bool, now: datetime) -> dict[str, Any]:
    """`status.drift` after a run that found `found` different.

    `count` counts what was ever found, the latest ten stay listed. What is only reported is found again by every run: it counts
    once, and leaves the list when it is gone.
    """
    before = previous or {}
    count = int(before.get("count") or 0)
    items: list[dict[str, Any]] = list(before.get("items") or ())
    if corrected:
        fresh = [_drift_item(item, now) for item in found]
        result: dict[str, Any] = {"count": count + len(fresh), "items": [*reversed(fresh), *items][:_DRIFT_ITEMS]}
        last = format_time(now) if fresh else before.get("lastCorrected")
    else:
        known = {_identity(item): item for item in items}
        listed = [_drift_item(item, now) for item in found]
        result = {
            "count": count + sum(1 for item in listed if _identity(item) not in known),
            "items": [known.get(_identity(item), item) for item in listed][:_DRIFT_ITEMS],
        }
        last = before.get("lastCorrected")
    return {**result, "lastCorrected": last} if last else result


def _drift_item(item: DriftItem, now: datetime) -> dict[str, Any]:
    return {"object": item.object, "fields": sorted(item.fields), "time": format_time(now)}


def _identity(item: Mapping[str, Any]) -> tuple[Any, ...]:
    return item.get("object"), tuple(item.get("fields") or ())


def revision(previous: Mapping[str, Any] | None, digest: str, generation: int, *, ready: bool) -> dict[str, Any]:
    """`status.revision` once the set of objects with this digest has been applied; it becomes the last good one when all is ready.

    A revision is a generation of the spec that asks for other objects than the one before. What the same generation asks for may change
    by what is observed (the next size of a volume, a component whose turn has come): that is no new revision.
    """
    before = previous or {}
    current = int(before.get("current") or 0)
    if before.get("hash") != digest and generation > int(before.get("generation") or 0):
        current += 1
    result: dict[str, Any] = {"hash": digest, "current": current, "generation": generation}
    last_good = current if ready else before.get("lastGood")
    return result if last_good is None else {**result, "lastGood": last_good}


def merge_patch(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest JSON merge patch (RFC 7386) that makes `live` into `wanted`; empty when they are equal.

    Values of None in `wanted` are the same as absent ones, for a merge patch cannot write them.
    """
    patch: dict[str, Any] = {name: None for name in live if wanted.get(name) is None and live[name] is not None}
    for name, value in wanted.items():
        if value is None:
            continue
        there = live.get(name)
        if is_map(value) and is_map(there):
            if inner := merge_patch(there, value):
                patch[name] = inner
        elif there != value:
            patch[name] = _without_nulls(value)
    return patch


def _without_nulls(value: Json) -> Json:
    if is_map(value):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return value
