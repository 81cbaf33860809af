"""The JSON schema of a model, made structural: the dialect of OpenAPI 3.0 that the API server takes."""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias

from dharma_crds.base import CustomResource
from dharma_crds.cel import RULE_NAME, UNIT, VALIDATIONS

Schema: TypeAlias = dict[str, Any]

_DROPPED: Final = {"title", "examples", "discriminator", "$defs"}
_KEPT: Final = frozenset({
    "type", "format", "description", "default", "enum", "required", "properties", "items", "additionalProperties",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties",
    "maxProperties", "pattern", VALIDATIONS, "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", UNIT,
})  # fmt: skip
_NULL: Final = {"type": "null"}


class SchemaError(Exception):
    """A model has a shape that the API server does not take; the message names the path."""


def structural_schema(model: type[CustomResource]) -> Schema:
    """The structural schema of `model`, with `x-dharma-…` marks still in it: names of rules, units.

    Raises SchemaError when the model uses what a structural schema cannot say.
    """
    source = model.model_json_schema(mode="validation")
    schema = _convert(source, source.get("$defs", {}), path=model.__name__, seen=())
    schema["properties"]["metadata"] = {"type": "object"}
    for name in ("apiVersion", "kind"):
        schema["properties"][name] = {"type": "string", "description": schema["properties"][name]["description"]}
    schema["properties"]["status"] = _without_defaults(schema["properties"]["status"])
    schema["required"] = ["spec"]
    return schema


def without_marks(node: Any) -> Any:
    """`node` without the generator's own `x-dharma-…` keys, as the API server takes it."""
    if isinstance(node, dict):
        return {key: without_marks(value) for key, value in node.items() if not key.startswith("x-dharma-")}
    return [without_marks(item) for item in node] if isinstance(node, list) else node


def _convert(node: Schema, definitions: dict[str, Schema], *, path: str, seen: tuple[str, ...]) -> Schema:
    """One node and all below it. `seen` are the definitions that the path went through: meeting one again is a recursion."""
    node, seen = _inlined(node, definitions, path=path, seen=seen)
    node = {key: value for key, value in node.items() if key not in _DROPPED and value is not None}
    if node.get("additionalProperties") is False:
        del node["additionalProperties"]
    if "const" in node:
        node["enum"] = [node.pop("const")]
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in node:
            node[limit], node[bound] = node[bound], True
    unknown = set(node) - _KEPT
    if unknown:
        raise SchemaError(f"{path}: a structural schema has no {', '.join(sorted(unknown))}; say it with optional members and a rule")
    if "type" not in node and not node.get("x-kubernetes-int-or-string"):
        raise SchemaError(f"{path}: the node has no type")
    if "properties" in node:
        node["properties"] = {
            name: _convert(child, definitions, path=f"{path}.{name}", seen=seen) for name, child in node["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            node[key] = _convert(node[key], definitions, path=f"{path}[]", seen=seen)
    if "default" in node:
        node = _with_small_default(node)
    return _described(node)


def _inlined(node: Schema, definitions: dict[str, Schema], *, path: str, seen: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
    """`node` with references and "or null" replaced by what they stand for; keywords beside them win."""
    while "$ref" in node or "anyOf" in node:
        if "anyOf" in node:
            members = [member for member in node["anyOf"] if member != _NULL]
            if len(members) != 1:
                raise SchemaError(f"{path}: a union of types cannot be said in a structural schema; use optional members and a rule")
            node = members[0] | {key: value for key, value in node.items() if key != "anyOf"}
        else:
            name = node["$ref"].rpartition("/")[2]
            if name in seen:
                raise SchemaError(f"{path}: {name} contains itself, which a structural schema cannot say")
            seen = (*seen, name)
            node = definitions[name] | {key: value for key, value in node.items() if key != "$ref"}
    return node, seen


def _with_small_default(node: Schema) -> Schema:
    """`node` with the part of its default that its members' own defaults do not say already; an empty list or map says nothing."""
    default = _less_member_defaults(node["default"], node)
    if default in ([], {}) and "properties" not in node:
        return {key: value for key, value in node.items() if key != "default"}
    return node | {"default": default}


def _less_member_defaults(default: Any, schema: Schema) -> Any:
    if isinstance(default, list):
        return [_less_member_defaults(item, schema["items"]) for item in default]
    if not isinstance(default, dict) or "properties" not in schema:
        return default
    members = {name: _less_member_defaults(value, schema["properties"][name]) for name, value in default.items() if value is not None}
    return {
        name: value
        for name, value in members.items()
        if value != schema["properties"][name].get("default") and not (value == [] and "default" not in schema["properties"][name])
    }


def _described(node: Schema) -> Schema:
    """`node` with unit and default added to its description: what is written there cannot differ from what holds."""
    if "description" not in node:
        return node
    sentences = [" ".join(node["description"].split())]
    if UNIT in node:
        sentences.append(f"Unit: {node[UNIT]}.")
    if "default" in node and "Default:" not in sentences[0]:
        sentences.append(f"Default: {spell_default(node)}.")
    return node | {"description": " ".join(sentences)}


def spell_default(node: Schema) -> str:
    """The default of a field in words."""
    default = node["default"]
    if default == {}:
        return "the defaults of its fields"
    return default if isinstance(default, str) else json.dumps(default)


def _without_defaults(node: Any) -> Any:
    """A status is written whole by the operator: a default there would be a difference that it sees for ever."""
    if isinstance(node, dict):
        return {
            key: {name: _without_defaults(child) for name, child in value.items()} if key == "properties" else _without_defaults(value)
            for key, value in node.items()
            if key != "default"
        }
    return node
