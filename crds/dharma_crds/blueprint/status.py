"""What a Blueprint reports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dharma_crds.base import Struct, Time
from dharma_crds.cel import list_map
from dharma_crds.common import FreeForm
from dharma_crds.conditions import Status

Effect = Literal["None", "Reload", "RollingRestart", "Recreate", "DataLoss"]
Action = Literal["Create", "Update", "Delete", "Keep"]


class Revision(Struct):
    """Which state of the spec is in force."""

    current: int | None = Field(None, description="Number of the newest revision of the spec.")
    last_good: int | None = Field(
        None, description="Number of the newest revision that became ready; what runs when a later one is refused."
    )
    hash: str | None = Field(None, max_length=64, description="Digest of the current revision's spec.")


class ComponentStatus(Struct):
    """One component at a look."""

    name: str = Field(max_length=63, description="Name of the component.")
    type: str = Field(max_length=32, description="postgres, pgbouncer or redis.")
    ready: str = Field("", max_length=16, description="Pods that serve of those wanted, such as 3/3.")
    phase: str | None = Field(None, max_length=64, description="What it is doing now, in a word.")
    primary: str | None = Field(None, max_length=253, description="Pod that takes writes.")
    version: str | None = Field(None, max_length=64, description="Version of the server that runs.")
    service: str | None = Field(None, max_length=300, description="Host name to connect to.")
    secret: str | None = Field(None, max_length=253, description="Secret that holds the connection of its first user.")
    message: str = Field("", max_length=2048, description="What it waits for, or what was done last.")


class Change(Struct):
    """One difference between what is and what should be."""

    object: str = Field(max_length=320, description="The object, as kind/name.")
    action: Action = Field(description="What would be done to it.")
    effect: Effect = Field("None", description="What its users would notice.")
    fields: tuple[str, ...] = Field((), max_length=32, description="Paths of the fields that differ.")


class Plan(Struct):
    """What applying the spec would change."""

    hash: str | None = Field(None, max_length=64, description="Digest of the plan; two equal ones are the same plan.")
    changes: tuple[Change, ...] = Field((), max_length=100, description="The differences; the first hundred.")
    disruption: str | None = Field(None, max_length=1024, description="What users would notice, in a sentence.")
    cost_delta: FreeForm | None = Field(None, description="How the monthly cost would change.")


class DriftItem(Struct):
    """One child that someone else changed."""

    object: str = Field(max_length=320, description="The object, as kind/name.")
    fields: tuple[str, ...] = Field((), max_length=32, description="Paths of the fields that differ; empty when the object is missing.")
    manager: str | None = Field(None, max_length=253, description="Field manager that changed it, where the API server knows.")
    time: Time | None = Field(None, description="When it was seen.")


class DriftStatus(Struct):
    """What others changed."""

    count: int = Field(0, description="Changes found since the Blueprint was made, corrected ones included.")
    items: tuple[DriftItem, ...] = Field((), max_length=20, description="The latest ones; under policy Correct those that were put back.")
    last_corrected: Time | None = Field(None, description="When something was last put back.")


class BlueprintStatus(Status):
    """What a Blueprint reports."""

    ready: str | None = Field(None, max_length=16, description="Components that serve of those wanted, such as 3/3.")
    revision: Revision | None = Field(None, description="Which state of the spec is in force.")
    components: Annotated[tuple[ComponentStatus, ...], list_map("name")] = Field((), max_length=64, description="Each component at a look.")
    plan: Plan | None = Field(None, description="What applying the spec would change.")
    drift: DriftStatus | None = Field(None, description="What others changed.")
    findings: tuple[FreeForm, ...] = Field((), max_length=50, description="What looks unusual or risky; the latest fifty.")
    cost: FreeForm | None = Field(None, description="What it costs a month, by component.")
    recommendations: tuple[FreeForm, ...] = Field((), max_length=50, description="Changes that would make it cheaper or safer.")
