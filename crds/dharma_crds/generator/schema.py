"""The JSON schema of a model, made structural: the dialect of OpenAPI 3.0 that the API server takes."""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias, cast

from dharma_crds.base import CustomResource
from dharma_crds.cel import UNIT, VALIDATIONS

Schema: TypeAlias = dict[str, Any]

_ORDER: Final = (
    "description", "type", "format", "enum", "default", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minLength",
    "maxLength", "pattern", "minItems", "maxItems", "minProperties", "maxProperties",
    "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", UNIT, VALIDATIONS, "required", "properties", "items", "additionalProperties",
)  # fmt: skip
"""All that a node may hold, in the order of writing."""
_DROPPED: Final = ("title", "examples", "discriminator", "$defs")
_NULL: Final = {"type": "null"}


class SchemaError(Exception):
    """A model has a shape that the API server does not take; the message names the path."""


def structural_schema(model: type[CustomResource]) -> Schema:
    """Make the structural schema of `model`, with `x-dharma-…` marks still in it: names of rules, units.

    Raises SchemaError when the model uses what a structural schema cannot say.
    """
    source = model.model_json_schema(mode="validation")
    schema = _convert(source, source.get("$defs", {}), path=model.__name__, seen=())
    properties = schema["properties"]
    properties["metadata"] = {"type": "object"}
    for name, attribute in (("apiVersion", "api_version"), ("kind", "kind")):
        properties[name] = {"description": model.model_fields[attribute].description, "type": "string"}
    properties["status"] = _without_defaults(properties["status"])
    return schema | {"required": ["spec"]}


def without_marks(node: Schema) -> Schema:
    """Return `node` without the generator's own `x-dharma-…` keys, as the API server takes it."""
    return {key: _each(value, without_marks) for key, value in node.items() if not key.startswith("x-dharma-")}


def spell_default(node: Schema) -> str:
    """Put the default of a field into words."""
    default = node.get("default")
    if default is None:
        return "none"
    if "properties" in node:
        return "the defaults of its fields"
    return default if isinstance(default, str) else json.dumps(default)


def _each(value: object, change: Any) -> object:  # noqa: ANN401  a callable on schemas
    """`value` with `change` applied to each mapping in it, one level down."""
    if isinstance(value, dict):
        return change(value)
    if isinstance(value, list):
        return [_each(item, change) for item in cast("list[object]", value)]
    return value


def _convert(node: Schema, definitions: dict[str, Schema], *, path: str, seen: tuple[str, ...]) -> Schema:
    """Convert one node and all below it. `seen` are the definitions on the way to it: meeting one again is a recursion."""
    node, seen = _inlined(node, definitions, path=path, seen=seen)
    node = _in_dialect({key: value for key, value in node.items() if key not in _DROPPED and value is not None}, path=path)
    if "properties" in node:
        members: dict[str, Schema] = node["properties"]
        required: list[str] = node.get("required", [])
        converted = {name: _convert(child, definitions, path=f"{path}.{name}", seen=seen) for name, child in members.items()}
        node["properties"] = {name: child if name in required else _absence_explained(child) for name, child in converted.items()}
    for key in ("items", "additionalProperties"):
        if key in node:
            node[key] = _convert(node[key], definitions, path=f"{path}[]", seen=seen)
    whole = _described(_with_full_default(node))
    return {key: whole[key] for key in _ORDER if key in whole}


def _in_dialect(node: Schema, *, path: str) -> Schema:
    """`node` in the words of OpenAPI 3.0. Raises SchemaError for what it has no word for."""
    if node.get("additionalProperties") is False:
        del node["additionalProperties"]
    if "const" in node:
        node["enum"] = [node.pop("const")]
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in node:
            node[limit], node[bound] = node[bound], True
    unknown = set(node) - set(_ORDER)
    if unknown:
        raise SchemaError(f"{path}: a structural schema has no {', '.join(sorted(unknown))}; say it with optional members and a rule")
    if "type" not in node and not node.get("x-kubernetes-int-or-string"):
        raise SchemaError(f"{path}: the node has no type; give the field one")
    return node


def _inlined(node: Schema, definitions: dict[str, Schema], *, path: str, seen: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
    """`node` with references and "or null" replaced by what they stand for; keywords beside them win."""
    while "$ref" in node or "anyOf" in node:
        if "anyOf" in node:
            members = [member for member in cast("list[Schema]", node["anyOf"]) if member != _NULL]
            if len(members) != 1:
                raise SchemaError(f"{path}: a union of types cannot be said in a structural schema; use optional members and a rule")
            node = members[0] | {key: value for key, value in node.items() if key != "anyOf"}
        else:
            name: str = str(node["$ref"]).rpartition("/")[2]
            if name in seen:
                raise SchemaError(f"{path}: {name} contains itself, which a structural schema cannot say")
            seen = cast("tuple[str, ...]", (*seen, name))
            node = definitions[name] | {key: value for key, value in node.items() if key != "$ref"}
    return node, seen


def _with_full_default(node: Schema) -> Schema:
    """`node` with its default in full, as rules are asked about it before defaults of members are filled in. What is empty says nothing."""
    if "default" not in node:
        return node
    default = _without_empty(node["default"])
    if default in ([], {}) and "properties" not in node:
        return {key: value for key, value in node.items() if key != "default"}
    return node | {"default": default}


def _without_empty(default: object) -> object:
    if isinstance(default, list):
        return [_without_empty(item) for item in cast("list[object]", default)]
    if isinstance(default, dict):
        full = {name: _without_empty(value) for name, value in cast("dict[str, object]", default).items()}
        return {name: value for name, value in full.items() if value is not None and value not in ([], {})}
    return default


def _described(node: Schema) -> Schema:
    """`node` with unit and default added to its description: what is written there cannot differ from what holds."""
    if "description" not in node:
        return node
    text, _, default = " ".join(str(node["description"]).split()).partition(" Default: ")
    if UNIT in node:
        text += f" Unit: {node[UNIT]}."
    if default or "default" in node:
        text += f" Default: {default or spell_default(node) + '.'}"
    return node | {"description": text}


def _absence_explained(node: Schema) -> Schema:
    """`node` of an optional field: a list or map that may be left out says so."""
    text = str(node.get("description", ""))
    return (
        node
        if "Default:" in text or not {"items", "additionalProperties"} & set(node)
        else node | {"description": f"{text} Default: none."}
    )


def _without_defaults(node: Schema) -> Schema:
    """`node` of a status, which the operator writes whole: a default there would be a difference that it sees for ever."""
    kept = {key: value for key, value in node.items() if key != "default"}
    if "description" in kept:
        kept["description"] = str(kept["description"]).partition(" Default: ")[0]
    if "properties" in kept:
        members: dict[str, Schema] = kept["properties"]
        kept["properties"] = {name: _without_defaults(child) for name, child in members.items()}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = _without_defaults(kept[key])
    return kept
