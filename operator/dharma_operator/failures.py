"""What an error means to the person who reads the object's status. Pure."""

from dataclasses import dataclass

from dharma_handlers.outcome import Condition
from dharma_operator.kube.errors import ApiError, ApiUnavailable, Conflict, Forbidden, Gone, Invalid, Unauthorized
from dharma_operator.status import READY, RECONCILING, STALLED

_PATIENCE = 3
"""Failures in a row of a kind that mostly passes by itself, before the object's status speaks of them."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed run."""

    reason: str
    """Stable CamelCase word, also the metric's label."""
    message: str
    passing: bool
    """It mostly passes by itself: nothing is wrong with the object, or with what was asked."""
    retry_after: float | None = None
    """Seconds that the API server asked to wait."""

    def worth_telling(self, failures: int) -> bool:
        """Whether the status should speak of it, after so many failures in a row before this one."""
        return not self.passing or failures >= _PATIENCE


def failure_of(error: Exception) -> Failure:  # noqa: PLR0911 (a table)
    """Put an error into words."""
    match error:
        case Conflict():
            return Failure("Conflict", f"Somebody else changed an object at the same time; trying again. {error}", passing=True)
        case ApiUnavailable() | Gone():
            message = f"The Kubernetes API does not answer as it should; trying again. {error}"
            return Failure("ApiUnavailable", message, passing=True, retry_after=error.retry_after)
        case Unauthorized():
            return Failure("Unauthorized", f"The Kubernetes API does not accept the operator's credentials. {error}", passing=True)
        case Forbidden():
            message = (
                f"The operator may not do what is needed: {error}. Check its roles, and the namespace's quotas and admission policies."
            )
            return Failure("Forbidden", message, passing=error.namespace_terminating)
        case Invalid():
            return Failure("Refused", f"The Kubernetes API refuses an object that the operator made. {error}", passing=False)
        case ApiError():
            return Failure("ApiError", f"The Kubernetes API refuses. {error}", passing=False, retry_after=error.retry_after)
        case TimeoutError():
            return Failure("Timeout", "Something that the operator asked did not answer in time; trying again.", passing=True)
        case _:
            # The text of an arbitrary error may quote anything, a password included: it goes into no object.
            message = f"The operator met an error of its own, {type(error).__name__}; its log tells more. Trying again."
            return Failure("ReconcileError", message, passing=False)


def conditions_after(failure: Failure, *, ready_known: bool) -> tuple[Condition, ...]:
    """Return what changes in the conditions of an object whose run failed.

    With `ready_known`, what was said of this generation's readiness stays: an operator that cannot act knows nothing new of it.
    """
    told = (
        Condition(RECONCILING, "True", failure.reason, failure.message),
        Condition(STALLED, "False" if failure.passing else "True", failure.reason, failure.message),
    )
    return told if ready_known else (Condition(READY, "False", failure.reason, failure.message), *told)
