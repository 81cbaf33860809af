"""What is heard of refused requests, and for how long it counts."""

import pytest

from dharma_operator.kube.client import Changed, Listed
from dharma_operator.kube.resources import NAMESPACE
from dharma_operator.store import Store
from dharma_operator.tenant.pressure import Pressure
from dharma_operator.workqueue import OwnerKey

REFUSED = (
    'Error creating: pods "big" is forbidden: exceeded quota: dharma-quota, requested: requests.cpu=3, used: requests.cpu=1, '
    "limited: requests.cpu=2"
)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_refusal_presses_for_a_minute_or_until_it_is_had():
    clock = Clock()
    pressure = Pressure(clock)
    assert pressure.hear("shop", REFUSED)
    assert pressure.of({"shop": {"requests.cpu": 1000}}) == {"shop": {"requests.cpu": 4000}}
    assert pressure.of({"shop": {"requests.cpu": 4000}}) == {}, "it is had"
    assert pressure.of({"shop": {"requests.cpu": 1000}}) == {}, "and forgotten"
    pressure.hear("shop", REFUSED)
    clock.now = 61
    assert pressure.of({"shop": {"requests.cpu": 1000}}) == {}


def test_what_others_refuse_is_no_pressure():
    pressure = Pressure()
    assert not pressure.hear("shop", 'pods "x" is forbidden: violates PodSecurity')
    assert not pressure.hear("shop", 'pods "x" is forbidden: exceeded quota: mine, requested: pods=1, used: pods=1, limited: pods=1')
    assert pressure.of({"shop": {}}) == {}


async def test_an_event_wakes_the_tenant_of_its_namespace():
    store, woken = Store(), []
    for name, labels in (("acme-shop", {"dharma.io/tenant": "acme"}), ("other", {})):
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "uid": name, "resourceVersion": "1", "labels": labels},
        }
        store.seen(manifest, NAMESPACE)
    events = [{"metadata": {"name": "e", "namespace": name}, "note": REFUSED} for name in ("acme-shop", "other", "unknown")]

    class EndError(Exception):
        pass

    class Client:
        async def watch(self, *_, **__):

            yield Listed([{**events[0]}], "1")
            for event in events:
                yield Changed("ADDED", event)
            raise EndError

    with pytest.raises(EndError):
        await Pressure().listen(Client(), store, lambda key, cause: woken.append((key, cause.value)))
    assert woken == [(OwnerKey("Tenant", "", "acme"), "child")], "not for what is listed at the start, nor for namespaces of no tenant"
