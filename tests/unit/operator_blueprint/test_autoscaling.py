"""Autoscalers of others: asked for only where one has left its mark."""

from types import SimpleNamespace
from typing import Any

import pytest

from dharma_operator.blueprint.autoscaling import autoscaled_deployments
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


def request(*entries: dict[str, Any], targets: list[dict[str, Any]]) -> Any:
    """A reconcile of a Blueprint with one pooler; `asked` counts the questions."""
    asked: list[str] = []

    async def listing(resource: Any, namespace: str) -> Any:
        assert (resource, namespace) == (HORIZONTAL_POD_AUTOSCALER, "acme")
        asked.append(namespace)
        return SimpleNamespace(items=[{"spec": {"scaleTargetRef": target}} for target in targets])

    live = {"kind": "Deployment", "metadata": {"name": "shop-pool", "namespace": "acme", "managedFields": list(entries)}, "spec": {}}
    children = {ObjectKey(DEPLOYMENT, "acme", "shop-pool"): trim(live)}
    owner = {"metadata": {"name": "shop", "namespace": "acme"}}
    return SimpleNamespace(owner=owner, children=children, client=SimpleNamespace(list=listing), asked=asked)


async def test_an_autoscaler_that_points_to_it_decides() -> None:
    assert await autoscaled_deployments(request(STATUS, AUTOSCALER, targets=[TARGET])) == {"shop-pool"}


@pytest.mark.parametrize(
    "targets", [[], [{**TARGET, "name": "web"}], [{**TARGET, "kind": "StatefulSet"}], [{**TARGET, "apiVersion": "dharma.io/v1alpha1"}]]
)
async def test_one_that_is_gone_or_points_elsewhere_does_not(targets: list[dict[str, Any]]) -> None:
    assert await autoscaled_deployments(request(AUTOSCALER, targets=targets)) == frozenset()


@pytest.mark.parametrize("entries", [(), (STATUS,), (BY_HAND,)])
async def test_without_its_mark_nobody_is_asked(entries: tuple[dict[str, Any], ...]) -> None:
    made = request(*entries, targets=[TARGET])
    assert await autoscaled_deployments(made) == frozenset()
    assert made.asked == []
