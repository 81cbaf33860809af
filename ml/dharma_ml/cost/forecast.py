"""Forecast of hourly usage with intervals; cost follows by the price table.

At each forecast the methods are back-tested on the past alone, at daily origins. The one with the least absolute error is used and
named; without back-tests it is a naive one. The interval is the spread of that method's own past errors at the same lead, widened
or narrowed by adaptive conformal inference (Gibbs and Candès, NeurIPS 2021).
"""

from dataclasses import dataclass

import numpy as np

from dharma_ml.cost.methods import CARRIED, DAY, NAIVE, Method
from dharma_ml.cost.parameters import FORECAST, ForecastParameters
from dharma_ml.cost.series import Floats, fill


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

    def total(self) -> tuple[float, float, float]:
        """Sum up: value, low, high. The bounds take hours to err together, so for sums the interval is wider than 95 %."""
        return float(self.values.sum()), float(self.low.sum()), float(self.high.sum())


def forecast(past: Floats, horizon: int, parameters: ForecastParameters = FORECAST) -> Forecast:
    """Forecast the next `horizon` hours from hourly values, oldest first; gaps (NaN, infinite) are filled from the season before.

    An empty past gives zeros with an unbounded interval. Raises ValueError when `horizon` is below 1.
    """
    if horizon < 1:
        raise ValueError(f"a forecast needs a horizon of at least an hour, not {horizon}")
    known = fill(np.asarray(past, dtype=np.float64))
    if not len(known):
        return Forecast(np.zeros(horizon), np.zeros(horizon), np.full(horizon, np.inf), "naive", 0)
    name, method, origins = choose(known, parameters)
    values = method(known, horizon)
    half = _half_width(known, values, method, origins, parameters)
    return Forecast(values, np.maximum(values - half, 0.0), values + half, name, len(origins))


def choose(past: Floats, parameters: ForecastParameters = FORECAST) -> tuple[str, Method, list[int]]:
    """Choose the method: name, method, and the origins at which it could be back-tested (oldest first)."""
    candidates = {name: entry for name, entry in {**NAIVE, **CARRIED}.items() if len(past) >= entry[0]}
    days = {name: _origins(len(past), need, parameters) for name, (need, _) in candidates.items()}
    # Each on all days that it can be tested on: a week-long season is younger, and must not be held against weekdays alone.
    errors = {name: _error(past, candidates[name][1], at) for name, at in days.items() if len(at) >= parameters.least_origins}
    # Without a back-test the longest season that is there.
    name = min(errors, key=lambda key: errors[key]) if errors else [key for key in NAIVE if key in candidates][-1]
    return name, candidates[name][1], days[name]


def _origins(length: int, need: int, parameters: ForecastParameters) -> list[int]:
    """Give past daily origins, counted back from now, each with `need` hours before it and a whole day after it."""
    newest = range(length - DAY, need - 1, -DAY)[: parameters.most_origins]
    return list(newest)[::-1]


def _error(past: Floats, method: Method, origins: list[int]) -> float:
    return float(np.mean([np.abs(method(past[:at], DAY) - past[at : at + DAY]).mean() for at in origins]))


def _half_width(past: Floats, values: Floats, method: Method, origins: list[int], parameters: ForecastParameters) -> Floats:
    level = np.maximum(np.abs(values), float(np.mean(np.abs(past[-DAY:]))))
    horizon = np.arange(len(values))
    # Beyond a day errors grow at most as those of a random walk.
    growth = np.sqrt(np.maximum((horizon + 1) / DAY, 1.0))
    if not origins:
        return parameters.start_share * level * growth
    errors = np.array([np.abs(method(past[:at], DAY) - past[at : at + DAY]) for at in origins])
    spread, factor = conform(errors, parameters)
    lead = np.minimum(horizon, DAY - 1)
    half = np.maximum(spread[lead] * factor * growth, parameters.least_share * level)
    # Few days of back-test have not seen bad ones: the guess weighs one day among them.
    return np.asarray(half + parameters.start_share * level * growth / (1 + len(origins)) ** 3, dtype=np.float64)


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
