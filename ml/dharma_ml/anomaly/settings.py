"""All parameters of the anomaly detector. One set for every stream; nothing is tuned to a stream.

"Tune files" are the NAB and ASD files on which a number may be chosen; docs/ml/anomaly.md lists them. The rest is only reported.
"""

from dataclasses import dataclass
from typing import Final

MEMBERS: Final = ("seasonal", "volatility", "level", "drift", "sustained", "activity", "jump", "subspace", "isolation")
"""Members of the ensemble, in the order of the score arrays' columns."""


LASTING: Final = tuple(MEMBERS.index(name) for name in ("seasonal", "activity", "subspace"))
"""Members that stay high while an anomaly lasts; they make the level. Chosen on the tune servers; with `isolation` it was worse."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Counts are in points of the stream unless said otherwise."""

    block: int = 72
    """Calibration is refreshed that often (6 h at 5 min). Chosen for cost."""
    refit: int = 288
    """Baseline, spreads and subspace are refitted that often (a day at 5 min); each block for the first `2 * refit` points."""
    forest_refit: int = 2016
    """The forest is refitted that often (a week at 5 min), and at the first `refit`; it is the dearest member."""
    warm: int = 144
    """Fewest points before members give scores."""
    history: int = 4032
    """Rows kept for fitting (two weeks at 5 min, so that hour-of-day profiles have 14 days)."""
    history_values: int = 19_152
    """Most values kept for fitting, rows times channels: wide streams keep every k-th. For memory; 12,096 was worse on the tune servers."""
    day_bins: int = 48
    """Bins of the hour-of-day profile."""
    week_bins: int = 168
    """Bins of the hour-of-week profile."""
    day_needs: float = 2.0
    """Days of history before an hour-of-day profile is tried."""
    week_needs: float = 14.0
    """Days of history before an hour-of-week profile is tried."""
    day_penalty: float = 1.1
    """A day profile must beat the flat level by that factor (median absolute residual), so that noise is not taken for a season."""
    week_penalty: float = 1.3
    """The same for a week profile, which has fewer readings a bin."""
    short: int = 12
    """Window of the level, drift and activity members (an hour at 5 min)."""
    long: int = 48
    """Window of the sustained member (4 h at 5 min)."""
    ewma: float = 0.05
    """Weight of a new point in the volatility member's moving mean."""
    ewma_spread: float = 0.02
    """Weight of a new point in its moving mean absolute deviation."""
    lags: int = 24
    """Width of the subspace member: channels times lags."""
    variance: float = 0.9
    """Share of variance that the normal subspace keeps."""
    trees: int = 25
    """Trees of the forest, for cost."""
    sample: int = 64
    """Rows a tree; depth 6, which lets the forest be kept as 63 tests a tree."""
    clip: float = 50.0
    """A channel's share of a member, in robust standard deviations, is cut there, so that one dead channel does not hide the others."""
    horizons: tuple[int, ...] = (1008, 4032)
    """Calibration on the last 3.5 days and two weeks (at 5 min), averaged. Chosen on the tune files among 1008, 2016, 4032."""
    tail: float = 0.02
    """Share of the calibration scores above which the tail is taken as exponential. Chosen on the tune files among .01, .02, .03, .1."""
    cap: float = 8.0
    """A member's evidence, -log10 of its tail probability, is cut there: no single one outvotes all others. Chosen among 4, 8, none."""
    smooth: int = 10
    """Span of the moving mean that makes the level of suspicion."""
    dispersion: tuple[float, float, float] = (2.0, 0.5, 20.0)
    """Evidence of the level above the first (where the tail is a guess, no count) is shrunk where past evidence was over-dispersed, at
    most to the second as a share; the prior weighs as many points as the third. Chosen on the tune files, for calibration, without
    labels of what was found: edge 1, 1.5, 1.7, 2; share .4, .5."""
    refractory: int = 200
    """A peak must top all of the last so many points to begin an alarm. Chosen on the tune files among 100, 200, 300."""
    peaks: int = 5
    """A new peak is measured against the mean of that many highest past peaks. Chosen on the tune files among 3, 5, 10."""
    peaks_kept: int = 64
    """Past peaks that are remembered, the latest."""
    floor: float = 0.55
    """Peaks below that strength are noise, and no mark is set."""
    alarm: float = 0.7
    """Strength of a peak that begins an alarm. Set for about one such peak a stream-week on the tune files, without labels."""
    alarm_level: float = 2.2
    """Evidence of the level that begins one too: a slow anomaly has no peak. Of 2, 2.2, 2.5 and 3 the lowest at which tune streams without
    a labelled anomaly have less than one such alarm in two weeks."""
    release: float = 0.1
    """An alarm ends when the level's tail probability was above that for `release_after` points."""
    release_after: int = 12
    learning_points: int = 288
    """Cold start: no alarm before so many points …"""
    learning_days: float = 2.0
    """… and so many days."""
    backward: int = 24
    """So many readings in a row that are older than the last one mean that the clock was set back: learning starts anew."""
    jump_days: float = 28.0
    """A gap that long starts learning anew: nothing learned before it can be trusted."""
    channels: int = 64
    """Most channels of a stream; later ones are left out."""
    seed: int = 6


SETTINGS: Final = Settings()
