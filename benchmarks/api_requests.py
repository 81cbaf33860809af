"""How often one Blueprint makes the operator ask the API server, by verb: counted by the operator and, beside it, by the API server."""

from collections import Counter

from tests.support import audit
from tests.support.cluster import wait_until

from benchmarks.bed import Bed
from benchmarks.blueprints import shop
from benchmarks.children import children
from benchmarks.clock import blueprints
from benchmarks.metrics import writes
from benchmarks.report import Report, ratio

_AT_REST_SECONDS = 6.0
_BEYOND_THE_RUN_SECONDS = 300
"""The Lease is not renewed while we count: what is left is for the Blueprint alone."""
_VERBS = {"apply": "patch", "create": "create", "delete": "delete", "get": "get", "list": "list", "patch": "patch", "watch": "watch"}
"""The operator's verbs, and what the API server calls them."""


async def run(bed: Bed) -> Report:
    """Count from the Blueprint's creation until it is Ready and the operator has been silent for a while."""
    async with (
        bed.namespaces("lease", 1) as (lease,),
        bed.namespaces("requests", 1) as (namespace,),
        bed.operator([namespace], lease, lease_seconds=_BEYOND_THE_RUN_SECONDS) as operator,
    ):
        before = (await operator.metrics()).requests()
        since = audit.now()
        async with blueprints(bed.client, namespace) as ready:
            await bed.client.create(shop("shop", namespace))
            await ready.wait(1, "Blueprints are Ready", 120)
        await _silence(namespace)
        counted = (await operator.metrics()).requests() - before
        asked = [request for request in audit.by_operator([namespace], since=since) if not request.agent.startswith("kopf/")]
        made = await children(bed.client, namespace)
    return _report(counted, asked, len(made))


def _report(counted: Counter[str], asked: list[audit.Request], made: int) -> Report:
    by_server = Counter(request.verb for request in asked)
    by_operator: Counter[str] = Counter()
    for verb, count in counted.items():
        by_operator[_VERBS[verb]] += count
    written = [request for request in asked if request.writes]
    assert writes(counted) == len(written), f"the operator counted {writes(counted)} writes and the API server {len(written)}: {written}"
    statuses = [request for request in written if request.subresource == "status"]
    events = [request for request in written if request.resource == "events"]
    creates = [request for request in written if request.made and request.resource != "events"]
    again = [request for request in written if request not in (*statuses, *events, *creates)]
    refused = [request for request in asked if request.code >= 400]
    rows = [[f"{verb} requests", str(by_operator[verb]), str(by_server[verb])] for verb in sorted(by_operator | by_server)]
    rows += [
        ["objects made", "", str(len(creates))],
        ["children that are there", "", str(made)],
        ["status writes", "", str(len(statuses))],
        ["events", "", str(len(events))],
        ["children written again", "", str(len(again))],
        ["refused requests", "", str(len(refused))],
        ["creates/children", "", ratio(len(creates), made)],
        ["writes/children", "", ratio(len(written), made)],
    ]
    figures = {
        "children": made,
        "creates": len(creates),
        "writes": len(written),
        "status_writes": len(statuses),
        "events": len(events),
        "again": [f"{request.verb} {request.resource}/{request.name}" for request in again],
        "refused": [str(request) for request in refused],
        "by_operator": dict(counted),
        "by_api_server": dict(by_server),
        "written": [f"{request.verb} {request.resource}/{request.name}{'/status' if request.subresource else ''}" for request in written],
    }
    return Report(
        "requests",
        "API requests for one Blueprint, from its creation to rest",
        ("", "operator's count", "API server's count"),
        rows,
        figures,
        (
            "Reads of other namespaces (DNS, API server's address) are in the operator's count alone; an apply is a patch there.",
            "Both counts of writes are equal, or the benchmark fails.",
        ),
    )


async def _silence(namespace: str) -> None:
    """Wait until the operator has written nothing for a while."""

    def silent() -> bool:
        written = [request.at for request in audit.by_operator([namespace]) if request.writes]
        return bool(written) and (audit.now() - max(written)).total_seconds() > _AT_REST_SECONDS

    await wait_until(silent, "the operator is silent", seconds=90, every=1)
