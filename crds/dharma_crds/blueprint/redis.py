"""A Redis component: a cache or store, alone or replicated under Sentinel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.blueprint.storage import RedisStorage
from dharma_crds.cel import Rule, says, unit
from dharma_crds.common import LIMITS_COVER_REQUESTS, ResourceAmounts
from dharma_crds.formats import Bytes, byte_format, cpu_format
from dharma_crds.quantity import Quantity

EvictionPolicy = Literal[
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
]
Persistence = Literal["AOF", "RDB", "None"]


class RedisRequests(Struct):
    """What the scheduler sets aside for each instance."""

    cpu: Annotated[Quantity, cpu_format("10m")] = Field(
        default=Quantity("100m"), description="Processor share; Redis runs commands on one CPU."
    )
    memory: Bytes | None = Field(
        default=None, description="Memory; must be more than maxMemory. Default: derived from maxMemory, with room for copies."
    )


class RedisResources(Struct):
    """CPU and memory of each instance."""

    cel_rules = LIMITS_COVER_REQUESTS
    requests: RedisRequests = Field(default=RedisRequests(), description="What the scheduler sets aside for each instance.")
    limits: ResourceAmounts | None = Field(
        default=None,
        description="What an instance may use at most; over its memory it is killed. Default: memory as requested, CPU without limit.",
    )


def _above_max_memory(part: str) -> str:
    amount = f"self.resources.{part}.memory"
    absent = f"!has(self.resources.{part}) || !has({amount})"
    unreadable = f"!isQuantity({amount}) || !isQuantity(self.maxMemory)"
    return f"{absent} || {unreadable} || quantity({amount}).isGreaterThan(quantity(self.maxMemory))"


class Redis(Struct):
    """Redis: one instance, or a primary and its replicas; from three on Sentinel fails over."""

    cel_rules = (
        *(
            Rule(
                f"redis-memory-{part}",
                _above_max_memory(part),
                f"resources.{part}.memory must be more than maxMemory, as Redis needs room beside its data; raise it or lower maxMemory",
                message_expression=says(
                    f"resources.{part}.memory %s must be more than maxMemory %s, as Redis needs room beside its data; "
                    "raise it or lower maxMemory",
                    f"self.resources.{part}.memory",
                    "self.maxMemory",
                ),
                field_path=f".resources.{part}.memory",
            )
            for part in ("requests", "limits")
        ),
        Rule(
            "redis-storage-room",
            "self.persistence == 'None' || !isQuantity(self.storage.size) || !isQuantity(self.maxMemory)"
            " || quantity(self.storage.size).compareTo(quantity(self.maxMemory).add(quantity(self.maxMemory))) >= 0",
            "redis.storage.size must be at least twice maxMemory, for the file being rewritten; raise it, or set persistence: None",
            message_expression=says(
                "storage.size %s must be at least twice maxMemory %s, for the file being rewritten; raise it, or set persistence: None",
                "self.storage.size",
                "self.maxMemory",
            ),
            field_path=".storage.size",
        ),
    )
    version: Literal["8"] = Field(default="8", description="Major version of Redis. Minor versions come with the operator's image.")
    replicas: Annotated[int, unit("pods")] = Field(
        default=1,
        ge=1,
        le=7,
        description="Instances in all: a primary and the rest its replicas. From 3 on Sentinel fails over; with 1 or 2 nothing does.",
    )
    max_memory: Annotated[Quantity, byte_format("16Mi")] = Field(
        default=Quantity("512Mi"), description="Memory for data; when it is full, evictionPolicy decides what happens."
    )
    eviction_policy: EvictionPolicy = Field(
        default="allkeys-lru",
        description="What is dropped when maxMemory is reached. noeviction drops nothing and refuses writes: right for a store, "
        "wrong for a cache.",
    )
    persistence: Persistence = Field(
        default="AOF",
        description="AOF: a log of writes, at most a second is lost in a crash. RDB: snapshots, minutes are lost. "
        "None: nothing is on disk, and a restart begins empty.",
    )
    storage: RedisStorage = Field(default=RedisStorage(), description="The volume of each instance; unused with persistence: None.")
    resources: RedisResources = Field(default=RedisResources(), description="CPU and memory of each instance.")
