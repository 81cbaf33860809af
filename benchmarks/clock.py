"""When something came about, as a watch tells of it."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Self

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.client import Changed, Client, Listed
from dharma_operator.kube.resources import BLUEPRINT, POD, Resource


class Clock:
    """Notes the moment at which each of a number of objects first is as wanted, as a watch tells of it."""

    def __init__(self, client: Client, resource: Resource, namespace: str, wanted: Callable[[Manifest], bool]) -> None:
        self._watch = client.watch(resource, namespace)
        self._wanted = wanted
        self._last: dict[str, Manifest] = {}
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self.moments: dict[str, float] = {}
        """By name, of the monotonic clock. Who is not as wanted any more leaves."""
        self.listed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        await self.listed.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, count: int, what: str, seconds: float) -> float:
        """Wait until so many are as wanted at once; return the moment at which the last of them came to be so."""
        async with self._changed:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait_for(lambda: len(self.moments) >= count or self._broken)
            except TimeoutError:
                raise AssertionError(f"after {seconds:.0f} s only {len(self.moments)} of {count} {what}; {self._left()}") from None
        if self._broken:
            assert self._task is not None
            self._task.result()
        return max(self.moments.values())

    @property
    def _broken(self) -> bool:
        return self._task is not None and self._task.done()

    async def _run(self) -> None:
        try:
            async for item in self._watch:
                moment = time.monotonic()
                if isinstance(item, Listed):
                    for listed in item.items:
                        self._see(listed, moment, present=True)
                    self.listed.set()
                elif isinstance(item, Changed):
                    self._see(item.object, moment, present=item.type != "DELETED")
                async with self._changed:
                    self._changed.notify_all()
        finally:
            self.listed.set()

    def _see(self, item: Manifest, moment: float, *, present: bool) -> None:
        name = item["metadata"]["name"]
        self._last[name] = item
        if present and self._wanted(item):
            self.moments.setdefault(name, moment)
        else:
            self.moments.pop(name, None)

    def _left(self) -> str:
        left = {name: _words(item) for name, item in self._last.items() if name not in self.moments}
        return f"left: {json.dumps(left)}"


def blueprints(client: Client, namespace: str) -> Clock:
    """A clock for Blueprints that are Ready in their present generation."""
    return Clock(client, BLUEPRINT, namespace, lambda item: condition(item, "Ready", item["metadata"]["generation"]))


def pods(client: Client, namespace: str) -> Clock:
    """A clock for pods that are Ready."""
    return Clock(client, POD, namespace, lambda item: condition(item, "Ready"))


def condition(item: Manifest, kind: str, generation: int | None = None) -> bool:
    """Whether a condition is True, and of that generation if one is given."""
    return any(
        one["type"] == kind and one["status"] == "True" and (generation is None or one.get("observedGeneration") == generation)
        for one in _conditions(item)
    )


def _words(item: Manifest) -> str:
    said = [f"{one['type']}={one['status']} {one.get('reason', '')} {one.get('message', '')}".strip() for one in _conditions(item)]
    return "; ".join(said) or "nothing known"


def _conditions(item: Manifest) -> list[Manifest]:
    status: Manifest = item.get("status") or {}
    return status.get("conditions") or []
