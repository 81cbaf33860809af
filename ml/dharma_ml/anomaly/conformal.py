"""Tail probabilities from the detector's own past scores.

A conformal p-value is the rank of a new score among held-back ones (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World",
2005). Ranks stop at
`1 / (n + 1)`; above the highest few per cent the tail is taken as exponential (the mean excess is its scale), so that larger still counts
as rarer.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 48
"""Scores below which no probability is given."""


def evidence(past: Floats, scores: Floats, tail: float) -> Floats:
    """Give -log10 of the probability that a normal point scores at least so high: 0 is usual, 3 is one in a thousand.

    `past` is sorted, ascending, shape (n,); `scores` has any shape; `tail` is the share of `past` that shapes the tail. All 0 when `past`
    is short.
    """
    count = len(past)
    if count < FEWEST:
        return np.zeros_like(scores)
    above = count - np.searchsorted(past, scores, side="left")
    result: Floats = -np.log10((1.0 + above) / (count + 1.0))
    top = max(8, int(tail * count))
    edge = past[-top - 1]
    excess = float((past[-top:] - edge).mean())
    scale = max(excess, 1e-3 * abs(float(edge)), 1e-9)
    beyond = scores > edge
    if beyond.any():
        result = np.where(beyond, -np.log10(top / count) + (scores - edge) / scale * np.log10(np.e), result)
    return result
