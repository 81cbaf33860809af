from datetime import UTC, datetime, timedelta

from dharma_crds.tenant import Tenant
from dharma_handlers.facts import ClusterFacts, Images
from dharma_handlers.tenant.namespaces import placements, released, removed
from dharma_handlers.tenant.network import policies
from dharma_handlers.tenant.observed import TenantObserved
from dharma_handlers.tenant.roles import bindings, next_expiry

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CLUSTER = ClusterFacts(Images("p", "b", "r"))


def tenant(**spec):
    spec = {"plan": "Pro", "projects": [{"name": "shop"}], **spec}
    return Tenant.model_validate({"metadata": {"name": "acme", "uid": "1"}, "spec": spec})


def place(live, wanted=None, **fields):
    found = TenantObserved(NOW, CLUSTER, "dharma-system", {"acme-shop": live} if live else {}, **fields)
    return placements(wanted or tenant(), found)[0]


def live(labels=None, **metadata):
    return {"metadata": {"name": "acme-shop", "uid": "n1", "labels": labels or {}, **metadata}}


def test_a_namespace_is_taken_only_from_nobody():
    assert place(None).manifest
    assert place(live()).exists
    assert place(live({"dharma.io/tenant": "acme"})).exists
    assert "Tenant other" in place(live({"dharma.io/tenant": "other"}, annotations={"dharma.io/adopt": "acme"})).message
    assert "Tenant other" in place(live(), claims={"acme-shop": "other"}).message
    helm = {"app.kubernetes.io/managed-by": "Helm"}
    assert place(live(helm)).manifest is None
    assert place(live(helm, annotations={"dharma.io/adopt": "acme"})).exists
    assert place(live(ownerReferences=[{"controller": True, "uid": "2", "kind": "App", "name": "x"}])).manifest is None
    for name in ("dharma-system",):
        assert "reserved" in place(None, tenant(projects=[{"name": "shop", "namespace": name}])).message


def test_no_label_takes_a_namespace_from_the_tenant_that_had_it():
    stolen = live({"dharma.io/tenant": "evil"})
    assert place(stolen, recorded={"acme-shop": "n1"}).exists
    assert not place(stolen, recorded={"acme-shop": "n0"}).exists, "another namespace of the same name"
    observed = TenantObserved(NOW, CLUSTER, "dharma-system", {"acme-shop": stolen}, recorded={"acme-shop": "n1"})
    assert removed(tenant(projects=[]), observed) == (stolen,), "it is let go by whoever had it"


def test_a_namespace_that_goes_with_its_tenant_is_waited_for():
    (owner,) = place(None, tenant(deletionPolicy="Delete")).manifest["metadata"]["ownerReferences"]
    assert owner["blockOwnerDeletion"]
    assert owner["uid"] == "1"
    assert "ownerReferences" not in place(None).manifest["metadata"]


def test_a_namespace_that_hangs_says_on_what():
    hanging = live({"dharma.io/tenant": "acme"}, deletionTimestamp="x")
    hanging["status"] = {"conditions": [{"status": "True", "message": "pods. has 1 resource instances"}]}
    found = place(hanging)
    assert not found.exists
    assert "pods. has 1" in found.message


def test_a_released_namespace_keeps_its_pod_security_alone():
    one = live({"dharma.io/tenant": "acme", "pod-security.kubernetes.io/enforce": "restricted"})
    observed = TenantObserved(NOW, CLUSTER, "dharma-system", {"acme-shop": one})
    assert removed(tenant(projects=[]), observed) == (one,)
    assert released(one)["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_an_expired_member_has_no_binding():
    member = {"kind": "User", "name": "a", "role": "Admin", "expiresAt": "2026-11-23T12:01:00Z"}
    wanted = tenant(members=[member])
    assert [one["metadata"]["name"] for one in bindings(wanted, "shop", "acme-shop", NOW)] == ["dharma-admin"]
    assert next_expiry(wanted, NOW) == 60
    assert not bindings(wanted, "shop", "acme-shop", NOW + timedelta(minutes=1))


def test_data_pods_are_denied_but_not_opened():
    deny, allow = policies(tenant(), "acme-shop", CLUSTER)
    both = ["Ingress", "Egress"]
    assert (deny["spec"]["policyTypes"], allow["spec"]["policyTypes"]) == (both, both)
    assert "ingress" not in deny["spec"]
    assert "egress" not in deny["spec"]
    assert len(allow["spec"]["egress"]) == 2, "names and its own tenant, nothing else"
    assert not policies(tenant(network={"isolation": "None"}), "acme-shop", CLUSTER)


def test_each_pod_is_selected_by_one_policy_whichever_is_written_first():
    """With both on a pod, the one that denies would cut it off until the other one is there, or after that is deleted."""
    selectors = [one["spec"]["podSelector"]["matchExpressions"] for one in policies(tenant(), "acme-shop", CLUSTER)]
    assert selectors == [[{"key": "dharma.io/component", "operator": wanted}] for wanted in ("Exists", "DoesNotExist")]


def test_a_namespace_that_is_labelled_as_ours_and_another_s_on_record_is_not_let_go():
    observed = TenantObserved(NOW, CLUSTER, "dharma-system", {"acme-shop": live({"dharma.io/tenant": "acme"})}, taken={"acme-shop"})
    assert removed(tenant(projects=[]), observed) == (), "it would lose its labels, or be deleted with all that is in it"
