"""What is decided about children, without any server."""

from typing import Any

import pytest

from dharma_handlers.outcome import RETAIN_ANNOTATION, Manifest, Mode, Wanted
from dharma_operator.kube import resources
from dharma_operator.kube.plan import child_of, prunable, rank, revision_hash, step_for, stranger
from dharma_operator.kube.resources import MANAGED_BY, MANAGED_BY_LABEL, key_of, resource_of

BLUEPRINT = {"apiVersion": "dharma.io/v1alpha1", "kind": "Blueprint", "metadata": {"name": "shop", "namespace": "acme", "uid": "u-shop"}}
TENANT = {"apiVersion": "dharma.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme", "uid": "u-acme"}}


def manifest(name: str = "a", namespace: str | None = "acme", kind: str = "ConfigMap", api: str = "v1", **metadata: Any) -> Manifest:
    where = {} if namespace is None else {"namespace": namespace}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **where, **metadata}}


def live(name: str = "a", *, manager: str = "iac-dharma", **metadata: Any) -> Manifest:
    labels = {MANAGED_BY_LABEL: MANAGED_BY, "dharma.io/blueprint": "shop"}
    fields = {"f:metadata": {"f:labels": {f"f:{label}": {} for label in labels}}}
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    return manifest(name, **{"uid": f"u-{name}", "labels": labels, "managedFields": [entry], **metadata})


def test_a_child_gets_labels_and_owner():
    child = child_of(BLUEPRINT, Wanted(manifest(labels={"app": "x"})))
    assert child.manifest["metadata"]["labels"] == {MANAGED_BY_LABEL: MANAGED_BY, "dharma.io/blueprint": "shop", "app": "x"}
    assert child.manifest["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "dharma.io/v1alpha1",
            "kind": "Blueprint",
            "name": "shop",
            "uid": "u-shop",
            "controller": True,
        }
    ]


def test_the_handlers_manifest_is_not_changed():
    wanted = manifest(labels={"app": "x"})
    child_of(BLUEPRINT, Wanted(wanted))
    assert wanted == manifest(labels={"app": "x"})


@pytest.mark.parametrize(
    ("owner", "wanted", "owned"),
    [
        (BLUEPRINT, manifest(), True),
        (BLUEPRINT, manifest(namespace="elsewhere"), False),
        (BLUEPRINT, manifest(namespace=None, kind="Namespace"), False),
        (TENANT, manifest(namespace=None, kind="Namespace"), True),
        (TENANT, manifest(), True),
        (BLUEPRINT, manifest(annotations={RETAIN_ANNOTATION: "true"}), False),
        (BLUEPRINT, manifest(annotations={RETAIN_ANNOTATION: "false"}), True),
    ],
)
def test_owner_references_only_where_kubernetes_allows_them(owner: Manifest, wanted: Manifest, owned: bool):
    assert ("ownerReferences" in child_of(owner, Wanted(wanted)).manifest["metadata"]) is owned


def test_own_owner_references_win():
    references = [{"uid": "other"}]
    child = child_of(BLUEPRINT, Wanted(manifest(ownerReferences=references)))
    assert child.manifest["metadata"]["ownerReferences"] == references


def test_create_only_is_not_labelled():
    child = child_of(BLUEPRINT, Wanted(manifest(), Mode.CREATE_ONLY))
    assert "labels" not in child.manifest["metadata"]
    assert child.manifest["metadata"]["ownerReferences"]


@pytest.mark.parametrize(
    ("mode", "there", "action"),
    [
        (Mode.APPLY, False, "Create"),
        (Mode.APPLY, True, "Update"),
        (Mode.CREATE_ONLY, False, "Create"),
        (Mode.CREATE_ONLY, True, None),
        (Mode.UPDATE_ONLY, False, None),
        (Mode.UPDATE_ONLY, True, "Update"),
    ],
)
def test_modes(mode: Mode, there: bool, action: str | None):
    child = child_of(BLUEPRINT, Wanted({**manifest(), "data": {"x": "1"}}, mode))
    step = step_for(child, live() if there else None)
    assert (step.action if step else None) == action


def test_a_terminating_object_is_left_alone():
    assert step_for(child_of(BLUEPRINT, Wanted({**manifest(), "data": {"x": "1"}})), live(deletionTimestamp="now")) is None


def test_what_is_pruned():
    children = [
        live("wanted"),
        live("surplus"),
        live("retained", annotations={RETAIN_ANNOTATION: "true"}),
        live("terminating", deletionTimestamp="now"),
        live("of-a-controller", manager="kube-controller-manager"),
        live("of-another-owner", ownerReferences=[{"kind": "StatefulSet", "name": "x", "uid": "u", "controller": True}]),
    ]
    found = prunable(BLUEPRINT, [key_of(children[0])], {key_of(child): child for child in children})
    assert [key.name for key in found] == ["surplus"]


def test_workloads_are_pruned_first():
    workload = {**live("w"), "apiVersion": "apps/v1", "kind": "StatefulSet"}
    found = prunable(BLUEPRINT, [], {key_of(child): child for child in (live("a"), workload)})
    assert [key.resource.kind for key in found] == ["StatefulSet", "ConfigMap"]


@pytest.mark.parametrize(
    ("object_", "holder"),
    [
        (live(), None),
        (manifest(), "someone else"),
        (live(labels={MANAGED_BY_LABEL: MANAGED_BY, "dharma.io/blueprint": "other"}), "Blueprint other"),
        (live(ownerReferences=[{"kind": "Blueprint", "name": "other", "uid": "u", "controller": True}]), "Blueprint other"),
        (live(ownerReferences=[{"kind": "Blueprint", "name": "shop", "uid": "u-shop", "controller": True}]), None),
        (live(labels={}), None),
    ],
)
def test_whose_an_object_is(object_: Manifest, holder: str | None):
    assert stranger(BLUEPRINT, object_) == holder


def test_ranks():
    order = [resources.NAMESPACE, resources.SECRET, resources.STATEFUL_SET]
    assert [rank(resource) for resource in order] == [0, 1, 2]
    assert rank(resources.PERSISTENT_VOLUME_CLAIM) == rank(resources.ROLE_BINDING) == rank(resources.POD_DISRUPTION_BUDGET) == 1


def test_the_hash_knows_modes_and_fields_but_no_nulls():
    one = Wanted({**manifest(), "data": {"x": "1"}})
    assert revision_hash([one]) == revision_hash([Wanted({"data": {"x": "1", "y": None}, **manifest()})])
    assert revision_hash([one]) != revision_hash([Wanted({**manifest(), "data": {"x": "2"}})])
    assert revision_hash([one]) != revision_hash([Wanted(one.manifest, Mode.UPDATE_ONLY)])


def test_an_unknown_kind_is_named():
    with pytest.raises(LookupError, match="kind Thing is not known"):
        resource_of({"apiVersion": "example.org/v1", "kind": "Thing"})


def test_paths():
    assert resources.STATEFUL_SET.path("acme", "db") == "/apis/apps/v1/namespaces/acme/statefulsets/db"
    assert resources.POD.path() == "/api/v1/pods"
    assert resources.TENANT.path(None, "acme", "status") == "/apis/dharma.io/v1alpha1/tenants/acme/status"
    assert str(resources.DHARMA_DEPLOYMENT) == "deployments.dharma.io"
    assert str(key_of(manifest())) == "ConfigMap acme/a"
    assert key_of(manifest()).short == "ConfigMap/a"
