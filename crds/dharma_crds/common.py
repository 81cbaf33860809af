"""Structures that more than one kind or component uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from dharma_crds.base import Struct
from dharma_crds.cel import PRESERVE_UNKNOWN, Rule
from dharma_crds.formats import Bytes, Cpu

DeletionPolicy = Literal["Retain", "Delete"]
FreeForm = Annotated[Mapping[str, Any], PRESERVE_UNKNOWN]
"""A report whose shape its producer may extend; it is written by the operator alone."""


def quantity_at_least(larger: str, smaller: str) -> str:
    """CEL: of two strings the quantity `larger` is not less than `smaller`. One that is misspelt passes here: its own rule names it."""
    return f"(!isQuantity({larger}) || !isQuantity({smaller}) || quantity({larger}).compareTo(quantity({smaller})) >= 0)"


def same_if_set(field: str) -> str:
    """CEL for an immutable optional field: set, unset and changed alike are refused, also where `self.field` alone would not be asked."""
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


class ResourceAmounts(Struct):
    """CPU and memory, each optional."""

    cpu: Cpu | None = Field(default=None, description="Processor share. Default: none.")
    memory: Bytes | None = Field(default=None, description="Memory. Default: none.")


def _limit_covers(resource: str) -> str:
    limit, request = f"self.limits.{resource}", f"self.requests.{resource}"
    absent = f"!has(self.limits) || !has({limit}) || !has(self.requests) || !has({request})"
    covers = quantity_at_least(f"string({limit})", f"string({request})") if resource == "cpu" else quantity_at_least(limit, request)
    return f"{absent} || {covers}"


LIMITS_COVER_REQUESTS: Final = tuple(
    Rule(
        f"{resource}-limit-covers-request",
        _limit_covers(resource),
        f"limits.{resource} must not be less than requests.{resource}; raise the limit or lower the request",
    )
    for resource in ("cpu", "memory")
)


class LabelSelector(Struct):
    """Pods by their labels."""

    match_labels: Mapping[str, Annotated[str, Field(max_length=63)]] = Field(
        min_length=1, max_length=16, description="Labels that a pod must carry, all of them."
    )
