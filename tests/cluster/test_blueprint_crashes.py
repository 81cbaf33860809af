"""The operator dies at its writes, and the next one brings the same end about: nothing missing, nothing left over."""

import os
import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.blueprints import blueprint, pgbouncer, postgres, redis
from tests.support.cluster import kubectl, wait_until
from tests.support.crash_walk import Scenario, walk

from dharma_operator.kube.client import Client
from dharma_operator.kube.resources import BLUEPRINT, ObjectKey

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
        await applies(manifest)(client, namespace)
        await wait_until(lambda: is_ready(client, namespace), "Ready before the change", seconds=90)

    return arrange


def chosen(count: int) -> Iterable[int]:
    """All writes with WALK=all, else a few, others each time: every run adds to the proof in a minute."""
    if os.environ.get("WALK") == "all":
        return range(1, count + 1)
    picked = sorted(random.sample(range(1, count + 1), min(count, 3)))
    print(f"crashing at writes {picked} of {count}; WALK=all crashes at every one")
    return picked


SCENARIOS = [
    pytest.param(Scenario("create", applies(WHOLE), is_ready), id="create"),
    pytest.param(Scenario("change", applies(GROWN), is_ready, arrange=arranges(WHOLE)), id="scale and change"),
    pytest.param(Scenario("remove", applies(CACHE), is_ready, arrange=arranges(TWO_CACHES)), id="remove a component"),
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_every_crash_converges(scenario: Scenario, client: Client, crds: None, no_other_operator: None, tmp_path: Path) -> None:
    walked = await walk(scenario, client, tmp_path, choose=chosen)
    print(f"{scenario.name}: {len(walked.writes)} writes, {len(walked.crashes)} crashes")
    assert walked.crashes
    assert not walked.diverged, walked.verdict()
