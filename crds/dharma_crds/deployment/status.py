"""What a Deployment reports."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dharma_crds.base import Struct, Time
from dharma_crds.cel import list_map
from dharma_crds.common import FreeForm
from dharma_crds.status import Status


class DeploymentRevision(Struct):
    """One version."""

    hash: str = Field(default="", description="Digest of what makes the version; annotations that decide name it.")
    image: str = Field(default="", description="Its container image.")


class DeploymentRevisions(Struct):
    """The versions that matter now."""

    active: DeploymentRevision | None = Field(default=None, description="The version that serves.")
    target: DeploymentRevision | None = Field(default=None, description="The version that the spec asks for.")
    previous: DeploymentRevision | None = Field(default=None, description="The version that served before.")


class CheckStatus(Struct):
    """How one check went."""

    name: str = Field(description="Name of the check.")
    stage: str = Field(default="", description="Before or After the switch.")
    result: str = Field(default="", description="Pending, Running, Passed or Failed.")
    value: str | None = Field(default=None, description="What was measured.")
    message: str = Field(default="", description="Why, in a sentence.")


class Pin(Struct):
    """An older version that a person asked for, in the place of one version of the spec."""

    to: str = Field(description="Hash of the version that annotation dharma.io/rollback-to names.")
    instead_of: str = Field(
        description="Hash of the version that the spec asked for then. Another spec ends it, though the annotation stays."
    )


class Rollback(Struct):
    """The last time that it went back."""

    time: Time | None = Field(default=None, description="When it went back.")
    from_: str | None = Field(
        default=None, validation_alias="from", serialization_alias="from", description="Hash of the version that was left."
    )
    reason: str | None = Field(default=None, description="Why, in one stable CamelCase word.")
    message: str | None = Field(default=None, description="What was seen, in a sentence.")


class DeploymentStatus(Status):
    """What a Deployment reports."""

    phase: str | None = Field(
        default=None,
        description="The step of a switch: Idle, Provision, Warm, PreCheck, AwaitPromotion, Switch, Propagate, Bake, Drain, Retire, "
        "Aborting or Degraded.",
    )
    phase_since: Time | None = Field(default=None, description="When that step began; deadlines count from here.")
    active: str | None = Field(default=None, description="The colour that serves: Blue or Green.")
    preview: str | None = Field(default=None, description="The colour that is made ready; absent when there is none.")
    revisions: DeploymentRevisions | None = Field(default=None, description="The versions that matter now.")
    refused: tuple[str, ...] = Field(default=(), description="Hashes of versions that failed; they are not tried again by themselves.")
    pinned: Pin | None = Field(default=None, description="The older version that was asked for last.")
    progress: str | None = Field(default=None, description="Steps done of those to do, such as 7/9.")
    message: str | None = Field(default=None, description="What it does or waits for, in a sentence.")
    checks: Annotated[tuple[CheckStatus, ...], list_map("name")] = Field(default=(), description="How each check went.")
    last_rollback: Rollback | None = Field(default=None, description="The last time that it went back.")
    replicas: int | None = Field(default=None, description="Pods of the version that serves.")
    ready_replicas: int | None = Field(default=None, description="Those of them that are ready.")
    ready: str | None = Field(default=None, description="Ready pods of those wanted, such as 3/3.")
    selector: str | None = Field(default=None, description="Label selector of the pods that serve, for kubectl scale and autoscalers.")
    recommendations: tuple[FreeForm, ...] = Field(default=(), description="Changes that would make it cheaper or safer, at most fifty.")
