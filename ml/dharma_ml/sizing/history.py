"""The past of one metric of one workload, cleaned: what sizing reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
DAY: Final = 86400.0


@dataclass(frozen=True)
class History:
    """`times` in seconds since 1970 (UTC), strictly ascending; `values` of the same length, finite and not negative."""

    times: Floats
    values: Floats

    def __len__(self) -> int:
        return len(self.times)

    def until(self, now: float) -> "History":
        """Give what was known at `now`: points at that time or before it."""
        keep = int(np.searchsorted(self.times, now, side="right"))
        return History(self.times[:keep], self.values[:keep])

    def since(self, start: float) -> "History":
        """Give points at `start` or after it."""
        skip = int(np.searchsorted(self.times, start, side="left"))
        return History(self.times[skip:], self.values[skip:])

    def days(self) -> Iterator[tuple[int, Floats]]:
        """Yield each day that has points: its number since 1970 (UTC) and its values. A point on midnight ends the day before."""
        if not len(self):
            return
        numbers = day_of(self.times)
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
        for number, values in zip(numbers[starts], np.split(self.values, starts[1:]), strict=True):
            yield int(number), values


def day_of(times: ArrayLike) -> NDArray[np.int64]:
    """Give the number of the day in which an interval that ends at each time lies, since 1970 (UTC)."""
    return np.ceil(np.asarray(times, dtype=np.float64) / DAY).astype(np.int64) - 1


_BEYOND = 1e30


def clean(times: ArrayLike | Sequence[float], values: ArrayLike | Sequence[float]) -> History:
    """Make a history of raw readings.

    Readings whose time or value is not finite, negative values and those beyond any unit (over 1e30) are dropped; order is
    restored; of several readings of one time the last counts. Raises ValueError when the lengths differ.
    """
    stamps = np.asarray(times, dtype=np.float64).ravel()
    readings = np.asarray(values, dtype=np.float64).ravel()
    if len(stamps) != len(readings):
        raise ValueError(f"{len(stamps)} times and {len(readings)} values: each reading needs both")
    good = np.isfinite(stamps) & np.isfinite(readings) & (readings >= 0) & (readings <= _BEYOND)
    stamps, readings = stamps[good], readings[good]
    order = np.argsort(stamps, kind="stable")
    stamps, readings = stamps[order], readings[order]
    last = np.append(np.diff(stamps) > 0, True) if len(stamps) else np.zeros(0, dtype=bool)
    return History(stamps[last], readings[last])
