"""What is told of an object whose spec cannot be read: the API server's schema refuses such, so a newer or older one let it in."""

from typing import Any

from pydantic import ValidationError

from dharma_handlers.outcome import Condition, Outcome

INVALID_SPEC = "InvalidSpec"
_LONGEST = 900


def invalid(error: ValidationError, *more: Condition) -> Outcome:
    """Tell which fields cannot be understood, and leave the children as they are."""
    message = told(error)
    return Outcome(
        conditions=(
            Condition("Ready", "False", INVALID_SPEC, message),
            Condition("Reconciling", "False", INVALID_SPEC, "the spec must be corrected first"),
            Condition("Stalled", "True", INVALID_SPEC, message),
            *more,
        )
    )


def told(error: ValidationError) -> str:
    """Put the mistakes into a sentence."""
    mistakes = "; ".join(f"{_path(mistake['loc'])}: {mistake['msg']}" for mistake in error.errors(include_url=False, include_input=False))
    return f"{mistakes[:_LONGEST]}; correct the spec"


def _path(location: tuple[Any, ...]) -> str:
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
