"""Watches of children: complete lists, rights that come late and go, silence."""

import asyncio

import pytest
from tests.support.fake_api import FakeApi, FakeClient
from tests.support.virtual_time import run_virtually

from dharma_operator.kube.errors import Forbidden, NotFound
from dharma_operator.kube.resources import CONFIG_MAP, SECRET, SERVICE, ObjectKey
from dharma_operator.metrics import Metrics
from dharma_operator.store import Store
from dharma_operator.watches import Watches


def secret(name: str, namespace: str = "acme"):
    labels = {"dharma.io/blueprint": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace, "labels": labels}}


class Bench:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.client = FakeClient(self.api)
        self.heard = []
        self.store = Store(lambda key, cause: self.heard.append((key, cause)))
        self.watches = Watches(self.client, self.store, Metrics())


def virtually(scenario):
    def run() -> None:
        async def main() -> None:
            bench = Bench()
            try:
                await asyncio.wait_for(scenario(bench), 10_000)
            finally:
                await bench.watches.stop()
            assert [task for task in asyncio.all_tasks() if task.get_name().startswith("watch ")] == []

        run_virtually(main())

    run.__name__ = scenario.__name__
    return run


async def moments(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@virtually
async def test_permanent_watches_are_synced_when_all_have_listed(bench):
    bench.api.put(secret("a"))
    bench.watches.start([SECRET, SERVICE])
    assert len(bench.watches.missing()) == 2
    await bench.watches.synced()
    assert bench.watches.missing() == []
    assert bench.store.keys(SECRET) == [ObjectKey(SECRET, "acme", "a")]


@virtually
async def test_changes_and_deletions_reach_the_store(bench):
    bench.watches.start([SECRET])
    await bench.watches.synced()
    bench.api.put(secret("a"))
    await moments()
    assert bench.store.get(ObjectKey(SECRET, "acme", "a")) is not None
    bench.api.remove(ObjectKey(SECRET, "acme", "a"))
    await moments()
    assert bench.store.get(ObjectKey(SECRET, "acme", "a")) is None
    assert len(bench.heard) == 2


@virtually
async def test_a_missing_right_is_named_and_tried_again(bench):
    def refuse(verb, what):
        if what == SERVICE:
            raise Forbidden(403, "Forbidden", "cannot list services")

    bench.client.fail = refuse
    bench.watches.start([SECRET, SERVICE])
    await asyncio.sleep(30)
    assert len(bench.watches.missing()) == 1
    assert "cannot list services" in bench.watches.missing()[0]
    bench.client.fail = lambda *_: None
    await bench.watches.synced()
    assert bench.watches.missing() == []


@virtually
async def test_a_namespace_that_may_not_be_looked_into_holds_nothing_up(bench):
    def refuse(verb, what):
        if what == SERVICE:
            raise Forbidden(403, "Forbidden", "cannot list services")

    bench.client.fail = refuse
    bench.watches.start([SERVICE], ["acme"])
    await asyncio.wait_for(bench.watches.synced(), 1)
    await asyncio.sleep(1000)
    assert bench.watches.dead() == [], "it is asked again all the time"
    bench.api.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "acme"}})
    bench.client.fail = lambda *_: None
    await asyncio.sleep(10)
    assert bench.store.keys(SERVICE) == [ObjectKey(SERVICE, "acme", "db")]


@virtually
async def test_a_new_right_may_take_a_moment(bench):
    bench.api.put(secret("a"))
    loop = asyncio.get_running_loop()

    def refuse(verb, what):
        if loop.time() < 3:
            raise Forbidden(403, "Forbidden", "cannot list secrets")

    bench.client.fail = refuse
    await bench.watches.ensure(SECRET, "acme")
    assert 3 <= loop.time() < 4
    assert bench.store.keys(SECRET, "acme") != []


@virtually
async def test_a_right_that_does_not_come_is_an_error_and_a_later_attempt_starts_anew(bench):
    def refuse(verb, what):
        raise Forbidden(403, "Forbidden", "cannot list secrets")

    bench.client.fail = refuse
    ends = await asyncio.gather(*(bench.watches.ensure(SECRET, "acme") for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [Forbidden] * 3
    bench.client.fail = lambda *_: None
    await bench.watches.ensure(SECRET, "acme")


@virtually
async def test_one_watch_serves_all_who_ask(bench):
    await asyncio.gather(*(bench.watches.ensure(SECRET, "acme") for _ in range(10)))
    assert len(bench.api.queues) == 1
    await bench.watches.ensure(SECRET, "other")
    assert len(bench.api.queues) == 2


@virtually
async def test_a_right_that_is_taken_away_ends_the_watch_and_forgets_what_it_told(bench):
    bench.api.put(secret("a"))
    await bench.watches.ensure(SECRET, "acme")
    bench.api.queues[0][1].put_nowait(Forbidden(403, "Forbidden", "cannot watch secrets"))
    bench.client.fail = lambda *_: (_ for _ in ()).throw(Forbidden(403, "Forbidden", "cannot watch secrets"))
    await moments(10)
    assert bench.store.keys(SECRET) == []
    bench.client.fail = lambda *_: None
    await bench.watches.ensure(SECRET, "acme")
    assert bench.store.keys(SECRET) != []


@virtually
async def test_a_namespace_without_owners_is_not_watched_any_more(bench):
    bench.api.put(secret("a"))
    bench.api.put(secret("b", "other"))
    await bench.watches.ensure(SECRET, "acme")
    await bench.watches.ensure(SECRET, "other")
    bench.watches.release("acme")
    await moments()
    assert {key.namespace for key in bench.store.keys(SECRET)} == {"other"}


@virtually
async def test_a_kind_that_is_not_served_is_an_error_at_once(bench):
    def refuse(verb, what):
        raise NotFound(404, "NotFound", "no such kind")

    bench.client.fail = refuse
    with pytest.raises(NotFound):
        await bench.watches.ensure(CONFIG_MAP, "acme")


@virtually
async def test_a_watch_that_is_silent_for_too_long_is_dead(bench):
    bench.watches.start([SECRET])
    await bench.watches.synced()
    await asyncio.sleep(200)
    assert bench.watches.dead() == []
    await asyncio.sleep(100)
    assert bench.watches.dead() == ["secrets"]
    bench.api.put(secret("a"))
    await moments()
    assert bench.watches.dead() == []
