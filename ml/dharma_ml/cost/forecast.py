"""Forecast of hourly usage with intervals; cost follows by the price table.

At each forecast the methods are back-tested on the past alone, at daily origins and as far ahead as the horizon, as soon as the past
is long enough for that. The one with the least absolute error is used and named; without back-tests it is a naive one. The interval is
the spread of that method's own past errors at the same lead, widened or narrowed by adaptive conformal inference (Gibbs and Candès,
NeurIPS 2021). Sums have an interval of their own, from past errors of sums.
"""

from dataclasses import dataclass

import numpy as np

from dharma_ml.cost.methods import CARRIED, DAY, NAIVE, Method
from dharma_ml.cost.parameters import FORECAST, ForecastParameters
from dharma_ml.cost.series import Floats, fill
from dharma_ml.statistics import student

NORMAL = 1.96
"""Half width of a 95 % interval in standard deviations when these are known."""


@dataclass(frozen=True)
class Forecast:
    """Hourly values ahead, in the unit of the past, with the bounds of a 95 % interval; all of one length."""

    values: Floats
    low: Floats
    high: Floats
    method: str
    """The method used, by name; one of the naive ones when nothing did better on this series' own past."""
    origins: int
    """Days of back-test behind choice and interval; 0 means that the interval is a mere guess."""
    off: float
    """By how much the mean of all hours may be off, either way, with the same 95 %."""

    def total(self) -> tuple[float, float, float]:
        """Sum up: value, low, high."""
        value, half = float(self.values.sum()), self.off * len(self.values)
        return value, max(value - half, 0.0), value + half


@dataclass(frozen=True)
class Choice:
    """The method for a horizon, and how it did on the past."""

    name: str
    method: Method
    need: int
    """Hours of past that it needs."""
    errors: Floats
    """Truth less forecast, by origin (oldest first) and lead; shape (origins, hours), no origins when there was too little past."""


def forecast(past: Floats, horizon: int, parameters: ForecastParameters = FORECAST) -> Forecast:
    """Forecast the next `horizon` hours from hourly values, oldest first; gaps (NaN, infinite) are filled from the season before.

    An empty past gives zeros with an unbounded interval. Raises ValueError when `horizon` is below 1.
    """
    if horizon < 1:
        raise ValueError(f"a forecast needs a horizon of at least an hour, not {horizon}")
    known = fill(np.asarray(past, dtype=np.float64))
    if not len(known):
        return Forecast(np.zeros(horizon), np.zeros(horizon), np.full(horizon, np.inf), "naive", 0, np.inf)
    choice = choose(known, horizon, parameters)
    values = choice.method(known, horizon)
    half = _half_width(known, values, choice.errors, parameters)
    off = _off(known, choice, horizon, parameters)
    return Forecast(
        values, np.maximum(values - half, 0.0), values + half, choice.name, len(choice.errors), float(half.mean()) if off is None else off
    )


def choose(past: Floats, horizon: int, parameters: ForecastParameters = FORECAST) -> Choice:
    """Choose the method with the least absolute error over the horizon on the past; a naive one while there is no back-test."""
    candidates = {name: entry for name, entry in {**NAIVE, **CARRIED}.items() if len(past) >= entry[0]}
    lead = _lead(len(past), horizon, [need for need, _ in candidates.values()], parameters)
    errors = {name: _errors(past, method, _origins(len(past), need, lead, parameters), lead) for name, (need, method) in candidates.items()}
    # Each on all days that it can be tested on: a week-long season is younger, and must not be held against weekdays alone.
    tested = {name: float(np.abs(found).mean()) for name, found in errors.items() if len(found) >= parameters.least_origins}
    # Without a back-test the longest season that is there.
    name = min(tested, key=lambda key: tested[key]) if tested else [key for key in NAIVE if key in candidates][-1]
    need, method = candidates[name]
    return Choice(name, method, need, errors[name])


def _lead(length: int, horizon: int, needs: list[int], parameters: ForecastParameters) -> int:
    """Give the hours ahead at which to back-test: the horizon in whole days, fewer where the longest season could not be tested then."""

    def testable(need: int, lead: int) -> bool:
        return len(_origins(length, need, lead, parameters)) >= parameters.least_origins

    longest = max((need for need in needs if testable(need, DAY)), default=length)
    leads = range(-(-horizon // DAY) * DAY, DAY, -DAY)
    return next((lead for lead in leads if testable(longest, lead)), DAY)


def _origins(length: int, need: int, lead: int, parameters: ForecastParameters) -> list[int]:
    """Give past daily origins, counted back from now, each with `need` hours before it and `lead` hours after it."""
    newest = range(length - lead, need - 1, -DAY)[: parameters.most_origins]
    return list(newest)[::-1]


def _errors(past: Floats, method: Method, origins: list[int], lead: int) -> Floats:
    return np.array([past[at : at + lead] - method(past[:at], lead) for at in origins]).reshape(len(origins), lead)


def _half_width(past: Floats, values: Floats, errors: Floats, parameters: ForecastParameters) -> Floats:
    level = np.maximum(np.abs(values), float(np.mean(np.abs(past[-DAY:]))))
    hour = np.arange(len(values))
    # Where nothing was seen, errors grow at most as those of a random walk.
    guess = parameters.start_share * level * np.sqrt(np.maximum((hour + 1) / DAY, 1.0))
    if not len(errors):
        return guess
    count, lead = errors.shape
    spread, factor = conform(np.abs(errors), parameters)
    # Beyond a day past origins overlap, so that there are fewer of them than it seems.
    few = student(1.0 - parameters.miss / 2, count) / NORMAL if lead > DAY else 1.0
    growth = np.sqrt(np.maximum((hour + 1) / lead, 1.0))
    half = np.maximum(spread[np.minimum(hour, lead - 1)] * factor * few * growth, parameters.least_share * level)
    # Few days of back-test have not seen bad ones: the guess weighs one day among them.
    return np.asarray(half + guess / (1 + count) ** 3, dtype=np.float64)


def _off(past: Floats, choice: Choice, horizon: int, parameters: ForecastParameters) -> float | None:
    """Tell by how much the mean over the horizon may be off, from what past means were; None without back-tests.

    Student's factor counts only windows that do not overlap, and one. Beyond what was tested, errors grow as those of a random walk.
    """
    leads = range(-(-horizon // DAY) * DAY, 0, -DAY)
    enough = (lead for lead in leads if len(_origins(len(past), choice.need, lead, parameters)) >= parameters.sum_origins)
    lead = next(enough, DAY)
    origins = _origins(len(past), choice.need, lead, parameters)
    if len(origins) < parameters.least_origins:
        return None
    means: Floats = _errors(past, choice.method, origins, lead).mean(axis=1)
    apart = max(1 + len(origins) * DAY // lead, 2)
    growth = np.sqrt(max(horizon / lead, 1.0))
    return float(student(1.0 - parameters.miss / 2, apart) * np.sqrt(float(np.mean(np.square(means)))) * growth)


def conform(errors: Floats, parameters: ForecastParameters = FORECAST) -> tuple[Floats, float]:
    """Give the spread by lead, and the factor that makes an interval of it, from absolute errors by origin (oldest first) and lead.

    Each past day is judged with what was known before it; a day with more misses than allowed widens the next, one with fewer
    narrows it.
    """
    miss = parameters.miss
    for day in range(2, len(errors)):
        spread = _spread(errors[:day], parameters)
        factor = _quantile(errors[:day] / spread, miss)
        outside = np.count_nonzero(errors[day] > spread * factor) / errors.shape[1]
        miss += parameters.step * (parameters.miss - outside)
    spread = _spread(errors, parameters)
    return spread, _quantile(errors / spread, miss)


def _spread(errors: Floats, parameters: ForecastParameters) -> Floats:
    """Mean absolute error by lead, pooled with its neighbours."""
    mean = errors.mean(axis=0)
    reach = parameters.lead_window
    pooled = [mean[max(at - reach, 0) : at + reach + 1].mean() for at in range(len(mean))]
    return np.asarray(np.maximum(np.array(pooled), 1e-12 + 1e-9 * float(mean.mean())), dtype=np.float64)


def _quantile(scores: Floats, miss: float) -> float:
    """Give the conformal quantile; beyond what was seen it goes on in proportion."""
    ranked = np.sort(scores, axis=None)
    rank = (1.0 - miss) * (len(ranked) + 1)
    if rank > len(ranked):
        return float(ranked[-1] * (1.0 + max(-miss, 0.0) * 10))
    return float(ranked[max(int(np.ceil(rank)) - 1, 0)])
