"""The one decision about a Deployment: what is to be written down, done, checked and told."""

from dataclasses import dataclass
from typing import Any

from dharma_crds.deployment import Check, DharmaDeployment, Port
from dharma_handlers.deployment import checking, report
from dharma_handlers.deployment.bindings import Unbound, bound
from dharma_handlers.deployment.machine import must_be_written, settle
from dharma_handlers.deployment.moves import Move, moves, ports_of
from dharma_handlers.deployment.names import LONGEST_NAME, Names
from dharma_handlers.deployment.objects import objects
from dharma_handlers.deployment.observed import Observed, View
from dharma_handlers.deployment.pinning import pin_of, wanted_by, with_pin
from dharma_handlers.deployment.quota import asks_for_quotas, attempt
from dharma_handlers.deployment.revision import revision_of
from dharma_handlers.deployment.state import AT_REST, State, read_state, written_state
from dharma_handlers.deployment.world import World
from dharma_handlers.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next, in this order; after all but the last, look and decide again."""

    outcome: Outcome
    state: State
    """Where the rollout stands by this decision. Decide again from here, not from status, as long as the same reconcile goes on."""
    asks_for_quotas: bool = False
    """Look at the quotas first."""
    intent: dict[str, Any] | None = None
    """Fields of the status that must be written before anything else is done: traffic is about to move."""
    moves: tuple[Move, ...] = ()
    waits: bool = False
    """Nothing is missing but that proxies' view follows a move: worth a short wait."""
    checks: tuple[Check, ...] = ()
    """Those that the operator itself should be running; Jobs are among the objects."""
    checked: tuple[str, str] = ("", "")
    """The version and the stage that they are about."""
    ports: tuple[Port, ...] = ()
    """That version's ports: the spec may ask for others by now."""


def decide(deployment: DharmaDeployment, observed: Observed, reached: State | None = None, *, suspended: bool = False) -> Decision:
    """Decide from nothing but spec, status, what was observed, and the state that decisions of the same reconcile have `reached`."""
    before = read_state(deployment.status)
    if len(deployment.name) > LONGEST_NAME:
        return Decision(report.refused(before, f"metadata.name is longer than {LONGEST_NAME} characters; choose a shorter one"), before)
    variables = bound(deployment, observed.blueprints)
    unbound = variables if isinstance(variables, Unbound) else None
    asked = None if isinstance(variables, Unbound) else revision_of(deployment, variables)
    view = View(Names(deployment.name), observed)
    pin = before.pin if asked is None else pin_of(deployment, view, asked, before.pin)
    wanted = None if asked is None else wanted_by(view, asked, pin)
    world = World(deployment, view, wanted, pinned=wanted != asked)
    if suspended:
        return Decision(report.outcome(world, before, before, None, unbound), before)
    after = settle(world, with_pin(reached or before, pin))
    if after.phase in AT_REST and world.asks_for_other(after.active.hash) and asks_for_quotas(world, attempt(world, after)):
        return Decision(report.outcome(world, before, before, None, unbound), before, asks_for_quotas=True)
    return _decision(world, before, after, unbound)


def _decision(world: World, before: State, after: State, unbound: Unbound | None) -> Decision:
    outcome = report.outcome(world, before, after, objects(world, after), unbound)
    if must_be_written(world, before, after):
        return Decision(outcome, after, intent=written_state(after))
    due = moves(world, after)
    return Decision(
        outcome,
        after,
        moves=due,
        waits=not due and _waits(world, after),
        checks=tuple(check for check in checking.due(world, after) if check.job is None),
        checked=(after.target.hash, checking.stage_of(after)),
        ports=ports_of(world, after.target.hash),
    )


def _waits(world: World, state: State) -> bool:
    names = world.names
    if state.phase == "Warm":
        return world.is_ready(state.target.hash, world.target_size(state)) and world.view.selected(names.preview) == state.target.hash
    moving = state.phase in {"Propagate", "Aborting"}
    return moving and world.has_services and world.view.selected(names.service) == state.active.hash
