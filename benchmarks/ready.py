"""From apply to Ready, for one Blueprint and for ten at once; beside it the same objects, applied directly by a client that just waits."""

import os
import statistics
import time
from dataclasses import asdict, dataclass

from benchmarks.bed import Bed, Operator
from benchmarks.blueprints import SHOP_PODS, shop
from benchmarks.children import apply_all, children, moved
from benchmarks.clock import blueprints, pods
from benchmarks.process import machine_cpu_seconds
from benchmarks.report import Report, mebibytes, ratio, spread
from dharma_handlers.outcome import Manifest

_GOAL_SECONDS = 10.0
_PATIENCE_SECONDS = 240.0


@dataclass(frozen=True)
class Served:
    """One run with the operator."""

    ready: float
    """Seconds from the first create to the last Blueprint's condition Ready."""
    first_ready: float
    pods: float
    """Seconds to the last pod's condition Ready."""
    cpu: float
    """CPU-seconds of the operator meanwhile."""
    busy: float
    """Part of the machine's CPUs that was busy meanwhile, whoever with."""
    rss: int


@dataclass(frozen=True)
class Direct:
    """One run without."""

    applied: float
    """Seconds until the last object was accepted."""
    pods: float
    busy: float


async def run(bed: Bed) -> Report:
    """Measure; the two ways take turns, each in a namespace of its own and on a machine that has done with the one before."""
    figures: dict[str, object] = {}
    medians: dict[int, float] = {}
    rows: list[list[str]] = []
    for count, repeats in ((1, 2), (3, 1)) if bed.quick else ((1, 5), (10, 2)):
        served, direct, rss = await _turns(bed, count, repeats)
        figures[str(count)] = {"operator": [asdict(one) for one in served], "direct": [asdict(one) for one in direct], "peak_rss": rss}
        ready, floor = [one.ready for one in served], [one.pods for one in direct]
        medians[count] = _middle(ready)
        rows.append(
            [
                f"{count} Blueprint{'s' if count > 1 else ''} ({repeats} runs)",
                spread(ready),
                spread([one.pods for one in served]),
                spread(floor),
                ratio(_middle(ready), _middle(floor)),
                f"{_middle([one.cpu for one in served]) / count:.2f} s",
                mebibytes(rss),
            ]
        )
    return Report(
        "ready",
        "From apply to Ready: 1 Postgres, 2 PgBouncer, 1 Redis",
        ("", "apply to Ready", "to pods ready", "floor: to pods ready", "Ready/floor", "CPU a Blueprint", "peak RSS"),
        rows,
        figures,
        (
            "Ready means that queries were answered and users, databases and pools are as wanted. Median (least to most).",
            "Floor: the same objects, applied all at once by a client that does nothing else, until all pods are ready.",
            f"Goal for one Blueprint: {_GOAL_SECONDS:.0f} s; {'met' if medians[1] <= _GOAL_SECONDS else 'NOT met'} ({medians[1]:.2f} s).",
        ),
    )


async def _turns(bed: Bed, count: int, repeats: int) -> tuple[list[Served], list[Direct], int]:
    served: list[Served] = []
    direct: list[Direct] = []
    async with (
        bed.namespaces("lease", 1) as (lease,),
        bed.namespaces("ready", repeats) as namespaces,
        bed.operator(namespaces, lease) as operator,
    ):
        for turn, namespace in enumerate(namespaces, 1):
            served.append(await _serve(bed, operator, namespace, count))
            made = await children(bed.client, namespace)
            await bed.empty(namespace)
            async with bed.namespaces("direct", 1) as (target,):
                direct.append(await _apply(bed, moved(made, namespace, target), target, count))
            bed.say(f"{count} at once, run {turn} of {repeats}: operator {served[-1].ready:.2f} s, direct {direct[-1].pods:.2f} s")
        return served, direct, operator.usage().peak_rss


async def _serve(bed: Bed, operator: Operator, namespace: str, count: int) -> Served:
    async with blueprints(bed.client, namespace) as ready, pods(bed.client, namespace) as started:
        before, busy, begun = operator.usage(), machine_cpu_seconds(), time.monotonic()
        for number in range(count):
            await bed.client.create(shop(f"shop-{number}", namespace))
        last = await ready.wait(count, "Blueprints are Ready", _PATIENCE_SECONDS)
        last_pod = await started.wait(count * SHOP_PODS, "pods are ready", _PATIENCE_SECONDS)
        after = operator.usage()
        return Served(
            ready=last - begun,
            first_ready=min(ready.moments.values()) - begun,
            pods=last_pod - begun,
            cpu=after.cpu_seconds - before.cpu_seconds,
            busy=_busy(busy, begun),
            rss=after.rss,
        )


async def _apply(bed: Bed, manifests: list[Manifest], namespace: str, count: int) -> Direct:
    async with pods(bed.client, namespace) as started:
        busy, begun = machine_cpu_seconds(), time.monotonic()
        await apply_all(bed.client, manifests)
        applied = time.monotonic() - begun
        last = await started.wait(count * SHOP_PODS, "pods are ready", _PATIENCE_SECONDS)
        return Direct(applied=applied, pods=last - begun, busy=_busy(busy, begun))


def _busy(cpu_seconds: float, begun: float) -> float:
    return (machine_cpu_seconds() - cpu_seconds) / ((time.monotonic() - begun) * (os.cpu_count() or 1))


def _middle(values: list[float]) -> float:
    return statistics.median(values)
