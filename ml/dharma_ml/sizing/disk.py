"""Disks: days until full with an interval, and the size that gives room. Feeds the growth of a Blueprint's volumes.

Daily growth is taken as independent steps around a mean. After t days the fill is then free of bias, with a spread of the steps
(grows with the root of t) and of the mean (grows with t). The interval's ends are the times at which the upper and the lower
bound of that fill meet the capacity.
"""

import math
from dataclasses import dataclass

import numpy as np

from dharma_ml.sizing.history import DAY, History
from dharma_ml.sizing.parameters import DISK, DiskParameters
from dharma_ml.sizing.refusal import Reason, Refusal
from dharma_ml.statistics import student

GIB = 1024.0**3
HORIZON = 3650.0
"""Days beyond which a disk counts as never full."""


@dataclass(frozen=True, slots=True)
class DiskForecast:
    """Days from now until the disk is full; infinite when it is not within ten years."""

    days: float
    early: float
    late: float
    growth: float
    """Bytes a day."""
    used: float
    """Bytes now."""


def forecast_disk(history: History, now: float, capacity: float, parameters: DiskParameters = DISK) -> DiskForecast | Refusal:
    """Forecast from used bytes; `capacity` in bytes. Refuses with fewer than three whole days."""
    steps, used = _steps(history, now, parameters)
    if len(steps) < parameters.least_days or used is None:
        message = f"Only {len(steps)} whole days of disk usage so far; {parameters.least_days} are needed."
        return Refusal(Reason.TOO_FEW_POINTS, message)
    mean, spread = float(steps.mean()), float(steps.std(ddof=1))
    free = capacity - used
    factor = student(0.5 + parameters.interval / 2, len(steps) - 1)
    early = _meets(free, mean, spread, factor, len(steps))
    late = _meets(free, mean, spread, -factor, len(steps))
    days = 0.0 if free <= 0 else min(free / mean, math.inf) if mean > 0 else math.inf
    return DiskForecast(days if days <= HORIZON else math.inf, early, late, mean, used)


def size_for(history: History, now: float, parameters: DiskParameters = DISK) -> float | None:
    """Give the size in bytes, whole GiB, with room for 60 days at the upper bound of growth; None when too little is known."""
    steps, used = _steps(history, now, parameters)
    if len(steps) < parameters.least_days or used is None:
        return None
    factor = student(0.5 + parameters.interval / 2, len(steps) - 1)
    return math.ceil(max(used + _grown(parameters.room_days, steps.mean(), steps.std(ddof=1), factor, len(steps)), used) / GIB) * GIB


def _grown(days: float, mean: float, spread: float, factor: float, count: int) -> float:
    return float(days * mean + factor * spread * math.sqrt(days + days * days / count))


def _meets(free: float, mean: float, spread: float, factor: float, count: int) -> float:
    """Find the first time, by halving, at which the bound reaches the free space."""
    if free <= 0:
        return 0.0
    grid = np.concatenate([np.arange(1, 30) / 10, np.geomspace(3, HORIZON, 400)])
    grown = grid * mean + factor * spread * np.sqrt(grid + grid * grid / count)
    reached = np.flatnonzero(grown >= free)
    if not len(reached):
        return math.inf
    at = int(reached[0])
    low, high = float(grid[at - 1]) if at else 0.0, float(grid[at])
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _grown(middle, mean, spread, factor, count) >= free else (middle, high)
    return high


def _steps(history: History, now: float, parameters: DiskParameters) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], float | None]:
    """Give the growth of each day in bytes, from the last reading of each; a gap of days is spread evenly over them."""
    seen = history.until(now).since(now - (parameters.window_days + 1) * DAY)
    if not len(seen):
        return np.zeros(0), None
    days = list(seen.days())
    numbers = np.array([day for day, _ in days], dtype=np.float64)
    last = np.array([values[-1] for _, values in days])
    gaps = np.diff(numbers)
    steps = np.repeat(np.diff(last) / gaps, gaps.astype(int)) if len(last) > 1 else np.zeros(0)
    return steps, float(seen.values[-1])
