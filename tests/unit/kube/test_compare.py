"""Spellings of the server that are no differences, and differences that look like spellings."""

import json
from typing import Any

import pytest

from dharma_operator.kube.compare import differences, trim

BY_NAME = ("containers", "env")


def owned(value: Any, key: str = "") -> dict[str, Any]:
    """What the server notes about a value that was applied; selectors and other lists count as one value."""
    if isinstance(value, dict) and value and not key.lower().endswith("selector"):
        return {f"f:{name}": owned(member, name) for name, member in value.items()}
    if isinstance(value, list) and key in BY_NAME:
        return {f"k:{json.dumps({'name': item['name']}, separators=(',', ':'))}": {".": {}, **owned(item)} for item in value}
    return {}


def live(applied: dict[str, Any], stored: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """An object to which `applied` was applied, and which the server shows as `stored`."""
    entries = [
        {"manager": "iac-dharma", "operation": "Apply", "fieldsV1": owned(applied), "time": "2026-01-01T00:00:00Z"},
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:foreign": {}}}},
    ]
    return {"kind": "X", **stored, "metadata": {"name": "x", "resourceVersion": "1", "managedFields": entries, **metadata}}


def wanted(body: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, **body}


SAME = [
    pytest.param({"spec": {"requests": {"cpu": "1000m"}}}, {"spec": {"requests": {"cpu": "1"}}}, id="quantity"),
    pytest.param({"spec": {"requests": {"cpu": 1}}}, {"spec": {"requests": {"cpu": "1"}}}, id="quantity as a number"),
    pytest.param({"spec": {"hard": {"requests.memory": "1024Mi"}}}, {"spec": {"hard": {"requests.memory": "1Gi"}}}, id="quota"),
    pytest.param({"spec": {"emptyDir": {"sizeLimit": "1024Ki"}}}, {"spec": {"emptyDir": {"sizeLimit": "1Mi"}}}, id="size limit"),
    pytest.param({"spec": {"paused": False, "note": "", "count": 0}}, {"spec": {}}, id="zero values are not stored"),
    pytest.param({"spec": {"emptyDir": {}}}, {"spec": {"emptyDir": {"medium": ""}}}, id="others may fill {}"),
    pytest.param(
        {"spec": {"ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}]}},
        {"spec": {"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}},
        id="default in a list that counts as one value",
    ),
    pytest.param({"spec": {"ingress": [{"from": []}]}}, {"spec": {"ingress": [{}]}}, id="empty list in such a list"),
    pytest.param({"spec": {"a": "x"}}, {"spec": {"a": "x", "b": "y"}}, id="others' field"),
    pytest.param({"spec": {"a": "x"}}, {"spec": {"a": "x"}, "status": {"ready": True}}, id="status"),
    pytest.param(
        {"spec": {"env": [{"name": "A", "value": "1"}]}},
        {"spec": {"env": [{"name": "INJECTED", "value": "2"}, {"name": "A", "value": "1"}]}},
        id="others' item, and order",
    ),
]

OTHER = [
    pytest.param({"spec": {"requests": {"cpu": "1"}}}, {"spec": {"requests": {"cpu": "2"}}}, "spec.requests.cpu", id="quantity"),
    pytest.param({"data": {"cpu": "1000m"}}, {"data": {"cpu": "1"}}, "data.cpu", id="text that looks like a quantity"),
    pytest.param({"spec": {"labels": {"limits": "1000m"}}}, {"spec": {"labels": {"limits": "1"}}}, "spec.labels.limits", id="label"),
    pytest.param({"spec": {"port": 80}}, {"spec": {"port": "80"}}, "spec.port", id="number and text"),
    pytest.param({"spec": {"on": True}}, {"spec": {"on": 1}}, "spec.on", id="truth and number"),
    pytest.param(
        {"spec": {"podSelector": {}}},
        {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
        "spec.podSelector",
        id="an empty selector is all",
    ),
    pytest.param(
        {"spec": {"peers": [{"podSelector": {}}]}},
        {"spec": {"peers": [{"podSelector": {}, "namespaceSelector": {}}]}},
        "spec.peers",
        id="more in a list that counts as one value",
    ),
    pytest.param(
        {"spec": {"peers": [{"namespaceSelector": {}}]}},
        {"spec": {"peers": [{}]}},
        "spec.peers",
        id="less in a list that counts as one value",
    ),
    pytest.param({"spec": {"rules": ["a", "b"]}}, {"spec": {"rules": ["b", "a"]}}, "spec.rules", id="order in such a list"),
    pytest.param({"spec": {"a": "x", "b": "y"}}, {"spec": {"a": "x"}}, "spec.b", id="absent"),
    pytest.param(
        {"spec": {"containers": [{"name": "db", "image": "a:1"}]}},
        {"spec": {"containers": [{"name": "db", "image": "a:2"}]}},
        "spec.containers[db].image",
        id="in an item",
    ),
    pytest.param({"spec": {"env": [{"name": "A", "value": "1"}]}}, {"spec": {"env": []}}, "spec.env[A]", id="item"),
]


@pytest.mark.parametrize(("applied", "stored"), SAME)
def test_another_spelling_is_no_difference(applied: dict[str, Any], stored: dict[str, Any]):
    assert differences(wanted(applied), live(applied, stored)) == []
    assert differences(wanted(applied), trim(live(applied, stored))) == []


@pytest.mark.parametrize(("applied", "stored", "path"), OTHER)
def test_a_difference_is_named(applied: dict[str, Any], stored: dict[str, Any], path: str):
    assert differences(wanted(applied), live(applied, stored)) == [path]


def test_what_is_not_wanted_any_more_is_named():
    before = {"spec": {"a": "x", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}, "data": {"x": "1"}}
    now = wanted({"spec": {"env": [{"name": "A"}]}})
    assert differences(now, live(before, before)) == ["data", "spec.a", "spec.env[A].value", "spec.env[B]"]


def test_what_was_never_applied_is_named_by_its_values_where_they_differ():
    foreign = live({}, {"spec": {"a": "x", "b": {"c": "y", "d": "z"}}})
    assert differences(wanted({"spec": {"a": "x", "b": {"c": "y", "d": "other"}}}), foreign) == ["spec.b.d"]
    assert differences(wanted({"spec": {"a": "x"}}), foreign) == ["spec"], "the same values, but not ours"


def test_a_secret_is_compared_as_the_server_stores_it():
    stored = {"data": {"password": "w7Y="}}
    secret = {**wanted({"stringData": {"password": "ö"}}), "kind": "Secret"}
    assert differences(secret, {**live(stored, stored), "kind": "Secret"}) == []
    assert differences({**secret, "stringData": {"password": "o"}}, {**live(stored, stored), "kind": "Secret"}) == ["data.password"]


def test_labels_annotations_and_owners_count_other_metadata_does_not():
    owner = {"uid": "u", "name": "shop"}
    fields = {"f:metadata": {"f:labels": {"f:app": {}}, "f:ownerReferences": {'k:{"uid":"u"}': {}}}}
    entry = {"manager": "iac-dharma", "operation": "Apply", "fieldsV1": fields}
    metadata = {"name": "x", "labels": {"app": "a", "foreign": "b"}, "ownerReferences": [owner], "generation": 3, "managedFields": [entry]}
    want = {"metadata": {"name": "x", "labels": {"app": "a"}, "annotations": {}, "ownerReferences": [owner], "uid": "other"}}
    assert differences(want, {"metadata": metadata}) == []
    renamed = {"metadata": {**want["metadata"], "ownerReferences": [{**owner, "name": "other"}]}}
    assert differences(renamed, {"metadata": metadata}) == ["metadata.ownerReferences[u]"]
    assert differences({"metadata": {"name": "x"}}, {"metadata": metadata}) == ["metadata"]


def test_both_entries_of_a_manager_count():
    """An object that was applied in two API versions has two."""
    entries = [
        {"manager": "iac-dharma", "operation": "Apply", "apiVersion": version, "fieldsV1": {"f:spec": {field: {}}}}
        for version, field in (("x/v1", "f:a"), ("x/v2", "f:b"))
    ]
    assert differences({"spec": {"a": "1", "b": "2"}}, {"metadata": {"managedFields": entries}, "spec": {"a": "1", "b": "2"}}) == []


def test_trim_keeps_what_decisions_need():
    pod = {
        "kind": "Pod",
        "metadata": {
            "name": "p",
            "uid": "u",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": {"f:status": {}}, "subresource": "status"}],
        },
        "spec": {"nodeName": "n", "volumes": [{}], "containers": [{"name": "c", "image": "i", "env": [{"name": "A"}]}]},
        "status": {"podIP": "10.0.0.1"},
    }
    assert trim(pod) == {
        "kind": "Pod",
        "metadata": {"name": "p", "uid": "u", "annotations": {"a": "b"}},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
        "status": {"podIP": "10.0.0.1"},
    }
    assert trim(trim(pod)) == trim(pod)
    assert len(pod["metadata"]["managedFields"]) == 1, "the argument is not changed"
