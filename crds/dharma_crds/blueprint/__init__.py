"""Blueprint (`dhb`): the data services that an application needs."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from dharma_crds.base import CrdMeta, CustomResource, PrinterColumn
from dharma_crds.blueprint.access import Access, AccessPeer
from dharma_crds.blueprint.pgbouncer import PgBouncer, PoolMode
from dharma_crds.blueprint.postgres import Database, Postgres, Replication, RestoreFrom, User
from dharma_crds.blueprint.redis import EvictionPolicy, Persistence, Redis
from dharma_crds.blueprint.rules import ROOT_RULES
from dharma_crds.blueprint.spec import (
    BlueprintSpec,
    Component,
    ComponentType,
    Drift,
    Hibernation,
    Lifecycle,
    MaintenanceWindow,
    Rotation,
)
from dharma_crds.blueprint.status import BlueprintStatus, Change, ComponentStatus, Plan
from dharma_crds.blueprint.storage import Grow, RedisStorage, Storage
from dharma_crds.status import AGE_COLUMN, MESSAGE_COLUMN, READY_COLUMN, REASON_COLUMN

__all__ = [
    "Access",
    "AccessPeer",
    "Blueprint",
    "BlueprintSpec",
    "BlueprintStatus",
    "Change",
    "Component",
    "ComponentStatus",
    "ComponentType",
    "Database",
    "Drift",
    "EvictionPolicy",
    "Grow",
    "Hibernation",
    "Lifecycle",
    "MaintenanceWindow",
    "Persistence",
    "PgBouncer",
    "Plan",
    "PoolMode",
    "Postgres",
    "Redis",
    "RedisStorage",
    "Replication",
    "RestoreFrom",
    "Rotation",
    "Storage",
    "User",
]


class Blueprint(CustomResource):
    """Data services that an application needs: Postgres, PgBouncer, Redis, with credentials and one connection Secret for each user."""

    crd: ClassVar[CrdMeta] = CrdMeta(
        plural="blueprints",
        singular="blueprint",
        short_name="dhb",
        scope="Namespaced",
        summary="The data services that an application needs: Postgres, PgBouncer, Redis.",
        columns=(
            READY_COLUMN,
            REASON_COLUMN,
            PrinterColumn("Components", ".status.ready", "Components that serve of those wanted."),
            PrinterColumn("Lifecycle", ".spec.lifecycle", "Draft, Published or Archived."),
            PrinterColumn("Revision", ".status.revision.current", "Newest revision of the spec.", type="integer", wide=True),
            PrinterColumn("Drift", ".status.drift.count", "Changes by others.", type="integer", wide=True),
            MESSAGE_COLUMN,
            AGE_COLUMN,
        ),
        selectable=(".spec.lifecycle",),
    )
    cel_rules = ROOT_RULES

    kind: Literal["Blueprint"] = Field(default="Blueprint", description="Always Blueprint.")
    spec: BlueprintSpec = Field(description="What is wanted.")
    status: BlueprintStatus = Field(default=BlueprintStatus(), description="What was found and done; written by the operator.")
