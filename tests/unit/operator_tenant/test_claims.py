"""Who holds a namespace: whose it was, then who asked first."""

from dharma_operator.kube.resources import NAMESPACE, TENANT
from dharma_operator.store import Store
from dharma_operator.tenant.claims import Claims


def tenant(name, *namespaces, since="2026-11-20T08:00:00Z", recorded=None):
    entries = [{"name": space, "uid": uid} for space, uid in (recorded or {}).items()]
    return {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name, "uid": f"u-{name}", "creationTimestamp": since, "resourceVersion": "1"},
        "spec": {"projects": [{"name": "p", "namespace": space} for space in namespaces]},
        "status": {"namespaces": entries},
    }


def namespace(name, uid):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": uid, "resourceVersion": "2"}}


def world(*tenants, namespaces=()):
    store = Store()
    for one in tenants:
        store.seen(one, TENANT)
    for one in namespaces:
        store.seen(one, NAMESPACE)
    return store


def test_the_older_of_two_that_ask_for_one_name_has_it():
    old, new = tenant("old", "shop"), tenant("new", "shop", since="2026-11-21T08:00:00Z")
    store, claims = world(old, new), Claims()
    claims.see(store, new)
    assert claims.others(store, new, ["shop"]) == {"shop": "old"}
    assert claims.others(store, old, ["shop"]) == {}


def test_what_exists_stays_with_whom_it_was():
    old, new = tenant("old", "shop"), tenant("new", "shop", since="2026-11-21T08:00:00Z", recorded={"shop": "n1"})
    store, claims = world(old, new, namespaces=[namespace("shop", "n1")]), Claims()
    claims.see(store, old)
    assert claims.others(store, old, ["shop"]) == {"shop": "new"}
    assert claims.others(store, new, ["shop"]) == {}


def test_a_record_of_a_former_namespace_of_that_name_counts_for_nothing():
    old, new = tenant("old", "shop"), tenant("new", "shop", since="2026-11-21T08:00:00Z", recorded={"shop": "n0"})
    store, claims = world(old, new, namespaces=[namespace("shop", "n1")]), Claims()
    claims.see(store, new)
    assert claims.others(store, new, ["shop"]) == {"shop": "old"}


def test_a_claim_ends_with_the_spec_and_with_the_tenant():
    old, new = tenant("old", "shop"), tenant("new", "shop", since="2026-11-21T08:00:00Z")
    store, claims = world(old, new), Claims()
    claims.see(store, tenant("old", "elsewhere"))
    assert claims.others(store, new, ["shop"]) == {}
    claims.see(store, old)
    claims.forget("old")
    assert claims.others(store, new, ["shop"]) == {}
