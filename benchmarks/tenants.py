"""Tenants by the hundred: what each costs from apply to Ready, at rest, and when an operator starts with all of them there."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.bed import Bed
from benchmarks.fleet import Fleet, fleet
from benchmarks.metrics import writes
from benchmarks.report import Report, mebibytes, ratio

_COPIED_AT_MOST = 200
"""The floor is the same for each object: more of them would only take longer to delete."""
_IDLE_SECONDS = 30.0
_BEYOND_THE_RUN_SECONDS = 300
"""The Lease is taken once and not renewed while we count."""
_GOAL_200_SECONDS = 0.2 * 61
_GOAL_RESTART_SECONDS = 10.0
_GOAL_BYTES = 250 * 2**20
_PEER = (
    "Capsule 0.14, figures of issue 4, taken before on this cluster and NOT measured in this run: 200 tenants of two namespaces in 61 s,"
    " 36 writes and 325 reads a tenant, 47 s of CPU, 133 MiB; a restart with 251 tenants 7.5 s and 510 writes."
)


@dataclass(frozen=True)
class Made:
    """Some Tenants made at once."""

    seconds: float
    """From the first apply to the last Ready."""
    requests: Counter[str]
    """The operator's, by verb, until it was silent."""
    reconciles: int
    cpu_seconds: float
    peak_rss: int


@dataclass(frozen=True)
class Started:
    """A start with Tenants there, and the time after it."""

    seconds: float
    """From the start of the process until all were handled."""
    cpu_seconds: float
    peak_rss: int
    writes: int
    idle_writes: int
    idle_cpu_seconds: float


@dataclass(frozen=True)
class Stage:
    """One more lot of Tenants, beside those of the stages before."""

    count: int
    there: int
    """With those of the stages before."""
    made: Made
    objects_each: float
    floor_seconds: float
    """Time that a bare client needs to apply the same objects; for more than were copied, in proportion."""
    started: Started


async def run(bed: Bed) -> Report:
    """Make ever more Tenants; after each lot apply the same objects directly, then start an operator anew."""
    counts = (1, 5) if bed.quick else (1, 50, 200, 1000)
    stages: list[Stage] = []
    async with bed.namespaces("lease", 1) as (lease,), fleet(bed) as tenants:
        # A few can be named one by one. With hundreds of namespaces that would be thousands of watches, so then it serves all there are.
        served = (lease, *tenants.namespaces(range(sum(counts)))) if bed.quick else ()
        for count in counts:
            there = sum(stage.count for stage in stages)
            stages.append(await _stage(bed, tenants, range(there, there + count), lease, served))
    for stage in stages:
        assert stage.started.writes == 0, f"the operator wrote at a restart: {stage.started}"
    return _report(stages)


async def _stage(bed: Bed, tenants: Fleet, numbers: range, lease: str, served: Sequence[str]) -> Stage:
    made = await _make(bed, tenants, numbers, lease, served)
    copied = numbers[:_COPIED_AT_MOST]
    objects, seconds = await tenants.copy(copied)
    floor = seconds * len(numbers) / len(copied)
    bed.say(f"{len(numbers)} Tenants: operator {made.seconds:.2f} s, the same objects directly {floor:.2f} s")
    started = await _start(bed, numbers.stop, lease, served)
    bed.say(f"start with {numbers.stop} Tenants: {started.seconds:.2f} s")
    return Stage(len(numbers), numbers.stop, made, objects / len(copied), floor, started)


async def _make(bed: Bed, tenants: Fleet, numbers: range, lease: str, served: Sequence[str]) -> Made:
    async with bed.operator(served, lease, lease_seconds=_BEYOND_THE_RUN_SECONDS) as operator:
        await operator.silent()
        before, used = await operator.metrics(), operator.usage()
        seconds = await tenants.make(numbers)
        ready = operator.usage()
        await operator.silent()
        after = await operator.metrics()
        reconciles = [metrics.sum("dharma_reconciles_total", kind="Tenant") for metrics in (before, after)]
        return Made(
            seconds=seconds,
            requests=after.requests() - before.requests(),
            reconciles=int(reconciles[1] - reconciles[0]),
            cpu_seconds=ready.cpu_seconds - used.cpu_seconds,
            peak_rss=operator.usage().peak_rss,
        )


async def _start(bed: Bed, there: int, lease: str, served: Sequence[str]) -> Started:
    begun = time.monotonic()
    async with bed.operator(served, lease, lease_seconds=_BEYOND_THE_RUN_SECONDS) as operator:
        await operator.handled("Tenant", there)
        seconds, used = time.monotonic() - begun, operator.usage()
        await operator.silent()
        written, resting = writes((await operator.metrics()).requests()), operator.usage()
        await asyncio.sleep(_IDLE_SECONDS)  # the time over which is counted
        rested = operator.usage()
        return Started(
            seconds=seconds,
            cpu_seconds=used.cpu_seconds,
            peak_rss=rested.peak_rss,
            writes=written - 1,  # by which it took the Lease
            idle_writes=writes((await operator.metrics()).requests()) - written,
            idle_cpu_seconds=rested.cpu_seconds - resting.cpu_seconds,
        )


def _report(stages: Sequence[Stage]) -> Report:
    peak = max(max(stage.made.peak_rss, stage.started.peak_rss) for stage in stages)
    last = stages[-1]
    goals = [(f"{last.there} there: restart in {_GOAL_RESTART_SECONDS:.0f} s", last.started.seconds <= _GOAL_RESTART_SECONDS)]
    goals += [(f"200 Ready in {_GOAL_200_SECONDS:.1f} s", one.made.seconds <= _GOAL_200_SECONDS) for one in stages if one.count == 200]
    goals += [(f"no writes in {_IDLE_SECONDS:.0f} s at rest", not any(one.started.idle_writes for one in stages))]
    goals += [(mebibytes(_GOAL_BYTES), peak <= _GOAL_BYTES)]
    return Report(
        "tenants",
        "Tenants of two projects: LimitRange, two NetworkPolicies, quota and two RoleBindings in each",
        (
            "made (there)", "apply to Ready", "floor", "Ready/floor", "objects", "writes", "reads", "reconciles", "CPU each", "peak RSS",
            "restart", "CPU", "writes", "at rest: writes", "CPU",
        ),
        [_row(stage) for stage in stages],
        {"stages": [asdict(stage) for stage in stages]},
        (
            "Objects, writes, reads, reconciles and the first CPU are for one Tenant; from the operator's own count. Watches are no reads.",
            f"Floor: the same objects applied by a bare client that waits for nothing; from {_COPIED_AT_MOST} Tenants on in proportion.",
            f"Restart: from the start of the process until all are handled. At rest: for {_IDLE_SECONDS:.0f} s.",
            "Goals: " + "; ".join(f"{what}: {'met' if met else 'NOT met'}" for what, met in goals) + ".",
            _PEER,
        ),
    )  # fmt: skip


def _row(stage: Stage) -> list[str]:
    made, started, count = stage.made, stage.started, stage.count
    return [
        f"{count} ({stage.there})",
        f"{made.seconds:.2f} s",
        f"{stage.floor_seconds:.2f} s",
        ratio(made.seconds, stage.floor_seconds),
        f"{stage.objects_each:.1f}",
        f"{writes(made.requests) / count:.1f}",
        f"{(made.requests['get'] + made.requests['list']) / count:.2f}",
        f"{made.reconciles / count:.1f}",
        f"{made.cpu_seconds / count * 1000:.0f} ms",
        mebibytes(made.peak_rss),
        f"{started.seconds:.2f} s",
        f"{started.cpu_seconds:.2f} s",
        str(started.writes),
        str(started.idle_writes),
        f"{started.idle_cpu_seconds:.2f} s",
    ]
