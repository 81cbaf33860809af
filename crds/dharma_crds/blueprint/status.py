"""What a Blueprint reports.

Bounds of lists and texts are kept by the writer and are not in the schema: a status that is refused would hide what it has to say.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.cel import list_map
from dharma_crds.common import FreeForm
from dharma_crds.status import Status


class ComponentStatus(Struct):
    """One component at a look."""

    name: str = Field(description="Name of the component.")
    type: str = Field(description="What it is: postgres, pgbouncer or redis.")
    ready: str = Field(default="", description="Pods that serve of those wanted, such as 3/3.")
    phase: str | None = Field(default=None, description="What it is doing now, in a word.")
    primary: str | None = Field(default=None, description="Pod that takes writes.")
    version: str | None = Field(default=None, description="Version of the server that runs.")
    service: str | None = Field(default=None, description="Host name to connect to.")
    secret: str | None = Field(default=None, description="Secret that holds the connection of its first user.")
    message: str = Field(default="", description="What it waits for, or what was done last.")


class Change(Struct):
    """One difference between what is and what should be."""

    object: str = Field(description="The object, as kind/name.")
    action: str = Field(description="What would be done to it: Create, Update, Delete or Keep.")
    effect: str = Field(default="None", description="What its users would notice: None, Reload, RollingRestart, Recreate or DataLoss.")
    fields: tuple[str, ...] = Field(default=(), description="Paths of the fields that differ.")


class Plan(Struct):
    """What applying the spec would change."""

    hash: str | None = Field(default=None, description="Digest of the plan; two equal ones are the same plan.")
    changes: tuple[Change, ...] = Field(default=(), description="The differences; the first hundred.")
    disruption: str | None = Field(default=None, description="What users would notice, in a sentence.")
    cost_delta: FreeForm | None = Field(default=None, description="How the monthly cost would change.")


class BlueprintStatus(Status):
    """What a Blueprint reports."""

    ready: str | None = Field(default=None, description="Components that serve of those wanted, such as 3/3.")
    components: Annotated[tuple[ComponentStatus, ...], list_map("name")] = Field(default=(), description="Each component at a look.")
    plan: Plan | None = Field(default=None, description="What applying the spec would change.")
    recommendations: tuple[FreeForm, ...] = Field(default=(), description="Changes that would make it cheaper or safer.")
