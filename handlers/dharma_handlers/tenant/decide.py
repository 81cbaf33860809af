"""The one decision about a Tenant: what should exist, what is let go, how quota moves, what is to be told."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dharma_crds.tenant import Tenant
from dharma_handlers.outcome import RETAIN_ANNOTATION, Manifest, Mode, Outcome, Wanted
from dharma_handlers.tenant import network, quota, roles, status
from dharma_handlers.tenant.limits import limit_range
from dharma_handlers.tenant.namespaces import Placement, placements, released, removed
from dharma_handlers.tenant.observed import TenantObserved
from dharma_handlers.tenant.quota_amounts import limits_of
from dharma_handlers.tenant.quota_state import NAME, Step

_SOON_SECONDS = 1.0
_REFUSED_SECONDS = 15.0
"""A namespace that belongs to somebody else sends no event when it is handed over."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided."""

    outcome: Outcome
    step: Step
    """The writes that quota needs, to be carried out as `Step` says, before the outcome is applied."""


def decide(tenant: Tenant, observed: TenantObserved) -> Decision:
    """Decide from the spec and what was observed."""
    limits = limits_of(tenant)
    placed = placements(tenant, observed)
    gone = removed(tenant, observed)
    keep = tenant.spec.deletion_policy == "Retain"
    going = [live for live in gone if "deletionTimestamp" not in live["metadata"]]
    # Marked to stay under a former policy: wanted once more without the mark, so that the next apply may prune it.
    unmarked = [] if keep else [Wanted(released(live), Mode.UPDATE_ONLY) for live in going if _marked(live)]
    step = _step(tenant, limits, observed, placed, () if keep else gone)
    inside = {one.namespace: tuple(_dressed(tenant, limits, one, observed)) for one in placed if one.manifest is not None}
    report = status.report(tenant, limits, observed, placed, gone, inside, _first_grants(step, observed))
    namespaces = [Wanted(one.manifest, adopt=True) for one in placed if one.manifest is not None]
    quotas = [Wanted(_kept(name), Mode.KEEP) for name in sorted({*observed.quotas, *inside})]
    busy = bool(gone) or bool(step.waiting) or not report.settled
    waits = [
        roles.next_expiry(tenant, observed.now),
        _SOON_SECONDS if busy else None,
        _REFUSED_SECONDS if report.refused else None,
    ]
    outcome = Outcome(
        conditions=report.conditions,
        objects=(*namespaces, *unmarked, *(one for dressed in inside.values() for one in dressed), *quotas),
        release=tuple(released(live) for live in going) if keep else (),
        hold=observed.young and not report.settled and not report.refused,
        status=report.fields,
        requeue_after=min((one for one in waits if one is not None), default=None),
    )
    return Decision(outcome, step)


def _step(
    tenant: Tenant, limits: Mapping[str, int], observed: TenantObserved, placed: tuple[Placement, ...], leaving: tuple[Manifest, ...]
) -> Step:
    """Decide how quota moves. A namespace that is being deleted with all that is in it counts until it is gone."""
    existing = {one.namespace for one in placed if one.exists}
    counted = [one.namespace for one in placed if one.manifest is not None]
    counted += [name for live in leaving if (name := live["metadata"]["name"]) in observed.quotas]
    shares = {one.namespace: project.share or 0 for one, project in zip(placed, tenant.spec.projects, strict=True)}
    found = quota.step(limits, tenant.spec.quota.distribution, shares, counted, observed.quotas, observed.ledger, observed.pressed)
    return dataclasses.replace(found, create=tuple(write for write in found.create if write.namespace in existing))


def _first_grants(step: Step, observed: TenantObserved) -> frozenset[str]:
    """Name the namespaces that are about to get their first share."""
    return frozenset(write.namespace for write in step.raises if write.namespace not in observed.ledger.namespaces)


def _dressed(tenant: Tenant, limits: Mapping[str, int], one: Placement, observed: TenantObserved) -> Iterator[Wanted]:
    """Yield what is wanted in a namespace. In one that is being deleted nothing new is made; rights come last, once quota is enforced."""
    mode = Mode.UPDATE_ONLY if one.waiting else Mode.APPLY
    bounds = limit_range(tenant, one.namespace)
    if bounds:
        yield Wanted(bounds, mode)
    for policy in network.policies(tenant, one.namespace, observed.cluster):
        yield Wanted(policy, mode)
    seen = observed.quotas.get(one.namespace)
    enforced = seen is not None and seen.enforced(limits)
    for binding in roles.bindings(tenant, one.project, one.namespace, observed.now):
        yield Wanted(binding, mode if enforced else Mode.UPDATE_ONLY)


def _kept(namespace: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": NAME, "namespace": namespace}}


def _marked(live: Manifest) -> bool:
    annotations: Mapping[str, str] = live["metadata"].get("annotations") or {}
    return annotations.get(RETAIN_ANNOTATION) == "true"
