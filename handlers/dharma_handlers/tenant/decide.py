"""The one decision about a Tenant: what should exist, what is let go, what is to be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dharma_crds.tenant import Tenant
from dharma_handlers.outcome import RETAIN_ANNOTATION, Condition, Manifest, Mode, Outcome, Wanted
from dharma_handlers.tenant import limits, network, roles
from dharma_handlers.tenant.namespaces import Placement, hangs_on, placements, released, removed
from dharma_handlers.tenant.observed import TenantObserved


@dataclass(frozen=True, slots=True)
class QuotaPart:
    """What quota adds to the decision."""

    objects: tuple[Wanted, ...] = ()
    conditions: tuple[Condition, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """`quota` and `summary`."""
    requeue_after: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided. Until the applier knows of `release` and `adopt`, retained namespaces keep their labels and none is adopted."""

    outcome: Outcome
    release: tuple[Manifest, ...] = ()
    """Namespaces to let go: each is applied as it stands, without labels or owner added, and never pruned in the same apply."""
    adopt: frozenset[str] = frozenset()
    """Namespaces that may be taken over though somebody else made them."""


def decide(tenant: Tenant, observed: TenantObserved, quota: QuotaPart | None = None) -> Decision:
    """Decide from the spec and what was observed. `ready` and Ready hold once the objects are applied; before, nothing is to be told."""
    quota = quota or QuotaPart()
    placed = placements(tenant, observed)
    gone = removed(tenant, observed)
    keep = tenant.spec.deletion_policy == "Retain"
    going = [live for live in gone if "deletionTimestamp" not in live["metadata"]]
    # Marked to stay under a former policy: wanted once more without the mark, so that the next apply may prune it.
    unmarked = [] if keep else [Wanted(_unmarked(live), Mode.UPDATE_ONLY) for live in going if _marked(live)]
    wanted = [Wanted(one.manifest) for one in placed if one.manifest is not None]
    inside = [Wanted(each) for one in placed if one.usable for each in _dressed(tenant, one, observed)]
    waits = [one for one in (quota.requeue_after, roles.next_expiry(tenant, observed.now)) if one is not None]
    outcome = Outcome(
        conditions=(*_conditions(placed, [text for live in gone if (text := hangs_on(live))]), *quota.conditions),
        objects=(*wanted, *unmarked, *inside, *quota.objects),
        status={"namespaces": _namespaces(placed, gone), **quota.status},
        requeue_after=1.0 if unmarked else min(waits, default=None),
    )
    release = tuple(released(live) for live in going) if keep else ()
    return Decision(outcome, release, frozenset(one.namespace for one in placed if one.adopted and one.usable))


def _dressed(tenant: Tenant, one: Placement, observed: TenantObserved) -> list[Manifest]:
    bounds = limits.limit_range(tenant, one.namespace)
    return [
        *([bounds] if bounds else []),
        *network.policies(tenant, one.namespace, observed.cluster),
        *roles.bindings(tenant, one.project, one.namespace, observed.now),
    ]


def _conditions(placed: tuple[Placement, ...], hanging: list[str]) -> tuple[Condition, ...]:
    refused = "; ".join(one.message for one in placed if one.manifest is None)[:1000]
    waiting = "; ".join([*(one.message for one in placed if one.waiting), *hanging])[:1000]
    blocked = any(one.waiting for one in placed)
    if refused:
        ready = Condition("Ready", "False", "NamespaceRefused", refused)
    elif blocked:
        ready = Condition("Ready", "False", "NamespaceTerminating", waiting)
    else:
        ready = Condition("Ready", "True", "NamespacesReady", f"{len(placed)} namespace{'' if len(placed) == 1 else 's'} in place")
    return (
        ready,
        Condition("Reconciling", "True", "NamespaceTerminating", waiting) if waiting else Condition("Reconciling", "False", "Settled"),
        Condition("Stalled", "True", "NamespaceRefused", refused) if refused else Condition("Stalled", "False", "Progressing"),
    )


def _namespaces(placed: tuple[Placement, ...], gone: tuple[Manifest, ...]) -> list[dict[str, Any]]:
    own = [{"name": one.namespace, "project": one.project, "ready": one.usable, "message": one.message} for one in placed]
    leaving = [{"name": live["metadata"]["name"], "project": "", "ready": False, "message": hangs_on(live) or "leaving"} for live in gone]
    return [*own, *leaving]


def _marked(live: Manifest) -> bool:
    return (live["metadata"].get("annotations") or {}).get(RETAIN_ANNOTATION) == "true"


def _unmarked(live: Manifest) -> Manifest:
    return released(live)
