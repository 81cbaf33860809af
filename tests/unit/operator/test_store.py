"""The store holds the newest that is known, and tells whom it concerns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dharma_operator.engine import Cause
from dharma_operator.kube.resources import BLUEPRINT, CONFIG_MAP, POD, SERVICE, TENANT, ObjectKey, key_of
from dharma_operator.store import Store, object_key, owners_of, trim_owner, version_of
from dharma_operator.workqueue import OwnerKey

SHOP = OwnerKey("Blueprint", "acme", "shop")
OTHER = OwnerKey("Blueprint", "acme", "other")


def blueprint(version: int, *, name: str = "shop", generation: int = 1, uid: str = "u1", **metadata):
    return {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Blueprint",
        "metadata": {"name": name, "namespace": "acme", "uid": uid, "generation": generation, "resourceVersion": str(version), **metadata},
        "spec": {"generation": generation},
    }


def service(version: int, *, name: str = "shop-db", owner: str = "shop", port: int = 5432, uid: str = "s1", managed_at: str = "t0"):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "acme",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {"dharma.io/blueprint": owner},
            "managedFields": [{"manager": "iac-dharma", "operation": "Apply", "time": managed_at, "fieldsV1": {}}],
        },
        "spec": {"ports": [{"port": port}]},
    }


SERVICE_KEY = key_of(service(1))


@pytest.fixture
def heard():
    return []


@pytest.fixture
def store(heard):
    return Store(lambda key, cause: heard.append((key, cause)))


def test_the_newer_state_stays_whatever_comes_first(store):
    store.seen(blueprint(7), BLUEPRINT)
    store.seen(blueprint(5, generation=9), BLUEPRINT)
    assert version_of(store.owner(SHOP)) == 7
    store.seen(blueprint(10), BLUEPRINT)
    assert version_of(store.owner(SHOP)) == 10


def test_versions_are_numbers_not_text(store):
    store.seen(blueprint(9), BLUEPRINT)
    store.seen(blueprint(10), BLUEPRINT)
    assert version_of(store.owner(SHOP)) == 10


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"generation": 2}, True),
        ({"labels": {"a": "b"}}, True),
        ({"annotations": {"a": "b"}}, True),
        ({"deletionTimestamp": "2026-11-20T08:00:00Z"}, True),
        ({"uid": "u2"}, True),
        ({}, False),
        ({"managedFields": [{"manager": "somebody"}]}, False),
    ],
)
def test_an_owner_has_something_to_do_when_more_than_its_status_changed(store, heard, change, told):
    store.seen(blueprint(1), BLUEPRINT)
    assert heard == [(SHOP, Cause.SPEC)]
    heard.clear()
    store.seen(blueprint(2, **change) | {"status": {"x": 1}}, BLUEPRINT)
    assert heard == ([(SHOP, Cause.SPEC)] if told else [])


def test_a_child_tells_its_owner_when_its_content_changed(store, heard):
    store.seen(service(1), SERVICE)
    assert heard == [(SHOP, Cause.CHILD)]
    heard.clear()
    store.seen(service(2, managed_at="t1"), SERVICE)
    assert heard == []
    store.seen(service(3, port=1), SERVICE)
    assert heard == [(SHOP, Cause.CHILD)]


def test_own_writes_are_no_news_and_their_echo_neither(store, heard):
    store.wrote(service(4))
    store.seen(service(4), SERVICE)
    assert heard == []
    assert store.get(SERVICE_KEY) is not None
    store.seen(service(5, port=1), SERVICE)
    assert heard == [(SHOP, Cause.CHILD)]


def test_an_own_status_write_that_reveals_a_new_spec_is_news(store, heard):
    store.seen(blueprint(1), BLUEPRINT)
    heard.clear()
    store.wrote(blueprint(3, generation=2))
    store.seen(blueprint(2, generation=2), BLUEPRINT)
    assert heard == [(SHOP, Cause.SPEC)]


def test_what_is_deleted_does_not_come_back_by_old_news(store, heard):
    store.seen(service(1), SERVICE)
    heard.clear()
    store.removed(SERVICE_KEY, "s1")
    assert heard == [(SHOP, Cause.CHILD)]
    store.wrote(service(5))
    assert store.get(SERVICE_KEY) is None
    assert store.is_gone("s1")
    store.seen(service(6, uid="s2"), SERVICE)
    assert store.get(SERVICE_KEY)["metadata"]["uid"] == "s2"


def test_old_news_of_a_deletion_leaves_the_successor(store, heard):
    store.seen(service(5, uid="s2"), SERVICE)
    heard.clear()
    store.removed(SERVICE_KEY, "s1")
    assert store.get(SERVICE_KEY) is not None
    assert heard == []


def test_a_list_tells_what_was_deleted_unseen_and_spares_what_is_newer(store, heard):
    store.seen(service(1, name="old", uid="a"), SERVICE)
    store.seen(service(2, name="kept", uid="b"), SERVICE)
    store.wrote(service(9, name="new", uid="c"))
    heard.clear()
    store.listed(SERVICE, None, [service(2, name="kept", uid="b")], "5")
    assert {key.name for key in store.keys(SERVICE)} == {"kept", "new"}
    assert heard == [(SHOP, Cause.CHILD)]


def test_a_list_of_one_namespace_leaves_the_others(store):
    store.seen(service(1), SERVICE)
    store.listed(SERVICE, "elsewhere", [], "100")
    assert store.get(SERVICE_KEY) is not None


def test_a_child_that_changes_its_owner_tells_both(store, heard):
    store.seen(service(1), SERVICE)
    heard.clear()
    store.seen(service(2, owner="other"), SERVICE)
    assert sorted(heard) == sorted([(SHOP, Cause.CHILD), (OTHER, Cause.CHILD)])
    assert store.children(SHOP) == {}
    assert list(store.children(OTHER)) == [SERVICE_KEY]


def test_children_are_a_snapshot(store):
    store.seen(service(1), SERVICE)
    children = store.children(SHOP)
    store.removed(SERVICE_KEY, "s1")
    assert list(children) == [SERVICE_KEY]
    assert store.children(SHOP) == {}


def test_dropping_what_is_no_longer_watched_is_silent(store, heard):
    store.seen(service(1), SERVICE)
    heard.clear()
    store.drop(SERVICE, "acme")
    assert store.get(SERVICE_KEY) is None
    assert store.children(SHOP) == {}
    assert heard == []


def test_an_owner_that_is_gone_is_told_once_more(store, heard):
    store.seen(blueprint(1), BLUEPRINT)
    heard.clear()
    store.removed(object_key(SHOP), "u1")
    assert heard == [(SHOP, Cause.SPEC)]
    assert list(store.owners()) == []


def test_owners_are_of_all_kinds_and_by_label(store):
    store.seen(blueprint(1), BLUEPRINT)
    tenant = {"apiVersion": "dharma.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme", "uid": "t", "resourceVersion": "2"}}
    store.seen(tenant, TENANT)
    assert set(store.owners()) == {SHOP, OwnerKey("Tenant", "", "acme")}
    pod = {"metadata": {"name": "p", "namespace": "acme-shop", "labels": {"dharma.io/tenant": "acme", "dharma.io/blueprint": "shop"}}}
    assert set(owners_of(pod)) == {OwnerKey("Tenant", "", "acme"), OwnerKey("Blueprint", "acme-shop", "shop")}


def test_an_owner_is_kept_without_what_nobody_needs():
    copy_of_all = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "x"}
    trimmed = trim_owner(blueprint(1, annotations=copy_of_all, managedFields=[{}]))
    assert "managedFields" not in trimmed["metadata"]
    assert trimmed["metadata"]["annotations"] == {"mine": "x"}


def test_the_memory_of_the_deleted_is_bounded(store):
    for number in range(10_000):
        store.removed(ObjectKey(POD, "acme", "p"), f"uid-{number}")
    assert not store.is_gone("uid-0")
    assert store.is_gone("uid-9999")


def test_watching_on_demand_needs_someone_who_does_it(store):
    with pytest.raises(RuntimeError, match="no one starts watches"):
        store.ensure_namespaced_watch(CONFIG_MAP, "acme").send(None)


names = st.sampled_from(["a", "b", "c"])
operations = st.one_of(
    st.tuples(st.just("seen"), names, st.sampled_from(["shop", "other"])),
    st.tuples(st.just("wrote"), names, st.sampled_from(["shop", "other"])),
    st.tuples(st.just("removed"), names, st.just("")),
    st.tuples(st.just("stale"), names, st.sampled_from(["shop", "other"])),
)


@given(st.lists(operations, max_size=50))
def test_the_index_by_owner_always_equals_the_objects(steps):
    store = Store(lambda *_: None)
    for version, (operation, name, owner) in enumerate(steps, start=100):
        held = store.get(ObjectKey(SERVICE, "acme", name))
        uid = held["metadata"]["uid"] if held else f"{name}-{version}"
        if operation == "removed":
            store.removed(ObjectKey(SERVICE, "acme", name), uid)
        elif operation == "stale":
            store.seen(service(1, name=name, owner=owner, uid=uid), SERVICE)
        else:
            getattr(store, operation)(service(version, name=name, owner=owner, uid=uid))
        for expected in (SHOP, OTHER):
            wanted = {key for key in store.keys(SERVICE) if expected in owners_of(store.get(key))}
            assert set(store.children(expected)) == wanted
