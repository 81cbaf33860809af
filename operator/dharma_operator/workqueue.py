"""The queue of objects to reconcile: each stands in it once, and never runs twice at a time."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple


class OwnerKey(NamedTuple):
    """Names one object of our kinds."""

    kind: str
    namespace: str
    """Empty for a kind of cluster scope."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Turn(NamedTuple):
    """An object whose turn it is."""

    key: OwnerKey
    waited: float
    """Seconds since it was asked for."""


class WorkQueue:
    """First in, first out. Asking again for what waits changes nothing; asking for what runs makes it run once more afterwards."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked: dict[OwnerKey, float] = {}
        self._running: set[OwnerKey] = set()
        self._waiting: asyncio.Queue[OwnerKey | None] = asyncio.Queue()

    def __len__(self) -> int:
        """How many objects are asked for and do not run yet."""
        return len(self._asked)

    @property
    def running(self) -> int:
        """How many objects are out of the queue and not done."""
        return len(self._running)

    def add(self, key: OwnerKey) -> None:
        """Ask for a run that begins after this call."""
        if key in self._asked:
            return
        self._asked[key] = self._clock()
        if key not in self._running:
            self._waiting.put_nowait(key)

    async def get(self) -> Turn | None:
        """Wait for the next object, which counts as running until `done`. None after `close`."""
        key = await self._waiting.get()
        if key is None:
            self._waiting.put_nowait(None)  # for the next one who waits
            return None
        self._running.add(key)
        return Turn(key, self._clock() - self._asked.pop(key))

    def done(self, key: OwnerKey) -> None:
        """End a run; one that was asked for meanwhile gets its place in the queue now."""
        self._running.discard(key)
        if key in self._asked:
            self._waiting.put_nowait(key)

    def close(self) -> None:
        """Give out nothing more."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)
