"""Hourly usage without gaps, from readings that have some."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
HOUR = 3600.0


def hourly(times: ArrayLike, values: ArrayLike, now: float) -> Floats:
    """Average readings by whole hour up to `now` (seconds since 1970) and fill gaps.

    Hour h holds readings at h·3600 s and later; the hour in which `now` lies is not whole and left out. Readings that are not
    finite or negative are dropped. An empty hour takes the value a week before, else a day before, else the hour before.
    """
    stamps = np.asarray(times, dtype=np.float64).ravel()
    readings = np.asarray(values, dtype=np.float64).ravel()
    if len(stamps) != len(readings):
        raise ValueError(f"{len(stamps)} times and {len(readings)} values: each reading needs both")
    end = math.floor(now / HOUR)
    good = np.isfinite(stamps) & np.isfinite(readings) & (readings >= 0)
    hours = np.floor(np.where(good, stamps, 0.0) / HOUR).astype(np.int64)
    # More than two years back is a broken clock, not history.
    good &= (hours < end) & (hours >= end - 2 * 366 * 24)
    if not good.any():
        return np.zeros(0)
    hours, readings = hours[good], readings[good]
    first = int(hours.min())
    count = np.bincount(hours - first, minlength=end - first)
    total = np.bincount(hours - first, weights=readings, minlength=end - first)
    series = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return fill(series)


def fill(series: Floats) -> Floats:
    """Fill values that are not finite from a week, a day, an hour before; at the start from the first finite one. Zeros if none is."""
    out = np.asarray(series, dtype=np.float64).copy()
    bad = ~np.isfinite(out)
    if not len(out) or bad.all():
        return np.zeros(len(out))
    out[: int(np.argmin(bad))] = out[int(np.argmin(bad))]
    for at in np.flatnonzero(~np.isfinite(out)):
        out[at] = next(out[at - back] for back in (168, 24, 1) if at >= back)
    return out
