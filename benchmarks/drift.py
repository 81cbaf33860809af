"""How long a change by hand lasts: from the moment a watch tells of it to the moment it tells that it is put back.

Beside it the least that any controller needs: a client that watches one object and answers each change with one apply.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from benchmarks.bed import Bed
from benchmarks.blueprints import cache
from benchmarks.clock import blueprints
from benchmarks.owned import owned
from benchmarks.report import Report, percentile, ratio
from dharma_handlers.outcome import Manifest
from dharma_operator.kube.client import Changed, Client, Listed
from dharma_operator.kube.resources import CONFIG_MAP, MANAGED_BY, SERVICE, STATEFUL_SET, ObjectKey, Resource

_PART_OF = "app.kubernetes.io/part-of"
_INTRUDER = "benchmark"
_BLUEPRINTS = 4
_PERIOD_SECONDS = 0.3
"""Between two changes, of one Blueprint after the other: nobody edits faster by hand."""
_GOAL_SECONDS = 1.0
_PATIENCE_SECONDS = 30.0


@dataclass
class Corrections:
    """Watches objects of one kind; notes how long each was not as it should be."""

    client: Client
    resource: Resource
    namespace: str
    durations: dict[str, asyncio.Queue[float]] = field(default_factory=lambda: defaultdict(asyncio.Queue))
    """By name: one value each time an object is put back."""
    on_loss: Callable[[str], Awaitable[None]] | None = None
    """Called when an object is found changed or gone."""

    async def __aenter__(self) -> Self:
        self._listed = asyncio.Event()
        self._lost: dict[str, float] = {}
        self._task = asyncio.create_task(self._run())
        await self._listed.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def next(self, name: str) -> float:
        """Wait until an object is put back; return the seconds that it was not."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self.durations[name].get()

    async def _run(self) -> None:
        async for item in self.client.watch(self.resource, self.namespace):
            moment = time.monotonic()
            if isinstance(item, Listed):
                self._listed.set()
            elif isinstance(item, Changed):
                await self._see(item.object, moment, good=item.type != "DELETED" and _untouched(item.object))

    async def _see(self, item: Manifest, moment: float, *, good: bool) -> None:
        name = item["metadata"]["name"]
        if good and name in self._lost:
            self.durations[name].put_nowait(moment - self._lost.pop(name))
        elif not good and name not in self._lost:
            self._lost[name] = moment
            if self.on_loss is not None:
                await self.on_loss(name)


def _untouched(item: Manifest) -> bool:
    selector: Manifest = item["spec"].get("selector", {}) if item["kind"] == "Service" else {}
    return item["metadata"].get("labels", {}).get(_PART_OF) == MANAGED_BY and _INTRUDER not in selector


@dataclass(frozen=True)
class Case:
    """One kind of change by hand, to an object of the Blueprint's Redis."""

    name: str
    resource: Resource
    suffix: str
    patch: Manifest | None
    """None: delete it."""


_LABEL = {"metadata": {"labels": {_PART_OF: _INTRUDER}}}
CASES = (
    Case("Service deleted", SERVICE, "-replicas", None),
    Case("ConfigMap deleted", CONFIG_MAP, "-settings", None),
    Case("StatefulSet's label edited", STATEFUL_SET, "", _LABEL),
    Case("Service's selector edited", SERVICE, "", {"spec": {"selector": {_INTRUDER: _INTRUDER}}}),
)


async def run(bed: Bed) -> Report:
    """Change objects one after the other, every kind of change equally often."""
    rounds = 8 if bed.quick else 32
    async with bed.namespaces("lease", 1) as (other,), bed.namespaces("drift", 1) as (namespace,):
        async with bed.operator([namespace], other) as operator:
            async with blueprints(bed.client, namespace) as ready:
                for number in range(_BLUEPRINTS):
                    await bed.client.create(cache(f"small-{number}", namespace))
                await ready.wait(_BLUEPRINTS, "Blueprints are Ready", 120)
            key = ObjectKey(STATEFUL_SET, namespace, "small-0-cache")
            live = await bed.client.get(key)
            assert live is not None
            bed.say(f"{rounds} rounds of {len(CASES)} changes")
            measured = {case.name: await _trials(bed, namespace, case, rounds) for case in CASES}
            counted = (await operator.metrics()).sum("dharma_drift_total", kind="Blueprint")
        floor = await _floor(bed, owned(live), key, rounds)
    return _report(measured, floor, counted)


async def _trials(bed: Bed, namespace: str, case: Case, rounds: int) -> list[float]:
    taken: list[float] = []
    async with Corrections(bed.client, case.resource, namespace) as corrections:
        for turn in range(rounds):
            key = ObjectKey(case.resource, namespace, f"small-{turn % _BLUEPRINTS}-cache{case.suffix}")
            due = time.monotonic() + _PERIOD_SECONDS
            await _change(bed.client, key, case.patch)
            taken.append(await corrections.next(key.name))
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    return taken


async def _floor(bed: Bed, manifest: Manifest | None, key: ObjectKey, rounds: int) -> list[float]:
    """The operator has stopped: put one object back by the least that does it."""
    assert manifest is not None
    whole = {**manifest, "metadata": {**manifest["metadata"], "namespace": key.namespace}}

    async def put_back(_: str) -> None:
        await bed.client.apply(whole)

    taken: list[float] = []
    async with Corrections(bed.client, key.resource, str(key.namespace), on_loss=put_back) as corrections:
        for _ in range(rounds):
            await _change(bed.client, key, _LABEL)
            taken.append(await corrections.next(key.name))
    return taken


async def _change(client: Client, key: ObjectKey, patch: Manifest | None) -> None:
    if patch is None:
        assert await client.delete(key), f"{key} was not there"
    else:
        await client.patch(key, patch)


def _report(measured: dict[str, list[float]], floor: list[float], counted: float) -> Report:
    everything = [seconds for taken in measured.values() for seconds in taken]
    lines = [*measured.items(), ("all", everything), ("floor: one apply", floor)]
    rows = [
        [
            name,
            str(len(taken)),
            *(f"{percentile(taken, percent) * 1000:.0f} ms" for percent in (50, 99, 100)),
            ratio(percentile(taken, 50), percentile(floor, 50)),
        ]
        for name, taken in lines
    ]
    assert counted >= len(everything), f"{len(everything)} changes were made and the operator counted {counted:.0f}"
    met = percentile(everything, 99) < _GOAL_SECONDS
    return Report(
        "drift",
        "A change by hand, until it is put back",
        ("", "n", "p50", "p99", "most", "p50/floor"),
        rows,
        {"operator": measured, "floor": floor, "counted": counted},
        (
            "From the watch event of the change to the watch event of the correction, as a third party sees both.",
            f"Goal: p99 below {_GOAL_SECONDS:.0f} s; {'met' if met else 'NOT met'}.",
        ),
    )
