"""Deployments on the cluster: checks, autoscaling, bindings, quotas, versions that cannot run, going back."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import cluster
from tests.support.blueprints import Stage, blueprint, postgres, stage
from tests.support.deployments import Application, Traffic


@pytest.fixture(scope="module")
def made(crds: None, no_other_operator: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A namespace with an operator, and a client pod."""
    with stage(tmp_path_factory.mktemp("facets"), "dpl-facets") as built:
        asyncio.run(built.operator.ready())
        Traffic(built, short=0, kept=0, slow=0).start()
        yield built


def events(built: Stage) -> list[str]:
    return built.kubectl("get", "events.events.k8s.io", "--output", "jsonpath={.items[*].reason}").split()


async def test_http_checks_before_and_after_the_switch(made: Stage) -> None:
    web = Application(made, "checked")
    web.apply("1", replicas=2)
    await web.phase("Idle")
    smoke = {"name": "smoke", "http": {"path": "/", "count": 6, "interval": "1s"}}
    web.apply("2", replicas=2, strategy={"checks": {"before": [smoke], "after": [{**smoke, "name": "errors"}]}})
    await web.phase("PreCheck")
    await web.answers("2", "checked-preview")
    assert web.answer() == "1"
    await web.serves("2")
    kept = web.revision("active")
    refuses = {"name": "smoke", "http": {"path": "/", "expect": 404, "count": 1}}
    web.apply("3", replicas=2, strategy={"checks": {"before": [refuses]}})
    await web.phase("Degraded")
    rollback = web.status["lastRollback"]
    assert (web.selected(), rollback["reason"]) == (kept, "CheckFailed")
    assert "answered 200 to /, not 404" in rollback["message"]
    web.apply("4", replicas=2, strategy={"bake": "60s", "checks": {"after": [{**refuses, "name": "errors"}]}})
    began = time.monotonic()
    await web.phase("Degraded")
    print(f"a bad version, from apply to given up after its switch: {time.monotonic() - began:.1f} s")
    assert web.selected() == kept
    assert events(made).count("RolledBack") == 2


async def test_an_image_that_cannot_be_pulled_is_given_up_and_said_why(made: Stage) -> None:
    web = Application(made, "pull")
    web.apply("1", replicas=1)
    await web.phase("Idle")
    kept = web.revision("active")
    web.apply("2", replicas=1, image="registry.invalid/nobody:1", strategy={"progressDeadline": "10s"})
    await web.phase("Degraded")
    assert web.selected() == kept
    assert web.status["lastRollback"]["reason"] == "ProgressDeadlineExceeded"
    assert "Pull" in web.status["lastRollback"]["message"]


async def test_a_quota_that_is_too_small_is_named_before_anything_is_made(made: Stage) -> None:
    web = Application(made, "large")
    web.apply("1", replicas=2)
    await web.phase("Idle")
    used = len(json.loads(made.kubectl("get", "pods", "--output", "json"))["items"])
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": {"pods": str(used + 1)}}}
    made.apply(quota)
    await made.until("the quota is counted", lambda: ((made.get("resourcequota", "team") or {}).get("status") or {}).get("used"))
    web.apply("2", replicas=2)
    await made.until("it is refused", lambda: web.condition("Stalled").get("reason") == "QuotaTooSmall")
    assert "needs 2 of pods, 1 are left, 1 too few" in web.condition("Ready")["message"]
    made.kubectl("delete", "resourcequota", "team")
    await web.serves("2", seconds=60)


async def test_an_autoscalers_number_is_carried_over_to_the_new_version(made: Stage) -> None:
    web = Application(made, "scaled")
    web.apply("1", replicas=None, autoscaling={"min": 3, "max": 4, "cpu": 80})
    await web.phase("Idle")
    first = web.revision("active")
    assert made.get("hpa", "scaled")["spec"]["scaleTargetRef"]["name"] == f"scaled-{first}"
    # Three pods are what it has when its spec asks for one and more: the autoscaler alone may take some away.
    web.apply("2", replicas=None, autoscaling={"min": 1, "max": 4, "cpu": 80})
    await web.phase("Bake", "Drain", "Idle")
    second = web.revision("active")
    await web.serves("2")
    assert made.get("rs", f"scaled-{second}")["spec"]["replicas"] == 3
    assert made.get("hpa", "scaled")["spec"]["scaleTargetRef"]["name"] == f"scaled-{second}"
    scale = {"spec": {"replicas": 4}}
    made.kubectl("patch", "rs", f"scaled-{second}", "--subresource=scale", "--type=merge", f"--patch={json.dumps(scale)}")


async def test_a_connection_secret_comes_into_the_environment(made: Stage) -> None:
    web = Application(made, "bound")
    binding = [{"blueprint": "shop", "component": "db", "as": "DATABASE"}]
    web.apply("1", replicas=1, bind=binding)
    await made.until("it waits", lambda: web.condition("Ready").get("reason") == "BindingNotReady")
    assert "there is no Blueprint shop" in web.condition("Ready")["message"]
    made.apply(blueprint(postgres(databases=[{"name": "shop", "owner": "shop"}])))
    await web.serves("1", seconds=120)
    environment = made.run("env", pod=web.pods(web.revision("active"))[0])
    assert "DATABASE_HOST=shop-db-rw." in environment
    assert f"DATABASE_URI={made.secret('shop-db-shop')['uri']}" in environment


async def test_an_older_version_is_brought_back_and_left_again(made: Stage) -> None:
    web = Application(made, "undone")
    web.apply("1", replicas=1)
    await web.phase("Idle")
    first = web.revision("active")
    web.apply("2", replicas=1)
    await web.serves("2")
    web.annotate(rollback_to=first)
    await web.phase("Degraded", generation=False)
    assert (web.answer(), web.condition("Ready")["reason"]) == ("1", "RolledBack")
    web.apply("3", replicas=1)
    await web.serves("3")


async def test_at_rest_nothing_is_written(made: Stage) -> None:
    await asyncio.sleep(3)
    before = len(made.writes())
    await made.operator.stop()
    await made.operator.start().ready()
    await asyncio.sleep(4)
    assert [line for line in made.writes()[before:] if "Blueprint" not in line] == []


async def test_a_job_decides_before_the_switch(made: Stage) -> None:
    web = Application(made, "probed")
    web.apply("1", replicas=1)
    await web.phase("Idle")
    kept = web.revision("active")

    def probe(answer: str) -> dict[str, Any]:
        command = ["bash", "-c", f'test "$(curl -s http://$DHARMA_TARGET/)" = {answer}']
        return {"checks": {"before": [{"name": "probe", "job": {"image": cluster.images()["toolbox"], "command": command}}]}}

    web.apply("2", replicas=1, strategy=probe("other"))
    await web.phase("Degraded")
    assert (web.selected(), web.status["lastRollback"]["reason"]) == (kept, "CheckFailed")
    assert "BackoffLimitExceeded" in web.status["lastRollback"]["message"]
    web.apply("3", replicas=1, strategy=probe("3"))
    await web.serves("3")
