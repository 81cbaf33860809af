"""The expected value of each channel: flat, or a profile of medians by hour of day or of week, whichever fitted the past best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dharma_ml.anomaly.settings import Settings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """Flat level (c,), which of the three serves each channel (0 flat, 1 day, 2 week), and the profiles of those that have one.

    A profile has a column for each channel that it serves, in their order (bins, served), in single precision as the rows it is made of.
    """

    flat: Floats
    day: NDArray[np.float32]
    week: NDArray[np.float32]
    choice: Ints


def bins(times: Floats, count: int, days: int) -> Ints:
    """Give the bin of each time in a period of so many days. Times are seconds since 1970, which was a Thursday: weeks start there."""
    period = days * DAY
    return np.minimum((np.mod(times, period) / period * count).astype(np.int64), count - 1)


def fit(times: Floats, rows: Floats, recent: Floats, settings: Settings) -> Baseline:
    """Fit on past rows (n, c) with their times (n,); `recent` are the latest rows, whose median is the flat level."""
    flat = np.median(recent, axis=0)
    errors = [_error(rows - flat)]
    span = float(times[-1] - times[0]) / DAY
    day = np.zeros((0, rows.shape[1]))
    week = np.zeros((0, rows.shape[1]))
    if span >= settings.day_needs:
        place = bins(times, settings.day_bins, 1)
        day = _profile(place, rows, settings.day_bins, flat)
        errors.append(_error(rows - day[place]) * settings.day_penalty)
    if span >= settings.week_needs:
        place = bins(times, settings.week_bins, 7)
        week = _profile(place, rows, settings.week_bins, flat)
        errors.append(_error(rows - week[place]) * settings.week_penalty)
    choice = np.argmin(np.stack(errors), axis=0).astype(np.int64)
    return Baseline(flat, day[:, choice == 1].astype(np.float32), week[:, choice == 2].astype(np.float32), choice)


def expected(baseline: Baseline, times: Floats, settings: Settings) -> Floats:
    """Give what each channel should read at these times: (n, c)."""
    result = np.broadcast_to(baseline.flat, (len(times), len(baseline.flat))).copy()
    for kind, profile, count, days in ((1, baseline.day, settings.day_bins, 1), (2, baseline.week, settings.week_bins, 7)):
        chosen = np.flatnonzero(baseline.choice == kind)
        if chosen.size:
            result[:, chosen] = profile[bins(times, count, days)]
    return result


def _error(residual: Floats) -> Floats:
    return np.median(np.abs(residual), axis=0)


def _profile(place: Ints, rows: Floats, count: int, fallback: Floats) -> Floats:
    profile = np.broadcast_to(fallback, (count, rows.shape[1])).copy()
    order = np.argsort(place, kind="stable")
    edges = np.searchsorted(place[order], np.arange(count + 1))
    for index in range(count):
        members = order[edges[index] : edges[index + 1]]
        if members.size:
            profile[index] = np.median(rows[members], axis=0)
    return profile
