"""What a Deployment tells: conditions as kstatus and Argo CD read them, the step, a sentence, events."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from dharma_handlers.deployment import checking
from dharma_handlers.deployment.bindings import Unbound
from dharma_handlers.deployment.moves import OVERLAP
from dharma_handlers.deployment.pinning import ROLLBACK_TO
from dharma_handlers.deployment.quota import attempt, deficits
from dharma_handlers.deployment.revision import RESTART_ANNOTATION
from dharma_handlers.deployment.state import AFTER_SWITCH, AT_REST, BEFORE_SWITCH, State, written_state
from dharma_handlers.deployment.troubles import trouble
from dharma_handlers.deployment.world import PROMOTE, World
from dharma_handlers.outcome import Condition, Event, Outcome, Wanted

_ORDER: Final = ("Provision", "Warm", "PreCheck", "AwaitPromotion", "Switch", "Propagate", "Bake", "Drain", "Idle")
_STUCK: Final = timedelta(seconds=60)
"""Pods that cannot start are given this long before a person is asked to act."""
_CHECKING_SECONDS: Final = 0.2
_WAITING_SECONDS: Final = 10.0
_LEAST_SECONDS: Final = 0.05
_LATE_SECONDS: Final = 1.0
"""A wait that has been over for longer has had its effect."""


def refused(state: State, message: str) -> Outcome:
    """Tell that the spec cannot be carried out. What ran keeps running as it was."""
    return Outcome(conditions=_stuck("InvalidSpec", message), status=written_state(state))


def outcome(world: World, before: State, after: State, objects: tuple[Wanted, ...] | None, unbound: Unbound | None) -> Outcome:
    """Tell of the state `after`, which was `before` until now."""
    return Outcome(
        conditions=_conditions(world, after, unbound),
        objects=objects,
        status=_status(world, after, unbound),
        requeue_after=_requeue_after(world, after, unbound),
        events=tuple(_events(before, after)),
    )


def _conditions(world: World, state: State, unbound: Unbound | None) -> tuple[Condition, ...]:
    message = _message(world, state, unbound)
    if unbound is not None:
        return _waiting("BindingNotReady", message)
    if state.phase in AT_REST or state.phase == "Drain":
        return _resting(world, state, message)
    reason = "AwaitPromotion" if state.phase == "AwaitPromotion" and not world.promoted(state) else "RollingOut"
    reason = "RollingBack" if state.phase == "Aborting" else reason
    stuck = state.age(world.now) > _STUCK and state.phase in BEFORE_SWITCH and bool(trouble(world.view, state.target.hash))
    serves = state.phase == "Bake" and _serves(world, state)
    return (
        Condition("Ready", "True", "Serving", message) if serves else Condition("Ready", "False", reason, message),
        Condition("Reconciling", "True", reason, message),
        Condition("Stalled", "True", "PodsCannotRun", message) if stuck else Condition("Stalled", "False", "Progressing"),
    )


def _resting(world: World, state: State, message: str) -> tuple[Condition, ...]:
    if deficits(world, attempt(world, state)) and world.asks_for_other(state.active.hash) and _untried(world, state):
        return _stuck("QuotaTooSmall", message)
    if state.phase == "Degraded":
        return _stuck("RolledBack", message)
    if not _serves(world, state):
        return _waiting("PodsNotReady", message)
    return (
        Condition("Ready", "True", "Serving", message),
        Condition("Reconciling", "False", "Settled"),
        Condition("Stalled", "False", "Settled"),
    )


def _stuck(reason: str, message: str) -> tuple[Condition, ...]:
    return (
        Condition("Ready", "False", reason, message),
        Condition("Reconciling", "False", reason, message),
        Condition("Stalled", "True", reason, message),
    )


def _waiting(reason: str, message: str) -> tuple[Condition, ...]:
    return (
        Condition("Ready", "False", reason, message),
        Condition("Reconciling", "True", reason, message),
        Condition("Stalled", "False", "Progressing"),
    )


def _untried(world: World, state: State) -> bool:
    return world.wanted is not None and world.wanted.hash not in state.refused


def _serves(world: World, state: State) -> bool:
    """Whether all pods of the version that serves are ready, and the Service leads to them."""
    size = world.size(state, state.active.hash)
    return (
        bool(state.active.hash)
        and len(world.view.ready(state.active.hash)) >= size
        and world.leads_to(world.names.service, state.active.hash)
    )


def _message(world: World, state: State, unbound: Unbound | None) -> str:
    """Say in a sentence what it does or waits for. Numbers that change with each pod are left out: each would be a write."""
    if unbound is not None:
        return str(unbound)
    if state.phase in AT_REST:
        return _resting_message(world, state)
    if state.phase in BEFORE_SWITCH:
        return _preparing_message(world, state)
    return _moving_message(world, state)


def _preparing_message(world: World, state: State) -> str:
    new, size = state.target.hash, world.target_size(state)
    told = trouble(world.view, new)
    match state.phase:
        case "Provision":
            return told or f"starting {size} pods of version {new}"
        case "Warm":
            return told or f"waiting until Service {world.names.preview} leads to {size} ready pods of version {new}"
        case "AwaitPromotion" if not world.promoted(state):
            return f"version {new} is ready to take over; say yes by annotation {PROMOTE}={new}"
        case "AwaitPromotion":
            return told or f"waiting until all pods of version {new} are ready"
        case _:
            return _checking_message(state)


def _moving_message(world: World, state: State) -> str:
    new = state.target.hash
    match state.phase:
        case "Bake" if not checking.passed(world, state):
            return _checking_message(state)
        case "Bake":
            return f"version {new} serves and is watched for {_seconds(world.strategy.bake)} s"
        case "Drain":
            return f"version {new} serves; {state.previous.hash} stays ready for {_seconds(world.strategy.keep_old)} s"
        case "Aborting":
            return f"going back to version {state.active.hash}: {_reason(state)}"
        case _:
            return f"moving Service {world.names.service} to version {new}"


def _resting_message(world: World, state: State) -> str:
    missing = deficits(world, attempt(world, state))
    if missing and world.asks_for_other(state.active.hash) and _untried(world, state):
        return f"{missing[0]}; raise the quota or ask for less. Version {state.active.hash or 'none'} keeps serving"
    if state.phase == "Degraded" and world.pinned:
        return f"version {state.active.hash} serves, not the one that the spec asks for, as annotation {ROLLBACK_TO} says"
    if state.phase == "Degraded":
        return f"version {state.active.hash} serves, not the one that the spec asks for: {_why_not(world, state)}"
    if not state.active.hash:
        return "nothing serves yet"
    told = trouble(world.view, state.active.hash)
    if told or not _serves(world, state):
        return told or f"waiting for pods of version {state.active.hash} to be ready"
    return f"version {state.active.hash} serves"


def _why_not(world: World, state: State) -> str:
    """Say why the version that the spec asks for does not serve."""
    rollback, wanted = state.rollback, world.wanted
    if wanted is None or (rollback is not None and rollback.from_ == wanted.hash):
        return _reason(state)
    return f"{wanted.hash} was left earlier; annotation {RESTART_ANNOTATION} has it tried again"


def _reason(state: State) -> str:
    rollback = state.rollback
    if rollback is None:
        return "it was left"
    return f"{rollback.from_} was left, {rollback.reason}: {rollback.message}"


def _checking_message(state: State) -> str:
    unfinished = [check for check in state.checks if check.result not in {"Passed", "Failed"}]
    told = "; ".join(f"{check.name}: {check.message}" if check.message else check.name for check in unfinished)
    return f"checking version {state.target.hash}: {told}"


def _status(world: World, state: State, unbound: Unbound | None) -> dict[str, Any]:
    version = state.active.hash
    status = {**written_state(state), "message": _message(world, state, unbound)}
    if state.phase in _ORDER:
        status["progress"] = f"{_ORDER.index(state.phase) + 1}/{len(_ORDER)}"
    if version:
        ready = len(world.view.ready(version))
        selector = ",".join(f"{key}={value}" for key, value in sorted(world.names.selector(version).items()))
        scale = world.view.scale(version)
        status |= {"replicas": scale, "readyReplicas": ready, "ready": f"{ready}/{scale}", "selector": selector}
    return status


def _requeue_after(world: World, state: State, unbound: Unbound | None) -> float | None:
    """Decide when to look again though nothing changed: at the end of a wait, and often while checks run."""
    left = [(wait - state.age(world.now)).total_seconds() for wait in _waits(world, state)]
    seconds = [max(wait, _LEAST_SECONDS) for wait in left if wait > -_LATE_SECONDS]
    if checking.due(world, state):
        seconds.append(_CHECKING_SECONDS)
    starting = state.phase in BEFORE_SWITCH and not state.active.hash
    if unbound is not None or starting or (state.phase in AT_REST and deficits(world, attempt(world, state))):
        seconds.append(_WAITING_SECONDS)
    return min(seconds, default=None)


def _waits(world: World, state: State) -> list[timedelta]:
    """Return how long after the begin of the phase time alone changes something."""
    strategy = world.strategy
    match state.phase:
        case "Provision" | "Warm" | "PreCheck" if state.active.hash:
            return [strategy.progress_deadline]
        case "Switch":
            return [OVERLAP, strategy.progress_deadline]
        case "Propagate":
            return [strategy.progress_deadline]
        case "Bake":
            return [strategy.bake]
        case "Drain":
            return [strategy.keep_old]
        case _:
            return []


def _events(before: State, after: State) -> Iterator[Event]:
    if before.phase == "Switch" and after.phase in {*AFTER_SWITCH, "Idle"}:
        yield Event("Normal", "Switched", f"version {after.active.hash} serves ({after.active.image})")
    back = before.phase == "Aborting" or after.rollback != before.rollback
    if back and after.phase in AT_REST and before.phase not in AT_REST:
        yield Event("Warning", "RolledBack", f"version {after.active.hash} serves again: {_reason(after)}")


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g}"
