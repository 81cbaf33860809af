"""Memory leaks: a floor that rises steadily since the last restart, and the time until it meets the limit."""

import math
from dataclasses import dataclass

import numpy as np

from dharma_ml.sizing.history import Floats, History
from dharma_ml.sizing.parameters import LEAK, LeakParameters
from dharma_ml.statistics import theil_sen


@dataclass(frozen=True, slots=True)
class Leak:
    """A steady rise. Times in seconds from now; infinite when the limit is never met, None without a limit."""

    slope: float
    """Bytes a second, by Theil and Sen: the median of all pairs' slopes."""
    slope_low: float
    slope_high: float
    """95 % confidence interval of the slope."""
    since: float
    """Seconds since 1970 of the restart, or of the first reading, from which it rises."""
    to_limit: float | None
    to_limit_early: float | None
    to_limit_late: float | None


def find_leak(history: History, now: float, limit: float | None = None, parameters: LeakParameters = LEAK) -> Leak | None:
    """Tell whether memory (bytes) leaks, from what was known at `now`. None when it doesn't, or there is too little to tell."""
    times, floor = _floor(history.until(now), parameters)
    restarts = np.flatnonzero(floor[1:] < (1 - parameters.restart_drop) * floor[:-1])
    first = int(restarts[-1]) + 1 if len(restarts) else 0
    times, floor = times[first:], floor[first:]
    if len(floor) < parameters.least_buckets:
        return None
    cycle = round(24 / parameters.bucket_hours)
    # Against the same hours a day before, so that a daily cycle cancels out.
    daily = (floor[cycle:] - floor[:-cycle]) / (times[cycle:] - times[:-cycle])
    slope, low, high = theil_sen(times, floor)
    third = max(len(daily) // 3, 1)
    # The rise must go on: a cache that fills up rises too, and then stops.
    goes_on = float(np.median(daily[-third:])) >= parameters.goes_on * float(np.median(daily[:third]))
    growth = slope * (times[-1] - times[0])
    if low <= 0 or float(np.mean(daily > 0)) < parameters.rising or not goes_on or growth < parameters.growth * float(np.median(floor)):
        return None
    level = float(history.until(now).since(times[-1] - parameters.bucket_hours * 3600).values.max())
    return Leak(slope, low, high, float(times[0]), *(_left(limit, level, rate) for rate in (slope, high, low)))


def _left(limit: float | None, level: float, rate: float) -> float | None:
    if limit is None or not math.isfinite(limit):
        return None
    return max(limit - level, 0.0) / rate if rate > 0 else math.inf


def _floor(history: History, parameters: LeakParameters) -> tuple[Floats, Floats]:
    """Give the lowest reading of each whole bucket, and when the bucket ends; the first, likely not whole, is left out."""
    if not len(history):
        return np.zeros(0), np.zeros(0)
    width = parameters.bucket_hours * 3600
    bucket = np.floor(history.times / width)
    starts = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    lowest = np.minimum.reduceat(history.values, starts)
    return (bucket[starts][1:] + 1) * width, lowest[1:]
