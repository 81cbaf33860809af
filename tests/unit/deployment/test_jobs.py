"""Checks that are programs."""

from typing import Any

import pytest
from tests.unit.deployment.simulation import Simulation

JOB = {"image": "probe:1", "command": ["/probe", "--fast"], "timeout": "90s"}


def jobs(world: Simulation) -> list[dict[str, Any]]:
    return [item for (kind, _), item in world.objects.items() if kind == "Job"]


def ended(world: Simulation, how: str) -> None:
    for job in jobs(world):
        job["status"] = {"conditions": [{"type": how, "status": "True", "reason": "BackoffLimitExceeded", "message": "it ended"}]}


def rolling(stage: str) -> Simulation:
    world = Simulation().established()
    world.strategy(checks={stage: [{"name": "probe", "job": JOB}]})
    world.spec["image"] = "shop:2"
    world.rounds()
    return world


@pytest.mark.parametrize(("stage", "phase", "service"), [("before", "PreCheck", "web-preview"), ("after", "Bake", "web")])
def test_a_job_runs_against_the_new_version_and_is_waited_for(stage: str, phase: str, service: str) -> None:
    world = rolling(stage)
    (job,) = jobs(world)
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert world.phase == phase
    assert {one["name"]: one["value"] for one in container["env"]} == {
        "DHARMA_TARGET": f"{service}.acme.svc", "DHARMA_REVISION": world.revision("target"),
    }  # fmt: skip
    assert container["command"] == ["/probe", "--fast"]
    assert job["spec"]["activeDeadlineSeconds"] == 90
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert not any(name in labels for name in ("dharma.io/deployment", "dharma.io/revision"))
    world.rounds()
    assert world.phase == phase
    ended(world, "Complete")
    world.settle(60)
    assert (world.phase, world.image("active")) == ("Idle", "shop:2")


@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_job_that_fails_sends_the_version_back_and_stays_to_be_read(stage: str) -> None:
    world = rolling(stage)
    ended(world, "Failed")
    world.rounds()
    assert (world.phase, world.image("active"), world.status["lastRollback"]["reason"]) == ("Degraded", "shop:1", "CheckFailed")
    assert "BackoffLimitExceeded: it ended" in world.status["lastRollback"]["message"]
    world.settle(60)
    assert len(jobs(world)) == 1
    world.strategy(checks={})
    world.spec["image"] = "shop:3"
    world.settle(60)
    assert (world.image("active"), len(jobs(world))) == ("shop:3", 1)
    world.spec["image"] = "shop:4"
    world.settle(60)
    assert world.image("active") == "shop:4"
