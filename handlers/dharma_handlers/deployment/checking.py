"""Checks as the rollout sees them: which are due, how they stand. Running them is the shell's part."""

import dataclasses

from dharma_crds.deployment import Check, CheckStatus
from dharma_handlers.deployment.jobs import job_status
from dharma_handlers.deployment.state import State
from dharma_handlers.deployment.world import World

_ENDED = frozenset({"Passed", "Failed"})


def taken_in(world: World, state: State) -> State:
    """Take in how the checks of the phase stand. One that has ended stays so, also over a restart of the operator; others begin anew."""
    stage = stage_of(state)
    ended = {check.name: check for check in state.checks if check.result in _ENDED and check.stage == stage}
    running = {check.name: check for check in world.observed.checks if check.stage == stage}
    for check in wanted(world, state):
        if check.job is not None and (found := job_status(world, state.target.hash, stage, check)) is not None:
            running[check.name] = found
    known = {**running, **ended}
    checks = (known.get(check.name) or CheckStatus(name=check.name, stage=stage, result="Pending") for check in wanted(world, state))
    return dataclasses.replace(state, checks=tuple(checks))


def wanted(world: World, state: State) -> tuple[Check, ...]:
    """Return the checks of the phase's stage."""
    checks = world.strategy.checks
    return checks.after if stage_of(state) == "After" else checks.before


def stage_of(state: State) -> str:
    """Name the stage of a phase, as status does."""
    return "After" if state.phase == "Bake" else "Before"


def due(world: World, state: State) -> tuple[Check, ...]:
    """Return the checks that should be running now."""
    if state.phase not in {"PreCheck", "Bake"}:
        return ()
    ended = {check.name for check in state.checks if check.result in _ENDED}
    return tuple(check for check in wanted(world, state) if check.name not in ended)


def passed(world: World, state: State) -> bool:
    """Whether all checks of the phase's stage are good."""
    good = {check.name for check in state.checks if check.result == "Passed"}
    return all(check.name in good for check in wanted(world, state))


def failed(state: State) -> CheckStatus | None:
    """Return a check that is not."""
    return next((check for check in state.checks if check.result == "Failed"), None)
