"""Blue and green under load, on the cluster: every request is answered, whatever happens to the rollout or to the operator."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from tests.support.blueprints import Stage, stage
from tests.support.deployments import Application, Traffic


@pytest.fixture(scope="module")
def made(crds: None, no_other_operator: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Application, Traffic]]:
    """The first version, and requests to it."""
    with stage(tmp_path_factory.mktemp("traffic"), "dpl-traffic") as built:
        web, traffic = Application(built), Traffic(built)
        asyncio.run(built.operator.ready())
        web.apply("1")
        asyncio.run(web.phase("Idle"))
        traffic.start()
        yield built, web, traffic


async def test_no_request_fails_in_several_switches(made: tuple[Stage, Application, Traffic]) -> None:
    built, web, traffic = made
    began, before = time.monotonic(), len(built.writes())
    first = traffic.count()["sent"]
    for number in range(2, 7):
        web.apply(str(number))
        await web.serves(str(number))
    seconds = time.monotonic() - began
    writes = built.writes()[before:]
    await asyncio.sleep(12)  # the last old pods end
    counted = traffic.count()
    rate = (sum(counted["sent"].values()) - sum(first.values())) / (time.monotonic() - began)
    print(f"5 switches in {seconds:.1f} s, {rate:.0f} requests a second, {len(writes) / 5:.1f} writes a switch; {counted}")
    print("\n".join(writes[: len(writes) // 5 + 1]))
    assert counted["errors"] == 0, counted["examples"]
    assert set(counted["versions"]) == {"1", "2", "3", "4", "5", "6"}


async def test_no_request_fails_when_versions_are_aborted_before_and_after_the_switch(made: tuple[Stage, Application, Traffic]) -> None:
    _, web, traffic = made
    before = traffic.count()["errors"]
    kept, serving = web.revision("active"), web.answer()
    web.apply("manual", strategy={"promotion": "Manual", "bake": "30s"})
    await web.phase("AwaitPromotion")
    assert (web.answer(), web.answer("web-preview")) == (serving, "manual")
    web.annotate(abort=web.revision("target"))
    await web.phase("Degraded")
    assert (web.selected(), web.selected("web-preview")) == (kept, kept)
    web.apply("watched", strategy={"bake": "30s"})
    await web.phase("Bake")
    bad = web.revision("active")
    web.annotate(abort=bad)
    began = time.monotonic()
    await web.phase("Degraded", generation=False)
    print(f"abort after the switch: {time.monotonic() - began:.2f} s from the annotation to Degraded, as kubectl sees it")
    assert web.selected() == kept
    assert web.status["lastRollback"]["from"] == bad
    assert web.condition("Ready")["reason"] == "RolledBack"
    await asyncio.sleep(12)
    counted = traffic.count()
    assert counted["errors"] == before, counted["examples"]


async def test_a_version_that_breaks_after_the_switch_is_left_by_itself(made: tuple[Stage, Application, Traffic]) -> None:
    built, web, _ = made
    kept = web.revision("active")
    web.apply("breaks", strategy={"bake": "60s"})
    await web.phase("Bake")
    bad = web.revision("active")
    for pod in web.pods(bad):
        built.run("touch", "/tmp/bad", pod=pod)
    broke = time.time()
    await web.phase("Degraded")
    assert web.selected() == kept
    assert web.status["lastRollback"]["reason"] == "PodsFailed"
    events = built.kubectl("get", "events.events.k8s.io", "--output", "jsonpath={.items[*].reason}").split()
    assert "RolledBack" in events
    print(f"{time.time() - broke:.1f} s from broken to Degraded; readiness is asked once a second")
    await asyncio.sleep(4)  # nodes follow the slices with some delay, and the longest requests to the bad pods take two seconds


@pytest.mark.faults
async def test_no_request_fails_while_the_operator_is_killed_again_and_again(made: tuple[Stage, Application, Traffic]) -> None:
    built, web, traffic = made
    before = traffic.count()["errors"]
    for number in range(1, 5):
        web.apply(f"killed-{number}")
        for wait in (0.4, 0.7, 0.2):
            await asyncio.sleep(wait * number / 2)
            built.operator.kill()
            built.operator.start()
        await web.serves(f"killed-{number}")
    await asyncio.sleep(12)
    counted = traffic.count()
    assert counted["errors"] == before, counted["examples"]
