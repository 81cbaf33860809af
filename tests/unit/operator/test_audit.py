"""The audit notices what Kopf's watches do not tell."""

import asyncio

import pytest
from tests.support.fake_api import FakeApi, FakeClient
from tests.support.virtual_time import run_virtually

from dharma_operator.audit import Audit, DeadWatchError
from dharma_operator.kube.errors import ApiUnavailable, Forbidden, NotFound
from dharma_operator.kube.resources import BLUEPRINT, ObjectKey
from dharma_operator.store import Store


def blueprint(name: str, **spec):
    return {"apiVersion": "dharma.io/v1alpha1", "kind": "Blueprint", "metadata": {"name": name, "namespace": "acme"}, "spec": spec}


class Bench:
    """A store that is told of everything unless `watch` is off."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.client = FakeClient(self.api)
        self.store = Store(lambda *_: None)
        self.audit = Audit(self.client, self.store, ())
        self.serving = asyncio.create_task(self.audit.serve())
        self.watch = True

    def put(self, name: str, **spec) -> None:
        written = self.api.put(blueprint(name, **spec))
        if self.watch:
            self.store.seen(written, BLUEPRINT)


def virtually(scenario):
    def run() -> None:
        async def main() -> None:
            bench = Bench()
            await asyncio.wait_for(scenario(bench), 100_000)
            bench.serving.cancel()

        run_virtually(main())

    run.__name__ = scenario.__name__
    return run


@virtually
async def test_the_caches_are_full_once_all_that_was_there_has_been_told(bench):
    bench.watch = False
    bench.put("a")
    await asyncio.sleep(5)
    assert not bench.audit.synced.is_set()
    bench.store.seen(bench.api.objects[ObjectKey(BLUEPRINT, "acme", "a")], BLUEPRINT)
    await asyncio.sleep(1)
    assert bench.audit.synced.is_set()


@virtually
async def test_what_is_deleted_just_at_the_start_holds_nothing_up(bench):
    bench.watch = False
    bench.put("a")
    await asyncio.sleep(0.5)
    bench.api.remove(ObjectKey(BLUEPRINT, "acme", "a"))
    await asyncio.sleep(2)
    assert bench.audit.synced.is_set()


@virtually
async def test_missing_kinds_and_a_silent_server_are_named(bench):
    def refuse(verb, what):
        raise NotFound(404, "NotFound", "no blueprints here")

    bench.client.fail = refuse
    await asyncio.sleep(3)
    assert "custom resource definitions" in bench.audit.waits_for
    bench.client.fail = lambda *_: (_ for _ in ()).throw(ApiUnavailable(0, "NoAnswer", "silence"))
    await asyncio.sleep(3)
    assert "silence" in bench.audit.waits_for
    bench.client.fail = lambda *_: None
    await asyncio.sleep(3)
    assert bench.audit.synced.is_set()


@virtually
async def test_a_namespace_that_may_not_be_looked_into_holds_nothing_up(bench):
    def refuse(_, what):
        if what == BLUEPRINT:
            raise Forbidden(403, "Forbidden", "cannot list blueprints")

    bench.client.fail = refuse
    everywhere, limited = Audit(bench.client, bench.store, ()), Audit(bench.client, bench.store, ("acme",))
    serving = [asyncio.create_task(one.serve()) for one in (everywhere, limited)]
    await asyncio.sleep(30)
    assert limited.synced.is_set()
    assert "cannot list blueprints" in everywhere.waits_for
    for task in serving:
        task.cancel()


@virtually
async def test_what_was_deleted_unseen_is_dropped(bench):
    bench.put("a")
    await bench.audit.synced.wait()
    bench.api.remove(ObjectKey(BLUEPRINT, "acme", "a"))
    assert bench.store.keys(BLUEPRINT) != []
    await asyncio.sleep(400)
    assert bench.store.keys(BLUEPRINT) == []


@virtually
async def test_a_watch_that_lags_for_some_seconds_is_alive(bench):
    await bench.audit.synced.wait()

    async def lag() -> None:
        while True:
            bench.watch = False
            bench.put("a", number=asyncio.get_running_loop().time())
            await asyncio.sleep(20)
            bench.store.seen(bench.api.objects[ObjectKey(BLUEPRINT, "acme", "a")], BLUEPRINT)

    lagging = asyncio.create_task(lag())
    await asyncio.sleep(3000)
    assert not bench.serving.done()
    lagging.cancel()


@virtually
async def test_a_watch_that_tells_nothing_any_more_ends_the_process(bench):
    await bench.audit.synced.wait()
    bench.watch = False
    bench.put("a")
    await asyncio.sleep(600)
    with pytest.raises(DeadWatchError, match="Blueprint acme/a"):
        await bench.serving


@virtually
async def test_a_server_that_is_away_ends_nothing(bench):
    await bench.audit.synced.wait()
    bench.client.fail = lambda *_: (_ for _ in ()).throw(ApiUnavailable(0, "NoAnswer", "silence"))
    await asyncio.sleep(3000)
    assert not bench.serving.done()
