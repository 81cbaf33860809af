import dataclasses
from datetime import timedelta

from tests.unit.blueprint.build import DB, NOW, blueprint, changed, objects, postgres, redis_member, running, scope

from dharma_handlers.blueprint import actions
from dharma_handlers.blueprint.decide import decide
from dharma_handlers.blueprint.pgbouncer import databases, settings
from dharma_handlers.blueprint.redis import live_settings

POOLED = blueprint(DB, {"name": "pool", "pgbouncer": {"target": "db", "replicas": 1}})
SMALLER = blueprint(DB, {"name": "pool", "pgbouncer": {"target": "db", "replicas": 1, "poolSize": 7}})


def told(wanted, observed):
    return [action.describe() for action in decide(wanted, observed).actions]


def test_at_rest_nothing_is_done():
    assert told(POOLED, running(POOLED)) == []


def test_a_new_configuration_is_first_applied_and_only_then_fetched():
    seen = running(POOLED)
    assert told(SMALLER, seen) == []
    assert "default_pool_size = 7" in objects(SMALLER, seen)["ConfigMap", "shop-pool-settings"]["data"]["pgbouncer.ini"]
    applied = {**seen.children, ("ConfigMap", "shop-pool-settings"): objects(SMALLER, seen)["ConfigMap", "shop-pool-settings"]}
    seen = dataclasses.replace(seen, children=applied)
    assert told(SMALLER, seen) == ["refresh the mounted configuration of shop-pool-7f9c-0", "reload PgBouncer in shop-pool-7f9c-0"]


def test_the_pod_is_told_once_and_again_when_it_did_not_help():
    seen = running(POOLED)
    config_map = objects(SMALLER, seen)["ConfigMap", "shop-pool-settings"]
    seen = dataclasses.replace(seen, children={**seen.children, ("ConfigMap", "shop-pool-settings"): config_map})
    mark = decide(SMALLER, seen).actions[0]
    assert isinstance(mark, actions.AnnotatePod)
    pod = seen.children["Pod", mark.pod]
    pod = {**pod, "metadata": {**pod["metadata"], "annotations": dict(mark.annotations)}}
    seen = dataclasses.replace(seen, children={**seen.children, ("Pod", mark.pod): pod})
    assert told(SMALLER, seen) == ["reload PgBouncer in shop-pool-7f9c-0"]
    later = dataclasses.replace(seen, now=NOW + timedelta(seconds=11))
    assert told(SMALLER, later)[0] == "refresh the mounted configuration of shop-pool-7f9c-0"


def test_the_pod_template_does_not_change_with_the_configuration():
    assert objects(POOLED)["Deployment", "shop-pool"] == objects(SMALLER)["Deployment", "shop-pool"]


def test_databases_share_the_connections_and_keep_the_budget():
    wanted = blueprint(
        postgres(databases=[{"name": name, "owner": "shop"} for name in ("a", "b-c", "d")]),
        {"name": "pool", "pgbouncer": {"target": "db", "maxServerConnections": 100}},
    )
    one = scope(wanted, "pool")
    found = databases(one, one.component.pgbouncer)
    assert list(found) == ["postgres", "a", "b-c", "d"]
    assert sum(int(words["max_db_connections"]) for words in found.values()) <= 100
    assert (
        '"b-c" = host=shop-db-rw port=5432 max_db_connections=33'
        in objects(wanted)["ConfigMap", "shop-pool-settings"]["data"]["pgbouncer.ini"]
    )


def test_defaults_of_the_product():
    found = settings(POOLED.spec.components[1].pgbouncer)
    assert (found["pool_mode"], found["max_client_conn"], found["default_pool_size"]) == ("transaction", "1000", "25")


def redis(**fields):
    return blueprint({"name": "cache", "redis": fields})


def test_redis_settings_change_while_it_runs():
    seen = running(redis())
    wanted = redis(evictionPolicy="noeviction", maxMemory="256Mi", persistence="RDB")
    (action,) = decide(wanted, seen).actions
    assert isinstance(action, actions.SetRedisConfig)
    assert action.settings == {
        "appendonly": "no",
        "maxmemory": "268435456",
        "maxmemory-policy": "noeviction",
        "save": "3600 1 300 100 60 10000",
    }


def test_every_persistence_has_its_settings():
    found = {mode: live_settings(redis(persistence=mode).spec.components[0].redis) for mode in ("AOF", "RDB", "None")}
    assert {mode: (some["appendonly"], bool(some["save"])) for mode, some in found.items()} == {
        "AOF": ("yes", False),
        "RDB": ("no", True),
        "None": ("no", False),
    }


def test_memory_of_a_pod_is_above_maxmemory():
    for mode in ("AOF", "RDB", "None"):
        container = objects(redis(persistence=mode, maxMemory="1Gi"))["StatefulSet", "shop-cache"]["spec"]["template"]["spec"][
            "containers"
        ][0]
        assert int(container["resources"]["limits"]["memory"].removesuffix("Mi")) >= 1024 * 5 // 4 + 64


def test_a_changed_password_is_loaded_from_the_refreshed_file():
    wanted = redis()
    seen = running(wanted)
    one = scope(wanted, "cache", seen)
    seen = changed(seen, "cache", members=(redis_member(one, "shop-cache-0", master=True, acl_hashes={"default": frozenset({"00"})}),))
    assert told(wanted, seen) == ["refresh the mounted configuration of shop-cache-0", "load the ACL of Redis in shop-cache-0"]


def three(**roles):
    wanted = redis(replicas=3)
    seen = running(wanted)
    one = scope(wanted, "cache", seen)
    return wanted, changed(seen, "cache", members=tuple(redis_member(one, f"shop-cache-{n}", master=roles[f"r{n}"]) for n in range(3)))


def test_replicas_that_follow_are_labelled_for_their_service():
    wanted, seen = three(r0=True, r1=False, r2=False)
    assert told(wanted, seen) == ["label shop-cache-1 dharma.io/role=replica", "label shop-cache-2 dharma.io/role=replica"]
    assert objects(wanted, seen)["Service", "shop-cache-replicas"]["spec"]["selector"]["dharma.io/role"] == "replica"


def test_a_second_primary_is_made_to_follow_ordinal_0():
    wanted, seen = three(r0=True, r1=True, r2=False)
    assert told(wanted, seen)[0] == "make Redis in shop-cache-1 a replica of shop-cache-0.shop-cache-pods"


def test_a_hand_made_failover_is_not_undone():
    wanted, seen = three(r0=False, r1=True, r2=False)
    assert not [action for action in decide(wanted, seen).actions if isinstance(action, actions.ReplicateFrom)]
