"""What a Tenant's status says: conditions, each namespace, what is used of what is allowed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dharma_crds.tenant import PLANS, Tenant
from dharma_handlers.outcome import Condition, Manifest, Wanted
from dharma_handlers.tenant.namespaces import Placement, hangs_on
from dharma_handlers.tenant.observed import TenantObserved
from dharma_handlers.tenant.quota_report import usage, within_quota

_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """What is told."""

    conditions: tuple[Condition, ...]
    fields: Mapping[str, Any]
    settled: bool
    """Each namespace is there, with all that belongs in it."""
    refused: bool
    """Some namespace cannot be had."""


def report(
    tenant: Tenant,
    limits: Mapping[str, int],
    observed: TenantObserved,
    placed: Sequence[Placement],
    gone: Sequence[Manifest],
    inside: Mapping[str, Sequence[Wanted]],
    granting: Collection[str] = (),
) -> Report:
    """Put into words what was seen.

    `limits`: of the whole tenant, by ResourceQuota's names. `gone`: namespaces that leave the tenant. `inside`: what is wanted in each
    namespace. `granting`: those that get their first share now.
    """
    waits = {one.namespace: _waits_for(limits, one, observed, inside.get(one.namespace, ())) for one in placed}
    waits |= {name: f"namespace {name} gets its share of the quota" for name in granting if not waits[name]}
    hanging = [text for live in gone if (text := hangs_on(live))]
    refused = [one.message for one in placed if one.manifest is None]
    counted = [one.namespace for one in placed if one.manifest is not None]
    ready = _ready(placed, waits, refused)
    return Report(
        conditions=(
            ready,
            _reconciling(ready, hanging),
            Condition("Stalled", "True", ready.reason, ready.message) if refused else Condition("Stalled", "False", "Progressing"),
            within_quota(limits, counted, observed.quotas),
        ),
        fields={
            "namespaces": [*_own(placed, waits), *_leaving(gone)],
            "quota": (figures := _figures(tenant, limits, counted, observed)),
            "summary": _summary(figures),
        },
        settled=not any(waits.values()) and not hanging,
        refused=bool(refused),
    )


def _waits_for(limits: Mapping[str, int], one: Placement, observed: TenantObserved, wanted: Sequence[Wanted]) -> str:
    """Say what a namespace lacks; empty: nothing."""
    if one.message:
        return one.message
    if one.live is None:
        return f"namespace {one.namespace} is being made"
    seen = observed.quotas.get(one.namespace)
    if seen is None or not seen.enforced(limits):
        return f"namespace {one.namespace} waits until Kubernetes has counted what is used in it"
    missing = [name for item in wanted if (name := _name(item.manifest)) not in observed.children]
    return f"{missing[0][0]} {one.namespace}/{missing[0][2]} is being made" if missing else ""


def _name(manifest: Manifest) -> tuple[str, str, str]:
    return manifest["kind"], manifest["metadata"].get("namespace") or "", manifest["metadata"]["name"]


def _ready(placed: Sequence[Placement], waits: Mapping[str, str], refused: Sequence[str]) -> Condition:
    if refused:
        return Condition("Ready", "False", "NamespaceRefused", "; ".join(refused)[:_LONGEST])
    waiting = [text for text in waits.values() if text]
    if waiting:
        reason = "NamespaceTerminating" if any(one.waiting for one in placed) else "NamespaceNotReady"
        return Condition("Ready", "False", reason, "; ".join(waiting)[:_LONGEST])
    return Condition("Ready", "True", "NamespacesReady", f"{len(placed)} namespace{'' if len(placed) == 1 else 's'} in place")


def _reconciling(ready: Condition, hanging: Sequence[str]) -> Condition:
    if hanging:
        return Condition("Reconciling", "True", "NamespaceTerminating", "; ".join(hanging)[:_LONGEST])
    if ready.reason in {"NamespaceTerminating", "NamespaceNotReady"}:
        return Condition("Reconciling", "True", ready.reason, ready.message)
    return Condition("Reconciling", "False", "Settled")


def _own(placed: Sequence[Placement], waits: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for one in placed:
        uid = one.live["metadata"].get("uid", "") if one.live is not None and one.manifest is not None else ""
        entry = {"name": one.namespace, "project": one.project, "ready": not waits[one.namespace], "message": waits[one.namespace]}
        yield {**entry, "uid": uid} if uid else entry


def _leaving(gone: Sequence[Manifest]) -> Iterator[dict[str, Any]]:
    for live in gone:
        yield {"name": live["metadata"]["name"], "project": "", "ready": False, "message": hangs_on(live) or "it leaves the tenant"}


def _figures(tenant: Tenant, limits: Mapping[str, int], counted: Sequence[str], observed: TenantObserved) -> dict[str, dict[str, str]]:
    """Return `status.quota`: what the ResourceQuotas count, and what is counted from the spec."""
    spec, plan = tenant.spec.quota, PLANS[tenant.spec.plan]
    figures = {
        "projects": _figure(len(tenant.spec.projects), spec.projects if spec.projects is not None else plan.projects),
        # Counted where calls come in, which is nowhere yet: what is used stays empty.
        "apiCallsPerDay": {**_figure(0, plan.api_calls_per_day if spec.api_calls_per_day is None else spec.api_calls_per_day), "used": ""},
        "users": _figure(len(tenant.spec.members), spec.users if spec.users is not None else plan.users),
    }
    return {**figures, **{name: dict(one) for name, one in usage(limits, counted, observed.quotas).items()}}


def _figure(used: int, hard: int | None) -> dict[str, str]:
    return {"used": str(used), "hard": "" if hard is None else str(hard)}


def _summary(figures: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the main quotas as `3/10`, or `3` where there is no limit."""
    told: dict[str, str] = {}
    for name in ("projects", "blueprints", "deployments", "storage"):
        if (figure := figures.get(name)) is not None:
            told[name] = f"{figure['used']}/{figure['hard']}" if figure["hard"] else figure["used"]
    return told
