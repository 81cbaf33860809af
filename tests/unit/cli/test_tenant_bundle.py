"""A bundle is the same bytes for the same content, survives a round trip, and does not survive being tampered with."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tenant_cluster import FakeCluster

from dharma_crds import API_VERSION
from dharma_operator.cli.cluster import CliError
from dharma_operator.cli.tenant.bundle import Bundle, parse, place, reduced, render
from dharma_operator.cli.tenant.importing import Importer
from dharma_operator.cli.tenant.plan import Action, OnConflict
from dharma_operator.cli.tenant.read import contents, own_namespaces, tenant

TEXT = st.text(max_size=6)
NAMES = st.text("abz-9", min_size=1, max_size=3)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False), TEXT)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2), max_leaves=4)
SPECS = st.dictionaries(TEXT, JSON, max_size=2)
MARKS = st.dictionaries(st.sampled_from(["team", "example.io/owner", "acme.dharma.io.example/x"]), TEXT, max_size=2)


def manifest(kind: str, name: str, namespace: str | None, spec: dict[str, Any], **marks: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {}) | {key: value for key, value in marks.items() if value}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


@st.composite
def tenants(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A Tenant `acme` and objects in its namespaces, as people wrote them."""
    projects = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    head = manifest("Tenant", "acme", None, {**draw(SPECS), "projects": [{"name": name} for name in projects]}, labels=draw(MARKS))
    keys = st.tuples(st.sampled_from(["Blueprint", "Deployment", "Backup"]), st.sampled_from(projects), NAMES)
    found = draw(st.lists(keys, max_size=4, unique=True))
    objects = [manifest(kind, name, f"acme-{project}", draw(SPECS), annotations=draw(MARKS)) for kind, project, name in found]
    return head, objects


def exported(cluster: FakeCluster) -> bytes:
    head = tenant(cluster, "acme")
    own, missing = own_namespaces(cluster, head)
    assert not missing
    return render(head, contents(cluster, own)).encode()


def bring(cluster: FakeCluster, data: bytes, on_conflict: OnConflict = OnConflict.FAIL) -> list[Action]:
    importer = Importer(cluster, parse(data), on_conflict, timeout=1.0)
    plan = importer.plan()
    importer.carry_out(plan, lambda _: None)
    return [entry.action for entry in plan]


@given(tenants(), st.randoms())
def test_the_order_of_objects_and_of_keys_does_not_matter(given_: Any, random: Any) -> None:
    head, objects = given_
    shuffled = [dict(random.sample(list(one.items()), len(one))) for one in random.sample(objects, len(objects))]
    assert render(head, objects) == render(head, shuffled)


@given(tenants())
def test_what_was_written_is_read(given_: Any) -> None:
    head, objects = given_
    assert parse(render(head, objects).encode()) == Bundle(head, tuple(sorted(objects, key=place)))


@given(tenants())
def test_export_import_export_is_the_same_bytes(given_: Any) -> None:
    data = render(*given_).encode()
    cluster = FakeCluster()
    assert set(bring(cluster, data)) == {Action.CREATE}
    assert exported(cluster) == data
    cluster.writes.clear()
    assert set(bring(cluster, data)) == {Action.UNCHANGED}
    assert not cluster.writes, "an import of what is there already writes nothing"


@given(tenants(), st.data())
def test_overwriting_gives_the_same_bytes_whatever_was_there(given_: Any, data: st.DataObject) -> None:
    head, objects = given_
    wanted = render(head, objects).encode()
    cluster = FakeCluster()
    bring(cluster, wanted)
    for key, live in list(cluster.objects.items()):
        if live["kind"] in {"Blueprint", "Deployment", "Backup"} and data.draw(st.booleans(), label=key):
            cluster.objects[key] = {**live, "spec": data.draw(SPECS), "metadata": {**live["metadata"], "labels": {"other": "x"}}}
    bring(cluster, wanted, OnConflict.OVERWRITE)
    assert exported(cluster) == wanted


@given(tenants(), st.data())
def test_no_byte_of_the_content_can_be_changed(given_: Any, data: st.DataObject) -> None:
    text = render(*given_).encode()
    original = parse(text)
    at = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != text[at]))
    try:
        changed = parse(text[:at] + bytes([byte]) + text[at + 1 :])
    except CliError:
        return
    # Compared as text, since 1 == True == 1.0.
    assert json.dumps([changed.tenant, changed.objects], sort_keys=True) == json.dumps([original.tenant, original.objects], sort_keys=True)


@given(tenants(), st.data())
def test_no_value_can_be_changed_with_the_checksum_left(given_: Any, data: st.DataObject) -> None:
    document = json.loads(render(*given_))
    one = document["objects"][data.draw(st.integers(0, len(document["objects"]) - 1))]
    one["spec"]["tampered"] = data.draw(JSON)
    with pytest.raises(CliError, match="changed after it was exported"):
        parse(json.dumps(document).encode())


def test_nothing_but_what_people_wrote_is_in_it() -> None:
    live = manifest("Blueprint", "shop", "acme-shop", {"components": []}, labels={"team": "a"})
    live["metadata"] |= {
        "uid": "1", "resourceVersion": "2", "generation": 3, "managedFields": [], "finalizers": ["x"],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}", "dharma.io/rollback-to": "0f3a", "example.io/owner": "alice",
        },
    }  # fmt: skip
    live["status"] = {"conditions": []}
    assert reduced(live) == manifest(
        "Blueprint", "shop", "acme-shop", {"components": []}, labels={"team": "a"}, annotations={"example.io/owner": "alice"}
    )


HEAD = manifest("Tenant", "acme", None, {"projects": [{"name": "shop"}]})


def sealed(*content: Any) -> bytes:
    """A bundle of whatever objects, with a checksum that is right: made by somebody who knows how."""
    document = json.loads(render(HEAD, []))
    document["objects"] = list(content)
    try:
        parse(json.dumps(document).encode())
    except CliError as error:
        document["checksum"] = str(error).partition("its content has ")[2].partition(";")[0] or document["checksum"]
    return json.dumps(document).encode()


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in names}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ((), "holds no objects"),
        ((HEAD, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "acme-shop"}}), "something else than"),
        ((HEAD, HEAD), "one Tenant"),
        ((manifest("Blueprint", "shop", "acme-shop", {}),), "one Tenant"),
        ((HEAD, manifest("Blueprint", "shop", "kube-system", {})), "Blueprint kube-system/shop is in no namespace of Tenant acme"),
        ((HEAD, manifest("Blueprint", "shop", None, {})), "fields that no exported object has"),
        ((HEAD, {**manifest("Blueprint", "shop", "acme-shop", {}), "status": {}}), "fields that no exported object has"),
        ((HEAD, manifest("Backup", "a", "acme-shop", {}), manifest("Blueprint", "a", "acme-shop", {})), "not in order"),
        ((HEAD, *[manifest("Backup", "a", "acme-shop", {})] * 2), "one is there twice"),
        ((manifest("Tenant", "acme", None, {"projects": "shop"}),), "no list of projects"),
    ],
)
def test_a_right_checksum_makes_no_bundle(content: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(CliError, match=sentence):
        parse(sealed(*content))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read as JSON"),
        (lambda text: "\ufeff" + text, "cannot be read as JSON"),
        (lambda text: text.replace('"plan": 1', '"plan": NaN'), "NaN is no number of JSON"),
        (lambda text: text.replace('"plan": 1', '"plan": 1e999'), "1e999 is no number of JSON"),
        (lambda text: text.replace('"plan": 1', '"plan": 1, "plan": 1'), "a key stands twice"),
        (lambda text: text.replace('"schemaVersion": 1', '"schemaVersion": 2'), "has schemaVersion 2 and this dharma reads 1"),
        (lambda text: text.replace('"schemaVersion": 1', '"schemaVersion": true'), "has schemaVersion True"),
        (lambda text: text.replace("TenantBundle", "Tenant"), "no bundle of a Tenant"),
        (lambda text: text.replace('"schemaVersion"', '"more": 1, "schemaVersion"'), "too many or missing: more"),
        (lambda _: "[]", "no bundle of a Tenant"),
        (lambda _: "[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(change: Any, sentence: str) -> None:
    head = copy.deepcopy(HEAD)
    head["spec"]["plan"] = 1
    text = change(render(head, []))
    with pytest.raises(CliError, match=sentence):
        parse(text.encode())
