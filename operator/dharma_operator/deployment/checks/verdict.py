"""What a check can come to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dharma_handlers.outcome import Manifest

Pods = Callable[[], list[Manifest]]
"""Returns the ready pods of the version that is looked at, as they are at this moment."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a check ended. An error is none of these: it is a failure whose message is the error."""

    result: Literal["Passed", "Failed"]
    value: str
    """What was measured."""
    message: str
