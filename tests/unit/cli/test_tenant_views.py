"""What people see of Tenants."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from dharma_crds.tenant import Tenant
from dharma_handlers.tenant.quota_state import QuotaObserved
from dharma_operator.cli.tenant.listing import age, table
from dharma_operator.cli.tenant.tree import tenant_tree
from dharma_operator.cli.tenant.usage import drawn, next_out, rows

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def seen(drawing: Any) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(drawing)
    return capture.get()


def acme(**spec: Any) -> dict[str, Any]:
    projects = [{"name": "shop"}, {"name": "lab", "namespace": "laboratory"}]
    metadata = {"name": "acme", "generation": 1, "creationTimestamp": "2026-11-23T11:00:00Z"}
    return {"metadata": metadata, "spec": {"plan": "Enterprise", "projects": projects, **spec}}


def counted(namespace: str, hard: dict[str, int], **used: int) -> QuotaObserved:
    return QuotaObserved(namespace, "1", hard, hard, {name.replace("_", "."): amount for name, amount in used.items()})


def usage_of(compute: dict[str, str], **used: dict[str, int]) -> Any:
    tenant = Tenant.model_validate(acme(quota={"compute": compute}))
    return rows(tenant, {name: counted(name, {"pods": 5}, **amounts) for name, amounts in used.items()})


def test_a_tenant_that_nobody_has_seen_is_listed_so() -> None:
    line = seen(table([acme()], NOW)).splitlines()[1]
    assert " ".join(line.split()) == "acme Enterprise - - - - - not seen by an operator yet 2d"


def test_the_list_has_what_the_operator_told() -> None:
    told = {"projects": "2/10", "blueprints": "4/50", "deployments": "7/100", "storage": "40Gi/200Gi"}
    status = {"summary": told, "conditions": [{"type": "Ready", "status": "False", "reason": "NamespaceRefused"}]}
    line = seen(table([acme() | {"status": status}], NOW)).splitlines()[1]
    assert " ".join(line.split()) == "acme Enterprise 2/10 4/50 7/100 40Gi/200Gi False NamespaceRefused 2d"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (86400 * 400, "400d"), (-5, "0s")])
def test_ages(seconds: int, text: str) -> None:
    begun = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert age({"metadata": {"creationTimestamp": begun}}, NOW) == text


def test_the_tree_names_namespaces_members_network_and_conditions() -> None:
    manifest = acme(
        displayName="Acme [x]",
        members=[
            {"kind": "User", "name": "alice", "role": "Admin"},
            {"kind": "Group", "name": "devs", "role": "Editor", "projects": ["shop"], "expiresAt": "2026-11-28T12:00:00Z"},
            {"kind": "ServiceAccount", "name": "ci", "namespace": "build", "role": "Viewer", "expiresAt": "2026-11-25T11:00:00Z"},
        ],
        policies={"serviceTypes": {"allowed": ["NodePort"], "action": "Warn"}, "ingressHosts": {}},
        network={"isolation": "Project", "ingressFrom": [{"namespace": "ingress", "ports": [80]}], "egressTo": [{"cidr": "192.0.2.0/24"}]},
    )
    waits = {"name": "laboratory", "project": "lab", "ready": False, "message": "namespace laboratory belongs to Tenant other"}
    manifest["status"] = {
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "NamespaceRefused", "message": "project lab: no"},
            {"type": "Stalled", "status": "True", "reason": "NamespaceRefused"},
        ],
        "namespaces": [{"name": "acme-shop", "ready": True}, waits, {"name": "acme-old", "message": "it leaves the tenant"}],
        "quota": {"pods": {"used": "3", "hard": "10"}, "apiCallsPerDay": {"used": "", "hard": ""}},
    }
    tree = seen(tenant_tree(manifest, Tenant.model_validate(manifest), NOW))
    for part in (
        "✖ dht/acme Acme [x] plan Enterprise NamespaceRefused",
        "● shop namespace acme-shop",
        "◐ lab namespace laboratory: namespace laboratory belongs to Tenant other",
        "no project any more, namespace acme-old: it leaves the tenant",
        "User alice Admin in all projects",
        "Group devs Editor in shop until 2026-11-28 12:00 UTC (in 3 days)",
        "ServiceAccount build/ci Viewer in all projects expired 2026-11-25 11:00 UTC, less than a day ago: no rights",
        "isolation Project: each project is alone",
        "in from namespace ingress ports 80",
        "out to  192.0.2.0/24",
        "ingressHosts Deny all",
        "serviceTypes Warn all but NodePort",
        "protection Deny",
        "Ready False NamespaceRefused: project lab: no",
    ):
        assert part in tree
    assert [line.split()[-3:] for line in tree.splitlines() if "pods" in line] == [["pods", "3", "10"]]
    assert [line.split()[-3:] for line in tree.splitlines() if "apiCalls" in line] == [["apiCallsPerDay", "-", "unlimited"]]


def test_usage_is_summed_over_namespaces_and_split_by_them() -> None:
    found = usage_of({"pods": "20", "limits.cpu": "2"}, a={"pods": 1}, b={"pods": 3, "limits_cpu": 1500})
    by_name = {row.name: row for row in found}
    assert by_name["pods"].as_json() == {
        "used": "4", "hard": "20", "percent": 20, "namespaces": {"b": {"used": "3", "hard": "5"}, "a": {"used": "1", "hard": "5"}},
    }  # fmt: skip
    assert by_name["limits.cpu"].as_json()["percent"] == 75
    assert by_name["limits.cpu"].as_json()["namespaces"]["b"] == {"used": "1500m", "hard": "unlimited"}
    text = seen(drawn("acme", found, ["c"], NOW))
    assert "b 3/5, a 1/5" in text
    assert "Next to run out: limits.cpu, 75 % used (1500m of 2), 500m left." in text
    assert "no quota is in force there yet: c" in text


@pytest.mark.parametrize(
    ("used", "sentence"),
    [
        (0, "Nothing is used yet."),
        (5, "Next to run out: pods, 50 % used (5 of 10), 5 left."),
        (10, "Used up: pods (10); delete some or raise spec.quota."),
        (12, "Above the limit: pods by 2; nothing more is let in until some is deleted or spec.quota raised."),
    ],
)
def test_what_runs_out_next(used: int, sentence: str) -> None:
    found = usage_of({"pods": "10", "services.loadbalancers": "0"}, a={"pods": used})
    assert next_out(found) == sentence
    assert next_out([]) == "Nothing is limited."
