"""Memory: never below the observed peak and a margin, more after an OOM kill, room for growth. Rules, no learning.

A request too small costs a kill, not a slow second, so there is no shortage target here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dharma_ml.sizing.history import DAY, History
from dharma_ml.sizing.leak import Leak, find_leak
from dharma_ml.sizing.parameters import LEAK, MEMORY, LeakParameters, MemoryParameters
from dharma_ml.sizing.refusal import Refusal, refusal


@dataclass(frozen=True, slots=True)
class OomKill:
    """A container was killed for memory: when (seconds since 1970), at what limit (bytes)."""

    time: float
    limit: float


@dataclass(frozen=True, slots=True)
class MemoryRecommendation:
    """Request and limit in bytes, equal: memory above the request is memory that the node may take back by a kill."""

    request: float
    limit: float
    peak: float
    """The highest reading of the window, bytes."""
    leak: Leak | None
    because: str
    """Which rule decided: `Peak`, `OutOfMemory`, `Growth`, `Floor`."""


def recommend_memory(
    history: History,
    now: float,
    kills: Sequence[OomKill] = (),
    *,
    limit: float | None = None,
    hpa_on_memory: bool = False,
    anomaly_open: bool = False,
    parameters: MemoryParameters = MEMORY,
    leaks: LeakParameters = LEAK,
) -> MemoryRecommendation | Refusal:
    """Recommend memory from usage in bytes, or refuse with the reason. Only what was known at `now` is looked at.

    `limit` is the limit in force, for the time that a leak has left. After an OOM kill the recommendation is not refused for an
    open anomaly: a kill is one, and waiting brings the next.
    """
    seen = history.until(now).since(now - parameters.window_days * DAY)
    recent = [
        kill for kill in kills if now - parameters.window_days * DAY <= kill.time <= now and np.isfinite(kill.limit) and kill.limit > 0
    ]
    refused = refusal(
        "memory",
        len(seen),
        least_points=parameters.least_points,
        hpa_metric=hpa_on_memory,
        anomaly_open=anomaly_open and not recent,
        age_seconds=now - float(seen.times[-1]) if len(seen) else 0.0,
    )
    if refused:
        return refused
    peak = float(seen.values.max())
    leak = find_leak(seen, now, limit, leaks)
    wishes = {
        "Peak": peak * (1 + parameters.margin),
        "OutOfMemory": _after_kills(recent, parameters),
        "Growth": peak + leak.slope * DAY * parameters.growth_days if leak else 0.0,
        "Floor": parameters.least_bytes,
    }
    because = max(wishes, key=lambda name: wishes[name])
    amount = float(np.ceil(wishes[because]))
    return MemoryRecommendation(request=amount, limit=amount, peak=peak, leak=leak, because=because)


def _after_kills(kills: Sequence[OomKill], parameters: MemoryParameters) -> float:
    """Give what a workload needs that was killed: its demand is unknown, only that it was above the limit, so the margin comes on top."""
    if not kills:
        return 0.0
    highest = max(kill.limit for kill in kills)
    newest = max(kill.time for kill in kills)
    again = sum(kill.time > newest - 3 * DAY for kill in kills) > 1
    ratio = parameters.oom_again if again else parameters.oom_ratio
    return max(highest * ratio, highest + parameters.oom_bytes) * (1 + parameters.margin)
