"""Every type, bound, enumeration and format of every field, asked of the real API server; the questions come from the schemas."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.admission_support import ApiServer, api_server
from tests.unit.crds.documents import REMOVED, Document, Node, changed, places, value_at, walk
from tests.unit.crds.format_cases import FORMATS
from tests.unit.crds.samples_support import load, names

from dharma_crds.cel import RULE_NAME, VALIDATIONS
from dharma_crds.generator.schema import structural_schema
from dharma_crds.kinds import KINDS

PROBES = ({"tcp": {"port": 8080}}, {"exec": {"command": ["/probe"]}}, {"grpc": {"port": 9000, "service": "shop"}})


@dataclass(frozen=True)
class Refusal:
    """One change of a sample that must be refused, with a part of the sentence that says so."""

    kind: str
    sample: Document
    place: str
    value: Any
    sentence: str
    entry: str = ""
    """What the API server names below the place."""

    def __str__(self) -> str:
        return f"{self.kind} {self.place} := {'(removed)' if self.value is REMOVED else repr(self.value)[:60]}"


def samples(kind: str) -> list[Document]:
    """Accepted objects that between them hold each field of the kind: unions need several."""
    found = [sample for sample in map(load, names()) if sample["kind"] == kind]
    found.sort(key=lambda sample: len(str(sample)), reverse=True)
    if kind == "Deployment":
        full = found[0]
        for way in PROBES:
            probes = {f"spec.probes.{name}": way for name in ("readiness", "liveness", "startup")}
            found.append(changed(full, probes))
        autoscaling = {"min": 2, "max": 5, "cpu": 70, "memory": 80}
        found.append(
            changed(full, {"spec.replicas": REMOVED, "spec.autoscaling": autoscaling, "spec.disruption": {"maxUnavailable": "50%"}})
        )
    return found


def wrong_values(node: Node) -> Iterator[tuple[Any, str]]:
    """Values that the node must not take, with a part of the sentence of refusal."""
    if "enum" in node:
        yield "NoSuchValue", "Unsupported value"
    if "minimum" in node:
        yield node["minimum"] - 1, f"should be greater than or equal to {node['minimum']}"
    if "maximum" in node:
        yield node["maximum"] + 1, f"should be less than or equal to {node['maximum']}"
    if "maxLength" in node:
        yield "a" * (node["maxLength"] + 1), f"may not be more than {node['maxLength']} bytes"
    if node.get("minLength"):
        yield "", f"should be at least {node['minLength']} chars long"
    if node.get("format") == "date-time":
        yield "yesterday", "must be of type date-time"
    if not node.get("x-kubernetes-preserve-unknown-fields"):
        wrong = [] if node.get("type") != "array" else "text"
        yield (True if wrong == [] and node.get("type") != "boolean" else "text"), "must be of type"
    for rule in node.get(VALIDATIONS, []) if "properties" not in node else []:
        for bad in FORMATS[rule[RULE_NAME]].refused:
            yield bad, rule["message"] if "messageExpression" not in rule else FORMATS[rule[RULE_NAME]].told


def refusals() -> Iterator[Refusal]:
    for kind in KINDS.values():
        available = samples(kind.kind)
        spec = structural_schema(kind.model)["properties"]["spec"]
        for path, node, required in walk(spec, "spec"):
            if kind.kind == "Deployment" and path.startswith("spec.podTemplate"):
                continue
            sample, place = next((sample, place) for sample in available for place in places(sample, path))
            if required:
                yield Refusal(kind.kind, sample, place, REMOVED, "Required value")
            for value, sentence in wrong_values(node):
                yield Refusal(kind.kind, sample, place, value, sentence)
            yield from crowds(kind.kind, node, sample, place)


def crowds(kind: str, node: Node, sample: Document, place: str) -> Iterator[Refusal]:
    """Too many and too few entries, and two that may not be the same."""
    held = value_at(sample, place)
    if "maxItems" in node:
        most = node["maxItems"]
        yield Refusal(kind, sample, place, [held[0]] * (most + 1), f"must have at most {most} items")
        if node.get("x-kubernetes-list-type") in {"map", "set"}:
            yield Refusal(kind, sample, place, [*held, held[0]], "Duplicate value", f"[{len(held)}]")
    if node.get("minItems"):
        yield Refusal(kind, sample, place, [], f"should have at least {node['minItems']} items")
    if "maxProperties" in node:
        most = node["maxProperties"]
        value = next(iter(held.values()))
        yield Refusal(kind, sample, place, {f"key{index}": value for index in range(most + 1)}, f"must have at most {most} items")
    if node.get("minProperties"):
        yield Refusal(kind, sample, place, {}, f"should have at least {node['minProperties']} properties")


REFUSALS = list(refusals())


@pytest.fixture(scope="module")
def api(crds: None, kubeconfig: Path) -> Iterator[ApiServer]:
    with api_server(kubeconfig) as server:
        yield server


@pytest.mark.parametrize("kind", KINDS)
def test_samples_that_the_refusals_start_from_are_accepted(api: ApiServer, kind: str) -> None:
    for sample in samples(kind):
        answer = api.would_create(sample)
        assert answer.accepted, answer.said()


@pytest.mark.parametrize("kind", KINDS)
def test_every_bound_and_format_of_every_field_is_enforced(api: ApiServer, kind: str) -> None:
    """One request a refusal; all that go wrong are told together."""
    wrong = []
    asked = [refusal for refusal in REFUSALS if refusal.kind == kind]
    for refusal in asked:
        answer = api.would_create(changed(refusal.sample, {refusal.place: refusal.value}))
        # Keys of maps stand behind a dot when a bound is broken, and in brackets when a rule is.
        heard = {re.sub(r"\[(\D[^\]]*)\]", r".\1", where) for where, sentence in answer.causes if refusal.sentence in sentence}
        if refusal.place.replace('"', "") + refusal.entry not in heard:
            wrong.append(f"{refusal}\n    expected: {refusal.sentence}\n    said: {answer.said()}")
    print(f"{kind}: {len(asked)} refusals asked")
    assert not wrong, "\n".join(wrong)
    assert len(asked) > 50


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_should_take_is_taken(api: ApiServer, name: str) -> None:
    example = FORMATS[name]
    sample, place = next((sample, place) for sample in samples(example.kind) for place in places(sample, example.path))
    for value in example.accepted:
        answer = api.would_create(changed(sample, {place: value, **example.beside}))
        assert answer.accepted, f"{place} = {value!r}: {answer.said()}"


def test_every_format_is_used_and_every_rule_of_a_single_field_has_examples() -> None:
    used = {
        rule[RULE_NAME]
        for kind in KINDS.values()
        for _, node, _ in walk(structural_schema(kind.model)["properties"]["spec"], "spec")
        for rule in node.get(VALIDATIONS, [])
        if "properties" not in node
    }
    assert used == set(FORMATS)
