"""The operator killed at random moments, and two operators at once: the end is the same, the data is there, and nothing is left over."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml
from tests.cluster.conftest import StartOperator
from tests.support import audit, data
from tests.support.blueprints import blueprint, pgbouncer, postgres, redis
from tests.support.cluster import kubectl, new_namespace, wait_until
from tests.support.leftovers import left_in
from tests.support.operator_process import OperatorProcess
from tests.support.snapshot import Snapshot, difference, snapshot

from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import BLUEPRINT, DEPLOYMENT, ObjectKey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KEPT = [f"kept-{number}" for number in range(5)]
DELETED = [f"gone-{number}" for number in range(5)]
ALL = [*KEPT, *DELETED]


def small(name: str, *, changed: bool = False, policy: str = "Retain") -> dict[str, Any]:
    """One Postgres, one PgBouncer, one Redis; `changed`: as it is to become."""
    users = [{"name": "report", "memberOf": ["pg_read_all_data"]}] if changed else []
    tiny = {"requests": {"cpu": "10m", "memory": "192Mi"}}
    return blueprint(
        postgres(
            databases=[{"name": "shop", "owner": "shop"}], users=users, parameters={"work_mem": "7MB"} if changed else {}, resources=tiny
        ),
        pgbouncer(replicas=2 if changed else 1),
        redis(maxMemory="24Mi" if changed else "16Mi"),
        name=name,
        deletionPolicy=policy,
    )


def policy_of(name: str) -> str:
    return "Delete" if name in DELETED else "Retain"


def apply(namespace: str, names: Iterable[str], *, changed: bool = False) -> None:
    """Apply as a user does."""
    text = yaml.safe_dump_all([small(name, changed=changed, policy=policy_of(name)) for name in names])
    kubectl("--namespace", namespace, "apply", "--filename", "-", stdin=text)


async def all_ready(client: Client, namespace: str, names: Iterable[str], seconds: float, explain: OperatorProcess) -> None:
    """Wait until all Blueprints are Ready in their present generation, and nothing is going on any more."""

    async def unready() -> list[str]:
        items = {item["metadata"]["name"]: item for item in (await client.list(BLUEPRINT, namespace)).items}
        return [name for name in names if not is_ready(items[name])]

    async def done() -> bool:
        assert explain.running, f"the operator ended by itself, exit code {explain.exit_code}\n{explain.tail(5)}"
        return not await unready()

    async def say() -> str:
        return f"not Ready: {await unready()}\n{kubectl('--namespace', namespace, 'get', 'dhb,pods')}\n{explain.tail(20)}"

    await wait_until(done, "all Blueprints are Ready", seconds=seconds, every=0.5, explain=say)


def is_ready(item: dict[str, Any]) -> bool:
    generation = item["metadata"]["generation"]
    status = item.get("status") or {}
    conditions = {one["type"]: (one["status"], one.get("observedGeneration")) for one in status.get("conditions") or ()}
    wanted = {"Ready": ("True", generation), "Reconciling": ("False", generation)}
    return status.get("observedGeneration") == generation and wanted.items() <= conditions.items()


class Killer:
    """Kills an operator again and again, at moments drawn at random."""

    def __init__(self, operator: OperatorProcess, namespace: str, seed: int) -> None:
        self.operator = operator
        self.namespace = namespace
        self.random = random.Random(seed)
        self.kills = 0
        self.at_work = 0
        """Kills of an operator that had written something in that life."""

    @asynccontextmanager
    async def during(self, kills: int) -> AsyncIterator[None]:
        """Kill and restart it so often while the body runs; afterwards it lives."""
        task = asyncio.create_task(self._run(kills))
        try:
            yield
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def killed(self, count: int) -> None:
        """Wait until it was killed so often, in all."""
        await wait_until(lambda: self.kills >= count, f"{count} kills", seconds=180)

    async def _run(self, kills: int) -> None:
        for _ in range(kills):
            born = audit.now()
            if not self.operator.running:
                self.operator.start()
            # One in four dies while it starts, the others after it has begun to act.
            if self.random.random() >= 0.25:
                await self.operator.ready(60)
            await asyncio.sleep(self.random.uniform(0, 2.5))  # the random moment itself
            self.operator.kill()
            self.kills += 1
            self.at_work += any(request.writes for request in audit.by_operator([self.namespace], since=born))
        self.operator.start()


async def write(client: Client, namespace: str, name: str) -> None:
    """Write a row through the pool, and a key."""
    await data.query(client, namespace, f"{name}-db-shop", "create table orders (item text)", key="pooled-uri")
    await data.query(client, namespace, f"{name}-db-shop", f"insert into orders values ('{name}')", key="pooled-uri")
    await data.redis(client, namespace, f"{name}-cache-default", "SET", "item", name)


async def check(client: Client, namespace: str, name: str) -> None:
    """What was written is there; what was changed is in force, for the users of the services."""
    for user in ("shop", "report"):
        assert await data.query(client, namespace, f"{name}-db-{user}", "select item from orders", key="pooled-uri") == [(name,)]
    assert await data.query(client, namespace, f"{name}-db-shop", "show work_mem") == [("7MB",)]
    assert await data.redis(client, namespace, f"{name}-cache-default", "GET", "item") == name
    info = await data.redis(client, namespace, f"{name}-cache-default", "INFO", "memory")
    assert isinstance(info, dict)
    assert info["maxmemory"] == 24 * 2**20
    pool = await client.get(ObjectKey(DEPLOYMENT, namespace, f"{name}-pool"))
    assert pool is not None
    assert pool["status"]["readyReplicas"] == 2


def to_be_kept(name: str) -> set[str]:
    """What `deletionPolicy: Retain` leaves: volumes and credentials, nothing else."""
    secrets = ("db.internal", "db-shop", "db-report", "pool.internal", "cache.internal", "cache-default")
    volumes = ("db-0", "cache-0")
    return {f"secrets/{name}-{part}" for part in secrets} | {f"persistentvolumeclaims/data-{name}-{part}" for part in volumes}


async def test_killed_at_random_while_ten_blueprints_are_made_changed_and_deleted(
    client: Client, namespace: str, operator: StartOperator
) -> None:
    seed = int(os.environ.get("DHARMA_CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}: DHARMA_CHAOS_SEED={seed} draws the same moments")
    async with new_namespace(client, "chaos-lease") as lease:
        process = operator(pod_namespace=lease, lease_seconds="3")
        killer = Killer(process, namespace, seed)
        async with killer.during(6):
            apply(namespace, ALL[::2])
            await killer.killed(2)
            apply(namespace, ALL[1::2])
        await all_ready(client, namespace, ALL, 360, process)
        for name in ALL:
            await write(client, namespace, name)

        async with killer.during(4):
            apply(namespace, ALL, changed=True)
        await all_ready(client, namespace, ALL, 300, process)
        for name in ALL:
            await check(client, namespace, name)

        async with killer.during(3):
            kubectl("--namespace", namespace, "delete", "dhb", "--all", "--wait=false")
        expected = set().union(*map(to_be_kept, KEPT))
        left: set[str] = set()

        async def only_the_kept() -> bool:
            nonlocal left
            left = await left_in(client, namespace)
            return left == expected

        await wait_until(
            only_the_kept,
            "only volumes and credentials of the kept Blueprints are left",
            seconds=90,
            every=1,
            explain=lambda: f"too much: {sorted(left - expected)}\nmissing: {sorted(expected - left)}\n{process.tail(20)}",
        )
        print(f"{killer.kills} kills, {killer.at_work} of them of an operator that had written something")
        assert killer.at_work >= 4, "the operator was hardly ever killed at work: this proves little"


async def test_two_operators_at_once_bring_about_what_one_does_and_then_rest(
    client: Client, namespace: str, operator: StartOperator
) -> None:
    compared = [DELETED[0], KEPT[0]]
    async with new_namespace(client, "two-lease") as lease, new_namespace(client, "alone") as alone:
        # Each has a Lease of its own, so that both act: what must never be, and yet has to be harmless.
        both = [operator(pod_namespace=lease, lease_name=f"lease-{number}", name=f"two-{number}") for number in (1, 2)]
        single = OperatorProcess(
            (alone,), both[0].log.with_name("alone.log"), name="alone", pod_namespace=lease, lease_name="alone"
        ).start()
        try:
            for process in (*both, single):
                await process.ready(60)
                await wait_until(lambda process=process: process.metric("dharma_leader") == 1, "it acts", seconds=30)
            for changed in (False, True):
                apply(namespace, ALL, changed=changed)
                apply(alone, compared, changed=changed)
                await all_ready(client, namespace, ALL, 360, both[0])
                await all_ready(client, alone, compared, 180, single)
            assert all(process.metric("dharma_reconciles_total", kind="Blueprint", outcome="Success") > 0 for process in both)
            await at_rest([namespace], 20)
            found = difference(of(compared, await snapshot(client, alone)), of(compared, await snapshot(client, namespace)))
            assert not found, found
            kubectl("--namespace", namespace, "delete", "dhb", "--all", "--wait=false")

            expected = set().union(*map(to_be_kept, KEPT))
            left: set[str] = set()

            async def only_the_kept() -> bool:
                nonlocal left
                left = await left_in(client, namespace)
                return left == expected

            def say() -> str:
                return f"too much: {sorted(left - expected)}\nmissing: {sorted(expected - left)}\n{both[1].tail(20)}"

            await wait_until(only_the_kept, "only what is kept is left", seconds=90, every=1, explain=say)
        finally:
            single.close()


def of(names: list[str], taken: Snapshot) -> Snapshot:
    """What belongs to some Blueprints alone."""
    return {key: state for key, state in taken.items() if any(f"{name}-" in key or key.endswith(name) for name in names)}


async def at_rest(namespaces: list[str], seconds: float) -> None:
    """Wait until so many seconds have passed without a write of any operator. Fails when that does not happen soon."""

    def written() -> list[audit.Request]:
        return [request for request in audit.by_operator(namespaces) if request.writes]

    def rested() -> bool:
        return (audit.now() - max(request.at for request in written())).total_seconds() >= seconds

    await wait_until(
        rested, f"{seconds:.0f} s without a write", seconds=seconds * 3, every=1, explain=lambda: "\n".join(map(str, written()[-20:]))
    )
