"""The reconcile engine: who runs when. It knows nothing of Kubernetes.

An object runs because it was created or its spec changed, because a child changed, because it is due, or because the engine
starts. Runs of one object never overlap; whatever is asked for during a run is one more run after it. Runs of different objects
do not wait for each other, up to a bound.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dharma_operator.pace import Backoff, Pace
from dharma_operator.timetable import Timetable
from dharma_operator.workqueue import Lane, OwnerKey, WorkQueue

_logger = logging.getLogger(__name__)

_SPREAD = 0.25
"""Part of the resync period by which it is lengthened or shortened at random, so that objects do not stay in step."""


class Cause(Enum):
    """Why an object is to run."""

    SPEC = "spec"
    """It was created or what it wants changed: at once, with a clean slate."""
    CHILD = "child"
    """One of its children changed: at once, within the bounds of `Pace`."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended, and when the next is needed."""

    failed: bool = False
    """Try again with backoff."""
    after: float | None = None
    """Seconds to the next run, None for the resync; after a failure the least time to wait."""
    gone: bool = False
    """The object does not exist any more: keep nothing about it."""


class EngineMetrics(Protocol):
    """What the engine counts."""

    def queued(self, depth: int) -> None:
        """Tell that the queue holds so many objects."""
        ...

    def running(self, runs: int) -> None:
        """Tell that so many runs are in progress."""
        ...

    def waited(self, kind: str, seconds: float) -> None:
        """Tell that an object's turn came after so long."""
        ...


class Engine:
    """Serves from `serve` to `drain` or its cancellation; made anew for each time of leadership."""

    def __init__(
        self,
        run: Callable[[OwnerKey], Awaitable[RunResult]],
        metrics: EngineMetrics,
        *,
        concurrency: int,
        resync_seconds: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._run = run
        self._metrics = metrics
        self._concurrency = concurrency
        self._resync_seconds = resync_seconds
        self._clock = clock or asyncio.get_running_loop().time
        self._uniform = random.SystemRandom().uniform
        self._queue = WorkQueue(self._clock)
        self._due = Timetable(self._clock)
        self._backoff = Backoff(self._uniform)
        self._pace = Pace()

    def __len__(self) -> int:
        """Objects that wait or run."""
        return len(self._queue) + self._queue.running

    def failures(self, key: OwnerKey) -> int:
        """How often the object failed in a row."""
        return self._backoff.failures(key)

    def start_with(self, keys: Iterable[OwnerKey]) -> None:
        """Ask for all objects there are: whatever was missed is found by looking."""
        for key in keys:
            self._queue.add(key, Lane.START)
        self._metrics.queued(len(self._queue))

    def enqueue(self, key: OwnerKey, cause: Cause) -> None:
        """Ask for a run that begins after this call."""
        now = self._clock()
        if cause is Cause.SPEC:
            self._backoff.reset(key)
        elif (delay := self._pace.delay(key, now)) > 0:
            self._due.bring_forward(key, now + delay)
            return
        self._queue.add(key)
        self._metrics.queued(len(self._queue))

    async def serve(self) -> None:
        """Run objects until `drain` has let the last run end; cancellation cancels the runs in progress too."""
        async with asyncio.TaskGroup() as tasks:
            timekeeper = tasks.create_task(self._keep_time(), name="timekeeper")
            workers = [tasks.create_task(self._work(), name=f"reconcile worker {number}") for number in range(self._concurrency)]
            await asyncio.gather(*workers)
            timekeeper.cancel()

    def drain(self) -> None:
        """Begin no more runs; `serve` returns when those in progress have ended."""
        self._queue.close()

    async def _keep_time(self) -> None:
        while True:
            self._queue.add(await self._due.next())
            self._metrics.queued(len(self._queue))

    async def _work(self) -> None:
        while (turn := await self._queue.get()) is not None:
            key = turn.key
            self._metrics.waited(key.kind, turn.waited)
            self._metrics.queued(len(self._queue))
            self._metrics.running(self._queue.running)
            self._pace.ran(key, self._clock())
            try:
                result = await self._guarded(key)
                self._plan(key, result)
            finally:
                self._queue.done(key)
                self._metrics.running(self._queue.running)

    async def _guarded(self, key: OwnerKey) -> RunResult:
        """Run an object; unexpected errors touch no other one."""
        try:
            return await self._run(key)
        except Exception:
            _logger.exception("the run of %s failed in an unforeseen way; it is tried again", key)
            return RunResult(failed=True)

    def _plan(self, key: OwnerKey, result: RunResult) -> None:
        """Set the time of the next run."""
        if result.gone:
            self._due.cancel(key)
            self._backoff.reset(key)
            self._pace.reset(key)
            return
        if result.failed:
            self._due.set(key, self._clock() + self._backoff.failed(key, result.after))
            return
        self._backoff.reset(key)
        now = self._clock()
        resync = self._resync_seconds * self._uniform(1 - _SPREAD, 1 + _SPREAD)
        wanted = resync if result.after is None else min(result.after, resync)
        self._due.set(key, now + max(wanted, self._pace.delay(key, now)))


async def stop(engine: Engine, serving: asyncio.Task[None], grace: float) -> None:
    """Let the runs in progress end within `grace` seconds, then cancel what is left."""
    engine.drain()
    done, _ = await asyncio.wait({serving}, timeout=grace)
    if not done:
        serving.cancel()
        await asyncio.wait({serving})
