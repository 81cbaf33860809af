"""The scoring rule of the Numenta Anomaly Benchmark.

Source: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", ICMLA 2015, and the benchmark's documents. Each labelled
window is
worth most when it is found early, each false alarm costs a little, a missed window costs a whole; one threshold serves the whole corpus
and is
chosen on the labels themselves, so a NAB score is an upper bound of what a fixed threshold earns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a hit is worth, what a false alarm and a missed window cost."""

    name: str
    hit: float
    false_alarm: float
    miss: float


STANDARD: Final = Profile("standard", 1.0, 0.11, 1.0)
LOW_FP: Final = Profile("low-FP", 1.0, 0.22, 1.0)
LOW_FN: Final = Profile("low-FN", 1.0, 0.11, 2.0)
PROFILES: Final = (STANDARD, LOW_FP, LOW_FN)


@dataclass(frozen=True, slots=True)
class Scored:
    """One series with a score a point, and the windows `(first, last)`, indices, both inclusive, that are labelled."""

    scores: Floats
    windows: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The best score over all thresholds, and the threshold: a point is an alarm when its score reaches it."""

    score: float
    threshold: float


def probation(points: int) -> int:
    """Count the first points of a series, which are not scored."""
    return min(int(0.15 * points), 750)


def corpus_score(corpus: Sequence[Scored], profile: Profile) -> Result:
    """Score with the best single threshold for the whole corpus: 0 is no alarm at all, 100 is perfect.

    Raises `ValueError` when no window is labelled.
    """
    windows = sum(len(series.windows) for series in corpus)
    if not windows:
        raise ValueError("the corpus has no labelled window")
    parts = [_contributions(series, profile) for series in corpus]
    scores = np.concatenate([part[0] for part in parts])
    deltas = np.concatenate([part[1] for part in parts])
    order = np.argsort(-scores, kind="stable")
    scores, totals = scores[order], np.cumsum(deltas[order])
    last = np.append(scores[1:] != scores[:-1], True)  # all points of one score are alarms together
    candidates, ends = scores[last], totals[last]
    raw = -profile.miss * windows
    best = int(np.argmax(ends)) if ends.size else -1
    if best < 0 or ends[best] <= 0:
        return Result(0.0, float("inf"))
    return Result(_normalised(raw + float(ends[best]), windows, profile), float(candidates[best]))


def fixed_score(corpus: Sequence[Scored], profile: Profile, threshold: float) -> float:
    """Score as `corpus_score` does, at a threshold that was chosen without the labels."""
    windows = sum(len(series.windows) for series in corpus)
    if not windows:
        raise ValueError("the corpus has no labelled window")
    total = -profile.miss * windows
    for series in corpus:
        scores, deltas = _contributions(series, profile)
        total += float(deltas[scores >= threshold].sum())
    return _normalised(total, windows, profile)


def _normalised(total: float, windows: int, profile: Profile) -> float:
    null = -profile.miss * windows
    perfect = profile.hit * windows
    return 100.0 * (total - null) / (perfect - null)


def _sigmoid(x: Floats) -> Floats:
    return 2.0 / (1.0 + np.exp(5.0 * x)) - 1.0


def _contributions(series: Scored, profile: Profile) -> tuple[Floats, Floats]:
    """Give each scored point that matters, and by how much the series' total grows when it becomes an alarm after all higher ones.

    A missed window starts at `-miss`; the earliest alarm in it replaces that. Lowering the threshold only adds alarms, so each point's
    part is
    fixed once the order is known.
    """
    count = len(series.scores)
    start = probation(count)
    value, inside = _false_alarms(count, series.windows, profile)
    index = np.arange(start, count)
    index = index[~inside[start:]]
    scores, deltas = [series.scores[index]], [value[index]]
    for first, last in series.windows:
        where = np.arange(max(first, start), last + 1)
        if not where.size:
            continue
        width = last - first + 1
        worth = profile.hit * _sigmoid(-(last - where + 1) / width) / float(_sigmoid(np.array(-1.0)))
        order = np.argsort(-series.scores[where], kind="stable")
        best = np.maximum.accumulate(worth[order])
        scores.append(series.scores[where][order])
        deltas.append(np.diff(best, prepend=-profile.miss))
    return np.concatenate(scores), np.concatenate(deltas)


def _false_alarms(count: int, windows: Sequence[tuple[int, int]], profile: Profile) -> tuple[Floats, NDArray[np.bool_]]:
    """Price an alarm at each point outside the windows: nearly nothing just after one, the whole price later and before the first."""
    value = np.full(count, -profile.false_alarm)
    inside = np.zeros(count, dtype=bool)
    for first, last in sorted(windows):
        inside[first : last + 1] = True
        after = np.arange(last + 1, count)
        relative = (after - last) / max(last - first, 1)
        value[after] = np.where(relative <= 3.0, profile.false_alarm * _sigmoid(np.minimum(relative, 3.0)), -profile.false_alarm)
    return value, inside
