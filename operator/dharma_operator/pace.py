"""How soon an object may run again: backoff after failures, and a bound on what events of its children can cause."""

from collections.abc import Callable

from dharma_operator.workqueue import OwnerKey

_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 120.0
_BURST = 20
_SECONDS_PER_RUN = 0.2
_MOST_DOUBLINGS = 16


class Backoff:
    """Exponential backoff with full jitter: after n failures in a row a time drawn evenly from 0 to min(120 s, 0.5 s · 2ⁿ).

    Drawn evenly, objects that failed together (the API server was away) do not come back together.
    """

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._failures: dict[OwnerKey, int] = {}

    def failures(self, key: OwnerKey) -> int:
        """Failures in a row."""
        return self._failures.get(key, 0)

    def failed(self, key: OwnerKey, at_least: float | None) -> float:
        """Count a failure; return the seconds to wait, no fewer than `at_least` when the API server named a time."""
        failures = self.failures(key) + 1
        self._failures[key] = failures
        delay = self._uniform(0, min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(failures, _MOST_DOUBLINGS)))
        return delay if at_least is None else at_least + delay

    def reset(self, key: OwnerKey) -> None:
        """Forget failures: the object succeeded, is a new one, or gone."""
        self._failures.pop(key, None)


class Pace:
    """Bounds the runs of one object that its children's events, or its own last run, cause: 20 at once, then five a second.

    Two controllers that correct each other would otherwise keep each other running at the speed of the network.
    """

    def __init__(self) -> None:
        self._busy_until: dict[OwnerKey, float] = {}

    def ran(self, key: OwnerKey, now: float) -> None:
        """Count a run, of whatever cause."""
        self._busy_until[key] = max(self._busy_until.get(key, now), now) + _SECONDS_PER_RUN

    def delay(self, key: OwnerKey, now: float) -> float:
        """Seconds until an event may cause the next run; 0 for at once."""
        return max(0.0, self._busy_until.get(key, now) - _BURST * _SECONDS_PER_RUN - now)

    def reset(self, key: OwnerKey) -> None:
        """Forget an object that is gone."""
        self._busy_until.pop(key, None)
