"""When nothing is recommended, and why."""

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Why there is no recommendation."""

    AUTOSCALED = "Autoscaled"
    TOO_FEW_POINTS = "TooFewPoints"
    ANOMALY = "OpenAnomaly"
    STALE = "Stale"


@dataclass(frozen=True, slots=True)
class Refusal:
    """No recommendation: the reason, and a sentence that names the remedy."""

    reason: Reason
    message: str


STALE_SECONDS = 86400.0
"""Readings older than a day say nothing about tomorrow."""


def refusal(
    resource: str, points: int, *, least_points: int, hpa_metric: bool = False, anomaly_open: bool = False, age_seconds: float = 0.0
) -> Refusal | None:
    """Tell why nothing may be recommended for that resource (`CPU`, `memory`), or None when something may.

    An autoscaler on the same metric comes first: its target is a share of the request, so a new request would change the number
    of replicas, which changes the usage that the request was made from.
    """
    if hpa_metric:
        return Refusal(
            Reason.AUTOSCALED,
            f"A HorizontalPodAutoscaler scales on {resource}: its target is a share of the request, so the two would chase each other. "
            f"Scale on another metric to get a recommendation.",
        )
    if points < least_points:
        return Refusal(Reason.TOO_FEW_POINTS, f"Only {points} readings of {resource} so far; {least_points} are needed.")
    if age_seconds > STALE_SECONDS:
        return Refusal(Reason.STALE, f"The newest reading of {resource} is {age_seconds / 3600:.0f} hours old; a day is the most.")
    if anomaly_open:
        return Refusal(
            Reason.ANOMALY, f"An anomaly is open: {resource} is not sized from what is not normal. It is sized again when it closes."
        )
    return None
