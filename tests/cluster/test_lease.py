"""Two replicas against the real API server: one acts, and the other takes over."""

import asyncio
import time

from tests.cluster.test_process import backup, reported
from tests.support.cluster import wait_until

from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import BACKUP, LEASE, ObjectKey


async def holder(client: Client, namespace: str, name: str) -> str:
    lease = await client.get(ObjectKey(LEASE, namespace, name))
    return (lease or {}).get("spec", {}).get("holderIdentity", "")


async def pair(operator, client: Client, namespace: str, name: str):
    """Two replicas that share a Lease: the one that acts, and the other."""
    replicas = [operator(lease_name=name), operator(lease_name=name)]
    for replica in replicas:
        await replica.ready()
    held_by = await wait_until(lambda: holder(client, namespace, name), "one of them acts", seconds=30)
    first, second = replicas if held_by.startswith(replicas[0].environment["DHARMA_POD_NAME"]) else reversed(replicas)
    await wait_until(lambda: first.metric("dharma_leader") == 1, "the holder says that it acts", seconds=5)
    assert second.metric("dharma_leader") == 0
    assert second.get("/readyz")[0] == 200
    return first, second


async def test_a_killed_holder_is_replaced_within_twenty_seconds(operator, client, namespace):
    first, second = await pair(operator, client, namespace, "killed")
    await client.create(backup(namespace, "before"))
    await reported(client, ObjectKey(BACKUP, namespace, "before"))
    assert second.metric("dharma_status_writes_total") == 0
    first.kill()
    started = time.monotonic()
    await client.create(backup(namespace, "after"))
    await wait_until(lambda: second.metric("dharma_leader") == 1, "the other acts", seconds=30, every=0.05)
    took = time.monotonic() - started
    await reported(client, ObjectKey(BACKUP, namespace, "after"))
    print(f"killed: taken over after {took:.1f} s, first object served after {time.monotonic() - started:.1f} s")
    assert took < 20
    lease = await client.get(ObjectKey(LEASE, namespace, "killed"))
    assert lease["spec"]["leaseTransitions"] == 1


async def test_a_holder_that_stops_politely_is_replaced_at_once(operator, client, namespace):
    first, second = await pair(operator, client, namespace, "polite")
    started = time.monotonic()
    assert await first.stop() == 0
    await wait_until(lambda: second.metric("dharma_leader") == 1, "the other acts", seconds=30, every=0.05)
    took = time.monotonic() - started
    print(f"polite: taken over {took:.1f} s after the signal")
    assert took < 4


async def test_a_holder_that_loses_the_lease_stands_by_and_goes_on_living(operator, client, namespace):
    only = await operator(lease_name="stolen", lease_seconds="6").ready()
    await wait_until(lambda: only.metric("dharma_leader") == 1, "it acts", seconds=20)
    key = ObjectKey(LEASE, namespace, "stolen")
    await client.patch(key, {"spec": {"holderIdentity": "a-thief", "leaseDurationSeconds": 6}})
    await wait_until(lambda: only.metric("dharma_leader") == 0, "it stands by", seconds=20)
    await client.create(backup(namespace, "meanwhile"))
    await wait_until(lambda: only.metric("dharma_leader") == 1, "it acts again, as the thief does not renew", seconds=20)
    await reported(client, ObjectKey(BACKUP, namespace, "meanwhile"))


async def test_two_that_both_act_do_each_other_no_harm(operator, client, namespace):
    one, other = operator(lease_name="one"), operator(lease_name="other")
    await one.ready()
    await other.ready()
    keys = [ObjectKey(BACKUP, namespace, f"web-{number}") for number in range(30)]
    await asyncio.gather(*(client.create(backup(namespace, key.name)) for key in keys))
    for key in keys:
        await reported(client, key)
    await asyncio.gather(*(client.patch(key, {"spec": {"schedule": "0 3 * * *"}}) for key in keys))
    for key in keys:
        await reported(client, key, generation=2)
    assert one.metric("dharma_leader") == other.metric("dharma_leader") == 1
    assert all(replica.metric("dharma_reconciles_total", outcome="ReconcileError") == 0 for replica in (one, other))
    written = [replica.metric("dharma_status_writes_total") for replica in (one, other)]
    versions = [(await client.get(key))["metadata"]["resourceVersion"] for key in keys]
    # Both have seen the last state; nothing is left to be said.
    for replica in (one, other):
        await wait_until(lambda replica=replica: replica.metric("dharma_queue_depth") == 0, "all runs are over")
    assert [(await client.get(key))["metadata"]["resourceVersion"] for key in keys] == versions
    print(f"status writes of the two: {written} for {2 * len(keys)} changes")
