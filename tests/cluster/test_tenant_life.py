"""A Tenant as its people meet it: members and when their rights end, limits, what the status tells and how soon, suspension, rest."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import kubectl, wait_until
from tests.support.tenants import TenantStage, create_all, pod, roles, tenant_stage

from dharma_operator.kube.auth import login
from dharma_operator.kube.client import Client
from dharma_operator.kube.crashpoints import CRASH_LOG
from dharma_operator.kube.errors import Forbidden
from dharma_operator.kube.resources import LIMIT_RANGE, NAMESPACE, POD, RESOURCE_QUOTA, ROLE_BINDING, ObjectKey

PROJECTS = ("shop", "lab")


@pytest.fixture
async def stage(client: Client, namespace: str, tmp_path: Path, crds: None, no_other_operator: None) -> AsyncIterator[TenantStage]:
    roles()
    async with tenant_stage(client, namespace, tmp_path, login) as made:
        await made.operator(PROJECTS).start().ready()
        yield made


def may(user: str, verb: str, resource: str, namespace: str) -> bool:
    answer = kubectl("auth", "can-i", verb, resource, "--namespace", namespace, "--as", user, check=False)
    return answer.strip() == "yes"


def member(name: str, role: str, **more: Any) -> dict[str, Any]:
    return {"kind": "User", "name": name, "role": role, **more}


async def test_members_have_their_role_where_it_is_given_until_it_ends(stage: TenantStage):
    shop, lab = (stage.namespace(project) for project in PROJECTS)
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=12)
    guest = member("guest", "Viewer", expiresAt=ends.strftime("%Y-%m-%dT%H:%M:%SZ"))
    await stage.apply(PROJECTS, members=[member("alice", "Admin"), member("bob", "Editor", projects=["shop"]), guest])
    await stage.ready()
    assert may("alice", "create", "pods", shop)
    assert may("alice", "create", "blueprints.dharma.io", lab)
    assert may("bob", "create", "pods", shop)
    assert not may("bob", "get", "pods", lab)
    assert may("guest", "list", "pods", shop)
    assert not may("guest", "get", "secrets", shop)
    for forbidden in ("resourcequotas", "rolebindings", "limitranges", "networkpolicies"):
        assert not may("alice", "update", forbidden, shop), forbidden

    async def over() -> bool:
        return not await asyncio.to_thread(may, "guest", "list", "pods", shop)

    await wait_until(over, "the guest's rights have ended", seconds=45, explain=stage.explain)
    assert datetime.now(UTC) >= ends
    assert datetime.now(UTC) - ends < timedelta(seconds=30)
    await stage.apply(PROJECTS, members=[member("alice", "Viewer")])
    await stage.ready()
    assert not may("alice", "create", "pods", shop)
    assert not may("bob", "get", "pods", shop)


async def test_limits_and_their_defaults(stage: TenantStage):
    limits = {"container": {"max": {"cpu": "200m"}, "default": {"cpu": "150m", "memory": "64Mi"}}}
    await stage.apply(PROJECTS, plan="Basic", limits=limits)
    await stage.ready()
    shop = stage.namespace("shop")
    plain = pod("plain", shop)
    del plain["spec"]["containers"][0]["resources"]
    made = await stage.client.create(plain)
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "150m", "memory": "64Mi"}, "counted pods need no figures"
    with pytest.raises(Forbidden, match="maximum cpu usage per Container is 200m"):
        await stage.client.create(pod("large", shop, cpu="300m"))
    await stage.apply(PROJECTS, plan="Enterprise")
    await stage.ready()
    assert await stage.client.get(ObjectKey(LIMIT_RANGE, shop, "dharma-limits")) is None, "nothing is counted, nothing asked for"


async def test_the_status_tells_of_use_within_two_seconds(stage: TenantStage):
    await stage.apply(PROJECTS, quota={"compute": {"pods": "20", "requests.cpu": "2"}, "blueprints": 4})
    live = await stage.ready()
    assert live["status"]["quota"]["projects"] == {"used": "2", "hard": ""}
    assert live["status"]["summary"]["blueprints"] == "0/4"
    await create_all(stage.client, [pod(f"w-{number}", stage.namespace("shop"), cpu="100m") for number in range(3)])
    started = time.monotonic()

    async def told() -> bool:
        return (await stage.live())["status"]["quota"]["pods"]["used"] == "3"

    await wait_until(told, "three pods are told of", seconds=30, every=0.05, explain=stage.explain)
    behind = time.monotonic() - started
    assert (await stage.live())["status"]["quota"]["requests.cpu"] == {"used": "300m", "hard": "2"}
    print(f"the status was {behind:.2f} s behind")


async def test_after_a_restart_nothing_is_written(stage: TenantStage, tmp_path: Path):
    await stage.apply(PROJECTS, plan="Pro", members=[member("alice", "Admin")])
    await stage.ready()
    operator = stage.operators[0]
    operator.kill()
    writes = tmp_path / "writes"
    operator.environment[CRASH_LOG] = str(writes)
    await operator.start().ready()

    async def looked() -> bool:
        return operator.metric("dharma_reconciles_total", kind="Tenant", outcome="Success") >= 1

    await wait_until(looked, "the Tenant was looked at", seconds=30)
    assert not writes.exists() or writes.read_text() == ""
    await stage.apply(PROJECTS, plan="Pro", members=[member("alice", "Viewer")])
    await stage.ready()
    assert "patch Tenant" in writes.read_text(), "or the log would prove nothing"


async def test_suspended_it_reports_and_changes_nothing(stage: TenantStage):
    await stage.apply(PROJECTS, quota={"compute": {"pods": "10"}})
    await stage.ready()
    await stage.apply(PROJECTS, quota={"compute": {"pods": "4"}}, members=[member("alice", "Admin")], suspend=True)

    async def suspended() -> bool:
        return (await stage.condition("Suspended")).get("status") == "True"

    await wait_until(suspended, "it is suspended", seconds=30, explain=stage.explain)
    await create_all(stage.client, [pod("one", stage.namespace("shop"))])

    async def told() -> bool:
        return (await stage.live())["status"]["quota"]["pods"]["used"] == "1"

    await wait_until(told, "use is told of", seconds=30, explain=stage.explain)
    hards = {one["spec"]["hard"]["pods"] for one in (await stage.quotas()).values()}
    assert hards == {"5"}
    assert not (await stage.client.list(ROLE_BINDING, stage.namespace("shop"))).items
    await stage.apply(PROJECTS, quota={"compute": {"pods": "4"}}, members=[member("alice", "Admin")])
    await stage.ready()
    assert sum(int(one["spec"]["hard"]["pods"]) for one in (await stage.quotas()).values()) <= 4


async def test_deleted_with_its_namespaces_nothing_is_left(stage: TenantStage):
    await stage.apply(PROJECTS, plan="Basic", members=[member("alice", "Admin")])
    await stage.ready()
    await stage.client.create(pod("one", stage.namespace("shop")))
    await stage.client.delete(stage.key)

    async def gone() -> bool:
        return not any([await stage.client.get(ObjectKey(NAMESPACE, None, stage.namespace(project))) for project in PROJECTS])

    await wait_until(gone, "the namespaces are gone", seconds=60)


async def test_deleted_with_retain_the_namespaces_are_nobody_s_and_what_ran_runs(stage: TenantStage):
    await stage.apply(PROJECTS, plan="Basic", members=[member("alice", "Admin")], deletionPolicy="Retain")
    await stage.ready()
    shop = stage.namespace("shop")
    await stage.client.create(pod("one", shop))
    await stage.client.delete(stage.key)

    async def released() -> bool:
        live = await stage.client.get(ObjectKey(NAMESPACE, None, shop))
        assert live is not None
        bindings = (await stage.client.list(ROLE_BINDING, shop)).items
        quotas = (await stage.client.list(RESOURCE_QUOTA, shop)).items
        return "dharma.io/tenant" not in live["metadata"]["labels"] and not bindings and not quotas

    await wait_until(released, "the namespace is nobody's", seconds=30)
    live = await stage.client.get(ObjectKey(NAMESPACE, None, shop))
    assert live is not None
    assert live["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert await stage.client.get(ObjectKey(POD, shop, "one")) is not None
