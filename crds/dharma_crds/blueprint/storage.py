"""Volumes of components that hold data."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.cel import Rule, says, unit
from dharma_crds.common import quantity_at_least, same_if_set
from dharma_crds.formats import Bytes, ObjectName
from dharma_crds.quantity import Quantity

STORAGE_IMMUTABLES: Final = (
    Rule(
        "storage-shrink",
        quantity_at_least("self.size", "oldSelf.size"),
        "size cannot shrink, a volume only grows; set it back, or make a new one and move the data",
        message_expression=says(
            "size cannot shrink from %s to %s, as a volume only grows; set it back, or make a new one and move the data",
            "oldSelf.size",
            "self.size",
        ),
        reason="FieldValueForbidden",
        field_path=".size",
    ),
    Rule(
        "storage-class-immutable",
        same_if_set("storageClassName"),
        "storageClassName cannot change once the volume exists; set it back, or make a new one and move the data",
        reason="FieldValueForbidden",
        field_path=".storageClassName",
    ),
)


class Grow(Struct):
    """When a volume grows by itself."""

    above: Annotated[int, unit("percent of the volume")] = Field(
        default=80, ge=50, le=95, description="How full a volume must be to grow. Higher leaves less time before writes fail."
    )
    step: Annotated[int, unit("percent of the current size")] = Field(
        default=20, ge=5, le=100, description="How much it grows each time. Small steps cost a resize more often."
    )
    max: Bytes = Field(description="The size it never grows beyond. At that size a full volume stops writes and is reported.")


class Storage(Struct):
    """One volume for each instance. It may grow and never shrinks: Kubernetes cannot make a volume smaller."""

    cel_rules = (
        *STORAGE_IMMUTABLES,
        Rule(
            "storage-grow-max",
            f"!has(self.grow) || {quantity_at_least('self.grow.max', 'self.size')}",
            "storage.grow.max must not be less than storage.size; raise it or remove grow",
            field_path=".grow.max",
        ),
    )
    size: Bytes = Field(description="Size of each instance's volume. Raising it grows the volumes online; lowering it is refused.")
    storage_class_name: ObjectName | None = Field(
        default=None, description="StorageClass of the volumes. It cannot be changed later. Default: the cluster's default class."
    )
    grow: Grow | None = Field(
        default=None, description="Growing by itself when a volume fills up. Default: only when size is raised by hand."
    )


class RedisStorage(Storage):
    """The same with a size that suits the default of maxMemory."""

    size: Bytes = Field(
        default=Quantity("2Gi"), description="Size of each instance's volume; at least twice maxMemory, for the file being rewritten."
    )
