"""From a stream's level of suspicion to alarms: peaks, hysteresis, refractory time, severity."""

from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dharma_ml.anomaly.settings import Settings
from dharma_ml.findings import Severity

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Alarm:
    """One alarm, open while `end` is None. Times in seconds, duration in points."""

    start: float
    strength: float
    """How far the first peak stood out among the stream's own past peaks."""
    fused: float
    """Highest mean evidence of the members, in powers of ten."""
    evidence: float
    """Highest -log10 of the tail probability of the level."""
    deviation: float
    """Largest distance from the baseline, in robust standard deviations, root mean square over channels."""
    points: int = 1
    quiet: int = 0
    end: float | None = None
    shares: dict[str, float] = field(default_factory=dict[str, float])
    """What each channel had in the strongest point; sums to 1."""


@dataclass(slots=True)
class Peaks:
    """Heights of past peaks, oldest first, and the point at which the last one was."""

    heights: list[float] = field(default_factory=list[float])
    last: int = -(10**9)


def strengths(fused: Floats, before: Floats, first: int, peaks: Peaks, settings: Settings) -> Floats:
    """Give each point's strength as a peak: 0 unless it tops all of the `refractory` points before it.

    A stream that often peaks must peak higher to be heard: the height is divided by one plus the mean of its highest past peaks. `before`
    are the
    fused scores before `fused`, `first` is the number of the first point. Moves `peaks` on.
    """
    span = settings.refractory
    joined = np.concatenate([np.zeros(max(span - len(before), 0)), before[-span:], fused])
    top = sliding_window_view(joined, span).max(axis=1)[: len(fused)]
    result = np.zeros(len(fused))
    for index in np.flatnonzero(fused > top):
        height = float(fused[index])
        past = sorted(peaks.heights)[-settings.peaks :]
        result[index] = height / (1.0 + (sum(past) / len(past) if past else 0.0))
        point = first + int(index)
        if point - peaks.last < span and peaks.heights:
            peaks.heights[-1] = max(peaks.heights[-1], height)
        else:
            peaks.heights = [*peaks.heights[1 - settings.peaks_kept :], height]
        peaks.last = point
    return result


def severity(alarm: Alarm) -> Severity:
    """Weigh how improbable, how long, and how hard: each gives up to two points."""
    errors = sum(share for channel, share in alarm.shares.items() if "error" in channel.lower())
    weight = (
        (alarm.fused >= 2.0)
        + (alarm.fused >= 4.0)
        + (alarm.points >= 12)
        + (alarm.points >= 72)
        + (alarm.deviation >= 6.0 or errors >= 0.5)
        + (alarm.deviation >= 12.0)
    )
    return (Severity.LOW, Severity.LOW, Severity.MEDIUM, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL, Severity.CRITICAL)[weight]


def usual_again(alarm: Alarm, evidence: float, settings: Settings) -> bool:
    """Count one more point of an open alarm and tell whether it ends there."""
    alarm.points += 1
    alarm.quiet = alarm.quiet + 1 if evidence < -np.log10(settings.release) else 0
    return alarm.quiet >= settings.release_after
