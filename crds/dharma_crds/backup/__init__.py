"""Backup (`dhk`): what to save, when, how long, and how it is proved."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from dharma_crds.backup.spec import S3, BackupSpec, BackupVolume, Destination, Retention, SqlCheck, Verify
from dharma_crds.backup.status import BackupStatus, RecentBackup, Recoverable, Run
from dharma_crds.base import CrdMeta, CustomResource, PrinterColumn
from dharma_crds.status import AGE_COLUMN, MESSAGE_COLUMN, READY_COLUMN, REASON_COLUMN

__all__ = [
    "S3",
    "Backup",
    "BackupSpec",
    "BackupStatus",
    "BackupVolume",
    "Destination",
    "RecentBackup",
    "Recoverable",
    "Retention",
    "Run",
    "SqlCheck",
    "Verify",
]


class Backup(CustomResource):
    """Backups of a Blueprint's data: scheduled, kept for a time, each proved by a restore."""

    crd: ClassVar[CrdMeta] = CrdMeta(
        plural="backups",
        singular="backup",
        short_name="dhk",
        scope="Namespaced",
        summary="What to save, when, for how long, and how each backup is proved by a restore.",
        columns=(
            READY_COLUMN,
            REASON_COLUMN,
            PrinterColumn("Blueprint", ".spec.blueprint", "Whose data is saved."),
            PrinterColumn("Schedule", ".spec.schedule", "When a backup begins."),
            PrinterColumn("Last", ".status.lastSuccess.time", "When the newest backup ended.", type="date"),
            PrinterColumn("Verified", ".status.lastVerified.time", "When a restore was last proved.", type="date"),
            PrinterColumn("Next", ".status.next", "When the next backup begins.", wide=True),
            MESSAGE_COLUMN,
            AGE_COLUMN,
        ),
        selectable=(".spec.blueprint",),
    )

    kind: Literal["Backup"] = Field(default="Backup", description="Always Backup.")
    spec: BackupSpec = Field(description="What is wanted.")
    status: BackupStatus = Field(default=BackupStatus(), description="What was found and done; written by the operator.")
