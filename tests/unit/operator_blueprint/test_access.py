"""The RoleBinding that lets the operator see a namespace's Secrets: whose it is, and when it is written."""

from types import SimpleNamespace
from typing import Any

import pytest

from dharma_operator.blueprint.access import NAME, NamespaceAccess
from dharma_operator.kube.resources import SECRET
from dharma_operator.settings import Settings
from dharma_operator.store import Store


def blueprint(name: str, namespace: str = "n", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"apiVersion": "dharma.io/v1alpha1", "kind": "Blueprint", "metadata": metadata, "spec": spec}


class FakeApi:
    """Takes what is applied, as the API server would store it."""

    def __init__(self) -> None:
        self.applied: list[dict[str, Any]] = []

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.applied.append(manifest)
        fields = {"f:metadata": {"f:labels": {}, "f:ownerReferences": {}}, "f:roleRef": {}, "f:subjects": {}}
        entry = {"manager": "iac-dharma", "operation": "Apply", "fieldsV1": fields}
        metadata = {**manifest["metadata"], "uid": "b", "resourceVersion": str(10 + len(self.applied)), "managedFields": [entry]}
        return {**manifest, "metadata": metadata}

    @property
    def owners(self) -> list[str]:
        return sorted(reference["name"] for reference in self.applied[-1]["metadata"]["ownerReferences"])


@pytest.fixture
def store() -> Store:
    watched: list[tuple[object, str]] = []
    store = Store()

    async def ensure(resource: object, namespace: str) -> None:
        watched.append((resource, namespace))

    store.connect(on_change=lambda *_: None, ensure_watch=ensure)
    store.watched = watched  # type: ignore[attr-defined]
    return store


def request(owner: dict[str, Any], store: Store, api: FakeApi) -> Any:
    return SimpleNamespace(owner=owner, store=store, client=api, settings=Settings(pod_namespace="ops"))


async def test_it_belongs_to_all_blueprints_of_the_namespace_that_have_objects(store: Store) -> None:
    shop, api = blueprint("shop"), FakeApi()
    for one in (shop, blueprint("till"), blueprint("plan", lifecycle="Draft"), blueprint("elsewhere", "m")):
        store.seen(one)
    await NamespaceAccess().ensure(request(shop, store, api))
    assert api.owners == ["shop", "till"]
    binding = api.applied[0]
    assert (binding["metadata"]["name"], binding["roleRef"]["kind"]) == (NAME, "ClusterRole")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "iac-dharma", "namespace": "ops"}]
    assert store.watched == [(SECRET, "n")]  # type: ignore[attr-defined]


async def test_a_blueprint_that_comes_later_is_added_and_one_that_goes_is_no_reason_to_hold_on(store: Store) -> None:
    shop, till, api, access = blueprint("shop"), blueprint("till"), FakeApi(), NamespaceAccess()
    store.seen(shop)
    await access.ensure(request(shop, store, api))
    store.seen(till)
    await access.ensure(request(till, store, api))
    assert api.owners == ["shop", "till"]
    leaving = {**shop, "metadata": {**shop["metadata"], "resourceVersion": "2", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    store.seen(leaving)
    await access.ensure(request(till, store, api))
    assert api.owners == ["till"]
