"""Point forecasts: three naive ones, and those that carry on how far today is off the season before.

All take hourly values, oldest first, and give the next `horizon` hours. None has a feature from the period itself.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from dharma_ml.cost.parameters import FORECAST, ForecastParameters
from dharma_ml.cost.series import Floats

DAY: Final = 24
WEEK: Final = 168
Method = Callable[[Floats, int], Floats]


def naive(past: Floats, horizon: int) -> Floats:
    """Give the last hour again and again."""
    return np.full(horizon, past[-1])


def season(past: Floats, horizon: int, period: int) -> Floats:
    """Give the last `period` hours again and again."""
    return np.resize(past[-period:], horizon)


def carried(past: Floats, horizon: int, period: int, parameters: ForecastParameters = FORECAST) -> Floats:
    """Give the season before, moved by how far the last hours were off theirs.

    What the last three hours were off fades by 5 % an hour; in its place comes a share of what the last day was off. That is
    exponential smoothing of the seasonal difference with a damped part (Gardner and McKenzie 1985), with fixed weights.
    """
    base = season(past, horizon, period)
    if len(past) < period + parameters.recent_hours:
        return base
    off = past[period:] - past[:-period]
    now = float(np.mean(off[-parameters.recent_hours :]))
    lasting = parameters.lasting * float(np.mean(off[-DAY:])) if len(off) >= DAY else 0.0
    left = parameters.damping ** np.arange(1, horizon + 1)
    return np.asarray(np.maximum(base + left * now + (1 - left) * lasting, 0.0), dtype=np.float64)


NAIVE: Final[Mapping[str, tuple[int, Method]]] = MappingProxyType(
    {
        "naive": (1, naive),
        "day-naive": (DAY, lambda past, horizon: season(past, horizon, DAY)),
        "week-naive": (WEEK, lambda past, horizon: season(past, horizon, WEEK)),
    }
)
"""By name: hours of past that it needs, and the method."""

CARRIED: Final[Mapping[str, tuple[int, Method]]] = MappingProxyType(
    {
        "day carried on": (2 * DAY, lambda past, horizon: carried(past, horizon, DAY)),
        "week carried on": (WEEK + DAY, lambda past, horizon: carried(past, horizon, WEEK)),
        "mean of both carried on": (
            WEEK + DAY,
            lambda past, horizon: (carried(past, horizon, DAY) + carried(past, horizon, WEEK)) / 2,
        ),
    }
)
"""By name: hours of past that it needs, and the method."""
