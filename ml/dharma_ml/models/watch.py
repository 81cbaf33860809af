"""When a model no longer fits its input: drift of the input by PSI, coverage of its intervals."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WatchParameters:
    """When to train anew."""

    bins: int = 10
    """Tenths of the training data, as PSI is commonly computed."""
    moved: float = 0.25
    """PSI above which the input counts as another: the usual rule of thumb (0.1 slight, 0.25 strong)."""
    rows: int = 200
    """At least, on both sides: with n rows and 10 bins chance alone gives a PSI of about 9/n on each side."""
    coverage_points: int = 200
    """Intervals to judge at least."""
    chance: float = 0.001
    """A coverage counts as off when so far from the nominal one, or farther, by chance less often than this."""


SHIPPED: Final = WatchParameters()


def psi(expected: Floats, actual: Floats, bins: int = SHIPPED.bins) -> float:
    """Compute the population stability index of one feature: the sum over bins of (a - e) * ln(a / e), a and e the shares in a bin.

    The bins are quantiles of `expected`; values that repeat share a bin. NaNs are a bin of their own: a feature that vanishes is seen.
    Half a row is added to each bin, so an empty one gives a large number and no infinity. Both of shape (n,); 0.0 when one is empty.
    """
    if len(expected) == 0 or len(actual) == 0:
        return 0.0
    known = expected[np.isfinite(expected)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.empty(0)
    before, after = _shares(expected, edges), _shares(actual, edges)
    return float(np.sum((after - before) * np.log(after / before)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model still fits."""

    retrain: bool
    reasons: tuple[str, ...]
    """One sentence each, with numbers."""


def judge(
    names: tuple[str, ...],
    training: Floats,
    recent: Floats,
    covered: int,
    intervals: int,
    nominal: float,
    parameters: WatchParameters = SHIPPED,
) -> Verdict:
    """Judge a model by its input, shapes (n, features) and (m, features), and by how many of its intervals held the truth.

    `nominal`: the share that should, such as 0.95. Too few rows or intervals are no reason for anything.
    """
    reasons: list[str] = []
    if min(len(training), len(recent)) >= parameters.rows:
        for index, name in enumerate(names):
            moved = psi(training[:, index], recent[:, index], parameters.bins)
            if moved > parameters.moved:
                reasons.append(f"The input {name} is another than in training: PSI {moved:.2f}, over {parameters.moved:g}.")
    if intervals >= parameters.coverage_points and coverage_is_off(covered, intervals, nominal, parameters.chance):
        reasons.append(f"{covered} of {intervals} intervals held the truth ({covered / intervals:.1%}); {nominal:.0%} should.")
    return Verdict(bool(reasons), tuple(reasons))


def coverage_is_off(covered: int, intervals: int, nominal: float, chance: float) -> bool:
    """Tell whether that many of `intervals` is too far from `nominal`, by the normal approximation of the binomial.

    Intervals that follow each other miss together, so real ones differ by more than the binomial says: `chance` is small for that reason.
    """
    spread = math.sqrt(intervals * nominal * (1 - nominal))
    if spread == 0:
        return covered != round(intervals * nominal)
    distance = max(abs(covered - intervals * nominal) - 0.5, 0.0) / spread
    return math.erfc(distance / math.sqrt(2)) < chance


def _shares(values: Floats, edges: Floats) -> Floats:
    known = values[np.isfinite(values)]
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1).astype(np.float64)
    counts = np.append(counts, len(values) - len(known)) + 0.5
    return np.asarray(counts / counts.sum(), dtype=np.float64)
