import re
from pathlib import Path

import pytest
from tests.unit.tenant.test_facets import place, tenant

from dharma_crds.tenant import Policies
from dharma_handlers import labels
from dharma_handlers.outcome import RETAIN_ANNOTATION
from dharma_handlers.tenant.policies import ACTION, ALLOWED, labels_and_annotations
from dharma_handlers.tenant.quota_state import SEQUENCE

TEMPLATES = Path(__file__).resolve().parents[3] / "charts" / "iac-dharma" / "templates"

ALL = {
    "storageClasses": {"allowed": ["standard", "fast"]},
    "priorityClasses": {"action": "Audit"},
    "registries": {"allowed": ["registry.example/acme", "ghcr.io"], "action": "Warn"},
    "ingressHosts": {"allowed": ["*.acme.example"], "action": "Deny"},
    "serviceTypes": {"allowed": ["LoadBalancer"]},
    "protection": "Audit",
}


def test_a_tenant_without_policies_is_protected_and_else_free():
    assert labels_and_annotations(tenant()) == ({"dharma.io/policy-protection": "deny"}, {})


def test_each_policy_is_a_label_and_an_annotation():
    assert labels_and_annotations(tenant(policies=ALL)) == (
        {
            "dharma.io/policy-protection": "audit",
            "dharma.io/policy-storage-classes": "deny",
            "dharma.io/policy-priority-classes": "audit",
            "dharma.io/policy-registries": "warn",
            "dharma.io/policy-ingress-hosts": "deny",
            "dharma.io/policy-service-types": "deny",
        },
        {
            "dharma.io/allowed-storage-classes": "fast,standard",
            "dharma.io/allowed-priority-classes": "",
            "dharma.io/allowed-registries": "ghcr.io,registry.example/acme",
            "dharma.io/allowed-ingress-hosts": "*.acme.example",
            "dharma.io/allowed-service-types": "LoadBalancer",
        },
    )


def test_namespaces_carry_them_beside_what_else_they_carry():
    wanted = place(None, tenant(policies=ALL)).manifest
    assert wanted is not None
    assert wanted["metadata"]["labels"]["dharma.io/policy-registries"] == "warn"
    assert wanted["metadata"]["labels"]["dharma.io/tenant"] == "acme"
    assert wanted["metadata"]["annotations"]["dharma.io/allowed-registries"] == "ghcr.io,registry.example/acme"
    assert wanted["metadata"]["annotations"]["dharma.io/retain"] == "true"
    gone = place(None, tenant(deletionPolicy="Delete")).manifest
    assert gone is not None
    assert "annotations" not in gone["metadata"]


def test_the_order_of_a_list_changes_nothing():
    turned = {**ALL, "storageClasses": {"allowed": ["fast", "standard"]}}
    assert labels_and_annotations(tenant(policies=ALL)) == labels_and_annotations(tenant(policies=turned))


@pytest.mark.parametrize("field", [name for name in Policies.model_fields if name != "protection"])
def test_each_need_has_its_policy_in_the_chart(field):
    need = field.replace("_", "-")
    assert f'"need" "{need}" "field" "{Policies.model_fields[field].alias}"' in (TEMPLATES / "policies.yaml").read_text()


def test_the_chart_spells_labels_and_annotations_as_the_operator_does():
    protection, shared = ((TEMPLATES / name).read_text() for name in ("policies-protection.yaml", "_policies.tpl"))
    spelt = set(re.findall(r"dharma\.io/[a-z-]+", protection + shared))
    owned = {labels.BLUEPRINT, labels.COMPONENT, labels.USER, labels.TENANT, labels.PROJECT, labels.ROLE}
    assert owned | {labels.CONFIG_HASH, labels.SERVICE_ACCOUNT, SEQUENCE, RETAIN_ANNOTATION, ACTION, ALLOWED} <= spelt
    assert f"'{labels.MANAGER}'" in protection
