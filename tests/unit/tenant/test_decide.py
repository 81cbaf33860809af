import pytest
from tests.unit.tenant.test_facets import CLUSTER, NOW, live, tenant

from dharma_handlers.tenant.decide import decide
from dharma_handlers.tenant.limits import limit_range
from dharma_handlers.tenant.observed import TenantObserved


def seen(one=None):
    return TenantObserved(NOW, CLUSTER, "dharma-system", {"acme-shop": one})


def kinds(found):
    return [one.manifest["kind"] for one in found.outcome.objects or ()]


def test_a_new_tenant():
    found = decide(tenant(), seen())
    assert kinds(found) == ["Namespace", "LimitRange", "NetworkPolicy", "NetworkPolicy"]
    assert found.outcome.conditions[0].status == "True"


def test_a_stranger_s_namespace_gets_nothing():
    found = decide(tenant(), seen(live({"dharma.io/tenant": "other"})))
    assert kinds(found) == []
    assert found.outcome.conditions[2].status == "True"


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_a_removed_project(policy):
    one = live({"dharma.io/tenant": "acme"}, annotations={"dharma.io/retain": "true"})
    found = decide(tenant(projects=[], deletionPolicy=policy), seen(one))
    assert bool(found.release) == (policy == "Retain")
    assert kinds(found) == ([] if policy == "Retain" else ["Namespace"])


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
