"""Whether the second version fits beside the first: looked up in the namespace's quotas before anything is made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dharma_crds.quantity import parse_quantity
from dharma_handlers.deployment.parts import part
from dharma_handlers.deployment.state import State
from dharma_handlers.deployment.template import pod_template
from dharma_handlers.deployment.world import World
from dharma_handlers.outcome import Manifest

_COUNTED = {"pods": "pods", "count/pods": "pods", "cpu": "requests.cpu", "memory": "requests.memory"}
"""Names of quotas that mean the same as others."""


@dataclass(frozen=True, slots=True)
class Deficit:
    """One limit that the new pods would exceed."""

    quota: str
    resource: str
    needed: Decimal
    left: Decimal

    def __str__(self) -> str:
        left = max(self.left, Decimal(0))
        return (
            f"quota {self.quota}: the new version needs {_plain(self.needed)} of {self.resource}, {_plain(left)} are left, "
            f"{_plain(self.needed - self.left)} too few"
        )


def attempt(world: World, state: State) -> State:
    """Return the state that a rollout of the wanted version would begin with."""
    return state if world.wanted_version is None else state.enter("Provision", world.now, target=world.wanted_version)


def asks_for_quotas(world: World, state: State) -> bool:
    """Whether the decision would be another one if the quotas were known."""
    return world.observed.quotas is None and _surge(world, state) > 0


def deficits(world: World, begun: State) -> tuple[Deficit, ...]:
    """Return what is missing for the rollout that would begin with this state. What a LimitRange adds to pods is not known here."""
    revision = world.wanted
    surge = _surge(world, begun)
    if revision is None or surge <= 0:
        return ()
    per_pod = _per_pod(pod_template(world.names, revision)["spec"])
    return tuple(deficit for quota in world.observed.quotas or () for deficit in _of_quota(quota, per_pod, surge))


def _surge(world: World, begun: State) -> int:
    """Count the pods that are to be made: at full size, as that is what it comes to."""
    return world.full_size(begun) - world.view.scale(begun.target.hash)


def _per_pod(spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """Add up what one pod asks for."""
    total: dict[str, Decimal] = {"pods": Decimal(1)}
    for container in spec["containers"]:
        for kind in ("requests", "limits"):
            for resource, amount in part(container, "resources", kind).items():
                name = f"{kind}.{resource}"
                total[name] = total.get(name, Decimal(0)) + parse_quantity(str(amount))
    for resource in ("cpu", "memory"):
        # A limit without a request is a request too.
        if f"limits.{resource}" in total:
            total.setdefault(f"requests.{resource}", total[f"limits.{resource}"])
    return total


def _of_quota(quota: Manifest, per_pod: Mapping[str, Decimal], surge: int) -> Iterator[Deficit]:
    spec = part(quota, "spec")
    if spec.get("scopes") or spec.get("scopeSelector"):
        return  # holds for some pods only, and which is the API server's to say
    used = part(quota, "status", "used")
    for resource, hard in part(spec, "hard").items():
        needed = per_pod.get(_COUNTED.get(resource, resource))
        if needed is None:
            continue
        left = parse_quantity(str(hard)) - parse_quantity(str(used.get(resource, "0")))
        if needed * surge > left:
            yield Deficit(quota["metadata"]["name"], resource, needed * surge, left)


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
