"""A canary: the passwords that the operator generates are found nowhere but in Secrets."""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest
from tests.support.blueprints import Stage, blueprint, pgbouncer, postgres, redis, stage

PASSWORD_KEY = re.compile(r"password$")
READABLE = (
    "dhb", "pods", "configmaps", "services", "statefulsets", "deployments.apps", "roles", "rolebindings", "events", "leases",
    "persistentvolumeclaims", "networkpolicies", "endpointslices", "controllerrevisions", "replicasets",
)  # fmt: skip


@pytest.fixture(scope="module")
def shop(crds: None, no_other_operator: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("secrecy"), "bp-secrecy") as made:
        made.operator.environment["DHARMA_LOG_LEVEL"] = "DEBUG"
        made.operator.close()
        made.operator.start()
        asyncio.run(made.operator.ready())
        made.apply(blueprint(postgres(databases=[{"name": "shop", "owner": "shop", "extensions": ["pgcrypto"]}]), pgbouncer(), redis()))
        asyncio.run(made.ready())
        made.client_pod()
        yield made


@pytest.fixture(scope="module")
def passwords(shop: Stage) -> set[str]:
    """All passwords, of users and between the parts."""
    items = json.loads(shop.kubectl("get", "secrets", "--selector", "dharma.io/blueprint=shop", "--output", "json"))["items"]
    found = {value for item in items for key, value in shop.secret(item["metadata"]["name"]).items() if PASSWORD_KEY.search(key)}
    assert len(found) >= 10
    assert all(len(password) >= 22 for password in found)
    return found


def leaks(text: str, passwords: set[str]) -> list[str]:
    """Lines that hold a password, with it blotted out."""
    return [line.replace(one, "<password>")[:300] for line in text.splitlines() for one in passwords if one in line]


def test_used_by_an_application_and_restarted_for_good_measure(shop: Stage) -> None:
    assert shop.sql("select 1", key="pooled-uri") == "1"
    assert shop.redis("ping") == "PONG"
    with pytest.raises(AssertionError):
        shop.sql("select nothing from nowhere")


def test_in_no_object_but_secrets(shop: Stage, passwords: set[str]) -> None:
    assert leaks(shop.kubectl("get", ",".join(READABLE), "--output", "yaml", "--show-managed-fields"), passwords) == []


def test_in_no_log(shop: Stage, passwords: set[str]) -> None:
    assert leaks(shop.operator.log.read_text(), passwords) == []
    for component in ("db", "pool", "cache"):
        for pod in shop.pods(component):
            assert leaks(shop.kubectl("logs", pod, "--all-containers"), passwords) == [], pod


def test_not_in_metrics(shop: Stage, passwords: set[str]) -> None:
    code, text = shop.operator.get("/metrics")
    assert code == 200
    assert leaks(text, passwords) == []


def test_in_no_argument_and_no_environment_of_a_process(shop: Stage, passwords: set[str]) -> None:
    read = "for process in /proc/[0-9]*; do tr '\\0' '\\n' < $process/cmdline; tr '\\0' '\\n' < $process/environ; done 2>/dev/null; true"
    for component in ("db", "pool", "cache"):
        for pod in shop.pods(component):
            text = shop.run("sh", "-c", read, pod=pod)
            assert text
            assert leaks(text, passwords) == [], pod


def test_not_in_what_postgres_shows_of_itself(shop: Stage, passwords: set[str]) -> None:
    query = "select coalesce(query, '') from pg_stat_activity union all select setting from pg_settings"
    text = shop.run("psql", "-XAtq", "-h", "/run/postgresql", "-U", "postgres", "-c", query, pod="shop-db-0")
    assert leaks(text, passwords) == []
