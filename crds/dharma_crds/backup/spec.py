"""What a Backup asks for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dharma_crds.backup.rules import DESTINATION_RULES, SPEC_RULES, VERIFY_RULES
from dharma_crds.base import Struct
from dharma_crds.blueprint.component_name import ComponentName
from dharma_crds.blueprint.postgres import DatabaseName
from dharma_crds.blueprint.storage import STORAGE_IMMUTABLES
from dharma_crds.cel import LIST_SET, unit
from dharma_crds.common import DeletionPolicy
from dharma_crds.formats import Bytes, Cron, HttpUrl, ObjectName, TimeZone, matching

VerifyEvery = Literal["Backup", "Day", "Week", "Never"]
VerifyCheck = Literal["Restore", "Amcheck"]

BucketName = Annotated[
    str,
    matching(
        "bucket",
        r"[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]",
        "must be the name of an S3 bucket: 3 to 63 lower-case letters, digits, hyphens and dots",
        63,
    ),
]
KeyPrefix = Annotated[
    str,
    matching("key-prefix", r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", "must be a path without a slash at its ends, such as backups/shop", 200),
]
Region = Annotated[str, matching("region", r"[a-z0-9][-a-z0-9]*", "must be the name of a region, such as eu-central-1", 63)]


class BackupVolume(Struct):
    """A volume in the cluster."""

    cel_rules = STORAGE_IMMUTABLES
    size: Bytes = Field(
        description="Size of the volume. Raising it grows the volume; lowering it is refused. When it is full, backups fail."
    )
    storage_class_name: ObjectName | None = Field(
        default=None, description="StorageClass of the volume. It cannot be changed later. Default: the cluster's default class."
    )


class S3(Struct):
    """A bucket of an S3 service."""

    endpoint: HttpUrl = Field(description="Address of the service, such as https://s3.eu-central-1.amazonaws.com.")
    bucket: BucketName = Field(description="The bucket. It must exist.")
    prefix: KeyPrefix | None = Field(
        default=None, description="Path in the bucket below which everything is kept. Default: namespace and name of the Backup."
    )
    region: Region = Field(default="us-east-1", description="Region of the bucket; services without regions ignore it.")
    credentials_secret: ObjectName = Field(
        description="Secret of the same namespace with the keys access-key-id and secret-access-key. Without it backups fail."
    )


class Destination(Struct):
    """Where backups are kept: exactly one of volume and s3."""

    cel_rules = DESTINATION_RULES
    volume: BackupVolume | None = Field(
        default=None, description="A volume in the cluster; it is lost with the cluster. Default: s3 is used."
    )
    s3: S3 | None = Field(default=None, description="A bucket of an S3 service. Default: volume is used.")

    @model_validator(mode="after")
    def _one_member(self) -> Destination:
        if (self.volume is None) == (self.s3 is None):
            raise ValueError("destination must hold exactly one of volume and s3")
        return self


class Retention(Struct):
    """How long backups are kept."""

    days: Annotated[int, unit("days")] = Field(default=30, ge=1, le=3650, description="Backups older than this are deleted, for good.")
    min_count: Annotated[int, unit("backups of each component")] = Field(
        default=3, ge=1, le=1000, description="So many of the newest are kept whatever their age."
    )


class SqlCheck(Struct):
    """A question to the restored database."""

    database: DatabaseName = Field(description="Database to ask.")
    query: str = Field(
        min_length=1, max_length=4096, description="Query that gives one row with one column. It runs on the copy, as superuser."
    )
    expect: str = Field(max_length=1024, description="The answer as text, such as t. Another answer fails the verification.")


class Verify(Struct):
    """Proving that a backup can be restored."""

    cel_rules = VERIFY_RULES
    every: VerifyEvery = Field(
        default="Backup",
        description="When a backup is restored on trial: Backup is after each one, Day and Week are the newest once in that time. "
        "Never proves nothing, and the condition Verified stays Unknown.",
    )
    checks: Annotated[tuple[VerifyCheck, ...], LIST_SET] = Field(
        default=("Restore",),
        max_length=8,
        description="Restore: a copy is restored and started. Amcheck: its indexes and tables are checked, which takes longer.",
    )
    sql: tuple[SqlCheck, ...] = Field(default=(), max_length=32, description="Questions to the restored copy, with the answers expected.")


class BackupSpec(Struct):
    """What a Backup asks for."""

    cel_rules = SPEC_RULES
    suspend: bool = Field(default=False, description="Start no backup and delete none; keep reporting.")
    blueprint: ObjectName = Field(description="Name of the Blueprint (dhb) in the same namespace. It cannot be changed later.")
    components: Annotated[tuple[ComponentName, ...], LIST_SET] = Field(
        default=(), max_length=16, description="Components to save. Default: all of the Blueprint that hold data."
    )
    schedule: Cron | None = Field(
        default=None, description="When a backup begins, as cron. Default: once, as soon as the components are ready."
    )
    time_zone: TimeZone = Field(default="Etc/UTC", description="Time zone of schedule.")
    continuous: bool = Field(
        default=False,
        description="Save Postgres' log (WAL) as it is written, so that any point in time can be restored. Costs storage for each write.",
    )
    retention: Retention = Field(default=Retention(), description="How long backups are kept.")
    destination: Destination = Field(description="Where backups are kept.")
    verify: Verify = Field(default=Verify(), description="Proving that a backup can be restored.")
    deletion_policy: DeletionPolicy = Field(
        default="Retain", description="Retain: what is saved outlives the Backup object. Delete: it is deleted with it, for good."
    )
