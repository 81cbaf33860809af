"""The simple rules that a recommender must beat. All take values in any unit and give a request in the same."""

import numpy as np

from dharma_ml.sizing.history import Floats


def krr_cpu(values: Floats) -> float:
    """KRR's simple strategy (robusta-dev/krr) as documented: the 95th percentile of 14 days, no limit."""
    return float(np.percentile(values, 95))


def krr_memory(values: Floats) -> float:
    """KRR's simple strategy: the peak of 14 days and 15 %."""
    return float(np.max(values)) * 1.15


def p99(values: Floats) -> float:
    """Give the 99th percentile: on Bitbrains the best of the fixed rules."""
    return float(np.percentile(values, 99))


def maximum(values: Floats) -> float:
    """Give the peak."""
    return float(np.max(values))


def p95_fixed_margin(values: Floats) -> float:
    """Give the 95th percentile and 20 %."""
    return float(np.percentile(values, 95)) * 1.2
