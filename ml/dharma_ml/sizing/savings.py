"""What a recommendation saves, in money, as a bill by OpenCost's rule would show it: the greater of request and usage is charged."""

from dataclasses import dataclass

import numpy as np

from dharma_ml.sizing.history import Floats


@dataclass(frozen=True, slots=True)
class Savings:
    """Money over a period; negative when the recommendation costs more than what is there now."""

    now: float
    then: float

    @property
    def saved(self) -> float:
        """What is saved."""
        return self.now - self.then


def charge(values: Floats, request: float, price: float, hours: float) -> float:
    """Give the money for `hours` at that request, with usage distributed as `values` (same unit); price for a unit and hour."""
    return float(np.maximum(values, request).mean()) * price * hours if len(values) else request * price * hours


def state_savings(past: Floats, current: float, recommended: float, price: float, hours: float) -> Savings:
    """State what the next `hours` will save, taking usage to stay as in `past` (the newest days at the same unit)."""
    return Savings(now=charge(past, current, price, hours), then=charge(past, recommended, price, hours))
