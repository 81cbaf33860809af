"""The operator dies at its writes for a Tenant, and the next one brings the same end about; never may more be used than the limit."""

import os
import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import kubectl, wait_until
from tests.support.crash_walk import Scenario, walk
from tests.support.tenant_walk import apply, look, space, spaces, tenant_of, witnessed
from tests.support.tenants import create_all, pod, roles

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import NAMESPACE, RESOURCE_QUOTA, TENANT, ObjectKey

BOTH = ("a", "b")
ALICE = {"kind": "User", "name": "alice", "role": "Admin"}
BOB = {"kind": "Group", "name": "bobs", "role": "Editor", "projects": ["a"]}
LIMITS = {"container": {"default": {"cpu": "100m", "memory": "64Mi"}, "defaultRequest": {"cpu": "50m", "memory": "32Mi"}}}
SPEC: dict[str, Any] = {"members": [ALICE, BOB], "limits": LIMITS, "quota": {"compute": {"pods": "10"}}}
CHANGED: dict[str, Any] = {
    "plan": "Pro",
    "members": [{**ALICE, "role": "Viewer"}, {"kind": "User", "name": "carol", "role": "Admin", "projects": ["b"]}],
    "limits": {"container": {"max": {"cpu": "2"}}},
    "quota": {"compute": {"pods": "14", "requests.memory": "2Gi"}, "blueprints": 5},
    "network": {"isolation": "Project"},
    "podSecurity": "Baseline",
}


def applies(projects: Iterable[str], *, pods: int = 0, **spec: Any) -> Callable[[Client, str], Awaitable[object]]:
    """Write the Tenant, when so many pods have been made in project a."""

    async def act(client: Client, home: str) -> None:
        admitted, refused = await create_all(client, [pod(f"w-{number}", space(home, "a")) for number in range(pods)])
        assert (admitted, refused) == (pods, 0)
        apply(home, projects, **spec)

    return act


async def deletes(client: Client, home: str) -> None:
    kubectl("delete", "tenant", tenant_of(home), "--wait=false")


async def is_ready(client: Client, home: str) -> Manifest | None:
    """This generation is Ready and at rest, and each ResourceQuota is in force."""
    found = await client.get(ObjectKey(TENANT, None, tenant_of(home)))
    assert found is not None
    conditions = {item["type"]: item for item in found.get("status", {}).get("conditions") or ()}
    wanted = {"Ready": "True", "Reconciling": "False", "WithinQuota": "True"}
    generation = found["metadata"]["generation"]
    settled = all(
        conditions.get(kind, {}).get("status") == status and conditions[kind].get("observedGeneration") == generation
        for kind, status in wanted.items()
    )
    return found if settled else None


async def has_moved(client: Client, home: str) -> bool:
    """Project a uses the five that it began with: a part of what b has is its own now."""
    quotas = {one: await client.get(ObjectKey(RESOURCE_QUOTA, space(home, one), "dharma-quota")) for one in BOTH}
    hard = {one: int(live["spec"]["hard"]["pods"]) if live else 0 for one, live in quotas.items()}
    return hard["a"] >= 7 and sum(hard.values()) == 10 and await is_ready(client, home) is not None


async def b_is_released(client: Client, home: str) -> bool:
    live = await client.get(ObjectKey(NAMESPACE, None, space(home, "b")))
    assert live is not None, "a namespace that is to be retained is gone"
    left = await client.get(ObjectKey(RESOURCE_QUOTA, space(home, "b"), "dharma-quota"))
    return "dharma.io/tenant" not in live["metadata"].get("labels", {}) and left is None and await a_has_all(client, home)


async def b_is_gone(client: Client, home: str) -> bool:
    return await client.get(ObjectKey(NAMESPACE, None, space(home, "b"))) is None and await a_has_all(client, home)


async def a_has_all(client: Client, home: str) -> bool:
    """What b had is free: a presses, and gets as much as lets it grow."""
    live = await is_ready(client, home)
    quota = await client.get(ObjectKey(RESOURCE_QUOTA, space(home, "a"), "dharma-quota"))
    return bool(live and quota and int(quota["spec"]["hard"]["pods"]) > 5 and len(live["status"]["namespaces"]) == 1)


async def all_are_released(client: Client, home: str) -> bool:
    if await client.get(ObjectKey(TENANT, None, tenant_of(home))) is not None:
        return False
    for project in BOTH:
        live = await client.get(ObjectKey(NAMESPACE, None, space(home, project)))
        assert live is not None, "a namespace that is to be retained is gone"
        listings = await client.list(RESOURCE_QUOTA, space(home, project))
        if "dharma.io/tenant" in live["metadata"].get("labels", {}) or listings.items:
            return False
    return True


def arranges(**spec: Any) -> Callable[[Client, str], Awaitable[object]]:
    async def arrange(client: Client, home: str) -> None:
        apply(home, BOTH, **spec)
        await wait_until(lambda: is_ready(client, home), "the Tenant is ready before the change", seconds=120)

    return arrange


def chosen(count: int) -> Iterable[int]:
    """All writes with WALK=all, else one, another each time: every run adds to the proof in a minute."""
    if os.environ.get("WALK") == "all":
        return range(1, count + 1)
    picked = [random.randint(1, count)]
    print(f"crashing at write {picked} of {count}; WALK=all crashes at every one")
    return picked


def scenario(name: str, act: Callable, converged: Callable, *, arrange: Callable | None = None, pods: int = 10) -> Scenario:
    return Scenario(
        name, act, converged, arrange, spaces=spaces(*BOTH), look=look(*BOTH), around=witnessed({"pods": pods}, *BOTH), hide=tenant_of
    )


RETAINED = {**SPEC, "deletionPolicy": "Retain"}
SCENARIOS = [
    scenario("tenant", applies(BOTH, **SPEC), is_ready),
    scenario("rebalance", applies(BOTH, pods=5, **SPEC), has_moved, arrange=arranges(**SPEC)),
    scenario("retained", applies(["a"], pods=5, **RETAINED), b_is_released, arrange=arranges(**RETAINED)),
    scenario("dropped", applies(["a"], pods=5, **SPEC), b_is_gone, arrange=arranges(**SPEC)),
    scenario("changed", applies(BOTH, **CHANGED), is_ready, arrange=arranges(**SPEC), pods=14),
    scenario("leaving", deletes, all_are_released, arrange=arranges(**RETAINED)),
]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_every_crash_converges(scenario: Scenario, client: Client, crds: None, no_other_operator: None, tmp_path: Path) -> None:
    roles()
    walked = await walk(scenario, client, tmp_path, choose=chosen)
    print(f"{scenario.name}: {len(walked.writes)} writes, {len(walked.crashes)} crashes")
    assert walked.crashes
    assert not walked.diverged, walked.verdict()
