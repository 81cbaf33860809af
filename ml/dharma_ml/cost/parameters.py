"""Every number that the cost forecast ships with, and where each was chosen."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ForecastParameters:
    """Chosen on the series `cpu` of shared/data/cost by a grid (19 origins); what was also looked at on `memory` of that file says so."""

    recent_hours: int = 3
    """Hours whose difference to the season before is carried on; grid 1, 3, 6, 12, 24."""
    damping: float = 0.95
    """Share of that difference that is left after each hour; grid 0.7, 0.8, 0.9, 0.95."""
    lasting: float = 0.3
    """Share of the last day's difference that stays for good; grid 0, 0.3, 0.5, 0.7 on both series: alike for a day, best for a week."""
    least_origins: int = 2
    """Back-tests before anything but a naive forecast may be chosen; reasoned: one day proves nothing."""
    sum_origins: int = 5
    """Back-tests that the interval of a sum rests on at least, else it takes shorter ones; grid 2, 3, 5, 8 on both series, for coverage."""
    most_origins: int = 21
    """Newest back-tests that count: three weeks, reasoned."""
    lead_window: int = 3
    """Leads on each side that are pooled for the spread at one lead; reasoned: neighbours err alike."""
    miss: float = 0.05
    """Share of hours that may lie outside of the interval."""
    step: float = 0.08
    """Adaptive conformal step a day (one step is a whole day of points); grid 0.02, 0.05, 0.1, 0.3 on both series, for coverage."""
    start_share: float = 0.5
    """Half width as a share of the level while nothing was back-tested; reasoned: honest about knowing nothing."""
    least_share: float = 0.002
    """Least half width as a share of the level: no meter is better."""


FORECAST: Final = ForecastParameters()
