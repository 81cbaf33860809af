import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import yaml
from pydantic import Field

from dharma_crds import GROUP
from dharma_crds.__main__ import main
from dharma_crds.base import CrdMeta, CustomResource, Struct
from dharma_crds.blueprint import Blueprint
from dharma_crds.cel import UNIT, VALIDATIONS
from dharma_crds.generator.crd import custom_resource_definition, to_yaml
from dharma_crds.generator.files import CRD_FOLDERS, generated_files, outdated, write
from dharma_crds.generator.schema import SchemaError, structural_schema
from dharma_crds.kinds import KINDS, Kind

ROOT = Path(__file__).resolve().parents[3]
ALL_KINDS = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.kind)
Node = dict[str, Any]


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node, bool]]:
    """All nodes below `node` with their paths and whether they are required; `[]` is an item and `{}` a value of a map."""
    for name, child in node.get("properties", {}).items():
        where = f"{path}.{name}".removeprefix(".")
        yield where, child, name in node.get("required", [])
        yield from nodes(child, where)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in node:
            yield path + mark, node[key], False
            yield from nodes(node[key], path + mark)


@cache
def schema_of(kind: Kind) -> Node:
    """Made once: it is read by all tests and changed by none."""
    return structural_schema(kind.model)


def fields(kind: Kind) -> list[tuple[str, Node, bool]]:
    """What a user may write or read by name: not the items themselves."""
    return [(path, node, required) for path, node, required in nodes(schema_of(kind)) if not path.endswith(("[]", "{}", "metadata"))]


@ALL_KINDS
def test_every_field_is_described(kind: Kind) -> None:
    for path, node, _ in fields(kind):
        text = node.get("description", "")
        assert re.fullmatch(r"[A-Z].{8,}[.]", text), f"{kind.kind} {path}: {text!r} is no sentence about the field"
        assert "  " not in text


@ALL_KINDS
def test_every_optional_field_says_what_holds_without_it(kind: Kind) -> None:
    for path, node, required in fields(kind):
        if path.startswith("spec.") and not required:
            assert "Default: " in node["description"], f"{kind.kind} {path} does not say its default"


@ALL_KINDS
def test_every_number_and_quantity_has_a_unit(kind: Kind) -> None:
    for path, node, _ in fields(kind):
        if path.startswith("spec.") and (node.get("type") == "integer" or node.get("x-kubernetes-int-or-string")):
            assert node.get(UNIT), f"{kind.kind} {path} does not say what it counts"
            assert f"Unit: {node[UNIT]}." in node["description"]


@ALL_KINDS
def test_what_can_be_listed_or_walked_by_a_rule_is_bounded(kind: Kind) -> None:
    """Else the API server prices rules by the largest request there could be, and refuses the CRD."""
    for path, node, _ in nodes(schema_of(kind).get("properties", {})["spec"]):
        if "items" in node:
            assert "maxItems" in node, f"{kind.kind} spec.{path}"
        if node.get("additionalProperties"):
            assert "maxProperties" in node, f"{kind.kind} spec.{path}"
        if node.get("type") == "string" and "enum" not in node and node.get("format") != "date-time":
            assert "maxLength" in node, f"{kind.kind} spec.{path}"


@ALL_KINDS
def test_every_rule_says_what_is_wrong_in_a_sentence_of_its_own(kind: Kind) -> None:
    for path, node, _ in nodes({"properties": {"": schema_of(kind)}}):
        said = [rule["message"] for rule in node.get(VALIDATIONS, [])]
        assert len(said) == len(set(said)), f"{kind.kind} {path}"
        assert all(len(sentence) > 25 and "\n" not in sentence for sentence in said), f"{kind.kind} {path}: {said}"


@ALL_KINDS
def test_the_schema_is_structural(kind: Kind) -> None:
    """The API server's own test is tests/cluster; this one says which field it is."""
    schema = custom_resource_definition(kind.model)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path, node, _ in nodes({"properties": {"": schema}}):
        assert not {"$ref", "anyOf", "oneOf", "allOf", "title", "const", "uniqueItems", "patternProperties"} & set(node), path
        assert ("type" in node) != bool(node.get("x-kubernetes-int-or-string")), path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert not any(key.startswith("x-dharma") for key in node), path
        keys = node.get("x-kubernetes-list-map-keys", [])
        assert set(keys) <= set(node.get("items", {}).get("required", [])), f"{path}: keys of a list map must be required"


@ALL_KINDS
def test_the_status_has_no_defaults_and_no_bounds(kind: Kind) -> None:
    """The operator writes it whole; a default would be a difference that it sees for ever, and a bound could hide a report."""
    allowed = {"type", "description", "format", "items", "properties", "required", "enum", "additionalProperties"}
    allowed |= {"x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-preserve-unknown-fields"}
    for path, node, _ in nodes(schema_of(kind)["properties"]["status"]):
        assert set(node) <= allowed, f"{kind.kind} status.{path}: {set(node) - allowed}"


@ALL_KINDS
def test_conditions_and_columns_are_what_tools_read(kind: Kind) -> None:
    crd = custom_resource_definition(kind.model)
    version = crd["spec"]["versions"][0]
    conditions = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])
    assert conditions["items"]["required"] == ["type", "status"]
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert columns[0] == "Ready"
    assert columns[-1] == "Age"
    assert crd["spec"]["names"]["categories"] == ["dharma"]
    assert version["subresources"]["status"] == {}
    assert crd["metadata"]["name"] == f"{kind.plural}.{GROUP}"


def test_generated_files_are_current() -> None:
    assert outdated(ROOT) == []


def test_the_chart_has_the_same_crds() -> None:
    files = generated_files()
    first, second = (
        {path.rpartition("/")[2]: text for path, text in files.items() if path.startswith(f"{folder}/")} for folder in CRD_FOLDERS
    )
    assert len(first) == len(KINDS)
    assert first == second


def test_stale_missing_and_left_over_files_are_found_and_put_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (tmp_path / "crds" / "dharma_crds").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert len(write(tmp_path)) == len(generated_files())
    assert main(["generate", "--check"]) == 0
    blueprints, backups, old = (tmp_path / "crds" / f"dharma.io_{name}.yaml" for name in ("blueprints", "backups", "olds"))
    blueprints.write_text(blueprints.read_text().replace("maximum: 9", "maximum: 99"))
    backups.unlink()
    shutil.copy(blueprints, old)
    assert main(["generate", "--check"]) == 1
    said = capsys.readouterr().err
    assert "crds/dharma.io_backups.yaml, crds/dharma.io_blueprints.yaml, crds/dharma.io_olds.yaml; run `make generate`" in said
    assert main(["generate"]) == 0
    assert (outdated(tmp_path), old.exists(), backups.exists()) == ([], False, True)


def test_says_where_to_be_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["generate"]) == 2
    assert "is not the root of the repository" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_yaml_is_the_definition_and_the_same_each_time() -> None:
    document = custom_resource_definition(Blueprint)
    assert yaml.safe_load(to_yaml(document)) == document
    assert to_yaml(document) == to_yaml(custom_resource_definition(Blueprint))


class Inner(Struct):
    """Used below."""

    plain: int = Field(default=3, gt=0, description="A number.")


def with_field(annotation: Any, **settings: Any) -> type[CustomResource]:
    class Example(CustomResource):
        """An example."""

        crd: ClassVar[CrdMeta] = CrdMeta("examples", "example", "ex", "Namespaced", "An example.", ())
        kind: Literal["Example"] = Field(default="Example", description="Always Example.")
        spec: annotation = Field(description="What is tried.", **settings)
        status: Inner = Field(default=Inner(), description="Unused.")

    return Example


def test_bounds_are_spelt_as_openapi_3_0_does() -> None:
    plain = structural_schema(with_field(Inner))["properties"]["spec"]["properties"]["plain"]
    assert (plain["minimum"], plain["exclusiveMinimum"], plain["default"]) == (0, True, 3)


def test_a_union_is_refused_with_its_path() -> None:
    with pytest.raises(SchemaError, match=r"Example\.spec: a union of types cannot be said in a structural schema"):
        structural_schema(with_field(Inner | list[int]))


class Tree(Struct):
    """A recursion."""

    below: "tuple[Tree, ...]" = Field(default=(), max_length=1, description="Trees.")


def test_a_recursion_is_refused_with_its_path() -> None:
    with pytest.raises(SchemaError, match=r"Example\.spec\.below\[\]: Tree contains itself"):
        structural_schema(with_field(Tree))


def test_a_keyword_that_does_not_exist_there_is_refused_with_its_path() -> None:
    with pytest.raises(SchemaError, match=r"Example\.spec: a structural schema has no uniqueItems"):
        structural_schema(with_field(set[int]))


def test_a_node_without_type_is_refused_with_its_path() -> None:
    with pytest.raises(SchemaError, match=r"Example\.spec: the node has no type"):
        structural_schema(with_field(Any))


def test_reference_pages_name_each_field_with_default_and_unit() -> None:
    files = generated_files()
    page = files["docs/reference/blueprint.md"]
    assert "## `spec.components[].postgres.storage.grow`" in page
    assert "| `above` | integer, 50 to 95 | `80` | How full a volume must be to grow. " in page
    assert "before writes fail. Unit: percent of the volume. |" in page
    assert "| `max` | quantity | required |" in page
    assert "size cannot shrink, a volume only grows" in page
    for kind in KINDS.values():
        text = files[f"docs/reference/{kind.singular}.md"]
        for path, _, _ in fields(kind):
            assert f"| `{path.rpartition('.')[2]}` |" in text or "." not in path, f"{kind.kind} {path} is not on its page"
