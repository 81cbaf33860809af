"""What the operator does and costs while nothing happens."""

import asyncio
from collections import Counter
from dataclasses import asdict, dataclass

from tests.support import audit

from benchmarks.bed import Bed, Operator
from benchmarks.blueprints import cache, shop
from benchmarks.clock import blueprints
from benchmarks.report import Report, mebibytes

_SETTLE_SECONDS = 8.0


@dataclass(frozen=True)
class Minute:
    """What was seen, for a minute."""

    writes: float
    reads: float
    lease: float
    cpu_seconds: float
    rss: int


async def run(bed: Bed) -> Report:
    """Watch an operator with no Blueprint at all, then with some that are Ready."""
    seconds = 15.0 if bed.quick else 60.0
    small = 1 if bed.quick else 4
    async with (
        bed.namespaces("lease", 1) as (lease,),
        bed.namespaces("idle", 1) as (namespace,),
        bed.operator([namespace], lease) as operator,
    ):
        empty = await _observe(bed, operator, namespace, lease, seconds / 3)
        async with blueprints(bed.client, namespace) as ready:
            await bed.client.create(shop("shop", namespace))
            for number in range(small):
                await bed.client.create(cache(f"small-{number}", namespace))
            await ready.wait(1 + small, "Blueprints are Ready", 180)
        await asyncio.sleep(_SETTLE_SECONDS)  # the last writes come a moment after Ready: not what is measured here
        full = await _observe(bed, operator, namespace, lease, seconds)
    rows = [
        [what, f"{minute.writes:.1f}", f"{minute.reads:.1f}", f"{minute.lease:.1f}", f"{minute.cpu_seconds:.2f} s", mebibytes(minute.rss)]
        for what, minute in (("no Blueprint", empty), (f"{1 + small} Blueprints", full))
    ]
    return Report(
        "idle",
        "At rest, a minute",
        ("", "writes", "reads", "Lease renewals", "operator CPU", "RSS"),
        rows,
        {"seconds": seconds, "empty": asdict(empty), "blueprints": 1 + small, "full": asdict(full)},
        ("Counted by the API server by user agent. Reads are watches that are renewed; the health of services is asked of the services.",),
    )


async def _observe(bed: Bed, operator: Operator, namespace: str, lease: str, seconds: float) -> Minute:
    bed.say(f"watching an operator at rest for {seconds:.0f} s")
    before, since = operator.usage(), audit.now()
    await asyncio.sleep(seconds)  # the time over which is counted
    after, until = operator.usage(), audit.now()
    asked = audit.by_operator([namespace], since=since, until=until)
    renewed = [one for one in audit.requests([lease], since=since, until=until) if one.resource == "leases" and one.writes]
    verbs = Counter(request.writes for request in asked)
    a_minute = 60 / seconds
    return Minute(
        writes=verbs[True] * a_minute,
        reads=verbs[False] * a_minute,
        lease=len(renewed) * a_minute,
        cpu_seconds=(after.cpu_seconds - before.cpu_seconds) * a_minute,
        rss=after.rss,
    )
