"""What a Blueprint reports.

Bounds of lists and texts are kept by the writer and are not in the schema: a status that is refused would hide what it has to say.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dharma_crds.base import Struct, Time
from dharma_crds.cel import list_map
from dharma_crds.common import FreeForm
from dharma_crds.conditions import Status


class Revision(Struct):
    """Which state of the spec is in force."""

    current: int | None = Field(None, description="Number of the newest revision of the spec.")
    last_good: int | None = Field(
        None, description="Number of the newest revision that became ready; what runs when a later one is refused."
    )
    hash: str | None = Field(None, description="Digest of the current revision's spec.")


class ComponentStatus(Struct):
    """One component at a look."""

    name: str = Field(description="Name of the component.")
    type: str = Field(description="postgres, pgbouncer or redis.")
    ready: str = Field("", description="Pods that serve of those wanted, such as 3/3.")
    phase: str | None = Field(None, description="What it is doing now, in a word.")
    primary: str | None = Field(None, description="Pod that takes writes.")
    version: str | None = Field(None, description="Version of the server that runs.")
    service: str | None = Field(None, description="Host name to connect to.")
    secret: str | None = Field(None, description="Secret that holds the connection of its first user.")
    message: str = Field("", description="What it waits for, or what was done last.")


class Change(Struct):
    """One difference between what is and what should be."""

    object: str = Field(description="The object, as kind/name.")
    action: str = Field(description="What would be done to it: Create, Update, Delete or Keep.")
    effect: str = Field("None", description="What its users would notice: None, Reload, RollingRestart, Recreate or DataLoss.")
    fields: tuple[str, ...] = Field((), description="Paths of the fields that differ.")


class Plan(Struct):
    """What applying the spec would change."""

    hash: str | None = Field(None, description="Digest of the plan; two equal ones are the same plan.")
    changes: tuple[Change, ...] = Field((), description="The differences; the first hundred.")
    disruption: str | None = Field(None, description="What users would notice, in a sentence.")
    cost_delta: FreeForm | None = Field(None, description="How the monthly cost would change.")


class DriftItem(Struct):
    """One child that someone else changed."""

    object: str = Field(description="The object, as kind/name.")
    fields: tuple[str, ...] = Field((), description="Paths of the fields that differ; empty when the object is missing.")
    manager: str | None = Field(None, description="Field manager that changed it, where the API server knows.")
    time: Time | None = Field(None, description="When it was seen.")


class DriftStatus(Struct):
    """What others changed."""

    count: int = Field(0, description="Changes found since the Blueprint was made, corrected ones included.")
    items: tuple[DriftItem, ...] = Field((), description="The latest ones, at most twenty; under policy Correct those that were put back.")
    last_corrected: Time | None = Field(None, description="When something was last put back.")


class BlueprintStatus(Status):
    """What a Blueprint reports."""

    ready: str | None = Field(None, description="Components that serve of those wanted, such as 3/3.")
    revision: Revision | None = Field(None, description="Which state of the spec is in force.")
    components: Annotated[tuple[ComponentStatus, ...], list_map("name")] = Field((), description="Each component at a look.")
    plan: Plan | None = Field(None, description="What applying the spec would change.")
    drift: DriftStatus | None = Field(None, description="What others changed.")
    findings: tuple[FreeForm, ...] = Field((), description="What looks unusual or risky; the latest fifty.")
    cost: FreeForm | None = Field(None, description="What it costs a month, by component.")
    recommendations: tuple[FreeForm, ...] = Field((), description="Changes that would make it cheaper or safer.")
