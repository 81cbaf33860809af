"""The decision about a whole Tenant: order, rights, release, what is told and when."""

import dataclasses

import pytest
from tests.unit.tenant.test_facets import CLUSTER, NOW, live, tenant

from dharma_handlers.outcome import Mode
from dharma_handlers.tenant.decide import decide
from dharma_handlers.tenant.limits import limit_range
from dharma_handlers.tenant.observed import TenantObserved
from dharma_handlers.tenant.quota_amounts import limits_of
from dharma_handlers.tenant.quota_state import QuotaObserved

MEMBERS = [{"kind": "User", "name": "alice", "role": "Admin"}]
OURS = {"dharma.io/tenant": "acme"}


def seen(one=None, **fields):
    return TenantObserved(NOW, CLUSTER, "dharma-system", {"acme-shop": one} if one else {}, **fields)


def enforced(who, namespace="acme-shop", used=0):
    hard = dict(limits_of(who))
    return {namespace: QuotaObserved(namespace, "7", hard, hard, dict.fromkeys(hard, used), 1)}


def dressed(who, observed):
    """What is seen once the decision has been carried out."""
    found = decide(who, observed).outcome.objects or ()
    names = [(one.manifest["kind"], one.manifest["metadata"].get("namespace", ""), one.manifest["metadata"]["name"]) for one in found]
    return dataclasses.replace(observed, children={name: {} for name in names})


def kinds(found, mode=Mode.APPLY):
    return [one.manifest["kind"] for one in found.outcome.objects or () if one.mode is mode]


def condition(found, kind):
    return next(one for one in found.outcome.conditions if one.type == kind)


def test_rights_come_last_when_quota_is_enforced():
    who = tenant(members=MEMBERS)
    new = decide(who, seen())
    assert kinds(new) == ["Namespace", "LimitRange", "NetworkPolicy", "NetworkPolicy"]
    assert kinds(new, Mode.UPDATE_ONLY) == ["RoleBinding"]
    assert not new.step.create, "where there is no namespace no quota can be made"
    assert [write.namespace for write in decide(who, seen(live(OURS))).step.create] == ["acme-shop"]
    assert "RoleBinding" in kinds(decide(who, seen(live(OURS), quotas=enforced(who))))


def test_ready_is_said_of_what_was_seen():
    who = tenant(members=MEMBERS)
    almost = seen(live(OURS), quotas=enforced(who))
    assert condition(decide(who, almost), "Ready").message == "LimitRange acme-shop/dharma-limits is being made"
    found = decide(who, dressed(who, almost))
    assert condition(found, "Ready").status == "True"
    assert condition(found, "Reconciling").status == "False"
    assert found.outcome.requeue_after is None
    assert found.outcome.status["summary"] == {"projects": "1/25", "blueprints": "0/200", "deployments": "0/500", "storage": "0/1Ti"}
    assert found.outcome.status["quota"]["users"] == {"used": "1", "hard": "100"}


def test_a_namespace_is_not_ready_before_its_first_share():
    who = tenant(quota={"compute": {"pods": "4"}})
    none = {name: dataclasses.replace(one, hard=dict.fromkeys(one.hard, 0)) for name, one in enforced(who).items()}
    found = decide(who, dressed(who, seen(live(OURS), quotas=none)))
    assert found.step.raises
    assert condition(found, "Ready").message == "namespace acme-shop gets its share of the quota"
    granted = dataclasses.replace(dressed(who, seen(live(OURS), quotas=none)), ledger=found.step.ledger)
    assert condition(decide(who, granted), "Ready").status == "True", "later moves of quota are no news"


def test_the_status_waits_some_moments_for_all_to_be_there():
    assert decide(tenant(), seen(young=True)).outcome.hold
    assert not decide(tenant(), seen(young=False)).outcome.hold
    refused = decide(tenant(), seen(live({"dharma.io/tenant": "other"}), young=True))
    assert not refused.outcome.hold
    assert refused.outcome.requeue_after, "nobody tells when the other gives it up"


def test_a_stranger_s_namespace_gets_nothing():
    found = decide(tenant(), seen(live({"dharma.io/tenant": "other"})))
    assert kinds(found) == []
    assert condition(found, "Stalled").status == "True"
    assert found.step.at_rest


def test_nothing_new_is_made_in_a_namespace_that_is_being_deleted():
    hanging = live(OURS, deletionTimestamp="x")
    found = decide(tenant(members=MEMBERS), seen(hanging, quotas=enforced(tenant())))
    assert kinds(found) == ["Namespace"]
    assert condition(found, "Ready").reason == "NamespaceTerminating"


def test_more_in_use_than_allowed_is_said_with_numbers():
    who = tenant(quota={"compute": {"pods": "3"}})
    found = decide(who, seen(live(OURS), quotas=enforced(who, used=5)))
    assert condition(found, "WithinQuota").status == "False"
    assert "pods: 5 of 3 in use, 2 too much" in condition(found, "WithinQuota").message


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_a_removed_project(policy):
    one = live(OURS, annotations={"dharma.io/retain": "true"})
    who = tenant(projects=[], deletionPolicy=policy)
    found = decide(who, seen(one, quotas=enforced(tenant())))
    assert bool(found.outcome.release) == (policy == "Retain")
    assert kinds(found, Mode.UPDATE_ONLY) == ([] if policy == "Retain" else ["Namespace"])
    assert bool(found.step.release) == (policy == "Retain"), "what is deleted with all that is in it counts until it is gone"


def test_what_an_operator_released_that_died_before_it_said_so_leaves_the_status_too():
    """Nothing is left to be written to the namespace, so no event comes of it."""
    who = tenant(projects=[])
    found = decide(who, seen(live(), recorded={"acme-shop": "n1"}))
    assert [entry["message"] for entry in found.outcome.status["namespaces"]] == ["it leaves the tenant"]
    assert found.outcome.requeue_after is not None
    after = decide(who, seen(live()))
    assert after.outcome.status["namespaces"] == []
    assert after.outcome.requeue_after is None


def test_defaults_fit_between_the_bounds():
    found = limit_range(tenant(limits={"container": {"max": {"cpu": "200m"}, "min": {"memory": "1Gi"}}}), "acme-shop")
    assert found["spec"]["limits"] == [
        {
            "type": "Container",
            "default": {"cpu": "200m", "memory": "1Gi"},
            "defaultRequest": {"cpu": "100m", "memory": "1Gi"},
            "max": {"cpu": "200m"},
            "min": {"memory": "1Gi"},
        }
    ]
