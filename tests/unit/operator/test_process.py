"""The parts of the process together: start, leadership, failure of a part, end; Kopf and the API server are stood in for."""

import asyncio
import os
import signal

import kopf
import pytest
from tests.support.fake_api import FakeApi, FakeClient
from tests.support.virtual_time import run_virtually

from dharma_operator import process
from dharma_operator.audit import Audit, DeadWatchError
from dharma_operator.controllers import KindInfo
from dharma_operator.kube.errors import NotFound
from dharma_operator.kube.resources import DHARMA_DEPLOYMENT, LEASE, OWNERS, ObjectKey
from dharma_operator.placeholder import Placeholder
from dharma_operator.settings import Settings
from dharma_operator.store import OWNER_LABELS

WEB = ObjectKey(DHARMA_DEPLOYMENT, "acme", "web")
LEASE_KEY = ObjectKey(LEASE, "system", "iac-dharma")


class OpenClient(FakeClient):
    """A client that answers discovery too."""

    served = True

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    async def request(self, *_):
        if not self.served:
            raise NotFound(404, "NotFound", "no such group")
        return {"resources": [{"name": resource.plural} for resource in OWNERS]}


class Bench:
    """An operator whose Kopf tells what the fake API server has at the start, and then what `tell` is called with."""

    def __init__(self, monkeypatch) -> None:
        self.api = FakeApi()
        self.client = OpenClient(self.api)
        self.registry = None
        monkeypatch.setattr(process, "Client", lambda **_: self.client)
        monkeypatch.setattr(kopf, "operator", self.run_kopf)
        kind = KindInfo(DHARMA_DEPLOYMENT, OWNER_LABELS[DHARMA_DEPLOYMENT])
        settings = Settings(pod_namespace="system", address="127.0.0.1", port=0)
        self.operator = process.Operator(settings, lambda _: [Placeholder(kind)])

    async def run_kopf(self, *, registry, stop_flag, **_) -> None:
        self.registry = registry
        for key, item in self.api.objects.items():
            if key.resource in OWNERS:
                await self.tell(item)
        await stop_flag.wait()
        for handler in registry._activities.get_all_handlers():
            if handler.activity.value == "cleanup":
                await handler.fn()

    async def tell(self, manifest, kind=None) -> None:
        handler = next(handler for handler in self.registry._watching.get_all_handlers() if handler.id == DHARMA_DEPLOYMENT.plural)
        await handler.fn(event={"type": kind, "object": manifest})

    def put(self, **spec):
        fresh = {"apiVersion": "dharma.io/v1alpha1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "acme"}}
        return self.api.put({**self.api.objects.get(WEB, fresh), "spec": spec})

    @property
    def holder(self):
        lease = self.api.objects.get(LEASE_KEY)
        return lease["spec"]["holderIdentity"] if lease else ""


@pytest.fixture
def bench(monkeypatch):
    return Bench(monkeypatch)


async def until(condition) -> None:
    async with asyncio.timeout(300):
        while not condition():  # noqa: ASYNC110 (of whatever is asked)
            await asyncio.sleep(0.05)


def test_it_leads_serves_what_is_there_and_what_comes_and_hands_over_at_the_end(bench):
    async def scenario() -> None:
        bench.put(image="a")
        serving = asyncio.create_task(bench.operator.serve())
        await until(lambda: "status" in bench.api.objects[WEB])
        assert bench.holder
        assert bench.operator._unready() == []
        assert bench.operator._unhealthy() == []
        await bench.tell(bench.put(image="b"), "MODIFIED")
        await until(lambda: bench.api.objects[WEB]["status"]["observedGeneration"] == 2)
        writes = [write for write in bench.api.writes if "Lease" not in write]
        await bench.tell(bench.api.objects[WEB], "MODIFIED")
        await asyncio.sleep(60)
        assert [write for write in bench.api.writes if "Lease" not in write] == writes
        bench.operator._stop.set()
        await serving
        assert bench.holder == ""
        assert len(asyncio.all_tasks()) == 1

    run_virtually(scenario())


def test_a_part_that_fails_ends_the_process_in_order(bench, monkeypatch):
    async def die(self) -> None:
        self.synced.set()
        await asyncio.sleep(100)
        raise DeadWatchError("the watch does not tell of changes any more")

    monkeypatch.setattr(Audit, "serve", die)

    async def scenario() -> None:
        with pytest.raises(DeadWatchError):
            await bench.operator.serve()
        assert bench.holder == ""
        assert asyncio.get_running_loop().time() == pytest.approx(100, abs=1)

    run_virtually(scenario())


def test_it_waits_for_its_kinds_says_so_and_hears_the_signal_meanwhile(bench):
    async def scenario() -> None:
        bench.client.served = False
        serving = asyncio.create_task(bench.operator.serve())
        await asyncio.sleep(10)
        assert "kubectl apply -f crds/" in bench.operator._unready()[0]
        assert bench.operator._unhealthy() == []
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 10)
        assert bench.registry is None

    run_virtually(scenario())


def test_kinds_that_come_later_are_served(bench):
    async def scenario() -> None:
        bench.client.served = False
        bench.put(image="a")
        serving = asyncio.create_task(bench.operator.serve())
        await asyncio.sleep(10)
        bench.client.served = True
        await until(lambda: "status" in bench.api.objects[WEB])
        bench.operator._stop.set()
        await serving

    run_virtually(scenario())


def test_a_standby_runs_nothing_until_it_leads(bench):
    async def scenario() -> None:
        bench.api.put(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": "iac-dharma", "namespace": "system"},
                "spec": {"holderIdentity": "other_1", "leaseDurationSeconds": 15, "renewTime": "then"},
            }
        )
        bench.put(image="a")
        serving = asyncio.create_task(bench.operator.serve())
        await asyncio.sleep(10)
        assert bench.operator._unready() == []
        assert "status" not in bench.api.objects[WEB]
        await until(lambda: "status" in bench.api.objects[WEB])
        assert asyncio.get_running_loop().time() < 20
        bench.operator._stop.set()
        await serving

    run_virtually(scenario())
