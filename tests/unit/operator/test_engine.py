"""Who runs when."""

import asyncio
import logging
from collections import Counter, defaultdict

import pytest
from tests.support.virtual_time import run_virtually

from dharma_operator.engine import Cause, Engine, RunResult, stop
from dharma_operator.workqueue import OwnerKey

A, B, C = (OwnerKey("Blueprint", "acme", name) for name in "abc")
RESYNC = 600.0


class Recorded:
    def __init__(self) -> None:
        self.depths: list[int] = []
        self.most_running = 0
        self.waits: list[float] = []

    def queued(self, depth: int) -> None:
        self.depths.append(depth)

    def running(self, runs: int) -> None:
        self.most_running = max(self.most_running, runs)

    def waited(self, _: str, seconds: float) -> None:
        self.waits.append(seconds)


class Bench:
    """An engine whose runs last `seconds`, end as `results` say, and are written down."""

    def __init__(self, seconds: float = 0.0, concurrency: int = 4) -> None:
        self.seconds = seconds
        self.results: dict[OwnerKey, RunResult] = {}
        self.raises: set[OwnerKey] = set()
        self.starts: dict[OwnerKey, list[float]] = defaultdict(list)
        self.at_once: Counter[OwnerKey] = Counter()
        self.ended: Counter[OwnerKey] = Counter()
        self.metrics = Recorded()
        self.loop = asyncio.get_running_loop()
        self.engine = Engine(self.run, self.metrics, concurrency=concurrency, resync_seconds=RESYNC)
        self.serving = asyncio.create_task(self.engine.serve())

    async def run(self, key: OwnerKey) -> RunResult:
        self.starts[key].append(self.loop.time())
        self.at_once[key] += 1
        assert self.at_once[key] == 1, "two runs of one object at a time"
        try:
            await asyncio.sleep(self.seconds)
            if key in self.raises:
                raise ValueError("a bug")
            return self.results.get(key, RunResult())
        finally:
            self.at_once[key] -= 1
            self.ended[key] += 1


def in_virtual_time(scenario):
    def run() -> None:
        run_virtually(scenario())

    run.__name__ = scenario.__name__
    return run


@in_virtual_time
async def test_events_during_a_run_make_one_more_run():
    bench = Bench(seconds=10)
    bench.engine.enqueue(A, Cause.SPEC)
    for _ in range(5):
        await asyncio.sleep(1)
        bench.engine.enqueue(A, Cause.CHILD)
    await asyncio.sleep(60)
    assert bench.starts[A] == [0.0, 10.0]


@in_virtual_time
async def test_runs_side_by_side_are_bounded_and_nobody_is_left_out():
    bench = Bench(seconds=1, concurrency=4)
    keys = [OwnerKey("Tenant", "", str(number)) for number in range(40)]
    bench.engine.start_with(keys)
    await asyncio.sleep(10.5)
    assert bench.ended == Counter(keys)
    assert bench.metrics.most_running == 4


@in_virtual_time
async def test_a_change_need_not_wait_until_the_start_has_looked_at_everything():
    bench = Bench(seconds=1, concurrency=2)
    bench.engine.start_with([OwnerKey("Tenant", "", str(number)) for number in range(1000)])
    await asyncio.sleep(5.5)
    bench.engine.enqueue(A, Cause.SPEC)
    await asyncio.sleep(2)
    assert bench.starts[A] == [6.0]


@in_virtual_time
async def test_an_object_that_fails_holds_up_no_other_and_is_tried_ever_more_slowly():
    bench = Bench()
    bench.raises.add(A)
    bench.results[B] = RunResult(failed=True)
    logging.disable(logging.CRITICAL)
    try:
        bench.engine.start_with([A, B, C])
        await asyncio.sleep(1200)
    finally:
        logging.disable(logging.NOTSET)
    assert 10 < bench.ended[A] < 60
    assert 10 < bench.ended[B] < 60
    assert 2 <= bench.ended[C] <= 3  # the start and the resyncs
    assert bench.engine.failures(A) == bench.ended[A]
    assert bench.engine.failures(C) == 0


@in_virtual_time
async def test_a_change_of_the_spec_runs_at_once_although_the_object_backs_off():
    bench = Bench()
    bench.results[A] = RunResult(failed=True, after=1000.0)
    bench.engine.enqueue(A, Cause.SPEC)
    await asyncio.sleep(5)
    assert len(bench.starts[A]) == 1
    bench.results[A] = RunResult()
    bench.engine.enqueue(A, Cause.SPEC)
    await asyncio.sleep(1)
    assert bench.starts[A] == [0.0, 5.0]
    assert bench.engine.failures(A) == 0


@in_virtual_time
async def test_a_due_time_is_kept_and_the_latest_run_decides_it():
    bench = Bench()
    bench.results[A] = RunResult(after=30.0)
    bench.engine.enqueue(A, Cause.SPEC)
    await asyncio.sleep(10)
    bench.engine.enqueue(A, Cause.CHILD)
    await asyncio.sleep(29)
    assert bench.starts[A] == [0.0, 10.0]
    await asyncio.sleep(2)
    assert [round(start) for start in bench.starts[A]] == [0, 10, 40]


@in_virtual_time
async def test_the_resync_is_spread_out():
    bench = Bench()
    keys = [OwnerKey("Tenant", "", str(number)) for number in range(200)]
    bench.engine.start_with(keys)
    await asyncio.sleep(RESYNC * 1.26)
    second = [starts[1] for starts in bench.starts.values()]
    assert len(second) == 200
    assert min(second) > RESYNC * 0.75 - 1
    assert max(second) < RESYNC * 1.25 + 1
    assert max(Counter(int(start // 15) for start in second).values()) < 30


@in_virtual_time
async def test_a_storm_of_child_events_is_slowed_down():
    bench = Bench()
    for _ in range(100 * 60):
        bench.engine.enqueue(A, Cause.CHILD)
        await asyncio.sleep(0.01)
    assert 20 + 5 * 60 - 10 <= len(bench.starts[A]) <= 20 + 2 * 5 * 60


@in_virtual_time
async def test_an_object_that_never_comes_to_rest_is_slowed_down():
    bench = Bench()
    bench.results[A] = RunResult(after=0.001)
    bench.engine.enqueue(A, Cause.SPEC)
    await asyncio.sleep(60)
    assert 20 + 5 * 60 - 10 <= len(bench.starts[A]) <= 20 + 5 * 60 + 10


@in_virtual_time
async def test_what_is_gone_leaves_nothing_behind():
    bench = Bench()
    bench.results[A] = RunResult(failed=True)
    bench.engine.enqueue(A, Cause.SPEC)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    bench.results[A] = RunResult(gone=True)
    bench.engine.enqueue(A, Cause.SPEC)
    await asyncio.sleep(5000)
    assert len(bench.starts[A]) == 2
    assert bench.engine.failures(A) == 0
    assert len(bench.engine._due) == 0


@in_virtual_time
async def test_a_polite_stop_lets_runs_end_and_begins_none():
    bench = Bench(seconds=3, concurrency=1)
    bench.engine.start_with([A, B])
    await asyncio.sleep(1)
    await stop(bench.engine, bench.serving, grace=5)
    assert bench.loop.time() == 3.0
    assert bench.ended == Counter({A: 1})


@in_virtual_time
async def test_a_run_that_does_not_end_is_cancelled_after_the_grace():
    bench = Bench(seconds=1000)
    bench.engine.start_with([A])
    await asyncio.sleep(1)
    await stop(bench.engine, bench.serving, grace=5)
    assert bench.loop.time() == pytest.approx(6.0)
    assert bench.serving.cancelled()
    assert bench.at_once[A] == 0


@in_virtual_time
async def test_cancelling_the_engine_cancels_its_runs_at_once():
    bench = Bench(seconds=1000)
    bench.engine.start_with([A, B])
    await asyncio.sleep(1)
    bench.serving.cancel()
    await asyncio.wait({bench.serving})
    assert bench.loop.time() == 1.0
    assert (bench.at_once[A], bench.at_once[B]) == (0, 0)
