import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.blueprint.build import POOL, blueprint, postgres

from dharma_crds.blueprint.budget import connection_budgets
from dharma_crds.blueprint.parameters import FORBIDDEN
from dharma_handlers.blueprint.observed import SettingObserved
from dharma_handlers.blueprint.parameters import effect, max_connections, parameters

UNITS = {"kB": 1024, "MB": 1024**2, "GB": 1024**3}


def derived(*others, **fields):
    wanted = blueprint(postgres(**fields), *others)
    return parameters(wanted.spec.components[0].postgres, connection_budgets(wanted.spec.components)[0])


def pool(replicas, **fields):
    return {"name": "pool", "pgbouncer": {"target": "db", "replicas": replicas, **fields}}


def size(text):
    return int(text[:-2]) * UNITS[text[-2:]]


def test_a_gigabyte_and_two_cpus():
    found = derived(resources={"requests": {"cpu": "2", "memory": "1Gi"}}, storage={"size": "50Gi"})
    assert found["shared_buffers"] == "256MB"
    assert found["effective_cache_size"] == "768MB"
    assert found["maintenance_work_mem"] == "64MB"
    assert found["work_mem"] == f"{768 * 1024 // 300}kB"
    assert found["max_connections"] == "100"
    assert found["max_parallel_workers"] == "2"
    assert found["max_parallel_workers_per_gather"] == "1"
    assert found["max_wal_size"] == "5120MB"
    assert found["max_slot_wal_keep_size"] == "10240MB"


def test_connections_come_from_the_poolers_budget():
    expected = 2 * 100 + 5 + 40
    found = derived(POOL, resources={"requests": {"memory": "8Gi"}})
    assert found["max_connections"] == "400"
    assert size(found["work_mem"]) == 8 * 1024**3 * 3 // 4 // (3 * expected) // 1024 * 1024


def test_one_more_replica_of_a_pooler_needs_no_restart():
    assert [derived(pool(replicas))["max_connections"] for replicas in (1, 2, 3, 4, 8)] == ["200", "400", "400", "800", "1600"]


@given(st.integers(1, 20), st.integers(10, 300))
def test_all_that_the_poolers_may_open_fits(replicas, each):
    wanted = blueprint(postgres(), pool(replicas, maxServerConnections=each, poolSize=5))
    (budget,) = connection_budgets(wanted.spec.components)
    assert budget.needed + 40 <= max_connections(budget) < 2 * (budget.needed + 40 + 100)


def test_what_the_user_says_wins_and_the_rest_follows_it():
    found = derived(POOL, parameters={"max_connections": 500, "work_mem": "7MB"})
    assert (found["max_connections"], found["work_mem"]) == ("500", "7MB")
    assert (
        size(derived(parameters={"max_connections": 1000}, resources={"requests": {"memory": "8Gi"}})["work_mem"])
        == 8 * 1024**3 * 3 // 4 // 3000 // 1024 * 1024
    )


def test_forbidden_names_are_dropped_though_admission_was_off():
    assert "fsync" not in derived(parameters={"fsync": "off"})
    assert derived(parameters={"superuser_reserved_connections": "0"})["superuser_reserved_connections"] == "3"


@given(
    memory=st.integers(128, 64 * 1024),
    volume=st.integers(1, 4096),
    connections=st.integers(5, 5000),
)
def test_sizes_stay_within_the_resources_and_what_postgres_takes(memory, volume, connections):
    found = derived(
        resources={"requests": {"memory": f"{memory}Mi"}}, storage={"size": f"{volume}Gi"}, parameters={"max_connections": connections}
    )
    assert size(found["shared_buffers"]) <= memory * 1024**2 // 4
    assert size(found["effective_cache_size"]) <= memory * 1024**2
    assert size(found["work_mem"]) >= 64 * 1024
    assert 32 * 1024**2 <= size(found["min_wal_size"]) <= size(found["max_wal_size"]) <= volume * 1024**3 // 5
    assert size(found["max_slot_wal_keep_size"]) >= size(found["max_wal_size"])


@given(
    st.dictionaries(
        st.sampled_from(["work_mem", "jit", "max_connections", "shared_buffers", "autovacuum_naptime"]), st.integers(10, 99).map(str)
    )
)
def test_each_value_of_the_user_is_there_unchanged(asked):
    found = derived(parameters=asked)
    assert all(found[name] == value for name, value in asked.items())


@pytest.mark.parametrize(
    ("name", "cost"),
    [("work_mem", "Reload"), ("shared_buffers", "RollingRestart"), ("max_connections", "RollingRestart"), ("fsync", "Forbidden")],
)
def test_cost_of_a_change_without_a_server_to_ask(name, cost):
    assert effect(name, None) == cost


def test_cost_of_a_change_as_the_server_says():
    seen = {
        "work_mem": SettingObserved("4MB", "user"),
        "an_extension.size": SettingObserved("1", "postmaster"),
        "block_size": SettingObserved("8192", "internal"),
    }
    assert [effect(name, seen) for name in seen] == ["Reload", "RollingRestart", "Forbidden"]


def test_no_fixed_value_is_one_that_patroni_owns():
    from dharma_crds.blueprint.parameters import PATRONI_OWNED
    from dharma_handlers.blueprint.parameters import FIXED

    assert not FIXED.keys() & PATRONI_OWNED
    assert PATRONI_OWNED <= FORBIDDEN
