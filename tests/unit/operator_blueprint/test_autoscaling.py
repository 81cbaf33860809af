"""Autoscalers of others: asked for only where one has left its mark."""

from types import SimpleNamespace
from typing import Any

import pytest

from dharma_operator.blueprint.autoscaling import autoscaled_deployments, marked
from dharma_operator.kube.compare import trim
from dharma_operator.kube.resources import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, ObjectKey

AUTOSCALER = {
    "manager": "kube-controller-manager",
    "operation": "Update",
    "subresource": "scale",
    "fieldsV1": {"f:spec": {"f:replicas": {}}},
}
STATUS = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}}
BY_HAND = {"manager": "kubectl", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop-pool"}


async def found(*entries: dict[str, Any], targets: list[dict[str, Any]]) -> tuple[frozenset[str], int]:
    """What is said of one pooler with these managed fields, and how often the API server was asked."""
    asked: list[str] = []

    async def listing(resource: Any, namespace: str) -> Any:
        assert (resource, namespace) == (HORIZONTAL_POD_AUTOSCALER, "acme")
        asked.append(namespace)
        return SimpleNamespace(items=[{"spec": {"scaleTargetRef": target}} for target in targets])

    live = {"kind": "Deployment", "metadata": {"name": "shop-pool", "namespace": "acme", "managedFields": list(entries)}, "spec": {}}
    children = {ObjectKey(DEPLOYMENT, "acme", "shop-pool"): trim(live)}
    client: Any = SimpleNamespace(list=listing)
    return await autoscaled_deployments(client, "acme", marked(children)), len(asked)


async def test_an_autoscaler_that_points_to_it_decides() -> None:
    assert await found(STATUS, AUTOSCALER, targets=[TARGET]) == ({"shop-pool"}, 1)


@pytest.mark.parametrize(
    "target", [None, {**TARGET, "name": "web"}, {**TARGET, "kind": "StatefulSet"}, {**TARGET, "apiVersion": "dharma.io/v1alpha1"}]
)
async def test_one_that_is_gone_or_points_elsewhere_does_not(target: dict[str, Any] | None) -> None:
    assert await found(AUTOSCALER, targets=[target] if target else []) == (frozenset(), 1)


@pytest.mark.parametrize("entries", [(), (STATUS,), (BY_HAND,)])
async def test_without_its_mark_nobody_is_asked(entries: tuple[dict[str, Any], ...]) -> None:
    assert await found(*entries, targets=[TARGET]) == (frozenset(), 0)
