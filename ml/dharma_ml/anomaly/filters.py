"""Recursive filters of scipy, which has no types of its own: one place where they get some."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Floats = NDArray[np.float64]

_signal: Any = signal


def moving_mean(rows: Floats, start: Floats, weight: float) -> Floats:
    """Give the exponentially weighted mean before the first row and after each: rows (n, c) and the mean before (c,) to (n + 1, c)."""
    after, _ = _signal.lfilter([weight], [1.0, -(1.0 - weight)], rows, axis=0, zi=((1.0 - weight) * start)[None, :])
    return np.concatenate([start[None, :], cast(Floats, after)])
