import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.blueprint.build import CACHE, DB, POOL, blueprint, postgres

from dharma_handlers.blueprint.graph import Graph, compile_graph


def issues(*components, name="shop"):
    found = compile_graph(name, blueprint(*components, name=name).spec.components)
    assert not isinstance(found, Graph)
    return [str(issue) for issue in found]


def test_order_puts_dependencies_first_and_keeps_what_was_written_otherwise():
    graph = compile_graph("shop", blueprint({**CACHE, "dependsOn": ["db"]}, POOL, DB).spec.components)
    assert isinstance(graph, Graph)
    assert graph.order == ("pool", "db", "cache")
    assert graph.waits_for["cache"] == ("db",)


def test_unknown_target_is_named_with_its_place_and_the_nearest_name():
    found = issues(DB, CACHE, {"name": "pool", "pgbouncer": {"target": "dbx"}})
    assert found == ['spec.components[2].pgbouncer.target: "dbx" is no component of this Blueprint; did you mean "db"?']


def test_target_of_another_type_is_refused():
    assert issues(CACHE, {"name": "pool", "pgbouncer": {"target": "cache"}}) == [
        'spec.components[1].pgbouncer.target: "cache" is a redis, and a pool needs a postgres; name one'
    ]


def test_unknown_dependency():
    assert issues({**DB, "dependsOn": ["vault"]}) == [
        'spec.components[0].dependsOn[0]: "vault" is no component of this Blueprint; correct the name or add the component'
    ]


def test_cycle_is_told_all_the_way_round():
    one, two, three = {**DB, "dependsOn": ["pool"]}, {**POOL, "dependsOn": ["cache"]}, {**CACHE, "dependsOn": ["db"]}
    assert issues(one, two, three) == [
        "spec.components[0].dependsOn[0]: components wait for each other: db → pool → cache → db; remove one of these dependencies"
    ]


def test_component_that_waits_for_itself():
    assert issues({**DB, "dependsOn": ["db"]}) == [
        "spec.components[0].dependsOn[0]: components wait for each other: db → db; remove one of these dependencies"
    ]


def test_same_name_twice():
    assert issues(DB, {"name": "db", "redis": {}}) == [
        'spec.components[1].name: "db" is already the name of spec.components[0]; give it another'
    ]


def test_names_that_leave_no_room_for_pods():
    found = issues({**DB, "name": "d" * 20}, name="b" * 26)
    (told,) = found
    assert told.startswith(f'spec.components[0].name: "{"b" * 26}" and "{"d" * 20}" together are longer than 45 characters, ')


def test_budget_shows_its_arithmetic():
    found = issues(postgres(parameters={"max_connections": 100}), POOL)
    assert found[0].startswith("spec.components[0].postgres.parameters.max_connections: ")
    assert all(part in found[0] for part in ("2 x 100 (pool)", "5 reserved", "raise it to 205"))


@pytest.mark.parametrize("group", ["pg_checkpointt", "pg_signal_backends", "nobody"])
def test_groups_that_cannot_be_given(group):
    found = issues(postgres(users=[{"name": "report", "memberOf": [group]}]))
    assert found[0].startswith(f'spec.components[0].postgres.users[0].memberOf[0]: "{group}" is no role that can be given; ')


def test_a_user_may_be_a_member_of_another_and_not_of_itself():
    users = [{"name": "team"}, {"name": "ann", "memberOf": ["team"]}]
    assert isinstance(compile_graph("shop", blueprint(postgres(users=users)).spec.components), Graph)
    assert issues(postgres(users=[{"name": "ann", "memberOf": ["ann"]}])) == [
        'spec.components[0].postgres.users[0].memberOf[0]: "ann" is the user itself; remove that entry'
    ]


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20))
    )
)
def test_every_graph_is_ordered_or_has_a_cycle_named(case):
    count, edges = case
    components = [{"name": f"c{i}", "redis": {}, "dependsOn": sorted(f"c{b}" for a, b in edges if a == i)} for i in range(count)]
    compiled = compile_graph("shop", blueprint(*components).spec.components)
    if isinstance(compiled, Graph):
        place = {name: index for index, name in enumerate(compiled.order)}
        assert len(place) == count
        assert all(place[f"c{b}"] < place[f"c{a}"] for a, b in edges)
    else:
        told = compiled[0].message.removeprefix("components wait for each other: ").partition(";")[0].split(" → ")
        assert told[0] == told[-1]
        assert all((int(a[1:]), int(b[1:])) in edges for a, b in itertools.pairwise(told))
