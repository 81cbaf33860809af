"""The tenant's policies as marks on its namespaces.

The chart's admission policies are the same for all tenants: a label of the namespace chooses what is done (`deny`, `warn`, `audit`), an
annotation holds what is allowed. So there is no object for each tenant, and all holds with the operator down.
"""

from collections.abc import Iterable
from typing import Final

from dharma_crds.tenant import Policies, Tenant

ACTION: Final = "dharma.io/policy-"
"""Label, with the need's name: what is done about what is not allowed."""
ALLOWED: Final = "dharma.io/allowed-"
"""Annotation, with the need's name: what is allowed, by commas. None of the names can hold one."""


def labels_and_annotations(tenant: Tenant) -> tuple[dict[str, str], dict[str, str]]:
    """Return what each namespace of the tenant must carry for its policies to hold there."""
    labels = {f"{ACTION}protection": tenant.spec.policies.protection.lower()}
    annotations: dict[str, str] = {}
    for need, action, allowed in _needs(tenant.spec.policies):
        labels[f"{ACTION}{need}"] = action.lower()
        annotations[f"{ALLOWED}{need}"] = ",".join(sorted(allowed))
    return labels, annotations


def _needs(policies: Policies) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    for need, policy in (
        ("storage-classes", policies.storage_classes),
        ("priority-classes", policies.priority_classes),
        ("registries", policies.registries),
        ("ingress-hosts", policies.ingress_hosts),
        ("service-types", policies.service_types),
    ):
        if policy is not None:
            yield need, policy.action, policy.allowed
