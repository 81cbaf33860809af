"""How good requests were: shortage, slack, unmet demand, by workload and over all."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dharma_ml.sizing.history import Floats

FIRST_JUDGED: Final = 2
"""Judging starts with a workload's third day, as the data's README asks."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one workload's requests came to, summed over all judged points."""

    points: int
    short: int
    requested: float
    used: float
    """Usage up to the request."""
    demand: float
    days: int
    days_short: int

    @property
    def shortage(self) -> float:
        """Share of points above the request."""
        return self.short / self.points if self.points else 0.0

    @property
    def slack(self) -> float:
        """Share of what was requested that was not used."""
        return 1.0 - self.used / self.requested if self.requested > 0 else 0.0

    @property
    def unmet(self) -> float:
        """Share of the demand that was above the request."""
        return (self.demand - self.used) / self.demand if self.demand > 0 else 0.0


def judge(days: Iterable[tuple[float, Floats]]) -> Outcome:
    """Sum up pairs of a request and the readings of the day that it was made for, both in the same unit."""
    points = short = count = days_short = 0
    requested = used = demand = 0.0
    for request, values in days:
        above = int(np.sum(values > request))
        points += len(values)
        short += above
        count += 1
        days_short += above > 0
        requested += request * len(values)
        used += float(np.minimum(values, request).sum())
        demand += float(values.sum())
    return Outcome(points, short, requested, used, demand, count, days_short)


def total(outcomes: Sequence[Outcome]) -> Outcome:
    """Add workloads up: large ones weigh more in slack and unmet demand, each point the same in shortage."""
    return Outcome(
        points=sum(one.points for one in outcomes),
        short=sum(one.short for one in outcomes),
        requested=sum(one.requested for one in outcomes),
        used=sum(one.used for one in outcomes),
        demand=sum(one.demand for one in outcomes),
        days=sum(one.days for one in outcomes),
        days_short=sum(one.days_short for one in outcomes),
    )


def within(outcomes: Sequence[Outcome], target: float) -> float:
    """Give the share of workloads whose shortage is between 0.5 and 1.25 times the target."""
    return float(np.mean([0.5 * target <= one.shortage <= 1.25 * target for one in outcomes])) if outcomes else 0.0


def walk(days: Sequence[tuple[int, Floats]], decide: Callable[[Sequence[tuple[int, Floats]]], float]) -> list[tuple[float, Floats]]:
    """Walk forward: `decide` sees the days before, the request is paired with the day after. Days without points don't count."""
    first = days[0][0] + FIRST_JUDGED if days else 0
    return [(decide(days[:at]), values) for at, (day, values) in enumerate(days) if day >= first and at and len(values)]
