"""The queue of objects to reconcile: each stands in it once, and never runs twice at a time."""

import asyncio
import itertools
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple


class OwnerKey(NamedTuple):
    """Names one object of our kinds."""

    kind: str
    namespace: str
    """Empty for a kind of cluster scope."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Lane(IntEnum):
    """Who goes first."""

    CHANGE = 0
    """Something happened, or is due."""
    START = 1
    """The engine starts and looks at everything: a thousand of these must not hold up the one object that somebody changes now."""


class Turn(NamedTuple):
    """An object whose turn it is."""

    key: OwnerKey
    waited: float
    """Seconds since it was asked for."""


class _Asked(NamedTuple):
    lane: Lane
    order: int
    since: float


class WorkQueue:
    """First in, first out within a lane. Asking again for what waits changes nothing; for what runs, it makes one more run afterwards."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._order = itertools.count()
        self._asked: dict[OwnerKey, _Asked] = {}
        self._running: set[OwnerKey] = set()
        self._waiting: asyncio.PriorityQueue[tuple[int, int, OwnerKey | None]] = asyncio.PriorityQueue()

    def __len__(self) -> int:
        """How many objects are asked for and do not run yet."""
        return len(self._asked)

    @property
    def running(self) -> int:
        """How many objects are out of the queue and not done."""
        return len(self._running)

    def add(self, key: OwnerKey, lane: Lane = Lane.CHANGE) -> None:
        """Ask for a run that begins after this call."""
        before = self._asked.get(key)
        if before is not None and before.lane <= lane:
            return
        asked = self._asked[key] = _Asked(lane, next(self._order), self._clock() if before is None else before.since)
        if key not in self._running:
            self._waiting.put_nowait((asked.lane, asked.order, key))

    async def get(self) -> Turn | None:
        """Wait for the next object, which counts as running until `done`. None after `close`."""
        while True:
            _, order, key = await self._waiting.get()
            if key is None:
                self.close()  # for the next one who waits
                return None
            asked = self._asked.get(key)
            if asked is not None and asked.order == order:  # else it has been moved to another lane
                del self._asked[key]
                self._running.add(key)
                return Turn(key, self._clock() - asked.since)

    def done(self, key: OwnerKey) -> None:
        """End a run; one that was asked for meanwhile gets its place in the queue now."""
        self._running.discard(key)
        asked = self._asked.get(key)
        if asked is not None:
            self._waiting.put_nowait((asked.lane, asked.order, key))

    def close(self) -> None:
        """Give out nothing more."""
        self._waiting.put_nowait((-1, next(self._order), None))
