"""The operator dies at its writes, and the next one brings the same end about: nothing missing, nothing left over."""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.blueprints import blueprint, pgbouncer, postgres, redis
from tests.support.cluster import kubectl
from tests.support.crash_walk import Scenario, walk

from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import BLUEPRINT, CONFIG_MAP, SECRET, STATEFUL_SET, ObjectKey

CACHE = blueprint(redis(persistence="None"))
TWO_CACHES = blueprint(redis(persistence="None"), redis("more", persistence="None"))
WHOLE = blueprint(postgres(databases=[{"name": "shop", "owner": "shop", "extensions": ["pgcrypto"]}]), pgbouncer())
GROWN = blueprint(
    postgres(databases=[{"name": "shop", "owner": "shop", "extensions": ["pgcrypto"]}], parameters={"work_mem": "9MB"}),
    pgbouncer(replicas=2),
)


def applies(manifest: dict[str, Any]) -> Callable[[Client, str], Awaitable[object]]:
    async def act(client: Client, namespace: str) -> None:
        kubectl("--namespace", namespace, "apply", "--filename", "-", stdin=yaml.safe_dump(manifest))

    return act


async def is_ready(client: Client, namespace: str) -> bool:
    """This generation is Ready and at rest."""
    found = await client.get(ObjectKey(BLUEPRINT, namespace, "shop"))
    if found is None:
        return False
    generation = found["metadata"]["generation"]
    conditions = {item["type"]: item for item in (found.get("status") or {}).get("conditions") or ()}
    return all(
        conditions.get(kind, {}).get("status") == status and conditions[kind].get("observedGeneration") == generation
        for kind, status in (("Ready", "True"), ("Reconciling", "False"))
    )


def arranges(manifest: dict[str, Any]) -> Callable[[Client, str], Awaitable[object]]:
    async def arrange(client: Client, namespace: str) -> None:
        from tests.support.cluster import wait_until

        await applies(manifest)(client, namespace)
        await wait_until(lambda: is_ready(client, namespace), "Ready before the change", seconds=90)

    return arrange


async def deletes(client: Client, namespace: str) -> None:
    await client.delete(ObjectKey(BLUEPRINT, namespace, "shop"))


async def is_gone(client: Client, namespace: str) -> bool:
    """Nothing of the Blueprint is left but what is to be kept."""
    kept = await client.list(SECRET, namespace, label_selector="dharma.io/blueprint")
    sets = await client.list(STATEFUL_SET, namespace)
    maps = await client.list(CONFIG_MAP, namespace, label_selector="dharma.io/blueprint")
    return bool(kept.items) and not sets.items and not maps.items


def some(count: int) -> Iterable[int]:
    """Every fifth write, the first and the last."""
    return sorted({1, count, *range(3, count, 5)})


SCENARIOS = [
    pytest.param(Scenario("create-cache", applies(CACHE), is_ready), None, id="create, every write"),
    pytest.param(Scenario("remove", applies(CACHE), is_ready, arrange=arranges(TWO_CACHES)), None, id="remove a component, every write"),
    pytest.param(Scenario("create-whole", applies(WHOLE), is_ready), some, id="create Postgres and pooler, some writes"),
    pytest.param(Scenario("change", applies(GROWN), is_ready, arrange=arranges(WHOLE)), None, id="scale and change, every write"),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("scenario", "choose"), SCENARIOS)
async def test_every_crash_converges(
    scenario: Scenario, choose: Callable[[int], Iterable[int]] | None, client: Client, crds: None, no_other_operator: None, tmp_path: Path
) -> None:
    walked = await walk(scenario, client, tmp_path, **({"choose": choose} if choose else {}))
    print(f"{scenario.name}: {len(walked.writes)} writes, {len(walked.crashes)} crashes")
    assert walked.crashes
    assert not walked.diverged, walked.verdict()
