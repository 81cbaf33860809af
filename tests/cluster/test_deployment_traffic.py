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
