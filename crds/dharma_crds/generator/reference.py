"""Reference pages: each field of a kind with type, default and description, and what is refused, from the same schema as the CRD."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from dharma_crds import API_VERSION
from dharma_crds.base import CustomResource
from dharma_crds.cel import UNIT, VALIDATIONS
from dharma_crds.generator.schema import Schema, spell_default, structural_schema

NOTE: Final = "This page is generated from the models in `crds/dharma_crds` by `make generate`."
INDEX: Final = "README.md"
_LONG_ROWS: Final = "<!-- pyml disable-num-lines 10000 line-length-->"
"""A row of a table is one line, however long."""


def page_name(model: type[CustomResource]) -> str:
    """File name of a kind's page."""
    return f"{model.crd.singular}.md"


def index_page(models: list[type[CustomResource]]) -> str:
    """Write the page that lists the kinds."""
    rows = [
        f"| [{_kind(model)}]({page_name(model)}) | `{model.crd.short_name}` | {model.crd.scope.lower()} | {model.crd.summary} |"
        for model in models
    ]
    return (
        f"# Reference\n\nThe four kinds of `{API_VERSION}`. The same text is at hand in a cluster: `kubectl explain dhb.spec --recursive`. "
        f"{NOTE}\n\n| kind | short name | scope | what for |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def kind_page(model: type[CustomResource]) -> str:
    """Write the reference page of one kind."""
    schema = structural_schema(model)
    meta = model.crd
    sections = [
        f"{_LONG_ROWS}\n\n# {_kind(model)}",
        f"{schema['description']} {NOTE}",
        f"`apiVersion: {API_VERSION}`, {meta.scope.lower()}; for kubectl `{meta.short_name}` or `{meta.plural}.dharma.io`.",
    ]
    for part in ("spec", "status"):
        sections.extend(_tables(part, schema["properties"][part]))
    rules = list(_rules("", schema))
    sections.append(
        "## Refused on admission\n\nBeside types, bounds and the values listed above, the API server checks these.\n\n"
        "| where | rule |\n|---|---|\n" + "\n".join(f"| `{path or _kind(model)}` | {_cell(message)} |" for path, message in rules)
    )
    return "\n\n".join(sections) + "\n"


def _kind(model: type[CustomResource]) -> str:
    return model.__name__.removeprefix("Dharma")


def _tables(path: str, node: Schema) -> Iterator[str]:
    """Make a section for `path` and one for each object below it, in the order of the schema."""
    members: dict[str, Schema] = node.get("properties", {})
    if not members:
        return
    required = node.get("required", [])
    rows = [
        f"| `{name}` | {_cell(_type(child))} | {_default(child, required=name in required)} | {_cell(_words(child))} |"
        for name, child in members.items()
    ]
    yield f"## `{path}`\n\n| field | type | default | description |\n|---|---|---|---|\n" + "\n".join(rows)
    for name, child in members.items():
        yield from _tables(*_below(f"{path}.{name}", child))


def _below(path: str, node: Schema) -> tuple[str, Schema]:
    """Find the object that holds the fields: of a list its items, of a map its values."""
    if "items" in node:
        return _below(f"{path}[]", node["items"])
    if "additionalProperties" in node:
        return _below(f"{path}.<name>", node["additionalProperties"])
    return path, node


def _type(node: Schema) -> str:
    if "items" in node:
        return f"list of {_type(node['items'])}"
    if "additionalProperties" in node:
        return f"map of {_type(node['additionalProperties'])}"
    return _special_type(node) or str(node["type"])


def _special_type(node: Schema) -> str | None:
    """Choose the type where a word says more than the schema's own."""
    measure = str(node.get(UNIT, ""))
    special = {
        "quantity": "quantity" in measure,
        "integer or string": node.get("x-kubernetes-int-or-string"),
        " | ".join(f"`{value}`" for value in node.get("enum", [])): "enum" in node,
        "object, any shape": node.get("x-kubernetes-preserve-unknown-fields"),
        "time": node.get("format") == "date-time",
        "duration": "Go duration" in measure,
        f"integer, {node.get('minimum')} to {node.get('maximum')}": "minimum" in node and "maximum" in node,
    }
    return next((word for word, holds in special.items() if holds), None)


def _default(node: Schema, *, required: bool) -> str:
    if required:
        return "required"
    default = node.get("default")
    return "" if default is None or "properties" in node else f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _words(node: Schema) -> str:
    """Give the description without the default where the column before it shows that."""
    text = str(node.get("description", ""))
    return text.removesuffix(f" Default: {spell_default(node)}.") if "default" in node else text


def _rules(path: str, node: Schema) -> Iterator[tuple[str, str]]:
    for rule in node.get(VALIDATIONS, []):
        yield path, str(rule["message"])
    members: dict[str, Any] = node.get("properties", {})
    for name, child in members.items():
        yield from _rules(f"{path}.{name}".removeprefix("."), child)
    for key, mark in (("items", "[]"), ("additionalProperties", ".<name>")):
        if key in node:
            yield from _rules(path + mark, node[key])


def _cell(text: str) -> str:
    """`text` fit for a table's cell."""
    escaped = re.sub(r"(?<!\\)([|*])", r"\\\1", text).replace("<", "&lt;")
    return re.sub(r"https?://[^\s,;]*[^\s,;.]", lambda address: f"`{address[0]}`", escaped)
