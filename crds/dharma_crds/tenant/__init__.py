"""Tenant (`dht`): a team with its plan, projects, members and limits."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from dharma_crds.base import CrdMeta, CustomResource, PrinterColumn
from dharma_crds.status import AGE_COLUMN, MESSAGE_COLUMN, READY_COLUMN, REASON_COLUMN
from dharma_crds.tenant.limits import Budget, ContainerLimits, Limits, PodLimits, Quota
from dharma_crds.tenant.network import Network, NetworkPeer
from dharma_crds.tenant.plans import PLANS, Plan, PlanQuota
from dharma_crds.tenant.policies import Policies, PolicyAction
from dharma_crds.tenant.rules import ROOT_RULES
from dharma_crds.tenant.spec import Member, Project, TenantSpec
from dharma_crds.tenant.status import Allocation, Allocations, NamespaceStatus, TenantStatus, TenantSummary, Usage

__all__ = [
    "PLANS",
    "Allocation",
    "Allocations",
    "Budget",
    "ContainerLimits",
    "Limits",
    "Member",
    "NamespaceStatus",
    "Network",
    "NetworkPeer",
    "Plan",
    "PlanQuota",
    "PodLimits",
    "Policies",
    "PolicyAction",
    "Project",
    "Quota",
    "Tenant",
    "TenantSpec",
    "TenantStatus",
    "TenantSummary",
    "Usage",
]


class Tenant(CustomResource):
    """A team: its plan, a namespace for each project, members, quotas, limits and isolation."""

    crd: ClassVar[CrdMeta] = CrdMeta(
        plural="tenants",
        singular="tenant",
        short_name="dht",
        scope="Cluster",
        summary="A team with its plan, projects, members and limits.",
        columns=(
            READY_COLUMN,
            REASON_COLUMN,
            PrinterColumn("Plan", ".spec.plan", "The plan whose quotas hold."),
            PrinterColumn("Projects", ".status.summary.projects", "Projects used and allowed."),
            PrinterColumn("Blueprints", ".status.summary.blueprints", "Blueprints used and allowed."),
            PrinterColumn("Storage", ".status.summary.storage", "Storage used and allowed."),
            PrinterColumn("Deployments", ".status.summary.deployments", "Deployments used and allowed.", wide=True),
            MESSAGE_COLUMN,
            AGE_COLUMN,
        ),
        selectable=(".spec.plan",),
    )
    cel_rules = ROOT_RULES

    kind: Literal["Tenant"] = Field(default="Tenant", description="Always Tenant.")
    spec: TenantSpec = Field(description="What is wanted.")
    status: TenantStatus = Field(default=TenantStatus(), description="What was found and done; written by the operator.")
