"""What comes over the wire, and how its shape is told."""

from typing import Any, TypeAlias, TypeGuard

from dharma_handlers.outcome import Manifest

Json: TypeAlias = Any
"""What `json.loads` returns."""


def is_map(value: Json) -> TypeGuard[Manifest]:
    """Whether `value` is a JSON object."""
    return isinstance(value, dict)


def is_list(value: Json) -> TypeGuard[list[Json]]:
    """Whether `value` is a JSON array."""
    return isinstance(value, list)
