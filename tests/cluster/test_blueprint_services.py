"""One small Blueprint of all three services, as its users see it: connected to, changed, disturbed."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.blueprints import Stage, autoscaler, blueprint, pgbouncer, postgres, redis, stage
from tests.support.cluster import kubectl, wait_until

KEYS = {"host", "port", "dbname", "user", "password", "uri", "jdbc-uri", "pgpass", "pooled-host", "pooled-uri"}
REDIS_KEYS = {"host", "port", "password", "uri"}

DATABASES = [{"name": "shop", "owner": "shop", "extensions": ["pgcrypto"]}]
USERS: list[dict[str, Any]] = [{"name": "shop"}, {"name": "report", "memberOf": ["pg_read_all_data"]}]


def spec(**changes: Any) -> dict[str, Any]:
    """The shared Blueprint, with changes of its components: `db={...}`, `pool={...}`, `cache={...}`, and of the rest of its spec."""
    return blueprint(
        postgres(databases=DATABASES, users=USERS, **changes.pop("db", {})),
        pgbouncer(replicas=2, **changes.pop("pool", {})),
        redis(**changes.pop("cache", {})),
        **changes,
    )


@pytest.fixture(scope="module")
def shop(crds: None, no_other_operator: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The Blueprint `shop`, Ready, and a client pod beside it."""
    with stage(tmp_path_factory.mktemp("services"), "bp-services") as made:
        asyncio.run(made.operator.ready())
        began = made.apply(spec())
        asyncio.run(made.ready())
        print(f"apply to Ready: {time.monotonic() - began:.1f} s")
        made.client_pod()
        yield made


async def change(shop: Stage, **changes: Any) -> None:
    """Apply the Blueprint with other values and wait until that is done."""
    shop.apply(spec(**changes))
    await shop.ready()


def test_a_row_goes_through_the_pool_and_is_read_back_by_all_ways(shop: Stage) -> None:
    shop.sql("create table orders (id int primary key, what text); insert into orders values (1, 'tea')", key="pooled-uri")
    assert shop.sql("select what from orders") == "tea"
    assert shop.sql("select what from orders", secret="shop-db-report", key="pooled-uri") == "tea"
    with pytest.raises(AssertionError, match="permission denied"):
        shop.sql("insert into orders values (2, 'no')", secret="shop-db-report")
    assert shop.sql("select encode(digest('a', 'sha256'), 'hex') like 'ca978112%'") == "t"


def test_a_key_is_set_and_read_back(shop: Stage) -> None:
    assert shop.redis("set", "cup", "full") == "OK"
    assert shop.redis("get", "cup") == "full"
    assert "NOPERM" in shop.redis("config", "get", "maxmemory")


def test_connection_secrets_have_their_fixed_keys_and_every_form_works(shop: Stage) -> None:
    secret = shop.secret("shop-db-shop")
    assert set(secret) == KEYS
    assert set(shop.secret("shop-cache-default")) == REDIS_KEYS
    host, port, database, user, password = (secret[key] for key in ("host", "port", "dbname", "user", "password"))
    assert (host, port, database, user) == (f"shop-db-rw.{shop.namespace}.svc", "5432", "shop", "shop")
    assert secret["pgpass"] == f"{host}:{port}:{database}:{user}:{password}\n"
    assert secret["jdbc-uri"] == f"jdbc:postgresql://{host}:{port}/{database}?user={user}&password={password}"
    assert secret["pooled-host"] == f"shop-pool.{shop.namespace}.svc"
    assert len(password) >= 22  # 128 bits in base64


def test_passwords_are_stored_as_scram_and_nobody_connects_with_another(shop: Stage) -> None:
    primary = next(iter(shop.pods("db")))
    stored = shop.run(
        "psql",
        "-XAtq",
        "-h",
        "/run/postgresql",
        "-U",
        "postgres",
        "-c",
        "select count(*) from pg_authid where rolcanlogin and rolname <> 'postgres' and rolpassword !~ '^SCRAM-SHA-256'",
        pod=primary,
    )
    assert stored.strip() == "0"
    uri = shop.secret("shop-db-shop")["uri"].replace(shop.secret("shop-db-shop")["password"], "wrong")
    with pytest.raises(AssertionError, match="password authentication failed"):
        shop.run("psql", "-XAtq", "-c", "select 1", uri)


def test_status_tells_what_a_person_needs(shop: Stage) -> None:
    shop.kubectl("wait", "--for=condition=Ready", "dhb/shop", "--timeout=5s")
    db, pool, cache = shop.status()["components"]
    assert (db["ready"], db["primary"], db["secret"]) == ("1/1", "shop-db-0", "shop-db-shop")
    assert db["version"].startswith("17.")
    assert db["service"] == f"shop-db-rw.{shop.namespace}.svc"
    assert (pool["ready"], pool["version"][:4]) == ("2/2", "1.24")
    assert (cache["ready"], cache["primary"], cache["version"][0]) == ("1/1", "shop-cache-0", "8")
    assert shop.status()["revision"]["current"] == 1


async def test_a_second_look_writes_nothing(shop: Stage) -> None:
    await shop.writes_nothing()


def test_pods_that_may_not_connect_are_refused(shop: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    with stage(tmp_path_factory.mktemp("stranger"), "bp-stranger") as other:
        other.operator.close()
        other.client_pod()
        for secret, port in (("shop-db-shop", 5432), ("shop-cache-default", 6379)):
            host = shop.secret(secret)["host"]
            assert shop.run("nc", "-zw2", host, str(port), check=False) == ""
            shop.run("nc", "-zw2", host, str(port))
            with pytest.raises(AssertionError):
                other.run("nc", "-zw2", host, str(port))
        with pytest.raises(AssertionError):
            other.run("nc", "-zw2", shop.secret("shop-db-shop")["pooled-host"], "6432")


async def test_access_names_who_may_connect(shop: Stage) -> None:
    shop.client_pod("batch")
    host = shop.secret("shop-cache-default")["host"]
    shop.run("nc", "-zw2", host, "6379", pod="batch")
    await change(shop, access={"from": [{"podSelector": {"matchLabels": {"app": "batch"}}}]})
    await shop.until("the client is refused", lambda: not _reaches(shop, host, "client"))
    assert _reaches(shop, host, "batch")
    await change(shop)
    await shop.until("the client may connect again", lambda: _reaches(shop, host, "client"))
    shop.kubectl("delete", "pod", "batch", "--wait=false")


def _reaches(shop: Stage, host: str, pod: str) -> bool:
    return "open" in shop.run("sh", "-c", f"nc -zw1 {host} 6379 && echo open; true", pod=pod)


async def test_a_setting_that_needs_no_restart_is_reloaded(shop: Stage) -> None:
    before = shop.uids("db")
    await change(shop, db={"parameters": {"work_mem": "7MB"}})
    await shop.until("work_mem is 7MB", lambda: shop.answers("7MB", "show work_mem"), seconds=20)
    assert shop.uids("db") == before
    assert "work_mem" in shop.component("db")["message"]
    assert any("work_mem" in line for line in shop.kubectl("get", "events").splitlines())
    await change(shop)
    await shop.until("work_mem is derived again", lambda: shop.sql("show work_mem") != "7MB", seconds=20)


async def test_a_setting_that_needs_a_restart_restarts_postgres_in_its_pod(shop: Stage) -> None:
    before, started = shop.uids("db"), shop.sql("select pg_postmaster_start_time()")
    await change(shop, db={"parameters": {"max_connections": 123}})
    await shop.until("max_connections is 123", lambda: shop.answers("123", "show max_connections"), seconds=40, every=0.5)
    await shop.ready()
    assert shop.sql("select pg_postmaster_start_time()") != started
    assert shop.uids("db") == before
    assert "restart" in shop.component("db")["message"]
    assert shop.sql("select what from orders", key="pooled-uri") == "tea"


async def test_a_new_user_and_a_new_extension_and_a_user_taken_away(shop: Stage) -> None:
    databases = [{**DATABASES[0], "extensions": ["pgcrypto", "pg_trgm"]}, {"name": "audit", "owner": "auditor"}]
    manifest = spec()
    manifest["spec"]["components"][0]["postgres"] |= {"databases": databases, "users": [*USERS, {"name": "batch", "memberOf": ["report"]}]}
    shop.apply(manifest)
    await shop.ready()
    assert shop.sql("select similarity('tea', 'teas') > 0") == "t"
    assert shop.sql("select what from orders", secret="shop-db-batch", key="pooled-uri") == "tea"
    assert shop.sql("create table log (line text); select current_database()", secret="shop-db-auditor") == "audit"
    shop.apply(spec())
    await shop.ready()
    with pytest.raises(AssertionError, match="not permitted to log in"):
        shop.sql("select 1", secret="shop-db-batch")


async def test_redis_settings_change_while_it_runs(shop: Stage) -> None:
    memory = {"requests": {"cpu": "10m", "memory": "112Mi"}}  # kept the same, or the change of it would mean a new pod
    await change(shop, cache={"resources": memory})
    before = shop.uids("cache")
    await change(shop, cache={"maxMemory": "48Mi", "evictionPolicy": "noeviction", "resources": memory})
    info = shop.redis("info", "memory")
    assert f"maxmemory:{48 * 1024 * 1024}" in info
    assert "maxmemory_policy:noeviction" in info
    assert shop.uids("cache") == before
    assert "maxmemory" in shop.component("cache")["message"]


async def test_the_pooler_is_reloaded_and_clients_stay_connected(shop: Stage) -> None:
    before = shop.uids("pool")
    await change(shop, pool={"poolSize": 7})
    assert shop.uids("pool") == before
    assert shop.sql("select what from orders", key="pooled-uri") == "tea"
    assert "reload" in shop.component("pool")["message"]


async def test_storage_grows_in_place(shop: Stage) -> None:
    before = shop.uids("db")
    size = int(shop.run("sh", "-c", "df -k --output=size /var/lib/postgresql | tail -1", pod="shop-db-0"))
    await change(shop, db={"storage": {"size": "768Mi"}})

    def grown() -> bool:
        return int(shop.run("sh", "-c", "df -k --output=size /var/lib/postgresql | tail -1", pod="shop-db-0")) > size * 1.3

    await shop.until("the file system is larger", grown, every=0.5)
    assert shop.uids("db") == before
    assert shop.sql("select what from orders") == "tea"


async def test_a_bad_revision_leaves_what_runs(shop: Stage) -> None:
    before = shop.uids("db")
    # Only the operator knows whether the namespace belongs to a Tenant.
    shop.apply(spec(db={"storage": {"size": "768Mi"}}, access={"from": [{"project": "till"}]}))
    await shop.until("the revision is refused", lambda: shop.condition("Ready").get("reason") == "InvalidSpec")
    assert "spec.access.from[0].project" in shop.condition("Ready")["message"]
    assert shop.uids("db") == before
    assert shop.sql("select what from orders") == "tea"
    await change(shop, db={"storage": {"size": "768Mi"}})


@pytest.mark.parametrize(
    "kind_and_name", ["service/shop-db-rw", "networkpolicy/shop-cache", "pdb/shop-pool", "role/shop-db", "configmap/shop-cache-settings"]
)
async def test_a_child_deleted_by_hand_is_put_back_at_once_and_counted(shop: Stage, kind_and_name: str) -> None:
    count = shop.status()["drift"]["count"]
    kind, _, name = kind_and_name.partition("/")
    uid = (shop.get(kind, name) or {})["metadata"]["uid"]
    shop.kubectl("delete", kind_and_name)
    gone = time.monotonic()

    def back() -> bool:
        found = shop.get(kind, name)
        return found is not None and found["metadata"]["uid"] != uid

    await shop.until(f"{kind_and_name} is back", back, every=0.05)
    took = time.monotonic() - gone
    print(f"{kind_and_name} was back after {took:.2f} s")
    assert took < 30, "an event brings it back, not the look at rest"
    await shop.until("it is counted", lambda: shop.status()["drift"]["count"] == count + 1)


async def test_a_field_changed_by_hand_is_put_back_and_others_fields_are_left(shop: Stage) -> None:
    shop.kubectl("annotate", "service/shop-db-rw", "example.com/mine=yes")
    count = shop.status()["drift"]["count"]
    shop.kubectl("patch", "deployment/shop-pool", "--type=merge", "--patch", json.dumps({"spec": {"replicas": 1}}))
    await shop.until(
        "two replicas are wanted again", lambda: (shop.get("deployment.apps", "shop-pool") or {})["spec"]["replicas"] == 2, every=0.05
    )
    await shop.until("it is counted", lambda: shop.status()["drift"]["count"] == count + 1)
    newest = shop.status()["drift"]["items"][0]
    assert (newest["object"], newest["fields"]) == ("Deployment/shop-pool", ["spec.replicas"])
    assert (shop.get("service", "shop-db-rw") or {})["metadata"]["annotations"]["example.com/mine"] == "yes"
    await shop.ready()


async def test_an_autoscaler_decides_the_number_of_poolers_while_there_is_one(shop: Stage) -> None:
    def replicas() -> int:
        return (shop.get("deployment.apps", "shop-pool") or {})["spec"]["replicas"]

    await change(shop, db={"storage": {"size": "768Mi"}})
    count = shop.status()["drift"]["count"]
    shop.apply(autoscaler("shop-pool", 3))
    await shop.until("the autoscaler has scaled", lambda: replicas() == 3, seconds=60)
    await shop.until("status tells of three", lambda: shop.component("pool").get("ready") == "3/3")
    await change(shop, db={"storage": {"size": "768Mi"}}, pool={"poolSize": 6})
    assert replicas() == 3, "a change of something else leaves the number alone"
    assert shop.status()["drift"]["count"] == count
    shop.kubectl("delete", "hpa/shop-pool")
    await change(shop, db={"storage": {"size": "768Mi"}})
    await shop.until("the spec decides again", lambda: replicas() == 2)
    await shop.ready()


async def test_policy_report_only_reports(shop: Stage) -> None:
    await change(shop, db={"storage": {"size": "768Mi"}}, drift={"policy": "Report"})
    shop.kubectl("delete", "pdb/shop-pool")
    await shop.until("drift is reported", lambda: shop.condition("DriftFree").get("status") == "False")
    assert shop.get("pdb", "shop-pool") is None
    await change(shop, db={"storage": {"size": "768Mi"}})
    await shop.until("it is put back", lambda: shop.get("pdb", "shop-pool") is not None)


async def test_a_role_changed_by_hand_is_put_right(shop: Stage) -> None:
    primary = "shop-db-0"
    shop.run("psql", "-XAtq", "-h", "/run/postgresql", "-U", "postgres", "-c", "alter role report password 'stolen'", pod=primary)
    shop.kubectl("annotate", "dhb/shop", f"example.com/look={time.time_ns()}", "--overwrite")
    await wait_until(
        lambda: shop.answers("1", "select 1", secret="shop-db-report"), "report logs in with its Secret", explain=shop.explain, seconds=30
    )


async def test_suspend_leaves_everything_alone(shop: Stage) -> None:
    shop.kubectl("patch", "dhb/shop", "--type=merge", "--patch", '{"spec":{"suspend":true}}')
    await shop.until("suspended", lambda: shop.condition("Reconciling").get("reason") == "Suspended")
    shop.kubectl("delete", "pdb/shop-pool")
    await asyncio.sleep(0)
    shop.kubectl("annotate", "dhb/shop", f"example.com/look={time.time_ns()}", "--overwrite")
    with pytest.raises(AssertionError):
        await wait_until(lambda: shop.get("pdb", "shop-pool") is not None, "nothing comes back", seconds=2)
    shop.kubectl("patch", "dhb/shop", "--type=merge", "--patch", '{"spec":{"suspend":null}}')
    await shop.until("it is back", lambda: shop.get("pdb", "shop-pool") is not None)
    await shop.ready()


async def test_archived_stops_everything_and_data_comes_back_with_published(shop: Stage) -> None:
    shop.redis("set", "kept", "yes")
    await asyncio.to_thread(shop.sql, "insert into orders values (7, 'kept')")
    shop.apply(spec(db={"storage": {"size": "768Mi"}}, lifecycle="Archived"))
    await shop.until("no pod is left", lambda: not {**shop.pods("db"), **shop.pods("pool"), **shop.pods("cache")}, seconds=60)
    await shop.until("Archived", lambda: shop.condition("Ready").get("reason") == "Archived")
    await change(shop, db={"storage": {"size": "768Mi"}})
    assert shop.sql("select what from orders where id = 7", key="pooled-uri") == "kept"
    assert shop.redis("get", "kept") == "yes"


async def test_a_component_removed_and_added_again_finds_its_data(shop: Stage) -> None:
    manifest = spec(db={"storage": {"size": "768Mi"}})
    password = shop.secret("shop-cache-default")["password"]
    shop.redis("set", "left", "here")
    shop.apply({**manifest, "spec": {"components": manifest["spec"]["components"][:2]}})
    await shop.until("its workload is gone", lambda: shop.get("statefulset", "shop-cache") is None)
    await shop.until("its pods are gone", lambda: not shop.pods("cache"))
    assert shop.get("service", "shop-cache") is None
    assert {"data-shop-cache-0"} <= shop.names("pvc")
    await change(shop, db={"storage": {"size": "768Mi"}})
    assert shop.secret("shop-cache-default")["password"] == password
    assert shop.redis("get", "left") == "here"


async def test_deleting_the_blueprint_keeps_data_and_the_same_one_finds_it(shop: Stage) -> None:
    shop.kubectl("delete", "dhb/shop", "--timeout=20s")
    for kind in ("statefulset", "deployment.apps", "service", "networkpolicy", "pdb", "role", "configmap"):
        await shop.until(f"no {kind} is left", lambda kind=kind: not shop.names(kind), seconds=60)
    await shop.until("no pod is left", lambda: not shop.names("pod"), seconds=60)
    assert shop.names("pvc") == {"data-shop-db-0", "data-shop-cache-0"}
    assert {"shop-db-shop", "shop-db.internal", "shop-cache-default"} <= shop.names("secret")
    shop.apply(spec(db={"storage": {"size": "768Mi"}}))
    await shop.ready()
    assert shop.sql("select what from orders where id = 1", key="pooled-uri") == "tea"
    assert shop.redis("get", "left") == "here"
    await shop.writes_nothing()


async def test_deletion_policy_delete_leaves_nothing_and_the_namespace_goes(shop: Stage) -> None:
    await change(shop, db={"storage": {"size": "768Mi"}}, deletionPolicy="Delete")
    shop.kubectl("delete", "dhb/shop", "--timeout=20s")
    for kind in ("statefulset", "pod", "pvc", "configmap", "rolebinding"):
        await shop.until(f"no {kind} is left", lambda kind=kind: not shop.names(kind), seconds=60)
    # Secrets of users that were taken away while the policy was Retain stay, as was said then.
    await shop.until("no Secret of its own is left", lambda: shop.names("secret") <= {"shop-db-batch", "shop-db-auditor"})
    await shop.until("the operator has no rights there any more", lambda: shop.get("rolebinding", "iac-dharma-operator") is None)
    kubectl("delete", "namespace", shop.namespace, "--timeout=60s")
