"""What the ensemble is fitted to, and the raw scores of its members."""

from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dharma_ml.anomaly import baseline as bases
from dharma_ml.anomaly import forest as forests
from dharma_ml.anomaly import subspace as spaces
from dharma_ml.anomaly.filters import moving_mean
from dharma_ml.anomaly.settings import MEMBERS, Settings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(slots=True)
class Fit:
    """All that is learned between refits; c channels."""

    baseline: bases.Baseline
    spread: Floats
    """Robust standard deviation of the values (c,)."""
    residual_spread: Floats
    """Robust standard deviation about the baseline (c,)."""
    flat: Floats
    """Median of the latest rows (c,)."""
    activity: Floats
    """Usual logarithm of the mean step (c,)."""
    step: Floats
    """Median step (c,)."""
    subspace: spaces.Subspace
    forest: forests.Forest | None = None


@dataclass(slots=True)
class Moving:
    """The moving mean and moving mean absolute deviation of the volatility member (c,)."""

    mean: Floats
    deviation: Floats


@dataclass(frozen=True, slots=True)
class Raw:
    """Scores (n, members), residuals (n, c), and what each channel adds to the deviation (n, c)."""

    scores: Floats
    residuals: Floats
    shares: Floats
    moving: Moving = field(repr=False)


def robust_spread(rows: Floats) -> Floats:
    """Estimate the standard deviation of each column by the median absolute deviation; by the plain one where most values are equal."""
    middle = np.median(rows, axis=0)
    spread = 1.4826 * np.median(np.abs(rows - middle), axis=0)
    size = np.maximum(np.abs(rows).max(axis=0), 1e-12)
    spread = np.where(spread < 1e-9 * size, rows.std(axis=0), spread)
    result: Floats = np.maximum(spread, 1e-6 * size)
    return result


def fit(times: Floats, rows: Floats, recent: Floats, lags: int, settings: Settings) -> Fit:
    """Fit all but the forest on past rows (n, c) and the latest rows, which follow each other without a gap."""
    base = bases.fit(times, rows, recent, settings)
    spread = robust_spread(rows)
    left = robust_spread(rows - bases.expected(base, times, settings))
    # A whole series may be flat but for a few points: the plain deviation is the scale of the subspace, as of the rows it was fitted on.
    scale = np.maximum(rows.std(axis=0), spread * 1e-3)
    space = spaces.fit(rows[-settings.history // 2 :], np.median(rows, axis=0), np.maximum(scale, 1e-12), lags, settings.variance)
    fresh = Fit(base, spread, left, np.median(recent, axis=0), spread, spread, space)
    refresh(fresh, recent, settings)
    return fresh


def refresh(fitted: Fit, recent: Floats, settings: Settings) -> None:
    """Bring what follows the latest rows up to date."""
    steps = np.abs(np.diff(recent, axis=0))
    fitted.flat = np.median(recent, axis=0)
    fitted.step = np.median(steps, axis=0)
    fitted.activity = np.median(_activity(steps, fitted, settings), axis=0)


def score(
    fitted: Fit, times: Floats, rows: Floats, usable: Bools, before: Floats, residuals: Floats, moving: Moving, settings: Settings
) -> Raw:
    """Score rows (n, c) that follow the rows `before` and the residuals before; `usable` (n, c) marks readings that count."""
    # In the precision in which residuals are remembered: a step must not depend on how points were cut into calls.
    left = np.where(usable, rows - bases.expected(fitted.baseline, times, settings), 0.0).astype(np.float32).astype(np.float64)
    joined, lefts = np.concatenate([before, rows]), np.concatenate([residuals[-settings.long + 1 :], left])
    steps = np.abs(np.diff(joined[-len(rows) - settings.short :], axis=0))
    seasonal = np.abs(left) / fitted.residual_spread
    surprise, moved = _volatility(rows, moving, settings)
    middle = np.median(_runs(joined, settings.short, len(rows)), axis=-1)
    parts = [
        seasonal,
        surprise / (moved + 0.1 * fitted.spread),
        np.abs(middle - fitted.flat) / fitted.spread,
        np.abs(_runs(lefts, settings.short, len(rows)).mean(axis=-1)) / fitted.residual_spread,
        np.abs(_runs(lefts, settings.long, len(rows)).mean(axis=-1)) / fitted.residual_spread,
        np.abs(_activity(steps, fitted, settings)[-len(rows) :] - fitted.activity),
        steps[-len(rows) :] / (fitted.step + 0.1 * fitted.spread),
    ]
    outside = spaces.residual(fitted.subspace, joined[-(len(rows) + fitted.subspace.lags - 1) :])
    counted = np.maximum(usable.sum(axis=1), 1)
    columns = [np.sqrt((np.where(usable, np.minimum(part, settings.clip), 0.0) ** 2).sum(axis=1) / counted) for part in parts]
    unexplained = np.where(usable, (outside**2).mean(axis=2), 0.0)
    columns.append(np.sqrt(unexplained.sum(axis=1) / counted))
    features = np.log1p(np.stack(columns, axis=1))
    columns.append(forests.score(fitted.forest, features) if fitted.forest is not None else np.zeros(len(rows)))
    shares = np.where(usable, np.minimum(seasonal, settings.clip) ** 2, 0.0) + np.minimum(unexplained, settings.clip**2)
    return Raw(np.stack(columns, axis=1), left, shares, moving)


def forest_features(scores: Floats) -> Floats:
    """Give what the forest sees of the members' scores (n, members): those of the others, on a logarithmic scale."""
    result: Floats = np.log1p(scores[:, : len(MEMBERS) - 1])
    return result


def fit_forest(scores: Floats, settings: Settings) -> forests.Forest:
    """Fit the forest on the other members' past scores (n, members): the residual and window features of the stream."""
    return forests.fit(forest_features(scores), settings.trees, settings.sample, settings.seed)


def isolation(forest: forests.Forest, scores: Floats) -> Floats:
    """Score the other members' scores (n, members) by the forest."""
    return forests.score(forest, forest_features(scores))


def _runs(rows: Floats, width: int, count: int) -> Floats:
    """Give the last `count` runs of `width` rows: (count, c, width)."""
    short = width + count - 1 - len(rows)
    if short > 0:
        rows = np.concatenate([np.repeat(rows[:1], short, axis=0), rows])
    return sliding_window_view(rows[-(width + count - 1) :], width, axis=0)


def _activity(steps: Floats, fitted: Fit, settings: Settings) -> Floats:
    mean = _runs(steps, settings.short, max(len(steps) - settings.short + 1, 1)).mean(axis=-1)
    result: Floats = np.log(mean + 0.05 * fitted.spread)
    return result


def _volatility(rows: Floats, moving: Moving, settings: Settings) -> tuple[Floats, Floats]:
    """Give each row's distance from the moving mean before it, and the usual distance before it. Moves `moving` on."""
    means = moving_mean(rows, moving.mean, settings.ewma)
    surprise = np.abs(rows - means[:-1])
    usual = moving_mean(surprise, moving.deviation, settings.ewma_spread)
    moving.mean, moving.deviation = means[-1], usual[-1]
    return surprise, usual[:-1]
