"""What a Blueprint asks for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dharma_crds.base import Struct
from dharma_crds.blueprint.access import Access
from dharma_crds.blueprint.component_name import ComponentName
from dharma_crds.blueprint.pgbouncer import PgBouncer
from dharma_crds.blueprint.postgres import Postgres
from dharma_crds.blueprint.redis import Redis
from dharma_crds.blueprint.rules import COMPONENT_RULES, MEMBERS, SPEC_RULES
from dharma_crds.cel import LIST_SET, Rule, list_map, unit
from dharma_crds.common import DeletionPolicy
from dharma_crds.formats import DURATION, Cron, GoDuration, TimeZone, duration_format

Lifecycle = Literal["Draft", "Published", "Archived"]
ComponentType = Literal["postgres", "pgbouncer", "redis"]
DriftPolicy = Literal["Correct", "Report"]


class Component(Struct):
    """A data service: a name and exactly one of postgres, pgbouncer and redis."""

    cel_rules = COMPONENT_RULES
    name: ComponentName = Field(
        description="Name of the component. Its objects are called <blueprint>-<name>; renaming makes a new one; the old one's data stays."
    )
    depends_on: Annotated[tuple[ComponentName, ...], LIST_SET] = Field(
        default=(),
        max_length=16,
        description="Components that must be ready before this one is made. A pgbouncer waits for its target without it.",
    )
    postgres: Postgres | None = Field(default=None, description="This component is a Postgres. Default: it is one of the others.")
    pgbouncer: PgBouncer | None = Field(
        default=None, description="This component is a pool of connections to a Postgres. Default: it is one of the others."
    )
    redis: Redis | None = Field(default=None, description="This component is a Redis. Default: it is one of the others.")

    @model_validator(mode="after")
    def _one_member(self) -> Component:
        held = sum(getattr(self, member) is not None for member in MEMBERS)
        if held != 1:
            raise ValueError(f"component {self.name} must hold exactly one of postgres, pgbouncer and redis, and holds {held}")
        return self

    @property
    def type(self) -> ComponentType:
        """Which of the three it is."""
        if self.postgres is not None:
            return "postgres"
        return "pgbouncer" if self.pgbouncer is not None else "redis"


class Drift(Struct):
    """What happens when a child was changed by someone else."""

    policy: DriftPolicy = Field(
        default="Correct",
        description="Correct: what was changed or deleted by hand is put back. Report: it is only reported in status.drift.",
    )


class Rotation(Struct):
    """New passwords at regular times."""

    cel_rules = (
        Rule(
            "rotation-overlap",
            f"!self.every.matches(r'^({DURATION})$') || !self.overlap.matches(r'^({DURATION})$')"
            " || duration(self.overlap) < duration(self.every)",
            "rotation.overlap must be shorter than rotation.every; lower it",
            field_path=".overlap",
        ),
    )
    every: Annotated[GoDuration, duration_format("1h")] = Field(description="How old a password may become.")
    overlap: Annotated[GoDuration, duration_format("1m")] = Field(
        default="24h",
        validate_default=True,
        description="How long the old password works beside the new one. Applications must read the Secret anew within it.",
    )


class MaintenanceWindow(Struct):
    """A time at which short interruptions are welcome."""

    schedule: Cron = Field(description='When the window opens, as cron; "0 3 * * 0" is Sunday at three.')
    duration: Annotated[GoDuration, duration_format("10m", "168h")] = Field(description="How long it stays open.")
    time_zone: TimeZone = Field(default="Etc/UTC", description="Time zone of schedule.")


class HibernationSchedule(Struct):
    """When components stop and start again. Not `off` and `on`: unquoted, YAML reads those as false and true."""

    stop: Cron = Field(description="When components are stopped, as cron. Their data stays.")
    start: Cron = Field(description="When they are started again, as cron.")
    time_zone: TimeZone = Field(default="Etc/UTC", description="Time zone of both.")


class Hibernation(Struct):
    """Stopping components when nobody uses them."""

    schedule: HibernationSchedule = Field(description="When components stop and start again.")


class BlueprintSpec(Struct):
    """What a Blueprint asks for."""

    cel_rules = SPEC_RULES
    suspend: bool = Field(default=False, description="Stop acting and keep reporting: children are left as they are.")
    lifecycle: Lifecycle = Field(
        default="Published",
        description="Draft: only a plan is made, nothing is changed. Published: it runs. Archived: everything is stopped and data is kept.",
    )
    components: Annotated[tuple[Component, ...], list_map("name")] = Field(
        min_length=1,
        max_length=16,
        description="The data services. Removing one removes its pods and keeps its volumes and Secrets, unless deletionPolicy is Delete.",
    )
    access: Access | None = Field(default=None, description="Who may connect. Default: all pods of the Blueprint's namespace.")
    drift: Drift = Field(default=Drift(), description="What happens when a child was changed by someone else.")
    rotation: Rotation | None = Field(default=None, description="New passwords at regular times. Default: passwords stay as they are.")
    maintenance_windows: tuple[MaintenanceWindow, ...] = Field(
        default=(),
        max_length=16,
        description="Restarts and switchovers that can wait, wait for one of these. With none, they happen at once.",
    )
    hibernation: Hibernation | None = Field(
        default=None, description="Stopping components when nobody uses them. Default: they always run."
    )
    revision_history_limit: Annotated[int, unit("revisions")] = Field(
        default=10, ge=1, le=100, description="How many old revisions are kept to compare with and go back to."
    )
    deletion_policy: DeletionPolicy = Field(
        default="Retain",
        description="Retain: volumes and Secrets outlive the component and the Blueprint. Delete: they are deleted with it, for good.",
    )
