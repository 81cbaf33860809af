"""Moving a Service from one version to another: one write, made only to the very Service that was looked at."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dharma_crds.deployment import Port
from dharma_handlers import labels
from dharma_handlers.deployment.aborting import may_return
from dharma_handlers.deployment.names import NOTHING
from dharma_handlers.deployment.observed import BOTH
from dharma_handlers.deployment.revision import port_name
from dharma_handlers.deployment.state import State
from dharma_handlers.deployment.world import World
from dharma_handlers.outcome import Manifest

OVERLAP: Final = timedelta(seconds=5)
"""How long both versions serve in switchMode Overlap, at least: load balancers outside of the cluster follow in steps of seconds."""
_PREVIEWED: Final = frozenset({"Warm", "PreCheck", "AwaitPromotion"})


@dataclass(frozen=True, slots=True)
class Move:
    """One Service that is to lead to another version now."""

    manifest: Manifest
    resource_version: str
    """Of the Service that the decision was made about: if it has changed since, the decision is void."""

    def describe(self) -> str:
        """Say it in a few words."""
        revision = self.manifest["spec"]["selector"].get(labels.REVISION, "all versions")
        return f"lead Service {self.manifest['metadata']['name']} to {revision}"


def moves(world: World, state: State) -> tuple[Move, ...]:
    """Return the moves that are due: at most one of each Service."""
    if not world.has_services:
        return ()
    wanted = {world.names.service: _service_move(world, state), world.names.preview: preview_selection(state)}
    return tuple(_move(world, state, name, to) for name, to in wanted.items() if to and world.view.selected(name) not in {None, to})


def service_selection(world: World, state: State) -> str:
    """Return what the active Service selects if nothing is moved: that is left to `moves`."""
    live = world.view.selected(world.names.service)
    if state.phase in {"Switch", "Aborting"} and live in {state.active.hash, state.previous.hash, state.target.hash, BOTH, NOTHING}:
        return live
    return (state.previous if state.phase == "Switch" else state.active).hash or NOTHING


def preview_selection(state: State) -> str:
    """Return what the preview Service selects: the version that is made ready, once it is, else the one that serves."""
    return (state.target if state.phase in _PREVIEWED else state.active).hash or NOTHING


def _service_move(world: World, state: State) -> str:
    """Return what the active Service is to select from now on; empty: what it does."""
    if state.phase == "Aborting":
        return state.active.hash if may_return(world, state) else ""
    if state.phase != "Switch" or not world.is_ready(state.active.hash, world.full_size(state)):
        return ""
    if world.strategy.switch_mode == "Atomic" or not state.previous.hash:
        return state.active.hash
    if world.view.selected(world.names.service) != BOTH:
        return BOTH
    widened = world.leads_to(world.names.service, state.active.hash, state.previous.hash) and state.age(world.now) >= OVERLAP
    return state.active.hash if widened else ""


def _move(world: World, state: State, name: str, to: str) -> Move:
    live = world.view.service(name)
    version = "" if live is None else str(live["metadata"]["resourceVersion"])
    return Move(service(world, state, name, to), version)


def service(world: World, state: State, name: str, to: str) -> Manifest:
    """Build one of the two Services, which leads to the pods of one version, or of BOTH.

    Its ports are those of the version that it leads to: what the spec says of them by now may be news to the pods that serve.
    """
    names = world.names
    ports = ports_of(world, state.active.hash if to == BOTH else to)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": world.deployment.namespace, "labels": names.labels},
        "spec": {
            "selector": names.everyone if to == BOTH else names.selector(to),
            "ports": [
                {"name": port.name, "port": port.port, "protocol": port.protocol, "targetPort": port_name(ports, port)} for port in ports
            ],
        },
    }


def ports_of(world: World, version: str) -> tuple[Port, ...]:
    """Return the ports of a version; without one, or one that had no ports yet, those of the spec."""
    revision = world.revision(version) or world.wanted
    return (revision.source.ports if revision is not None else ()) or world.deployment.spec.ports
