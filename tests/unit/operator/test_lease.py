"""At most one replica acts at any moment, and always one before long."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.fake_api import FakeApi, FakeClient, outage
from tests.support.virtual_time import run_virtually

from dharma_operator.kube.errors import ApiUnavailable
from dharma_operator.lease import Lease, identity_of, lead_while_held

KEY = Lease.key("system", "iac-dharma")
SECONDS = 15


class Replica:
    """One replica that leads whenever it may."""

    def __init__(self, api: FakeApi, pod: str = "", delay: float = 0.01) -> None:
        self.client = FakeClient(api, delay=delay)
        self.lease = Lease(self.client, KEY, pod, SECONDS)
        self.leads = False
        self.led: list[float] = []
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(lead_while_held(self.lease, self.lead))

    async def lead(self) -> None:
        self.leads = True
        self.led.append(asyncio.get_running_loop().time())
        try:
            await self.stop.wait()
        finally:
            self.leads = False

    async def stop_politely(self) -> None:
        self.stop.set()
        await self.task
        await self.lease.release()

    def kill(self) -> None:
        self.client.fail = outage  # nothing that it says is heard any more
        self.task.cancel()


async def until(condition, at_most: float = 600) -> float:
    loop = asyncio.get_running_loop()
    started = loop.time()
    while not condition():
        assert loop.time() - started < at_most, "waited in vain"
        await asyncio.sleep(0.05)
    return loop.time() - started


def virtually(scenario):
    def run() -> None:
        run_virtually(scenario())

    run.__name__ = scenario.__name__
    return run


@virtually
async def test_one_of_three_leads():
    api = FakeApi()
    replicas = [Replica(api) for _ in range(3)]
    await until(lambda: any(replica.leads for replica in replicas))
    await asyncio.sleep(300)
    assert sum(replica.leads for replica in replicas) == 1
    assert sum(len(replica.led) for replica in replicas) == 1


@virtually
async def test_a_dead_holder_is_replaced_within_twenty_seconds():
    api = FakeApi()
    first = Replica(api)
    await until(lambda: first.leads)
    second = Replica(api)
    await asyncio.sleep(42.3)
    first.kill()
    waited = await until(lambda: second.leads)
    assert 9 < waited < 17
    assert api.objects[KEY]["spec"]["leaseTransitions"] == 1


@virtually
async def test_a_polite_stop_hands_over_at_once():
    api = FakeApi()
    first = Replica(api)
    await until(lambda: first.leads)
    second = Replica(api)
    await asyncio.sleep(20)
    await first.stop_politely()
    assert await until(lambda: second.leads) < 1.5


@virtually
async def test_the_holder_steps_down_before_another_may_act_and_comes_back():
    api = FakeApi()
    first, second = Replica(api), None
    await until(lambda: first.leads)
    second = Replica(api)
    await asyncio.sleep(30)
    first.client.fail = outage
    stepped_down = await until(lambda: not first.leads)
    assert stepped_down <= SECONDS * 4 / 5 + 0.1
    took_over = await until(lambda: second.leads)
    assert took_over > 0
    first.client.fail = lambda *_: None
    second.kill()
    await until(lambda: first.leads)
    assert len(first.led) == 2


@virtually
async def test_a_short_outage_costs_no_leadership():
    api = FakeApi()
    first = Replica(api)
    await until(lambda: first.leads)
    second = Replica(api)
    await asyncio.sleep(30)
    first.client.fail = outage
    await asyncio.sleep(5.5)
    first.client.fail = lambda *_: None
    await asyncio.sleep(60)
    assert first.leads
    assert not second.leads
    assert len(first.led) == 1


@virtually
async def test_a_restarted_container_takes_its_own_lease_back_at_once():
    api = FakeApi()
    first = Replica(api, "operator-0")
    await until(lambda: first.leads)
    await asyncio.sleep(20)
    first.kill()
    again = Replica(api, "operator-0")
    assert await until(lambda: again.leads) < 0.5


@virtually
async def test_a_deleted_lease_is_made_again_and_never_held_twice():
    api = FakeApi()
    replicas = [Replica(api) for _ in range(2)]
    await until(lambda: any(replica.leads for replica in replicas))
    await asyncio.sleep(20)
    api.remove(KEY)
    for _ in range(600):
        await asyncio.sleep(0.1)
        assert sum(replica.lease.valid and replica.leads for replica in replicas) <= 1
    assert sum(replica.leads for replica in replicas) == 1


@virtually
async def test_somebody_elses_change_of_the_object_costs_no_leadership():
    api = FakeApi()
    first = Replica(api)
    await until(lambda: first.leads)
    lease = api.objects[KEY]
    api.put(lease | {"metadata": {**lease["metadata"], "labels": {"touched": "by hand"}}})
    await asyncio.sleep(60)
    assert first.leads
    assert len(first.led) == 1


@virtually
async def test_an_error_of_the_leader_is_raised():
    async def lead() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await lead_while_held(Lease(FakeClient(FakeApi()), KEY, "", SECONDS), lead)


@virtually
async def test_releasing_what_is_not_held_does_nothing():
    api = FakeApi()
    await Lease(FakeClient(api), KEY, "", SECONDS).release()
    assert api.writes == []


def test_identities_differ_between_processes_of_one_pod():
    assert identity_of("operator-0").startswith("operator-0_")
    assert identity_of("operator-0") != identity_of("operator-0")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_fails_at_most_one_acts_and_in_the_end_one_does(seed):
    async def scenario() -> None:
        chance = random.Random(seed)
        api = FakeApi()

        def unreliable(verb: str, key) -> None:
            if chance.random() < trouble:
                raise ApiUnavailable(0, "NoAnswer", "lost")

        trouble = 0.0
        replicas = [Replica(api, delay=chance.uniform(0.001, 2.0)) for _ in range(3)]
        for replica in replicas:
            replica.client.fail = unreliable
        for _ in range(40):
            trouble = chance.choice([0.0, 0.3, 0.9, 1.0])
            for _ in range(chance.randrange(10, 100)):
                await asyncio.sleep(0.1)
                assert sum(replica.leads and replica.lease.valid for replica in replicas) <= 1
                assert all(replica.lease.valid for replica in replicas if replica.leads)
        trouble = 0.0
        await until(lambda: any(replica.leads for replica in replicas), at_most=40)

    run_virtually(scenario())
