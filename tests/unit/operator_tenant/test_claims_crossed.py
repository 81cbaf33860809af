"""Two Tenants that want one namespace, and labels that lie: somebody has it, and only one."""

import pytest

from dharma_operator.kube.resources import NAMESPACE, TENANT
from dharma_operator.store import Store
from dharma_operator.tenant.claims import Claims


def tenant(name, *, asks=("shop",), recorded=None, version="1"):
    entries = [{"name": space, "uid": uid} for space, uid in (recorded or {}).items()]
    return {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name, "uid": f"u-{name}", "creationTimestamp": "2026-11-20T08:00:00Z", "resourceVersion": version},
        "spec": {"projects": [{"name": "p", "namespace": space} for space in asks]},
        "status": {"namespaces": entries},
    }


def namespace(label, *, ours=True):
    metadata = {"name": "shop", "uid": "n1", "resourceVersion": "2", "labels": {"dharma.io/tenant": label}}
    managers = [{"manager": "iac-dharma" if ours else "kubectl", "operation": "Apply"}]
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {**metadata, "managedFields": managers}}


def world(*tenants, live):
    store, claims = Store(), Claims()
    for one in tenants:
        store.seen(one, TENANT)
    store.seen(live, NAMESPACE)
    claims.see(store, tenants[0])
    return store, claims


@pytest.mark.parametrize("made_for", ["a", "b"])
def test_of_two_that_ask_at_once_the_one_has_it_for_whom_it_was_made(made_for):
    both = {name: tenant(name) for name in ("a", "b")}
    store, claims = world(*both.values(), live=namespace(made_for))
    (other,) = both.keys() - {made_for}
    assert claims.others(store, both[made_for], ["shop"]) == {}
    assert claims.others(store, both[other], ["shop"]) == {"shop": made_for}


def test_a_label_that_somebody_else_wrote_says_nothing():
    both = [tenant("a"), tenant("b")]
    store, claims = world(*both, live=namespace("b", ours=False))
    assert claims.others(store, both[1], ["shop"]) == {"shop": "a"}


def test_what_is_on_record_is_taken_as_soon_as_the_record_is_there():
    victim, thief = tenant("victim"), tenant("thief", asks=())
    store, claims = world(victim, thief, live=namespace("thief"))
    assert claims.taken(store, thief, ["shop"]) == frozenset()
    store.seen(tenant("victim", recorded={"shop": "n1"}, version="3"), TENANT)
    assert claims.taken(store, thief, ["shop"]) == {"shop"}
    assert claims.taken(store, victim, ["shop"]) == frozenset()
