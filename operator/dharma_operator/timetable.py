"""When which object is due: one heap and one waiter for all of them, however many there are."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from dharma_operator.workqueue import OwnerKey

_SLACK = 64
"""Outdated heap entries that are tolerated beside as many as there are valid ones."""


class Timetable:
    """At most one due time for each object. Times are those of `clock`, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._order = itertools.count()
        self._heap: list[tuple[float, int, OwnerKey]] = []
        self._valid: dict[OwnerKey, tuple[float, int]] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._valid)

    def when(self, key: OwnerKey) -> float | None:
        """Return the due time of an object, None without one."""
        entry = self._valid.get(key)
        return None if entry is None else entry[0]

    def set(self, key: OwnerKey, when: float) -> None:
        """Make the object due at `when`, whatever was set before."""
        entry = (when, next(self._order))
        self._valid[key] = entry
        heapq.heappush(self._heap, (*entry, key))
        if self._heap[0][2] == key:
            self._changed.set()
        if len(self._heap) > 2 * len(self._valid) + _SLACK:
            self._heap = [(*valid, other) for other, valid in self._valid.items()]
            heapq.heapify(self._heap)

    def bring_forward(self, key: OwnerKey, when: float) -> None:
        """Make the object due at `when`, unless it is due sooner."""
        current = self.when(key)
        if current is None or when < current:
            self.set(key, when)

    def cancel(self, key: OwnerKey) -> None:
        """Forget the due time of an object."""
        self._valid.pop(key, None)

    async def next(self) -> OwnerKey:
        """Wait until an object is due and take it off the table."""
        while True:
            self._changed.clear()
            delay = self._until_next()
            if delay is not None and delay <= 0:
                key = heapq.heappop(self._heap)[2]
                del self._valid[key]
                return key
            try:
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _until_next(self) -> float | None:
        while self._heap:
            when, order, key = self._heap[0]
            if self._valid.get(key) == (when, order):
                return when - self._clock()
            heapq.heappop(self._heap)
        return None
