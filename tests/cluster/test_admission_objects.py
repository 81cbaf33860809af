"""What the API server makes of accepted objects, and what people see of them with kubectl."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.admission_support import ApiServer, api_server
from tests.unit.crds.documents import Document, changed
from tests.unit.crds.samples_support import load, lost, names

from dharma_crds.generator.crd import custom_resource_definition
from dharma_crds.kinds import BLUEPRINT, DEPLOYMENT, KINDS, Kind

ROOT = Path(__file__).resolve().parents[2]
ALL_KINDS = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.kind)
Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def api(crds: None, kubeconfig: Path) -> Iterator[ApiServer]:
    with api_server(kubeconfig) as server:
        yield server


@pytest.fixture
def stored(api: ApiServer, request: pytest.FixtureRequest) -> Iterator[Callable[[Document], Document]]:
    """Store objects, suspended so that no operator acts on them; they are gone after the test."""
    made: list[str] = []

    def store(document: Document) -> Document:
        kind = KINDS[document["kind"]]
        kept = changed(document, {"spec.suspend": True, "metadata.generateName": "stored-", "metadata.name": ""})
        answer = api.request("POST", api.path(kind, dry_run=False), kept)
        assert answer.accepted, answer.said()
        made.append(api.path(kind, answer.body["metadata"]["name"], dry_run=False))
        return answer.body

    yield store
    for path in made:
        api.request("DELETE", path)


def explained(text: str) -> str:
    return " ".join(text.split())


def test_the_crds_apply_as_a_folder(kubectl: Kubectl, crds: None) -> None:
    said = kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(ROOT / "crds"))
    assert {f"{kind.crd_name} serverside-applied" in said for kind in KINDS.values()} == {True}
    created = kubectl("create", "--dry-run=client", "--validate=strict", "-f", str(ROOT / "crds"), "-o", "name")
    assert len(created.split()) == len(KINDS)


@ALL_KINDS
def test_the_crd_is_established_and_loses_nothing(api: ApiServer, kind: Kind) -> None:
    live = api.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind.crd_name}").body
    states = {condition["type"]: condition["status"] for condition in live["status"]["conditions"]}
    assert states == states | {"Established": "True", "NamesAccepted": "True"}
    assert "NonStructuralSchema" not in states
    assert lost(custom_resource_definition(kind.model)["spec"], live["spec"]) == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_apply(kubectl: Kubectl, api: ApiServer, path: Path) -> None:
    assert "(server dry run)" in kubectl("apply", "--dry-run=server", "--namespace", api.namespace, "-f", str(path))


@pytest.mark.parametrize("name", names())
def test_samples_of_earlier_schemas_are_accepted_whole(api: ApiServer, name: str) -> None:
    """A schema may only grow: what users have in Git must still be taken, and no field of it dropped."""
    sample = load(name)
    answer = api.would_create(sample)
    assert answer.accepted, answer.said()
    sample.pop("status", None)
    assert lost(sample, answer.body) == []


@pytest.mark.parametrize("name", [name for name in names() if name.endswith("minimal")])
def test_defaults_of_the_api_server_are_those_of_the_models(api: ApiServer, name: str) -> None:
    sample = load(name)
    model = KINDS[sample["kind"]].model
    stored = api.would_create(sample).body
    assert model.model_validate(stored).to_dict()["spec"] == model.model_validate(sample).to_dict()["spec"]
    assert without_empty(model.model_validate(sample).to_dict()["spec"]) == without_empty(model.model_validate(stored).to_dict()["spec"])
    said_by_server = without_empty(stored["spec"])
    assert lost(without_empty(model.model_validate(sample).to_dict()["spec"]), said_by_server) == []


def without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ({}, [])}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


@ALL_KINDS
def test_the_whole_status_can_be_written_and_nothing_of_it_is_dropped(
    api: ApiServer, stored: Callable[[Document], Document], kind: Kind
) -> None:
    sample = load(f"{kind.kind.lower()}-full")
    name = stored(sample)["metadata"]["name"]
    answer = api.request(
        "PATCH", api.path(kind, name, subresource="status"), {"status": sample["status"]}, content="application/merge-patch+json"
    )
    assert answer.accepted, answer.said()
    assert lost(sample["status"], answer.body["status"]) == []
    again = kind.model.model_validate(answer.body)
    assert lost(sample["status"], again.to_dict()["status"]) == []


def test_a_misspelt_field_is_refused_by_name(api: ApiServer) -> None:
    answer = api.would_create(changed(load("blueprint-minimal"), {"spec.components[0].postgres.replicas": 3}))
    assert 'unknown field "spec.components[0].postgres.replicas"' in answer.body["message"]


@pytest.mark.parametrize(
    ("field", "sentences"),
    [
        (
            "dhb.spec.components.postgres.storage.grow",
            [
                "Growing by itself when a volume fills up. Default: only when size is raised by hand.",
                "above <integer> How full a volume must be to grow.",
                "Higher leaves less time before writes fail. Unit: percent of the volume. Default: 80.",
                "max <string> -required- The size it never grows beyond.",
            ],
        ),
        ("dhb.spec.lifecycle", ["ENUM: Draft Published Archived", "Draft: only a plan is made, nothing is changed."]),
        ("dht.spec.quota.distribution", ["Elastic: capacity moves between projects as they use it."]),
        ("dhd.spec.strategy.blueGreen.bake", ["How long the new version is watched after the switch; a failure goes back by itself."]),
        ("dhk.spec.verify.every", ["Never proves nothing, and the condition Verified stays Unknown."]),
    ],
)
def test_kubectl_explains_a_field(kubectl: Kubectl, crds: None, field: str, sentences: list[str]) -> None:
    text = explained(kubectl("explain", field, "--api-version=dharma.io/v1alpha1"))
    for sentence in sentences:
        assert sentence in text


@ALL_KINDS
def test_kubectl_explains_the_whole_kind(kubectl: Kubectl, crds: None, kind: Kind) -> None:
    text = kubectl("explain", f"{kind.crd_name}.spec", "--recursive")
    top = kind.model.model_fields["spec"].annotation
    assert top is not None
    fields = {field.serialization_alias or field.alias for field in top.model_fields.values()}
    assert {name for name in fields if re.search(rf"^  {name}\t", text, re.MULTILINE)} == fields


def test_kubectl_get_shows_what_matters_in_columns(kubectl: Kubectl, api: ApiServer, stored: Callable[[Document], Document]) -> None:
    made = {kind.kind: stored(load(f"{kind.kind.lower()}-full"))["metadata"]["name"] for kind in KINDS.values()}
    for kind in KINDS.values():
        header = kubectl("get", kind.crd_name, made[kind.kind], "--namespace", api.namespace).splitlines()[0].split()
        expected = [column.name.upper() for column in kind.model.crd.columns if not column.wide]
        assert header == ["NAME", *expected]
    everything = kubectl("get", "dharma", "--namespace", api.namespace, "-o", "name").split()
    assert {f"{kind.singular}.dharma.io/{made[kind.kind]}" for kind in KINDS.values() if kind.namespaced} <= set(everything)
    assert kubectl("get", "dhb", "--namespace", api.namespace, "-o", "name").strip() == f"blueprint.dharma.io/{made['Blueprint']}"


@pytest.mark.parametrize(
    ("sample", "field", "value", "other"),
    [
        ("blueprint-full", "spec.lifecycle", "Draft", "Published"),
        ("deployment-full", "spec.environment", "preprod", "prod"),
        ("backup-full", "spec.blueprint", "shop", "store"),
    ],
)
def test_objects_are_selected_by_field(
    kubectl: Kubectl, api: ApiServer, stored: Callable[[Document], Document], sample: str, field: str, value: str, other: str
) -> None:
    made = stored(load(sample))
    kind = KINDS[made["kind"]].crd_name
    found = [
        kubectl("get", kind, "--namespace", api.namespace, "-o", "name", "--field-selector", f"{field}={item}") for item in (value, other)
    ]
    assert made["metadata"]["name"] in found[0]
    assert made["metadata"]["name"] not in found[1]


def test_a_deployment_is_scaled_by_kubectl(kubectl: Kubectl, api: ApiServer, stored: Callable[[Document], Document]) -> None:
    name = stored(load("deployment-full"))["metadata"]["name"]
    kubectl("scale", f"{DEPLOYMENT.crd_name}/{name}", "--namespace", api.namespace, "--replicas=5")
    scaled = json.loads(kubectl("get", DEPLOYMENT.crd_name, name, "--namespace", api.namespace, "-o", "json"))
    assert scaled["spec"]["replicas"] == 5


def test_two_appliers_may_each_own_a_component(kubectl: Kubectl, api: ApiServer) -> None:
    """Components are a map by name: one applier's entry does not replace another's."""
    path = api.path(BLUEPRINT, "shared", dry_run=False)

    def component(name: str) -> Document:
        return {
            "apiVersion": "dharma.io/v1alpha1",
            "kind": "Blueprint",
            "metadata": {"name": "shared"},
            "spec": {"suspend": True, "lifecycle": "Draft", "components": [{"name": name, "redis": {}}]},
        }

    try:
        for owner, name in (("team-a", "one"), ("team-b", "two")):
            answer = api.request("PATCH", f"{path}&fieldManager={owner}", component(name), content="application/apply-patch+yaml")
            assert answer.accepted, answer.said()
        assert [item["name"] for item in answer.body["spec"]["components"]] == ["one", "two"]
    finally:
        api.request("DELETE", path)


def test_an_overlay_of_any_shape_is_kept(api: ApiServer) -> None:
    overlay = {
        "metadata": {"annotations": {"a": "b"}},
        "spec": {"containers": [{"name": "app", "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}]},
    }
    answer = api.would_create(changed(load("deployment-minimal"), {"spec.podTemplate": overlay}))
    assert answer.accepted, answer.said()
    assert answer.body["spec"]["podTemplate"] == overlay
