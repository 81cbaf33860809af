"""Tenants when things go wrong around them: the API server away, a project gone in a burst, a namespace that hangs, a missing right."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.chart import NAME, rendered
from tests.support.cluster import KUBECONFIG, kubectl, wait_until
from tests.support.tcp_proxy import Door
from tests.support.tenants import QuotaWitness, TenantStage, count, create_all, pod, roles, tenant_stage

from dharma_operator.kube.auth import login
from dharma_operator.kube.client import Changed, Client
from dharma_operator.kube.errors import ApiError
from dharma_operator.kube.resources import CONFIG_MAP, LIMIT_RANGE, NAMESPACE, NETWORK_POLICY, POD, RESOURCE_QUOTA, ObjectKey

HOLD = "test.dharma.io/hold"


@pytest.fixture
async def stage(client: Client, namespace: str, tmp_path: Path, crds: None, no_other_operator: None) -> AsyncIterator[TenantStage]:
    roles()
    async with tenant_stage(client, namespace, tmp_path, login) as made:
        yield made


@pytest.fixture
async def other(stage: TenantStage) -> AsyncIterator[TenantStage]:
    """Another Tenant, in the hands of the same operator."""
    async with tenant_stage(stage.client, stage.home, stage.folder, login) as made:
        yield made


async def reachable(stage: TenantStage, spaces: list[str], limit: int) -> None:
    """The limit can be used to the last: no capacity was lost on the way."""

    async def full() -> bool:
        there = await count(stage.client, POD, spaces)
        assert there <= limit
        if there < limit:
            await create_all(stage.client, [pod(f"more-{secrets.token_hex(3)}", one) for one in spaces for _ in range(3)])
        return there == limit

    await wait_until(full, f"{limit} pods are there", seconds=60, every=0.3, explain=stage.explain)


async def test_an_api_server_that_goes_away_in_the_middle_of_a_move(stage: TenantStage, tmp_path: Path):
    spaces = [stage.namespace(project) for project in ("a", "b")]
    async with Door(KUBECONFIG) as door:
        operator = stage.operator(["a", "b"])
        operator.environment["KUBECONFIG"] = str(door.kubeconfig(tmp_path / "through-the-door"))
        await operator.start().ready()
        await stage.apply(["a", "b"], quota={"compute": {"pods": "20"}})
        await stage.ready()

        async def cut() -> None:
            """Close the door at the first sign of a move: what gives has been shrunk, what takes has not been raised."""
            before = (await stage.quotas())[spaces[1]]["spec"]["hard"]
            async for item in stage.client.watch(RESOURCE_QUOTA, spaces[1]):
                if isinstance(item, Changed) and item.object["spec"]["hard"] != before:
                    door.shut()
                    return

        async with QuotaWitness(stage.client, stage.name, {"pods": 20}) as witness:
            cutting = asyncio.create_task(cut())
            await create_all(stage.client, [pod(f"w-{number}", spaces[0]) for number in range(10)])
            await asyncio.wait_for(cutting, 20)
            await create_all(stage.client, [pod(f"x-{number}", space) for number in range(15) for space in spaces])
            assert await count(stage.client, POD, spaces) <= 20
            await asyncio.sleep(2)
            door.open()
            await reachable(stage, spaces, 20)
            assert witness.violations == []


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
async def test_a_project_that_is_removed_during_a_burst(stage: TenantStage, policy: str):
    projects = ["a", "b", "c"]
    spaces = [stage.namespace(project) for project in projects]
    await stage.operator(projects).start().ready()
    spec: dict[str, Any] = {"deletionPolicy": policy, "quota": {"compute": {"pods": "30"}}}
    await stage.apply(projects, **spec)
    await stage.ready()

    async def ask(number: int) -> None:
        with contextlib.suppress(ApiError):  # used up, being deleted, or gone
            await stage.client.create(pod(f"w-{number}", spaces[number % 3]))

    async with QuotaWitness(stage.client, stage.name, {"pods": 30}) as witness:
        burst = asyncio.gather(*(ask(number) for number in range(60)))
        await stage.apply(["a", "b"], **spec)
        await burst

        async def left() -> bool:
            live = await stage.client.get(ObjectKey(NAMESPACE, None, spaces[2]))
            retained = live is not None and "dharma.io/tenant" not in live["metadata"].get("labels", {})
            return spaces[2] not in await stage.quotas() and (live is None if policy == "Delete" else retained)

        await wait_until(left, "the project has left", seconds=40, explain=stage.explain)
        await stage.ready()
        await reachable(stage, spaces[:2], 30)
        assert witness.violations == []


async def test_a_namespace_that_hangs_is_said_and_holds_nobody_up(stage: TenantStage, other: TenantStage):
    stays, hangs = (stage.namespace(project) for project in ("stays", "hangs"))
    await stage.operator(["stays", "hangs"], [other.namespace("a"), other.namespace("b")]).start().ready()
    await stage.apply(["stays", "hangs"], quota={"compute": {"pods": "8"}})
    await stage.ready()
    held = ObjectKey(CONFIG_MAP, hangs, "held")
    metadata = {"name": "held", "namespace": hangs, "finalizers": [HOLD]}
    await stage.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    try:
        await stage.apply(["stays"], quota={"compute": {"pods": "8"}})

        async def says() -> bool:
            listed = {one["name"]: one for one in (await stage.live())["status"]["namespaces"]}
            condition = await stage.condition("Reconciling")
            return hangs in listed and HOLD in listed[hangs]["message"] and condition["reason"] == "NamespaceTerminating"

        await wait_until(says, "the status says on what the namespace of a removed project hangs", seconds=30, explain=stage.explain)
        assert (await create_all(stage.client, [pod("w", stays)])) == (1, 0)
        await other.apply(["a"], quota={"compute": {"pods": "4"}})
        await other.ready()

        kubectl("delete", "tenant", stage.name, "--cascade=foreground", "--wait=false")

        async def tells() -> bool:
            condition = await stage.condition("Ready")
            return condition["reason"] == "Terminating" and hangs in condition["message"] and HOLD in condition["message"]

        await wait_until(tells, "the status says on what the deletion hangs", seconds=30, explain=stage.explain)
        await other.apply(["a", "b"], quota={"compute": {"pods": "4"}})
        await other.ready()
    finally:
        await stage.client.patch(held, {"metadata": {"finalizers": None}})

    async def gone() -> bool:
        keys = (stage.key, ObjectKey(NAMESPACE, None, stays), ObjectKey(NAMESPACE, None, hangs))
        return not any([await stage.client.get(key) for key in keys])

    await wait_until(gone, "the Tenant and its namespaces are gone", seconds=60)


@pytest.fixture
def account(stage: TenantStage) -> Iterator[str]:
    """A ServiceAccount with the operator's rights on what has cluster scope, and no others yet. The name also of its roles."""
    name, home = stage.name, stage.home
    (whole,) = (
        one for one in rendered("--show-only", "templates/rbac.yaml") if (one["kind"], one["metadata"]["name"]) == ("ClusterRole", NAME)
    )
    (lease,) = (one for one in rendered("--show-only", "templates/rbac.yaml") if (one["kind"], one["metadata"]["name"]) == ("Role", NAME))
    wide = {"tenants", "tenants/status", "tenants/finalizers", "namespaces", "clusterroles"}
    rules = [{**rule, "resources": [one for one in rule["resources"] if one in wide]} for rule in whole["rules"]]
    leases = [{key: value for key, value in rule.items() if key != "resourceNames"} for rule in lease["rules"]]
    group = "rbac.authorization.k8s.io"
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": home}]
    version = {"apiVersion": f"{group}/v1"}
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": home}},
        {**version, "kind": "ClusterRole", "metadata": {"name": name}, "rules": whole["rules"]},
        {**version, "kind": "ClusterRole", "metadata": {"name": f"{name}-wide"}, "rules": [one for one in rules if one["resources"]]},
        {
            **version,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": f"{name}-wide"},
            "subjects": subjects,
        },
        {**version, "kind": "Role", "metadata": {"name": name, "namespace": home}, "rules": leases},
        {
            **version,
            "kind": "RoleBinding",
            "metadata": {"name": f"{name}-lease", "namespace": home},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": subjects,
        },
    ]
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))
    bindings = {"default": "view", "kube-system": "view"}
    try:
        for namespace, role in bindings.items():
            bind(name, home, namespace, role)
        bind(name, home, home, name)
        yield name
    finally:
        for namespace in bindings:
            kubectl("delete", "rolebinding", name, "--namespace", namespace, "--ignore-not-found", check=False)
        kubectl("delete", "clusterrolebinding", name, "--ignore-not-found", check=False)
        kubectl("delete", "clusterrole", name, f"{name}-wide", "--ignore-not-found", check=False)


def bind(account: str, home: str, namespace: str, role: str) -> None:
    kubectl("create", "rolebinding", account, "--namespace", namespace, f"--clusterrole={role}", f"--serviceaccount={home}:{account}")


def kubeconfig_of(account: str, home: str, path: Path) -> str:
    config = yaml.safe_load(KUBECONFIG.read_text())
    (user,) = config["users"]
    user["user"] = {"token": kubectl("create", "token", account, "--namespace", home).strip()}
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def test_a_right_that_is_missing_in_one_namespace(stage: TenantStage, account: str, tmp_path: Path):
    shop, lab = (stage.namespace(project) for project in ("shop", "lab"))
    for name in (shop, lab):
        await stage.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    bind(account, stage.home, shop, account)
    operator = stage.operator(["shop", "lab"])
    operator.environment["KUBECONFIG"] = kubeconfig_of(account, stage.home, tmp_path / "limited")
    await operator.start().ready()
    limits = {"container": {"default": {"cpu": "100m"}}}
    await stage.apply(["shop", "lab"], quota={"compute": {"pods": "10"}}, limits=limits)

    async def says() -> bool:
        ready = await stage.condition("Ready")
        return ready.get("status") == "False" and lab in ready["message"] and "forbidden" in ready["message"]

    await wait_until(says, "the status names the namespace and the right that is missing", seconds=30, explain=stage.explain)
    print((await stage.condition("Ready"))["message"])

    async def dressed() -> bool:
        found = [await stage.client.list(kind, shop) for kind in (LIMIT_RANGE, NETWORK_POLICY, RESOURCE_QUOTA)]
        listed = {one["name"]: one for one in (await stage.live())["status"].get("namespaces", ())}
        return all(one.items for one in found) and listed.get(shop, {}).get("ready") is True and not listed[lab]["ready"]

    await wait_until(dressed, "the other namespace has all that it needs", seconds=30, explain=stage.explain)
    assert (await create_all(stage.client, [pod("w", shop)])) == (1, 0)

    async def counted() -> bool:
        return (await stage.live())["status"]["quota"]["pods"]["used"] == "1"

    await wait_until(counted, "the status counts on", seconds=10, explain=stage.explain)
    bind(account, stage.home, lab, account)
    await stage.ready(60)
