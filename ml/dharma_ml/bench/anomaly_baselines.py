"""The simple detectors that ours is measured against, all causal: fitted on the first part (probation or training), then on the past."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.ensemble import IsolationForest

from dharma_ml.anomaly import subspace
from dharma_ml.anomaly.alarms import Peaks, strengths
from dharma_ml.anomaly.conformal import evidence
from dharma_ml.anomaly.filters import moving_mean
from dharma_ml.anomaly.settings import SETTINGS
from dharma_ml.bench.anomaly_data import Labelled

Floats = NDArray[np.float64]
WINDOW: Final = 288
_NORMAL: Any = stats.norm


def isolation_forest(stream: Labelled) -> Floats:
    """IsolationForest on the raw values, 100 trees, fitted once on the first part."""
    model: Any = IsolationForest(n_estimators=100, random_state=SETTINGS.seed)
    model.fit(stream.values[: stream.start])
    return np.asarray(-model.score_samples(stream.values), dtype=np.float64)


def mean_z(stream: Labelled) -> Floats:
    """Mean absolute z over the channels, mean and deviation of the first part."""
    first = stream.values[: stream.start]
    return np.asarray(np.abs((stream.values - first.mean(axis=0)) / np.maximum(first.std(axis=0), 1e-9)).mean(axis=1))


def robust_ewma(stream: Labelled) -> Floats:
    """Distance from the moving mean before, over the moving mean distance before; the mean over channels."""
    rows = stream.values
    step = np.abs(rows - moving_mean(rows, rows[0], 0.05)[:-1])
    usual = moving_mean(step, step[: stream.start].mean(axis=0), 0.02)[:-1]
    return np.asarray((step / (usual + 1e-6 + 0.1 * rows[: stream.start].std(axis=0))).mean(axis=1))


def pca_residual(stream: Labelled) -> Floats:
    """Residual to the principal subspace with 95 % of the variance of the first part; one channel is laid out in 24 lags."""
    first = stream.values[: stream.start]
    lags = max(1, 24 // stream.values.shape[1])
    model = subspace.fit(first, first.mean(axis=0), np.maximum(first.std(axis=0), 1e-9), lags, 0.95)
    rows = np.concatenate([np.repeat(stream.values[:1], lags - 1, axis=0), stream.values])
    return np.asarray(np.sqrt((subspace.residual(model, rows) ** 2).mean(axis=(1, 2))))


def windowed_gaussian(stream: Labelled) -> Floats:
    """Evidence of a normal distribution over the last day of points, both tails; the mean over channels."""
    rows = stream.values
    total = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    square = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows**2, axis=0)])
    end = np.arange(len(rows))
    begin = np.maximum(end - WINDOW, 0)
    count = np.maximum(end - begin, 1)[:, None]
    mean = (total[end] - total[begin]) / count
    spread = np.sqrt(np.maximum((square[end] - square[begin]) / count - mean**2, 0.0))
    z = np.abs(rows - mean) / np.maximum(spread, 1e-6 * np.maximum(np.abs(mean), 1.0))
    proof: Floats = np.asarray(-_NORMAL.logsf(np.minimum(z, 30.0)), dtype=np.float64)
    return np.asarray(proof.mean(axis=1))


BASELINES: Final[dict[str, Callable[[Labelled], Floats]]] = {
    "IsolationForest, raw": isolation_forest,
    "mean abs z": mean_z,
    "robust EWMA": robust_ewma,
    "PCA residual": pca_residual,
    "windowed Gaussian": windowed_gaussian,
}


def marked(scores: Floats) -> Floats:
    """Turn a plain score into marks as ours has them: evidence against its own past, then peaks that stand out. For NAB."""
    proof = np.zeros(len(scores))
    for start in range(SETTINGS.warm, len(scores), SETTINGS.block):
        past = np.sort(scores[max(start - SETTINGS.history, 0) : start])
        piece = slice(start, start + SETTINGS.block)
        proof[piece] = np.minimum(evidence(past, scores[piece], SETTINGS.tail), SETTINGS.cap)
    return strengths(proof, np.zeros(0), 0, Peaks(), SETTINGS)
