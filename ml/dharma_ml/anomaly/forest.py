"""IsolationForest, fitted by scikit-learn and kept as plain arrays.

Every tree of depth 6 is stored as a full one: 63 tests and 64 path lengths. That makes scoring a few array operations for all trees and
points, and the
state a few kilobytes without any pickled object.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

Floats = NDArray[np.float64]
DEPTH: Final = 6


@dataclass(frozen=True, slots=True)
class Forest:
    """Tests `feature <= threshold` (trees, 63), path lengths (trees, 64), and the usual path length of the sample size."""

    feature: NDArray[np.uint8]
    threshold: NDArray[np.float32]
    path: NDArray[np.float32]
    usual: float


def usual_path(rows: int) -> float:
    """Mean path length of an unsuccessful search in a binary tree of `rows` leaves (Liu, Ting, Zhou, "Isolation Forest", ICDM 2008)."""
    if rows <= 1:
        return 0.0
    if rows == 2:
        return 1.0
    return 2.0 * (float(np.log(rows - 1.0)) + float(np.euler_gamma)) - 2.0 * (rows - 1.0) / rows


def sample_of(rows: int, sample: int) -> int:
    """Tell how many of the rows a tree sees: no more than make it deeper than 6."""
    return min(sample, rows, 2**DEPTH)


def leaves_below(slot: int, depth: int) -> tuple[int, int]:
    """Tell which path lengths lie below a node of the full tree, whose `slot` is at that depth: the first one and how many."""
    first, width = slot, 1
    for _ in range(DEPTH - depth):
        first, width = 2 * first + 1, 2 * width
    return first - (2**DEPTH - 1), width


def fit(rows: Floats, trees: int, sample: int, seed: int) -> Forest:
    """Fit on rows (n, d), d < 256, with at most `sample` (no more than 64) rows a tree. The same rows and seed give the same forest."""
    size = sample_of(len(rows), sample)
    maker: Any = IsolationForest
    model = maker(n_estimators=trees, max_samples=size, random_state=seed, n_jobs=1)
    model.fit(rows.astype(np.float32))
    feature = np.zeros((trees, 2**DEPTH - 1), dtype=np.uint8)
    threshold = np.full((trees, 2**DEPTH - 1), np.inf, dtype=np.float32)
    path = np.zeros((trees, 2**DEPTH), dtype=np.float32)
    for index, estimator in enumerate(cast(list[Any], model.estimators_)):
        _flatten(estimator.tree_, feature[index], threshold[index], path[index])
    return Forest(feature, threshold, path, usual_path(size))


def score(forest: Forest, rows: Floats) -> Floats:
    """Give the anomaly score of the paper for rows (n, d): near 1 is anomalous, .5 or less is usual."""
    values = rows.astype(np.float32)
    trees = np.arange(len(forest.feature))[None, :]
    line = np.arange(len(values))[:, None]
    node = np.zeros((len(values), len(forest.feature)), dtype=np.int64)
    for _ in range(DEPTH):
        right = values[line, forest.feature[trees, node]] > forest.threshold[trees, node]
        node = 2 * node + 1 + right
    lengths = forest.path[trees, node - (2**DEPTH - 1)].mean(axis=1, dtype=np.float64)
    return np.asarray(np.power(2.0, -lengths / max(forest.usual, 1e-9)), dtype=np.float64)


def _flatten(
    tree: Any,  # noqa: ANN401 - scikit-learn has no types
    feature: NDArray[np.uint8],
    threshold: NDArray[np.float32],
    path: NDArray[np.float32],
) -> None:
    """Copy a tree into its full form; below a leaf all tests lead to the same path length."""
    left, right = tree.children_left, tree.children_right
    features, thresholds, rows = tree.feature, tree.threshold, tree.n_node_samples
    pending = [(0, 0, 0)]
    while pending:
        node, slot, depth = pending.pop()
        if left[node] < 0:
            start, width = leaves_below(slot, depth)
            path[start : start + width] = depth + usual_path(int(rows[node]))
            continue
        feature[slot], threshold[slot] = features[node], thresholds[node]
        pending += [(left[node], 2 * slot + 1, depth + 1), (right[node], 2 * slot + 2, depth + 1)]
