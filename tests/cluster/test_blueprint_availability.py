"""Postgres with several instances: made, lost, scaled, restarted one after the other, never without its rows."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.blueprints import Stage, blueprint, postgres, stage
from tests.support.cluster import kubectl

TIMELINE = "select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
DATABASES = [{"name": "shop", "owner": "shop"}]


def spec(instances: int, **fields: Any) -> dict[str, Any]:
    return blueprint(postgres(instances=instances, databases=DATABASES, **fields))


@pytest.fixture(scope="module")
def shop(crds: None, no_other_operator: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two instances, Ready, with a table, and a client pod."""
    with stage(tmp_path_factory.mktemp("availability"), "bp-ha") as made:
        asyncio.run(made.operator.ready())
        began = made.apply(spec(2))
        asyncio.run(made.ready())
        print(f"two instances, apply to Ready: {time.monotonic() - began:.1f} s")
        made.client_pod()
        made.sql("create table ticks (id serial primary key); insert into ticks default values")
        yield made


def test_replicas_follow_and_read_only_leads_to_them(shop: Stage) -> None:
    assert shop.component("db")["ready"] == "2/2"
    secret = shop.secret("shop-db-shop")
    uri = secret["uri"].replace("shop-db-rw", "shop-db-ro")
    assert shop.run("psql", "-XAtqc", "select pg_is_in_recovery(), count(*) from ticks", uri).strip() == "t|1"
    assert shop.sql("select pg_is_in_recovery()") == "f"


async def test_the_primarys_pod_is_deleted_and_another_takes_over(shop: Stage) -> None:
    primary = shop.component("db")["primary"]
    shop.sql("insert into ticks default values")
    timeline = shop.sql(TIMELINE)
    shop.kubectl("delete", "pod", primary, "--wait=false")
    began = time.monotonic()
    insert = f"insert into ticks default values; select ({TIMELINE}) > '{timeline}'"
    await shop.until("another primary takes rows", lambda: shop.answers("t", insert), every=0.1)
    print(f"primary's pod deleted: another took rows after {time.monotonic() - began:.1f} s, as kubectl exec sees it")
    assert int(shop.sql("select count(*) from ticks")) >= 3
    await shop.until("status names the new primary", lambda: shop.component("db").get("primary") not in {None, primary}, seconds=20)
    await shop.ready(seconds=120)
    assert shop.component("db")["ready"] == "2/2"


async def test_scaled_up_and_a_restart_rolls_replicas_first(shop: Stage) -> None:
    shop.apply(spec(3, parameters={"max_connections": "111"}))
    await shop.ready(seconds=150)
    assert shop.component("db")["ready"] == "3/3"
    await shop.until("the setting is in force", lambda: shop.answers("111", "show max_connections"), seconds=60, every=0.5)
    await shop.ready(seconds=60)
    restarts = [line for line in shop.writes() if line.startswith("RestartMember")]
    primary = shop.component("db")["primary"]
    assert restarts
    assert f"restart Postgres in {primary}" in restarts[-1]


async def test_scaled_down_the_primary_moves_to_a_pod_that_stays(shop: Stage) -> None:
    rows = shop.sql("select count(*) from ticks")
    if shop.component("db")["primary"] == "shop-db-0":
        leader = shop.run(
            "patronictl",
            "-c",
            "/etc/patroni",
            "switchover",
            "--leader",
            "shop-db-0",
            "--candidate",
            "shop-db-2",
            "--force",
            pod="shop-db-0",
        )
        print(leader)
        await shop.until("shop-db-2 leads", lambda: shop.component("db").get("primary") == "shop-db-2", seconds=60)
        await shop.ready()
    shop.apply(spec(1, parameters={"max_connections": "111"}))
    await shop.until("one pod is left", lambda: set(shop.pods("db")) == {"shop-db-0"}, seconds=90)
    await shop.ready()
    assert shop.component("db")["primary"] == "shop-db-0"
    assert shop.sql("select count(*) from ticks") == rows
    assert "data-shop-db-1" in shop.names("pvc")
    await shop.writes_nothing()


async def test_patronis_memory_deleted_by_hand_is_made_anew(shop: Stage) -> None:
    rows = shop.sql("select count(*) from ticks")
    shop.kubectl("delete", "configmap", "shop-db-leader", "shop-db-config")
    names = {"shop-db-leader", "shop-db-config"}
    await shop.until("they are back", lambda: names <= shop.names("configmap"), seconds=90)
    await shop.until("rows are taken", lambda: shop.answers("", "insert into ticks default values"))
    await shop.ready()
    assert int(shop.sql("select count(*) from ticks")) > int(rows)


async def test_a_volume_that_fills_up_grows_by_itself(shop: Stage) -> None:
    storage = {"size": "512Mi", "grow": {"above": 50, "step": 50, "max": "1Gi"}}
    shop.apply(blueprint(postgres(databases=DATABASES, storage=storage), name="filling"))
    await shop.ready("filling")
    rows = 240000
    statement = f"create table big as select repeat(md5(i::text), 30) as filler from generate_series(1, {rows}) i"
    shop.sql(statement, secret="filling-db-shop")

    def grown() -> bool:
        # At rest the operator looks once a minute; any change of the Blueprint makes it look now.
        shop.kubectl("annotate", "dhb/filling", f"example.com/look={time.time_ns()}", "--overwrite")
        claim = shop.get("pvc", "data-filling-db-0") or {}
        # One step or two: how much WAL lies beside the rows is Postgres's to decide.
        return claim["status"]["capacity"]["storage"] in {"768Mi", "1Gi"}

    await shop.until("the volume has grown", grown, seconds=120, every=2)
    await shop.ready("filling")
    assert shop.sql("select count(*) from big", secret="filling-db-shop") == str(rows)


def test_the_namespace_is_deleted_with_all_of_it_and_nothing_hangs(shop: Stage) -> None:
    began = time.monotonic()
    kubectl("delete", "namespace", shop.namespace, "--timeout=90s")
    print(f"namespace deleted in {time.monotonic() - began:.1f} s")
