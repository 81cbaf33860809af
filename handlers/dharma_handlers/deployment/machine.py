"""The steps of a rollout. Each is a pure function from what is known to the state that follows.

`Idle → Provision → Warm → PreCheck → AwaitPromotion → Switch → Propagate → Bake → Drain → Idle`, and from each of them back, by way of
`Aborting`, to the version that served: `Degraded`. Two rules hold everywhere: a Service moves only to a version all of whose pods are
ready, and whether it moves back depends on nothing but the version that it moves back to.
"""

from collections.abc import Callable, Mapping
from typing import Final

from dharma_crds.deployment import DeploymentRevision
from dharma_handlers.deployment import checking
from dharma_handlers.deployment.aborting import abort, given_up, left_again
from dharma_handlers.deployment.names import NOTHING
from dharma_handlers.deployment.quota import asks_for_quotas, deficits
from dharma_handlers.deployment.state import AT_REST, Phase, State
from dharma_handlers.deployment.world import World

_MOST_STEPS: Final = 20
_NONE: Final = DeploymentRevision()

Step = Callable[[World, State], State]


def settle(world: World, state: State) -> State:
    """Take all steps that can be taken now, but none beyond one that must be written down before it is acted upon."""
    for _ in range(_MOST_STEPS):
        following = step(world, state)
        if following == state or must_be_written(world, state, following):
            return following
        state = following
    return state


def step(world: World, state: State) -> State:
    """Take one step, or none."""
    return _STEPS[state.phase](world, _without_what_is_lost(world, state))


def must_be_written(world: World, state: State, following: State) -> bool:
    """Tell whether `following` moves traffic, so that a restarted operator must find it in status, whatever was done of it."""
    if following.phase == state.phase or following.phase not in {"Switch", "Aborting"}:
        return False
    return world.has_services and world.view.selected(world.names.service) != following.active.hash


def _without_what_is_lost(world: World, state: State) -> State:
    """Forget a version whose ReplicaSet somebody deleted, and with it what it was made from: nothing of it serves any more."""
    if not state.active.hash or world.revision(state.active.hash) is not None:
        return state
    if state.phase in AT_REST:
        return State(refused=state.refused, rollback=state.rollback, pin=state.pin)
    if state.phase == "Aborting":
        return state.enter("Idle", world.now, active=state.target, color=state.other_color)
    return state


def _rest(world: World, state: State) -> State:
    wanted = world.wanted_version
    if wanted is None:
        return state
    if wanted.hash == state.active.hash:
        return _resting(world, state, "Degraded" if world.pinned else "Idle")
    if state.active.hash and wanted.hash in state.refused:
        return _resting(world, state, "Degraded")
    return _begun(world, state, wanted)


def _resting(world: World, state: State, phase: Phase) -> State:
    return state if state.phase == phase else state.enter(phase, world.now, target=state.active, checks=())


def _begun(world: World, state: State, wanted: DeploymentRevision) -> State:
    """Begin, if it is known that both versions fit beside each other."""
    begun = state.enter("Provision", world.now, target=wanted, previous=_NONE, checks=())
    return state if asks_for_quotas(world, begun) or deficits(world, begun) else begun


def _before_switch(then: Step) -> Step:
    """Put what ends a rollout, which has not moved any traffic yet, before its own progress."""

    def stepped(world: World, state: State) -> State:
        wanted = world.wanted_version
        if wanted is not None and wanted.hash != state.target.hash:
            return _superseded(world, state, wanted)
        reason = given_up(world, state)
        return abort(world, state, reason) if reason else then(world, state)

    return stepped


def _superseded(world: World, state: State, wanted: DeploymentRevision) -> State:
    """Leave what was begun, which nobody found bad: the spec asks for something else by now."""
    resting: Phase = "Degraded" if wanted.hash in state.refused else "Idle"
    return _rest(world, state.enter(resting, world.now, target=state.active, checks=()))


def _provision(world: World, state: State) -> State:
    return state.enter("Warm", world.now) if world.is_ready(state.target.hash, world.target_size(state)) else state


def _warm(world: World, state: State) -> State:
    ready = world.is_ready(state.target.hash, world.target_size(state)) and world.leads_to(world.names.preview, state.target.hash)
    return state.enter("PreCheck", world.now) if ready else state


def _pre_check(world: World, state: State) -> State:
    state = checking.taken_in(world, state)
    return state.enter("AwaitPromotion", world.now) if checking.passed(world, state) else state


def _await_promotion(world: World, state: State) -> State:
    if not world.promoted(state):
        return state
    if world.view.scale(state.target.hash) < world.full_size(state):
        return state.enter("Warm", world.now)
    if not _may_take_over(world, state, state.target.hash):
        return state
    return state.enter("Switch", world.now, active=state.target, previous=state.active, color=state.other_color)


def _may_take_over(world: World, state: State, version: str) -> bool:
    """Whether a version can carry the load: all of its pods are ready, and proxies know them."""
    return world.is_ready(version, world.full_size(state)) and world.leads_to(world.names.preview, version)


def _switch(world: World, state: State) -> State:
    """Wait until the Service has been moved, which is up to `moves.py`."""
    selected = world.view.selected(world.names.service)
    if not world.has_services or selected == state.active.hash:
        return state.enter("Propagate", world.now, checks=())
    if selected == (state.previous.hash or NOTHING) and not world.is_ready(state.active.hash, world.full_size(state)):
        # It lost pods after the decision and before anything was moved: it begins anew.
        return state.enter("Provision", world.now, active=state.previous, target=state.active, previous=_NONE, color=state.other_color)
    return state


def _after_switch(then: Step) -> Step:
    """Put what sends traffic back before progress."""

    def stepped(world: World, state: State) -> State:
        state = checking.taken_in(world, state) if state.phase == "Bake" else state
        reason = left_again(world, state)
        return abort(world, state, reason) if reason else then(world, state)

    return stepped


def _propagate(world: World, state: State) -> State:
    return state.enter("Bake", world.now) if world.leads_to(world.names.service, state.active.hash) else state


def _bake(world: World, state: State) -> State:
    if not state.previous.hash:
        return state.enter("Idle", world.now, checks=())  # there is nothing to go back to, and so nothing to wait for
    over = state.age(world.now) >= world.strategy.bake and checking.passed(world, state)
    return state.enter("Drain", world.now) if over else state


def _drain(world: World, state: State) -> State:
    """Keep the version before ready, until its time is over or a newer one needs its place."""
    wanted = world.wanted_version
    newer = wanted is not None and wanted.hash not in {state.active.hash, *state.refused}
    over = state.age(world.now) >= world.strategy.keep_old or state.previous.hash not in world.view.replica_sets
    return state.enter("Idle", world.now, target=state.active) if newer or over else state


def _aborting(world: World, state: State) -> State:
    if not world.leads_to(world.names.service, state.active.hash):
        return state
    wanted = world.wanted_version
    asked = wanted is not None and wanted.hash == state.active.hash and not world.pinned
    phase: Phase = "Idle" if asked else "Degraded"
    return state.enter(phase, world.now, target=state.active)


_STEPS: Final[Mapping[Phase, Step]] = {
    "Idle": _rest,
    "Degraded": _rest,
    "Provision": _before_switch(_provision),
    "Warm": _before_switch(_warm),
    "PreCheck": _before_switch(_pre_check),
    "AwaitPromotion": _before_switch(_await_promotion),
    "Switch": _after_switch(_switch),
    "Propagate": _after_switch(_propagate),
    "Bake": _after_switch(_bake),
    "Drain": _after_switch(_drain),
    "Aborting": _aborting,
}
