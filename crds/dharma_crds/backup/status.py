"""What a Backup reports."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dharma_crds.base import Struct, Time
from dharma_crds.cel import list_map
from dharma_crds.status import Status


class Run(Struct):
    """One run that ended well."""

    time: Time | None = Field(default=None, description="When it ended.")
    duration: str | None = Field(default=None, description="How long it took, as a Go duration.")
    size: str | None = Field(default=None, description="How much it read or wrote, as a quantity.")
    id: str | None = Field(default=None, description="The backup it made or verified.")


class Recoverable(Struct):
    """The time that can be restored."""

    from_: Time | None = Field(default=None, validation_alias="from", serialization_alias="from", description="The earliest moment.")
    to: Time | None = Field(default=None, description="The latest moment.")


class RecentBackup(Struct):
    """One backup that is kept."""

    id: str = Field(description="Its name in the destination.")
    time: Time | None = Field(default=None, description="When it ended.")
    component: str = Field(default="", description="The component it holds.")
    type: str = Field(default="", description="Full, Incremental or Differential for Postgres, Snapshot for Redis.")
    size: str = Field(default="", description="Its size in the destination, as a quantity.")
    verified: str = Field(default="", description="Whether a restore of it was checked: True, False or Unknown.")
    message: str = Field(default="", description="What went wrong, or what was proved.")


class BackupStatus(Status):
    """What a Backup reports."""

    last_success: Run | None = Field(default=None, description="The newest backup that ended well.")
    last_verified: Run | None = Field(default=None, description="The newest restore on trial that ended well.")
    next: Time | None = Field(default=None, description="When the next backup begins.")
    recoverable: Recoverable | None = Field(default=None, description="The time that can be restored.")
    recent: Annotated[tuple[RecentBackup, ...], list_map("id")] = Field(default=(), description="The newest backups, at most twenty.")
    stored: str | None = Field(default=None, description="What all backups take in the destination, as a quantity.")
