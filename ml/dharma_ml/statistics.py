"""Calls of SciPy's statistics behind types: the one place where an untyped library is wrapped."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
_untyped: Any = stats


def theil_sen(times: Floats, values: Floats) -> tuple[float, float, float]:
    """Give the median slope of all pairs and its 95 % interval, in units of values by units of times. Two points at least."""
    found: Any = _untyped.theilslopes(values, times, 0.95)
    return float(found[0]), float(found[2]), float(found[3])


def student(share: float, degrees: int) -> float:
    """Give the quantile of Student's t with that many degrees of freedom (1 at least)."""
    found: Any = _untyped.t.ppf(share, degrees)
    return float(found)
