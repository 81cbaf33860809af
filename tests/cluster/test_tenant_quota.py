"""Quota on the real cluster: never more than the limit, at no instant, whatever the operator is going through; and nothing is lost."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.cluster import wait_until
from tests.support.tenants import (
    COUNTED,
    QuotaWitness,
    TenantStage,
    claim,
    count,
    create_all,
    draft,
    pod,
    refused_by_event,
    replica_set,
    roles,
    tenant_stage,
)

from dharma_operator.kube.auth import login
from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import BLUEPRINT, PERSISTENT_VOLUME_CLAIM, POD, ObjectKey

MAKERS = {POD: pod, PERSISTENT_VOLUME_CLAIM: claim, BLUEPRINT: draft}
LIMITS = {"pods": 120, "persistentvolumeclaims": 60, "count/blueprints.dharma.io": 80}


@pytest.fixture
async def stage(client: Client, namespace: str, tmp_path: Path, crds: None, no_other_operator: None) -> AsyncIterator[TenantStage]:
    roles()
    async with tenant_stage(client, namespace, tmp_path, login) as made:
        yield made


def quota(**more):
    return {"blueprints": 80, "compute": {"pods": "120", "persistentvolumeclaims": "60"}, **more}


async def fill(stage: TenantStage, resource, namespaces, limit: int, prefix: str) -> None:
    """Go on asking in all namespaces until the limit is used exactly; fails if it cannot be reached."""
    numbers = iter(range(100_000))

    async def full() -> bool:
        there = await count(stage.client, resource, namespaces)
        assert there <= limit
        wanted = [MAKERS[resource](f"{prefix}-{next(numbers)}", space) for space in namespaces for _ in range(3)]
        if there < limit:
            await create_all(stage.client, wanted)
        return there == limit

    await wait_until(full, f"{limit} {resource} are in use", seconds=60, every=0.5, explain=stage.explain)


async def test_a_burst_over_20_namespaces_with_an_operator_that_is_killed(stage: TenantStage):
    projects = [f"p{number:02}" for number in range(20)]
    spaces = [stage.namespace(project) for project in projects]
    operator = stage.operator(projects, lease_seconds="3")
    operator.start()
    await operator.ready()
    await stage.apply(projects, quota=quota())
    await stage.ready(60)
    chance = random.Random(4)
    favourites = spaces[:4]  # what is asked for is not spread evenly: capacity has to move
    wanted = [
        MAKERS[resource](f"burst-{number}", chance.choice(favourites if number % 3 else spaces))
        for number, resource in enumerate(chance.choices(list(MAKERS), weights=[2, 1, 1], k=1000))
    ]
    kills = 0
    async with QuotaWitness(stage.client, stage.name, LIMITS) as witness:
        burst = asyncio.create_task(create_all(stage.client, wanted, at_once=200))
        deadline = time.monotonic() + 15
        while not burst.done() or (kills < 5 and time.monotonic() < deadline):
            await asyncio.sleep(chance.uniform(0.05, 1.5))
            operator.kill()
            kills += 1
            operator.start()
            await operator.ready()
        admitted, refused = await burst
        assert admitted + refused == 1000
        assert refused > 0, "the burst was smaller than the limit and proves nothing"
        for resource, name in COUNTED.items():
            await fill(stage, resource, spaces, LIMITS[name], "fill")
        assert witness.violations == []
        assert witness.events > 100
    for resource, name in COUNTED.items():
        assert await count(stage.client, resource, spaces) == LIMITS[name]
    print(f"{admitted} admitted and {refused} refused, {kills} kills, {witness.events} events, at most {dict(witness.worst)}")


async def test_freed_room_goes_to_who_wants_it(stage: TenantStage):
    """The burst of 200 into ten pods over five namespaces; then room that one frees is another's."""
    projects = [f"p{number}" for number in range(5)]
    spaces = [stage.namespace(project) for project in projects]
    operator = stage.operator(projects)
    operator.start()
    await operator.ready()
    await stage.apply(projects, quota={"compute": {"pods": "10"}})
    await stage.ready()
    async with QuotaWitness(stage.client, stage.name, {"pods": 10}) as witness:
        times: list[float] = []

        async def create(number: int) -> bool:
            started = time.monotonic()
            admitted, _ = await create_all(stage.client, [pod(f"w-{number}", spaces[number % 5])])
            times.append(time.monotonic() - started)
            return admitted == 1

        assert sum(await asyncio.gather(*(create(number) for number in range(200)))) <= 10
        await fill(stage, POD, spaces, 10, "more")
        first = (await stage.client.list(POD, spaces[0])).items
        assert first, "each began with two"
        await stage.client.create(replica_set("wanting", spaces[4], replicas=1))
        await refused_by_event(stage.client, spaces[4])
        there = await count(stage.client, POD, [spaces[4]])
        await stage.client.delete(ObjectKey(POD, spaces[0], first[0]["metadata"]["name"]))
        started = time.monotonic()

        async def had() -> bool:
            return (await create_all(stage.client, [pod("freed", spaces[4])]))[0] == 1 or await count(
                stage.client, POD, [spaces[4]]
            ) > there

        await wait_until(had, "the room that was freed is usable in another project", seconds=30, every=0.02, explain=stage.explain)
        moved = time.monotonic() - started
        assert witness.violations == []
    times.sort()
    print(f"median create {times[100] * 1000:.0f} ms, freed room usable elsewhere after {moved:.2f} s")


async def test_with_the_operator_down_the_limit_holds(stage: TenantStage):
    projects = ["a", "b"]
    spaces = [stage.namespace(project) for project in projects]
    operator = stage.operator(projects)
    operator.start()
    await operator.ready()
    await stage.apply(projects, quota={"compute": {"pods": "10"}})
    await stage.ready()
    await operator.stop()
    admitted, refused = await create_all(stage.client, [pod(f"w-{number}", space) for number in range(10) for space in spaces])
    assert (admitted, refused) == (10, 10), "five each: what is there can be used, nothing moves"


async def test_a_limit_below_use_evicts_nothing_and_lets_nothing_in(stage: TenantStage):
    projects = ["a", "b"]
    spaces = [stage.namespace(project) for project in projects]
    operator = stage.operator(projects)
    operator.start()
    await operator.ready()
    await stage.apply(projects, quota={"compute": {"pods": "10"}})
    await stage.ready()
    assert (await create_all(stage.client, [pod(f"w-{number}", space) for number in range(4) for space in spaces]))[0] == 8
    await stage.apply(projects, quota={"compute": {"pods": "5"}})

    async def said() -> bool:
        condition = await stage.condition("WithinQuota")
        return condition.get("status") == "False" and "pods: 8 of 5 in use, 3 too much" in condition["message"]

    await wait_until(said, "the status says how much too much is in use", seconds=30, explain=stage.explain)

    async def closed() -> bool:
        return all(int(one["status"]["hard"]["pods"]) <= 4 for one in (await stage.quotas()).values())

    await wait_until(closed, "nobody has room to grow", seconds=30, explain=stage.explain)
    assert (await create_all(stage.client, [pod("more", space) for space in spaces])) == (0, 2)
    assert await count(stage.client, POD, spaces) == 8


async def test_a_refused_workload_gets_what_others_leave_idle(stage: TenantStage):
    """A ReplicaSet cannot make its pods; its event is enough, though less than 80 % is in use."""
    projects = ["idle", "busy"]
    operator = stage.operator(projects)
    operator.start()
    await operator.ready()
    await stage.apply(projects, quota={"compute": {"requests.cpu": "4", "pods": "20"}}, limits={"container": {}})
    await stage.ready()
    space = stage.namespace("busy")
    started = time.monotonic()
    await stage.client.create(replica_set("big", space, replicas=1, cpu="3"))

    async def has_pod() -> bool:
        return await count(stage.client, POD, [space]) == 1

    await wait_until(has_pod, "the busy project has its pod of three CPUs", seconds=30, every=0.02, explain=stage.explain)
    print(f"a pod that did not fit was there {time.monotonic() - started:.2f} s after its ReplicaSet")
