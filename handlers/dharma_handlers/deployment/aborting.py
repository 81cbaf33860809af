"""Going back: why, and to what. Nothing here asks how the version is that is left."""

from typing import Final

from dharma_crds.deployment import DeploymentRevision, Rollback
from dharma_handlers.deployment import checking
from dharma_handlers.deployment.pinning import ROLLBACK_TO
from dharma_handlers.deployment.state import BEFORE_SWITCH, State
from dharma_handlers.deployment.troubles import broken, trouble
from dharma_handlers.deployment.world import ABORT, World

_MOST_REFUSED: Final = 20
_NOT_BAD: Final = frozenset({"Reverted", "RollbackRequested"})
"""Reasons that say nothing against the version that is left."""


def given_up(world: World, state: State) -> str:
    """Why the version that is made ready is given up, in a word; empty: it is not. The first one is not: nothing else serves."""
    if not state.active.hash:
        return ""
    if world.decided(ABORT) == state.target.hash:
        return "Requested"
    if checking.failed(state) is not None:
        return "CheckFailed"
    # How long a person takes to decide is no failure.
    late = state.phase != "AwaitPromotion" and state.age(world.now) > world.strategy.progress_deadline
    return "ProgressDeadlineExceeded" if late else ""


def left_again(world: World, state: State) -> str:
    """Why the version that took over is left again, in a word; empty: it is not, or there is nothing to go back to."""
    if state.previous.hash not in world.view.replica_sets:
        return ""
    if world.decided(ABORT) == state.active.hash:
        return "Requested"
    if world.wanted is not None and world.wanted.hash == state.previous.hash:
        return "RollbackRequested" if world.pinned else "Reverted"
    return "" if state.phase == "Drain" else _failure(world, state)


def _failure(world: World, state: State) -> str:
    """Why the version that took over is no good, in a word; empty: nothing is known against it."""
    if broken(world.view, state.active.hash):
        return "PodsFailed"
    if checking.failed(state) is not None:
        return "CheckFailed"
    late = state.phase in {"Switch", "Propagate"} and state.age(world.now) > world.strategy.progress_deadline
    return "ProgressDeadlineExceeded" if late else ""


def abort(world: World, state: State, reason: str) -> State:
    """Leave the version under way. It is not tried again by itself, if anything was said against it."""
    before = state.phase in BEFORE_SWITCH
    failed = state.target if before else state.active
    refused = state.refused if reason in _NOT_BAD else (*(one for one in state.refused if one != failed.hash), failed.hash)
    return state.enter(
        "Aborting",
        world.now,
        active=state.active if before else state.previous,
        target=failed,
        previous=DeploymentRevision(),
        color=state.color if before else state.other_color,
        refused=refused[-_MOST_REFUSED:],
        rollback=Rollback(time=world.now, from_=failed.hash, reason=reason, message=_evidence(world, state, failed.hash, reason)),
    )


def may_return(world: World, state: State) -> bool:
    """Whether the version that served before can take over again now.

    With all of its pods ready it always can. With fewer it does when the one that is left has no more of them.
    """
    full = world.full_size(state)
    ready, left = len(world.view.ready(state.active.hash)), len(world.view.ready(state.target.hash))
    return ready >= full or (ready > 0 and ready >= left)


def _evidence(world: World, state: State, version: str, reason: str) -> str:
    """Say in a sentence what gave the reason."""
    match reason:
        case "Requested":
            return f"annotation {ABORT} names it"
        case "RollbackRequested":
            return f"annotation {ROLLBACK_TO} names the version before"
        case "Reverted":
            return "the spec asks for the version before again"
        case "PodsFailed":
            return broken(world.view, version)
        case "CheckFailed":
            check = checking.failed(state)
            return f"check {check.name}: {check.message}" if check is not None else ""
        case _:
            spent = int(world.strategy.progress_deadline.total_seconds())
            return (
                f"{state.phase} took longer than progressDeadline ({spent} s): {trouble(world.view, version) or 'its pods are not ready'}"
            )
