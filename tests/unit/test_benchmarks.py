"""What benchmarks compute: what the operator applied, got back from what is there, and percentiles."""

import json
from pathlib import Path

import pytest
from benchmarks.children import moved
from benchmarks.owned import owned
from benchmarks.report import Report, percentile, ratio, spread
from tests.support import audit

LIVE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "shop-db-rw",
        "namespace": "acme",
        "uid": "1",
        "labels": {"app": "shop", "theirs": "x"},
        "ownerReferences": [{"uid": "9", "name": "shop"}],
        "managedFields": [
            {
                "manager": "iac-dharma",
                "operation": "Apply",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:app": {}}, "f:ownerReferences": {'k:{"uid":"9"}': {}}},
                    "f:spec": {
                        "f:selector": {},
                        "f:ports": {'k:{"port":5432,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}}},
                        "f:finalizers": {'v:"mine"': {}},
                    },
                },
            },
            {"manager": "iac-dharma", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {"f:loadBalancer": {}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:theirs": {}}}}},
        ],
    },
    "spec": {
        "clusterIP": "10.96.0.7",
        "selector": {"role": "primary"},
        "ports": [
            {"name": "postgres", "port": 5432, "protocol": "TCP", "targetPort": 5432},
            {"name": "other", "port": 1, "protocol": "TCP"},
        ],
        "finalizers": ["mine", "theirs"],
    },
    "status": {"loadBalancer": {}},
}


def test_owned_is_what_the_operator_applied_and_nothing_else():
    assert owned(LIVE) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop-db-rw", "labels": {"app": "shop"}},
        "spec": {
            "selector": {"role": "primary"},
            "ports": [{"name": "postgres", "port": 5432, "protocol": "TCP"}],
            "finalizers": ["mine"],
        },
    }


def test_owned_is_nothing_of_what_others_made():
    assert owned(LIVE, manager="somebody-else") is None


def test_moved_replaces_the_namespace_wherever_it_is_said():
    manifest = {"metadata": {"name": "a"}, "data": {"uri": "redis://shop-cache.acme.svc"}}
    assert moved([manifest], "acme", "other") == [
        {"metadata": {"name": "a", "namespace": "other"}, "data": {"uri": "redis://shop-cache.other.svc"}}
    ]


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (99, 4), (100, 4), (25, 1), (26, 2)])
def test_percentile_is_the_nearest_rank(percent: float, expected: float):
    assert percentile([4, 2, 1, 3], percent) == expected


def test_figures_for_people():
    assert spread([3.0, 1.0, 2.0]) == "2.00 s (1.00 to 3.00)"
    assert spread([1.5]) == "1.50 s"
    assert (ratio(3, 2), ratio(3, 0)) == ("1.50x", "n/a")


def test_a_report_is_a_table_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.report.RESULTS", tmp_path / "results")
    report = Report("x", "Title", ("", "seconds"), [["one", "1.00"]], {"one": [1.0]}, ("a note",))
    assert [line.rstrip() for line in report.text().splitlines()] == [
        "## Title",
        "",
        "     seconds",
        "────────────",
        "one     1.00",
        "  a note",
    ]
    saved = json.loads(report.save({"date": "today"}).read_text())
    assert saved["figures"] == {"one": [1.0]}
    assert saved["table"] == [{"": "one", "seconds": "1.00"}]
    assert saved["date"] == "today"


def test_requests_are_read_from_the_audit_log_also_when_it_was_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def line(namespace: str, verb: str, code: int, agent: str, second: int) -> str:
        event = {
            "verb": verb,
            "user": {"username": "someone"},
            "userAgent": agent,
            "requestURI": f"/api/v1/namespaces/{namespace}/secrets?fieldManager=iac-dharma",
            "objectRef": {"resource": "secrets", "namespace": namespace, "name": "a"},
            "responseStatus": {"code": code},
            "requestReceivedTimestamp": f"2026-11-23T12:00:0{second}.000000Z",
        }
        return json.dumps(event, separators=(",", ":")) + "\n"

    monkeypatch.setattr(audit, "AUDIT_LOG", tmp_path / "audit.log")
    (tmp_path / "audit-2026-11-23T12-00-02.log").write_text(line("acme", "create", 201, "dharma-operator/1", 1))
    (tmp_path / "audit.log").write_text(
        line("acme", "patch", 200, "kubectl/1", 2)
        + line("acme", "patch", 201, "dharma-operator/1", 3)
        + line("other", "patch", 201, "dharma-operator/1", 3)
        + line("acme", "get", 200, "kopf/1", 4)
        + '{"verb": "half a li'
    )
    asked = audit.by_operator(["acme"])
    assert [(one.verb, one.made, one.writes, one.manager) for one in asked] == [
        ("create", True, True, "iac-dharma"),
        ("patch", True, True, "iac-dharma"),
        ("get", False, False, "iac-dharma"),
    ]
    assert len(audit.requests(["acme"], since=asked[1].at, until=asked[2].at)) == 1
