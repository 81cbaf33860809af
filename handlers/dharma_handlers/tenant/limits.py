"""The LimitRange of a tenant's namespaces.

A ResourceQuota on requests or limits refuses pods that state none, so each resource that is counted gets a default here.
"""

from collections.abc import Mapping

from dharma_crds.quantity import Quantity
from dharma_crds.tenant import PLANS, ContainerLimits, PodLimits, Tenant
from dharma_handlers import labels
from dharma_handlers.outcome import Manifest

NAME = "dharma-limits"
_REQUEST = {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "128Mi"}
_LIMIT = {"cpu": "500m", "memory": "512Mi", "ephemeral-storage": "1Gi"}


def limit_range(tenant: Tenant, namespace: str) -> Manifest | None:
    """Build the LimitRange; None: neither the spec nor the quota asks for one."""
    spec = tenant.spec.limits
    items = [_container(tenant, (spec and spec.container) or ContainerLimits()), _pod((spec and spec.pod) or PodLimits())]
    if not any(items):
        return None
    own = {labels.MANAGED_BY: labels.MANAGER, labels.TENANT: tenant.name}
    metadata = {"name": NAME, "namespace": namespace, "labels": own}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [item for item in items if item]}}


def _container(tenant: Tenant, given: ContainerLimits) -> Manifest:
    counted = {*PLANS[tenant.spec.plan].compute, *tenant.spec.quota.compute}
    least, most = dict(given.min), dict(given.max)
    default, request = dict(given.default), dict(given.default_request)
    for resource, amount in _LIMIT.items():
        if f"limits.{resource}" in counted and resource not in default:
            floor = max(Quantity(amount), *(one[resource] for one in (least, request) if resource in one), Quantity("0"))
            default[resource] = min(floor, most[resource]) if resource in most else floor
    for resource, amount in _REQUEST.items():
        if f"requests.{resource}" in counted and resource not in request:
            floor = max(Quantity(amount), least[resource]) if resource in least else Quantity(amount)
            request[resource] = min([floor, *(one[resource] for one in (default, most) if resource in one)])
    # The rest is what the API server would fill in: the list is one value, and has to be equal to be left alone.
    default = {**most, **default}
    request = {**least, **default, **request}
    return _item("Container", {"default": default, "defaultRequest": request, "max": most, "min": least})


def _pod(given: PodLimits) -> Manifest:
    return _item("Pod", {"max": given.max, "min": given.min})


def _item(kind: str, bounds: Mapping[str, Mapping[str, Quantity]]) -> Manifest:
    told = {name: {resource: str(amounts[resource]) for resource in sorted(amounts)} for name, amounts in bounds.items() if amounts}
    return {"type": kind, **told} if told else {}
