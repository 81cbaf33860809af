"""A start with a thousand Blueprints there already; beside it bare Kopf, which sees the same objects and does nothing about them."""

import asyncio
import statistics
import sys
import time
from dataclasses import asdict, dataclass

from tests.support import audit, cluster

from benchmarks.bed import Bed, Operator
from benchmarks.blueprints import draft
from benchmarks.clock import Clock
from benchmarks.process import usage
from benchmarks.report import Report, mebibytes, ratio, spread
from dharma_handlers.outcome import Manifest
from dharma_operator.kube.resources import BLUEPRINT

_GOAL_SECONDS = 6.0
_GOAL_BYTES = 200 * 2**20
_AFTERWARDS_SECONDS = 5.0
"""Writes that come late are writes too."""
_AT_ONCE = 16


@dataclass(frozen=True)
class Start:
    """One start."""

    seconds: float
    """From the start of the process until all objects were handled."""
    cpu_seconds: float
    peak_rss: int
    writes: int


async def run(bed: Bed) -> Report:
    """Make Drafts, let an operator handle them, then start operators and bare Kopf in turns."""
    count, repeats = (200, 1) if bed.quick else (1000, 3)
    ours: list[Start] = []
    kopfs: list[Start] = []
    async with bed.namespaces("lease", 1) as (lease,), bed.namespaces("restart", 1) as (namespace,):
        async with bed.operator([namespace], lease) as operator:
            first = await _first(bed, operator, namespace, count)
        for turn in range(1, repeats + 1):
            ours.append(await _ours(bed, namespace, lease, count))
            kopfs.append(await _kopfs(namespace, count))
            bed.say(f"start {turn} of {repeats}: operator {ours[-1].seconds:.2f} s, bare Kopf {kopfs[-1].seconds:.2f} s")
    rows = [_row("operator", ours), _row("bare Kopf", kopfs)]
    middle = [statistics.median(one.seconds for one in starts) for starts in (ours, kopfs)]
    peaks = [max(one.peak_rss for one in starts) for starts in (ours, kopfs)]
    rows.append(["operator/bare Kopf", ratio(middle[0], middle[1]), "", ratio(peaks[0], peaks[1]), ""])
    assert all(one.writes == 0 for one in ours), f"the operator wrote at a restart: {[one.writes for one in ours]}"
    met = middle[0] <= _GOAL_SECONDS and peaks[0] <= _GOAL_BYTES
    return Report(
        "restart",
        f"A restart with {count} Blueprints in Draft ({repeats} starts)",
        ("", "start to all handled", "CPU", "peak RSS", "writes"),
        rows,
        {"count": count, "first_seconds": first, "operator": [asdict(one) for one in ours], "bare_kopf": [asdict(one) for one in kopfs]},
        (
            "From the start of the process. Handled: reconciled with success (operator), seen by an event handler (bare Kopf).",
            "Both processes find the kubernetes package installed here and load it, about 20 MiB; the operator's image is without.",
            f"Goal: {_GOAL_SECONDS:.0f} s and {mebibytes(_GOAL_BYTES)}; {'met' if met else 'NOT met'}.",
            f"First sight of all of them, plans and statuses written, while they were being created: {first:.1f} s.",
        ),
    )


async def _first(bed: Bed, operator: Operator, namespace: str, count: int) -> float:
    """Create the Blueprints; return the seconds until the last one has a status."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def create(number: int) -> None:
        async with slots:
            await bed.client.create(draft(f"draft-{number}", namespace))

    async with Clock(bed.client, BLUEPRINT, namespace, _has_status) as handled:
        begun = time.monotonic()
        await asyncio.gather(*(create(number) for number in range(count)))
        bed.say(f"{count} Blueprints created in {time.monotonic() - begun:.1f} s")
        last = await handled.wait(count, "Blueprints have a status", 180)
    await cluster.wait_until(lambda: _silent(namespace), "the operator is silent", seconds=60, every=1)
    assert operator.process.running
    return last - begun


async def _ours(bed: Bed, namespace: str, lease: str, count: int) -> Start:
    since, begun = audit.now(), time.monotonic()
    async with bed.operator([namespace], lease) as operator:

        async def handled() -> bool:
            metrics = await operator.metrics()
            return metrics.sum("dharma_reconciles_total", kind="Blueprint", outcome="Success") >= count

        await cluster.wait_until(handled, f"{count} Blueprints are handled", seconds=120, every=0.1, explain=operator.process.tail)
        seconds, used = time.monotonic() - begun, operator.usage()
        await asyncio.sleep(_AFTERWARDS_SECONDS)  # the time over which late writes are counted
        writes = [request for request in audit.by_operator([namespace], since=since) if request.writes]
        return Start(seconds, used.cpu_seconds, operator.usage().peak_rss, len(writes))


async def _kopfs(namespace: str, count: int) -> Start:
    since, begun = audit.now(), time.monotonic()
    command = [sys.executable, "-m", "benchmarks.bare_kopf", namespace, str(count)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cluster.ROOT, env=cluster.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(120):
            line = await process.stdout.readline()
        assert line == b"seen\n", f"bare Kopf said {line!r}"
        seconds, used = time.monotonic() - begun, usage(process.pid)
        writes = [request for request in audit.by_operator([namespace], since=since) if request.writes]
        return Start(seconds, used.cpu_seconds, used.peak_rss, len(writes))
    finally:
        process.kill()
        await process.wait()


def _has_status(item: Manifest) -> bool:
    status: Manifest = item.get("status") or {}
    return bool(status.get("observedGeneration") == item["metadata"]["generation"])


def _silent(namespace: str) -> bool:
    written = [request.at for request in audit.by_operator([namespace]) if request.writes]
    return not written or (audit.now() - max(written)).total_seconds() > _AFTERWARDS_SECONDS


def _row(name: str, starts: list[Start]) -> list[str]:
    return [
        name,
        spread([one.seconds for one in starts]),
        spread([one.cpu_seconds for one in starts]),
        mebibytes(max(one.peak_rss for one in starts)),
        str(max(one.writes for one in starts)),
    ]
