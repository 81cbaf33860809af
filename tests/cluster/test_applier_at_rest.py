"""At rest nothing is asked: what was applied once compares equal, kind by kind, however the server spells it."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.children import children
from tests.support.cluster import wait_until

from dharma_handlers.outcome import Condition, Outcome, Wanted
from dharma_operator.kube.applier import Applied, Applier, revision_hash
from dharma_operator.kube.auth import login
from dharma_operator.kube.client import Client
from dharma_operator.kube.compare import differences, trim
from dharma_operator.kube.prepare import prepared
from dharma_operator.kube.resources import ObjectKey, key_of, resource_of

OWNER_KIND = "ConfigMap"
KINDS = sorted({(item["kind"], item["metadata"]["name"]) for item in children("x")})


class Counting:
    """A client that counts its requests by verb."""

    def __init__(self) -> None:
        self.verbs: list[str] = []

    def __call__(self, verb: str, _code: int, _seconds: float) -> None:
        self.verbs.append(verb)


@pytest.fixture
def requests() -> Counting:
    return Counting()


@pytest.fixture
async def counted(kubeconfig, requests: Counting) -> AsyncIterator[Client]:
    async with Client(login, on_request=requests) as client:
        yield client


class Cache:
    """What a store does, by hand."""

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, dict[str, Any]] = {}

    def get(self, key: ObjectKey) -> dict[str, Any] | None:
        return self.objects.get(key)

    def wrote(self, manifest: dict[str, Any]) -> None:
        self.objects[key_of(manifest)] = trim(manifest)

    async def refresh(self, client: Client, namespace: str, manifests: list[dict[str, Any]]) -> None:
        resources = {resource_of(manifest) for manifest in manifests}
        listings = await asyncio.gather(*(client.list(resource, namespace, trim=trim) for resource in resources))
        wanted = {key_of(manifest) for manifest in manifests}
        found = {key_of(item): item for listing in listings for item in listing.items}
        self.objects = {key: item for key, item in found.items() if key in wanted}


def body(manifest: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key not in {"metadata", "status"}}


async def owner_in(client: Client, namespace: str) -> dict[str, Any]:
    return await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": namespace}})


def outcome(manifests: list[dict[str, Any]], **more: Any) -> Outcome:
    ready = Condition("Ready", "True", "Ready")
    return Outcome(conditions=(ready,), objects=tuple(Wanted(manifest) for manifest in manifests), **more)


@pytest.mark.parametrize(("kind", "name"), KINDS)
async def test_an_object_that_was_applied_compares_equal(client: Client, namespace: str, kind: str, name: str):
    manifest = next(item for item in children(namespace) if (item["kind"], item["metadata"]["name"]) == (kind, name))
    answer = await client.apply(prepared(manifest))
    assert differences(manifest, answer) == []
    read = await client.get(key_of(manifest))
    assert read is not None
    assert differences(manifest, read) == []
    assert differences(manifest, trim(read)) == []

    async def applying_it_changes_nothing() -> bool:
        before = await client.get(key_of(manifest))
        assert before is not None
        return body(await client.apply(prepared(manifest))) == body(before)

    # Not always at the first look: controllers fill in something once.
    await wait_until(applying_it_changes_nothing, "the server agrees that nothing differs", seconds=10)


async def test_a_second_apply_makes_no_request(client: Client, counted: Client, requests: Counting, namespace: str):
    manifests = children(namespace)
    owner, cache = await owner_in(client, namespace), Cache()
    applier = Applier(counted, cache)
    started = time.monotonic()
    first = await applier.apply(owner, outcome(manifests), {}, settled=False)
    seconds = time.monotonic() - started
    assert len(first.changed) == len(manifests)
    assert requests.verbs == ["apply"] * len(manifests)
    print(f"{len(manifests)} objects of {len({item['kind'] for item in manifests})} kinds applied in {seconds:.2f} s")

    requests.verbs.clear()
    assert await applier.apply(owner, outcome(manifests), cache.objects, settled=True) == Applied()
    await cache.refresh(client, namespace, manifests)
    assert await Applier(counted, cache).apply(owner, outcome(manifests), cache.objects, settled=True) == Applied(), "as after a restart"
    assert requests.verbs == []


async def test_comparing_is_fast(client: Client, namespace: str):
    manifest = next(item for item in children(namespace) if item["kind"] == "StatefulSet")
    live = trim(await client.apply(prepared(manifest)))
    rounds = 30
    batches: list[float] = []
    for _ in range(20):
        started = time.process_time()
        for _ in range(rounds):
            assert differences(manifest, live) == []
        batches.append((time.process_time() - started) / rounds * 1000)
    milliseconds = min(batches)  # the others measure what else the machine does
    print(f"a StatefulSet compares in {milliseconds:.3f} ms")
    assert milliseconds < 0.5


def test_the_hash_of_a_wanted_set_ignores_order():
    manifests = children("x")
    wanted = [Wanted(manifest) for manifest in manifests]
    assert revision_hash(wanted) == revision_hash(wanted[::-1])
    assert revision_hash(wanted) != revision_hash(wanted[1:])
