"""What a Tenant asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from dharma_crds.base import Struct, Time
from dharma_crds.cel import LIST_SET, list_map, unit
from dharma_crds.common import DeletionPolicy
from dharma_crds.formats import DnsLabel, LabelValue, TimeZone, matching
from dharma_crds.tenant.limits import Budget, Limits, Quota
from dharma_crds.tenant.network import Network
from dharma_crds.tenant.plans import Plan, in_words
from dharma_crds.tenant.policies import Policies
from dharma_crds.tenant.rules import MEMBER_RULES, PROJECT_RULES, SPEC_RULES

MemberKind = Literal["User", "Group", "ServiceAccount"]
Role = Literal["Admin", "Editor", "Viewer"]
PodSecurity = Literal["Restricted", "Baseline", "Privileged"]

ProjectName = Annotated[
    str,
    matching(
        "project-name",
        r"[a-z]([-a-z0-9]*[a-z0-9])?",
        "must be lower-case letters, digits and hyphens, at most 40, beginning with a letter",
        40,
    ),
]
TenantNamespace = Annotated[
    str,
    matching(
        "tenant-namespace",
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?",
        "must be lower-case letters, digits and hyphens, at most 63, and neither default nor a name that begins with kube-",
        63,
        refused=("default",),
        also=" && !self.startsWith('kube-')",
        accepts=lambda text: not text.startswith("kube-"),
    ),
]


class Project(Struct):
    """A part of the tenant with a namespace of its own."""

    cel_rules = PROJECT_RULES
    name: ProjectName = Field(description="Name of the project. Removing it leaves or deletes its namespace, as deletionPolicy says.")
    namespace: TenantNamespace | None = Field(
        default=None,
        description="Its namespace. It cannot be changed later, and one that exists is not taken over. Default: <tenant>-<project>.",
    )
    labels: Mapping[str, LabelValue] = Field(default={}, max_length=32, description="Labels for the namespace, such as cost-center.")
    share: Annotated[int, unit("percent of the tenant's compute quota")] | None = Field(
        default=None, ge=0, le=100, description="Its part of the quota, with quota.distribution Static. Default: none; Elastic ignores it."
    )


class Member(Struct):
    """Someone who works in the tenant's namespaces."""

    cel_rules = MEMBER_RULES
    kind: MemberKind = Field(description="User, Group or ServiceAccount.")
    name: str = Field(min_length=1, max_length=253, description="Name, as the cluster's login gives it.")
    namespace: DnsLabel | None = Field(
        default=None, description="Namespace of a ServiceAccount. Default: none, as users and groups have none."
    )
    role: Role = Field(
        description="Viewer: read, without Secrets. Editor: all that runs, with Secrets. Admin: ServiceAccounts too. None gives rights."
    )
    projects: Annotated[tuple[ProjectName, ...], LIST_SET] = Field(
        default=(), max_length=32, description="Projects it works in. Default: all."
    )
    expires_at: Time | None = Field(default=None, description="When the rights end. Default: never.")


class TenantSpec(Struct):
    """What a Tenant asks for."""

    cel_rules = SPEC_RULES
    suspend: bool = Field(default=False, description="Stop acting and keep reporting: quotas and policies stay as they are.")
    display_name: str | None = Field(
        default=None, max_length=100, description="Name for people, on the dashboard and in messages. Default: the object's name."
    )
    plan: Plan = Field(description=f"The defaults of quota and limits; what is set there wins. {in_words()}.")
    time_zone: TimeZone = Field(default="Etc/UTC", description="Time zone of the tenant's days, for daily quotas and schedules.")
    projects: Annotated[tuple[Project, ...], list_map("name")] = Field(
        default=(), max_length=64, description="Parts of the tenant, a namespace each. With none the tenant has no place to work in."
    )
    members: Annotated[tuple[Member, ...], list_map("kind", "name")] = Field(
        default=(), max_length=128, description="Who works in its namespaces. Nobody else is given rights by the operator."
    )
    quota: Quota = Field(default=Quota(), description="What the tenant may use in all.")
    limits: Limits | None = Field(default=None, description="Bounds for single containers and pods. Default: the plan's.")
    network: Network = Field(default=Network(), description="Who may talk to its pods, and to whom they may talk.")
    pod_security: PodSecurity = Field(
        default="Restricted", description="Pod Security level of its namespaces. Baseline and Privileged admit pods that can harm others."
    )
    policies: Policies = Field(default=Policies(), description="What its people may ask of the cluster.")
    budget: Budget | None = Field(default=None, description="Money for a month. Default: no limit.")
    deletion_policy: DeletionPolicy = Field(
        default="Retain",
        description="When a project or the Tenant goes: Retain keeps its namespaces, Delete deletes them with all that is in them.",
    )
