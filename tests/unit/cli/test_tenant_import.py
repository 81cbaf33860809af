"""What an import plans, and what it does when the cluster is not as it hoped."""

from typing import Any

import pytest
from tests.support.tenant_cluster import SYSTEM_ANNOTATIONS, FakeCluster

from dharma_crds import API_VERSION
from dharma_operator.cli.cluster import CliError
from dharma_operator.cli.tenant.bundle import Bundle, parse, render
from dharma_operator.cli.tenant.importing import Importer, waiting
from dharma_operator.cli.tenant.plan import Action, OnConflict, differing, possible, replacement, summary
from dharma_operator.cli.tenant.read import GROUP

SHOP = f"{GROUP}/namespaces/acme-shop/blueprints/shop"


def blueprint(name: str = "shop", namespace: str = "acme-shop", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "Blueprint", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def acme(*projects: str, **spec: Any) -> dict[str, Any]:
    named = [{"name": name} for name in projects]
    return {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": "acme"}, "spec": {"projects": named, **spec}}


def bundle(head: dict[str, Any], *objects: dict[str, Any]) -> Bundle:
    return parse(render(head, objects).encode())


def importer(cluster: FakeCluster, made: Bundle, on_conflict: OnConflict = OnConflict.FAIL) -> Importer:
    return Importer(cluster, made, on_conflict, timeout=0.0)


def bring(cluster: FakeCluster, made: Bundle, on_conflict: OnConflict = OnConflict.FAIL) -> list[str]:
    said: list[str] = []
    one = importer(cluster, made, on_conflict)
    one.carry_out(one.plan(), said.append)
    return said


@pytest.fixture
def cluster() -> FakeCluster:
    found = FakeCluster()
    bring(found, bundle(acme("shop"), blueprint(lifecycle="Draft")))
    found.writes.clear()
    return found


def test_what_differs_is_a_conflict_with_the_paths(cluster: FakeCluster) -> None:
    plan = importer(cluster, bundle(acme("shop"), blueprint(lifecycle="Published", suspend=True))).plan()
    assert [entry.action for entry in plan] == [Action.UNCHANGED, Action.CONFLICT]
    assert plan[1].line() == "conflict  Blueprint acme-shop/shop: spec.lifecycle, spec.suspend"
    assert not possible(plan)
    assert summary(plan) == "1 unchanged, 1 conflict"
    assert not cluster.writes


def test_skip_leaves_it_and_overwrite_replaces_it(cluster: FakeCluster) -> None:
    made = bundle(acme("shop"), blueprint(suspend=True), blueprint("other"))
    bring(cluster, made, OnConflict.SKIP)
    assert cluster.objects[SHOP]["spec"] == {"lifecycle": "Draft"}
    bring(cluster, made, OnConflict.OVERWRITE)
    assert cluster.objects[SHOP]["spec"] == {"suspend": True}
    assert [method for method, _ in cluster.writes] == ["PATCH", "PUT"]


def test_an_overwritten_object_keeps_what_others_decided() -> None:
    live = blueprint(lifecycle="Draft")
    live["metadata"] |= {
        "resourceVersion": "7",
        "finalizers": ["x"],
        "labels": {"old": "1"},
        "annotations": {"mine": "1", **SYSTEM_ANNOTATIONS},
    }
    wanted = blueprint()
    wanted["metadata"]["annotations"] = {"new": "1"}
    metadata = replacement(live, wanted)["metadata"]
    assert metadata["annotations"] == {"new": "1", **SYSTEM_ANNOTATIONS}
    assert metadata["resourceVersion"] == "7"
    assert metadata["finalizers"] == ["x"]
    assert "labels" not in metadata


def test_what_somebody_changes_after_the_plan_is_not_overwritten(cluster: FakeCluster) -> None:
    one = importer(cluster, bundle(acme("shop"), blueprint(suspend=True)), OnConflict.OVERWRITE)
    plan = one.plan()
    cluster.objects[SHOP]["metadata"]["resourceVersion"] = "99"
    with pytest.raises(CliError, match=r"Blueprint acme-shop/shop could not be written.*modified.*Run the same import again"):
        one.carry_out(plan, print)
    assert cluster.objects[SHOP]["spec"] == {"lifecycle": "Draft"}


def test_what_admission_refuses_stops_all(cluster: FakeCluster) -> None:
    cluster.refuse[SHOP] = "spec.lifecycle is none"
    plan = importer(cluster, bundle(acme("shop"), blueprint(lifecycle="No")), OnConflict.OVERWRITE).plan()
    assert plan[1].line() == "refused   Blueprint acme-shop/shop: The API server refused: spec.lifecycle is none"
    assert not possible(plan)


def test_what_cannot_be_asked_before_its_namespace_is_there_is_asked_then() -> None:
    cluster = FakeCluster()
    cluster.refuse[SHOP] = "spec.lifecycle is none"
    one = importer(cluster, bundle(acme("shop"), blueprint(), blueprint("another")))
    plan = one.plan()
    assert [entry.line() for entry in plan][
        1
    ] == "create    Blueprint acme-shop/another: the API server is asked once its namespace is there"
    with pytest.raises(CliError, match=r"(?s)nothing else was written.*Blueprint acme-shop/shop: .*spec.lifecycle is none"):
        one.carry_out(plan, print)
    assert [where for _, where in cluster.writes] == [f"{GROUP}/tenants/acme"]


def test_the_namespace_of_another_tenant_is_never_written_to() -> None:
    cluster = FakeCluster()
    cluster.namespace("acme-shop", tenant="other")
    with pytest.raises(CliError, match="Namespace acme-shop belongs to Tenant other"):
        importer(cluster, bundle(acme("shop"), blueprint()), OnConflict.OVERWRITE).plan()


def test_a_tenant_that_stays_as_it_is_must_have_the_projects(cluster: FakeCluster) -> None:
    plan = importer(cluster, bundle(acme("shop", "lab"), blueprint("x", "acme-lab")), OnConflict.SKIP).plan()
    assert [entry.action for entry in plan] == [Action.SKIP, Action.REFUSED]
    assert "has no project with namespace acme-lab" in plan[1].message


def test_an_object_that_is_being_deleted_is_waited_for(cluster: FakeCluster) -> None:
    cluster.objects[SHOP]["metadata"]["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    plan = importer(cluster, bundle(acme("shop"), blueprint(lifecycle="Draft"))).plan()
    assert plan[1].line() == "refused   Blueprint acme-shop/shop: it is being deleted; wait until it is gone"


def test_without_an_operator_the_import_ends_and_goes_on_later() -> None:
    cluster, made = FakeCluster(operator="Absent"), bundle(acme("shop"), blueprint())
    with pytest.raises(CliError, match=r"still: no operator has seen the Tenant as it is now.*Run the same import again"):
        bring(cluster, made)
    tenant = cluster.objects[f"{GROUP}/tenants/acme"]
    cluster.namespace("acme-shop", tenant="acme")
    ready = [{"name": "acme-shop", "project": "shop", "ready": True}]
    tenant["status"] = {"observedGeneration": tenant["metadata"]["generation"], "namespaces": ready}
    assert bring(cluster, made) == ["created Blueprint acme-shop/shop"]


def test_a_refused_namespace_is_not_waited_for() -> None:
    with pytest.raises(CliError, match="cannot be had: acme-shop is reserved"):
        bring(FakeCluster(operator="Refuses"), bundle(acme("shop"), blueprint()))


def test_waiting_names_each_namespace() -> None:
    told = [{"name": "a", "ready": True}, {"name": "b", "ready": False, "message": "namespace b is being made"}]
    tenant = {"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "namespaces": told}}
    assert waiting(tenant, {"a", "b", "c"}) == "namespace b is being made; namespace c is not ready"
    assert not waiting(tenant, {"a"})


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 2, "d": 3}}, ["a.b", "a.c", "a.d"]),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "x", "v": 2}]}, ["a[x].v"]),
        ({"a": [{"name": "x"}]}, {"a": [{"name": "x"}, {"name": "y"}]}, ["a[y]"]),
        ({"a": [{"name": "x"}, {"name": "y"}]}, {"a": [{"name": "y"}, {"name": "x"}]}, ["a"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({"a": [{"name": "x"}, {"name": "x"}]}, {"a": [{"name": "x"}, {"name": "z"}]}, ["a[1].name"]),
    ],
)
def test_paths_of_what_differs(before: Any, after: Any, paths: list[str]) -> None:
    assert differing(before, after) == paths
