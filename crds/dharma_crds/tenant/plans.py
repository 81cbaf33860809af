"""What each plan allows, unless a Tenant says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

Plan = Literal["Free", "Basic", "Pro", "Enterprise"]


@dataclass(frozen=True, slots=True)
class PlanQuota:
    """The quotas of a plan; None is unlimited."""

    projects: int | None = None
    blueprints: int | None = None
    deployments: int | None = None
    users: int | None = None
    storage: str | None = None
    """Bytes over all volumes, as a quantity."""
    api_calls_per_day: int | None = None
    compute: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Over all namespaces of the tenant, under ResourceQuota's names, as quantities."""


def _compute(*, cpu: int, memory: int, pods: int, volumes: int, load_balancers: int) -> Mapping[str, str]:
    """Allow requests of `cpu` CPUs and `memory` GiB, limits of twice that."""
    return MappingProxyType(
        {
            "requests.cpu": str(cpu),
            "requests.memory": f"{memory}Gi",
            "limits.cpu": str(2 * cpu),
            "limits.memory": f"{2 * memory}Gi",
            "pods": str(pods),
            "persistentvolumeclaims": str(volumes),
            "services.loadbalancers": str(load_balancers),
        }
    )


PLANS: Final[Mapping[Plan, PlanQuota]] = MappingProxyType(
    {
        "Free": PlanQuota(3, 10, 20, 5, "50Gi", 10_000, _compute(cpu=2, memory=4, pods=30, volumes=3, load_balancers=0)),
        "Basic": PlanQuota(10, 50, 100, 25, "200Gi", 100_000, _compute(cpu=8, memory=16, pods=100, volumes=5, load_balancers=1)),
        "Pro": PlanQuota(25, 200, 500, 100, "1Ti", 1_000_000, _compute(cpu=20, memory=40, pods=200, volumes=10, load_balancers=2)),
        "Enterprise": PlanQuota(),
    }
)


def in_words() -> str:
    """Say what each plan allows, for people."""
    return "; ".join(f"{name}: {_words(quota)}" for name, quota in PLANS.items())


def _words(quota: PlanQuota) -> str:
    if quota.projects is None:
        return "unlimited"
    return (
        f"{quota.projects} projects, {quota.blueprints} Blueprints, {quota.deployments} Deployments, {quota.users} users, "
        f"{quota.storage} of volumes, {quota.api_calls_per_day} API calls a day, "
        f"{quota.compute['requests.cpu']} CPUs and {quota.compute['requests.memory']} requested, "
        f"{quota.compute['persistentvolumeclaims']} volumes, {quota.compute['services.loadbalancers']} load balancers"
    )
