"""What the usual relations between channels, and between neighbouring points, do not explain: the residual to a principal subspace."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Subspace:
    """Centre and scale of the channels (c,), centre of the windows (d,), directions kept (d, k), with d = c times `lags`."""

    centre: Floats
    scale: Floats
    mean: Floats
    directions: Floats
    lags: int


def windows(rows: Floats, lags: int) -> Floats:
    """Lay each run of `lags` rows side by side: (n, c) to (n - lags + 1, c * lags)."""
    return sliding_window_view(rows, lags, axis=0).reshape(len(rows) - lags + 1, -1)


def fit(rows: Floats, centre: Floats, scale: Floats, lags: int, variance: float) -> Subspace:
    """Fit on past rows (n, c), cut at eight deviations so that past outliers do not become directions."""
    laid = windows(np.clip((rows - centre) / scale, -8.0, 8.0), lags)
    mean = laid.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(laid - mean, rowvar=False).reshape(laid.shape[1], laid.shape[1]))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    total = float(values.sum())
    kept = int(np.searchsorted(np.cumsum(values), variance * total)) + 1 if total > 0 else 1
    most = max(laid.shape[1] - max(laid.shape[1] // 6, 1), 0)
    return Subspace(centre, scale, mean, np.ascontiguousarray(vectors[:, : min(kept, most)]), lags)


def residual(model: Subspace, rows: Floats) -> Floats:
    """Give the residual of each window and value, in deviations: rows (n + lags - 1, c) to (n, c, lags)."""
    laid = windows(np.clip((rows - model.centre) / model.scale, -1e3, 1e3), model.lags) - model.mean
    left = laid - laid @ model.directions @ model.directions.T
    return left.reshape(len(left), rows.shape[1], model.lags)
