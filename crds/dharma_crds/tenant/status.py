"""What a Tenant reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.cel import list_map
from dharma_crds.common import FreeForm
from dharma_crds.status import Status


class NamespaceStatus(Struct):
    """One namespace of the tenant."""

    name: str = Field(description="Name of the namespace.")
    uid: str = Field(default="", description="Its uid: whatever it is labelled, this very namespace is the tenant's.")
    project: str = Field(default="", description="The project it belongs to; empty for one that is leaving the tenant.")
    ready: bool = Field(default=False, description="Whether quota, limits, policies and rights are in place.")
    message: str = Field(default="", description="What it waits for.")


class Usage(Struct):
    """One quota."""

    used: str = Field(default="", description="What is used, as a number or quantity.")
    hard: str = Field(default="", description="What may be used; empty is unlimited.")


class Allocation(Struct):
    """What one namespace may have."""

    sequence: int = Field(default=0, description="Sequence of the allocations that last gave it more.")
    amounts: Mapping[str, str] = Field(default={}, description="What it may have at most, by resource; unlimited is without bound.")


class Allocations(Struct):
    """How the quota is divided: the operator's ledger. It is written before a ResourceQuota is raised, so that the sum never exceeds."""

    sequence: int = Field(default=0, description="Grows with each division.")
    namespaces: Mapping[str, Allocation] = Field(default={}, description="What each namespace may have, by its name.")


class TenantSummary(Struct):
    """Used and allowed, for columns."""

    projects: str = Field(default="", description="Projects, such as 3/10.")
    blueprints: str = Field(default="", description="Blueprints, such as 4/20.")
    deployments: str = Field(default="", description="Deployments, such as 7/50.")
    storage: str = Field(default="", description="Storage, such as 40Gi/200Gi.")


class TenantStatus(Status):
    """What a Tenant reports."""

    namespaces: Annotated[tuple[NamespaceStatus, ...], list_map("name")] = Field(default=(), description="Each namespace of the tenant.")
    quota: Mapping[str, Usage] = Field(default={}, description="Each quota by its name: what is used of what is allowed.")
    allocations: Allocations | None = Field(
        default=None, description="How the quota is divided between the namespaces; the operator's own record, not to be edited."
    )
    summary: TenantSummary | None = Field(default=None, description="The main quotas, for columns.")
    forecast: FreeForm | None = Field(default=None, description="When quotas will be used up at this rate.")
