"""Whose a namespace is: taken from nobody who has it, let go in good order, put back when somebody changes or deletes it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import kubectl, wait_until
from tests.support.tenants import TenantStage, roles, tenant_stage

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.auth import login
from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import CONFIG_MAP, NAMESPACE, ROLE_BINDING, ObjectKey

ENFORCED = "pod-security.kubernetes.io/enforce"


@pytest.fixture
async def pair(
    client: Client, namespace: str, tmp_path: Path, crds: None, no_other_operator: None
) -> AsyncIterator[tuple[TenantStage, TenantStage, str]]:
    """Two Tenants in the hands of one operator, and a namespace that either may ask for; it does not exist."""
    roles()
    async with (
        tenant_stage(client, namespace, tmp_path, login) as one,
        tenant_stage(client, namespace, tmp_path, login) as other,
    ):
        also = [one.namespace("free"), one.namespace("theirs"), other.namespace("b"), one.namespace("shared")]
        await one.operator(["a"], also).start().ready()
        yield one, other, one.namespace("shared")


def project(namespace: str, name: str = "shared") -> dict[str, Any]:
    return {"name": name, "namespace": namespace}


async def made(client: Client, name: str, **metadata: Any) -> None:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}})


async def read(client: Client, name: str) -> Manifest:
    live = await client.get(ObjectKey(NAMESPACE, None, name))
    assert live is not None, f"namespace {name} is gone"
    return live


async def tenant_label(client: Client, name: str) -> str | None:
    return (await read(client, name))["metadata"].get("labels", {}).get("dharma.io/tenant")


async def refused(stage: TenantStage, *words: str) -> None:
    """Wait until the status says in these words why a namespace cannot be had."""

    async def said() -> bool:
        ready = await stage.condition("Ready")
        return ready.get("reason") == "NamespaceRefused" and all(word in ready["message"] for word in words)

    await wait_until(said, f"Tenant {stage.name} is refused: {words}", seconds=20, explain=stage.explain)


async def test_a_namespace_is_adopted_from_nobody_or_from_who_hands_it_over(pair: tuple[TenantStage, TenantStage, str]):
    one, _, _ = pair
    free, theirs = one.namespace("free"), one.namespace("theirs")
    await made(one.client, free, labels={"team": "x"})
    await made(one.client, theirs, labels={"app.kubernetes.io/managed-by": "Helm"})
    await one.apply(["free", "theirs"])
    await refused(one, theirs, "Helm", f"dharma.io/adopt: {one.name}")
    assert await tenant_label(one.client, free) == one.name, "the other project does not wait for it"
    assert (await read(one.client, free))["metadata"]["labels"]["team"] == "x", "what others set stays"
    assert await tenant_label(one.client, theirs) is None
    kubectl("annotate", "namespace", theirs, f"dharma.io/adopt={one.name}")
    await one.ready(40)
    assert await tenant_label(one.client, theirs) == one.name


async def test_of_two_that_ask_at_once_one_has_it(pair: tuple[TenantStage, TenantStage, str]):
    one, other, shared = pair
    await asyncio.gather(one.apply([project(shared)]), other.apply([project(shared)]))

    async def decided() -> str | None:
        live = await one.client.get(ObjectKey(NAMESPACE, None, shared))
        return (live or {}).get("metadata", {}).get("labels", {}).get("dharma.io/tenant")

    holder = await wait_until(decided, "somebody has it", seconds=20, explain=one.explain)
    winner, loser = (one, other) if holder == one.name else (other, one)
    await winner.ready()
    await refused(loser, shared, f"belongs to Tenant {winner.name}")
    assert await tenant_label(one.client, shared) == winner.name


@pytest.mark.parametrize("thief_policy", ["Delete", "Retain"])
async def test_no_label_and_no_name_takes_a_namespace(pair: tuple[TenantStage, TenantStage, str], thief_policy: str):
    victim, thief, shared = pair
    await victim.apply([project(shared)], deletionPolicy="Retain", members=[{"kind": "User", "name": "alice", "role": "Admin"}])
    await thief.apply(["b"], deletionPolicy=thief_policy)
    await victim.ready()
    await thief.ready()
    uid = (await read(victim.client, shared))["metadata"]["uid"]

    async def whole() -> bool:
        metadata = (await read(victim.client, shared))["metadata"]
        mine = metadata["labels"].get("dharma.io/tenant") == victim.name and metadata["labels"].get("dharma.io/project") == "shared"
        return mine and metadata.get("annotations", {}).get("dharma.io/retain") == "true" and metadata["labels"][ENFORCED] == "restricted"

    for change in (f"dharma.io/tenant={thief.name}", "dharma.io/tenant-", "dharma.io/project=other", f"{ENFORCED}=privileged"):
        kubectl("label", "--overwrite", "namespace", shared, change)
        await wait_until(whole, f"{change} is put back", seconds=10, every=0.05, explain=victim.explain)
    kubectl("label", "--overwrite", "namespace", shared, f"dharma.io/tenant={thief.name}")
    await thief.apply(["b", project(shared)], deletionPolicy=thief_policy)
    await refused(thief, shared, f"belongs to Tenant {victim.name}")
    await thief.apply(["b"], deletionPolicy=thief_policy)
    await thief.ready()
    await wait_until(whole, "it is as it was", seconds=10, explain=victim.explain)
    assert (await read(victim.client, shared))["metadata"]["uid"] == uid
    assert await victim.client.get(ObjectKey(ROLE_BINDING, shared, "dharma-admin")) is not None
    assert int((await victim.live())["status"]["drift"]["count"]) >= 4, "each change by hand is counted"


@pytest.mark.parametrize("thief_policy", ["Delete", "Retain"])
async def test_a_label_does_not_let_another_delete_or_release_it(pair: tuple[TenantStage, TenantStage, str], thief_policy: str):
    """Nobody puts the label back, as the Tenant is suspended: even so the other may not act on what is on record as not its own."""
    victim, thief, shared = pair
    await victim.apply([project(shared)], deletionPolicy="Retain")
    await thief.apply(["b"], deletionPolicy=thief_policy)
    await victim.ready()
    await thief.ready()
    await victim.apply([project(shared)], deletionPolicy="Retain", suspend=True)
    before = (await read(victim.client, shared))["metadata"]
    kubectl("label", "--overwrite", "namespace", shared, f"dharma.io/tenant={thief.name}")
    await thief.apply(["b"], deletionPolicy=thief_policy, displayName="Thief")
    await thief.ready()
    await asyncio.sleep(2)  # what the thief would do needs two runs
    after = (await read(victim.client, shared))["metadata"]
    assert after["uid"] == before["uid"]
    assert "deletionTimestamp" not in after
    assert after["annotations"]["dharma.io/retain"] == "true"
    assert after["labels"] == {**before["labels"], "dharma.io/tenant": thief.name}
    await victim.apply([project(shared)], deletionPolicy="Retain", suspend=False)
    await victim.ready()
    assert await tenant_label(victim.client, shared) == victim.name


async def test_a_namespace_that_is_deleted_by_hand_is_said_and_made_again(pair: tuple[TenantStage, TenantStage, str]):
    one, _, _ = pair
    await one.apply(["a"], quota={"compute": {"pods": "4"}})
    await one.ready()
    name = one.namespace("a")
    uid = (await read(one.client, name))["metadata"]["uid"]
    held = ObjectKey(CONFIG_MAP, name, "held")
    metadata = {"name": "held", "namespace": name, "finalizers": ["test.dharma.io/hold"]}
    await one.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    try:
        kubectl("delete", "namespace", name, "--wait=false")

        async def said() -> bool:
            ready = await one.condition("Ready")
            return ready["reason"] == "NamespaceTerminating" and "test.dharma.io/hold" in ready["message"]

        await wait_until(said, "the status says that it is being deleted, and on what it hangs", seconds=30, explain=one.explain)
    finally:
        await one.client.patch(held, {"metadata": {"finalizers": None}})

    async def again() -> bool:
        live = await one.client.get(ObjectKey(NAMESPACE, None, name))
        return live is not None and live["metadata"]["uid"] != uid

    await wait_until(again, "it is made again", seconds=30, explain=one.explain)
    await one.ready()
    assert (await one.quotas())[name]["status"]["hard"]["pods"] == "4"


async def test_what_is_released_is_nobody_s_and_another_may_have_it(pair: tuple[TenantStage, TenantStage, str]):
    one, other, shared = pair
    await one.apply(["a", project(shared)], deletionPolicy="Retain", members=[{"kind": "User", "name": "alice", "role": "Admin"}])
    await one.ready()
    await one.apply(["a"], deletionPolicy="Retain")

    async def released() -> bool:
        return await tenant_label(one.client, shared) is None

    await wait_until(released, "it is let go", seconds=20, explain=one.explain)
    metadata = (await read(one.client, shared))["metadata"]
    left = {name for name in metadata["labels"] if not name.startswith("pod-security.") and name != "kubernetes.io/metadata.name"}
    assert left == set()
    assert metadata["labels"][ENFORCED] == "restricted", "it must not become weaker by it"
    assert "dharma.io/retain" not in metadata.get("annotations", {})
    assert not metadata.get("ownerReferences")
    await one.ready()
    assert await one.client.get(ObjectKey(ROLE_BINDING, shared, "dharma-admin")) is None, "its members have no right there any more"
    await other.apply([project(shared)])
    await other.ready()
    assert await tenant_label(one.client, shared) == other.name
    assert [entry["name"] for entry in (await one.live())["status"]["namespaces"]] == [one.namespace("a")]
