"""Objects as nested dicts: changing one at a path, finding the places that a path of a schema stands for."""

import copy
import re
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
Node = dict[str, Any]
Changes = dict[str, Any]
"""Values by path, as for `changed`."""
REMOVED = object()
"""As a value in `changed`: take the field out."""


def changed(document: Document, changes: Changes) -> Document:
    """A copy of `document` with values put in at paths such as `spec.components[0].name`; structs on the way are made."""
    result = copy.deepcopy(document)
    for path, value in changes.items():
        *way, last = steps(path)
        node: Any = result
        for step in way:
            node = node[step] if isinstance(node, list) else node.setdefault(step, {})
        if value is REMOVED:
            del node[last]
        elif isinstance(node, list) and isinstance(last, int) and last == len(node):
            node.append(value)
        else:
            node[last] = value
    return result


def value_at(document: Document, path: str) -> Any:
    """What stands in `document` at a concrete path."""
    value: Any = document
    for step in steps(path):
        value = value[step]
    return value


def steps(path: str) -> list[str | int]:
    """`spec.env[0].name` as keys and indexes. Keys with dots stand in quotes: `labels."a.b/c"`."""
    tokens = re.findall(r'"([^"]*)"|\[(\d+)\]|([^.\[\]"]+)', path)
    return [int(index) if index else quoted or name for quoted, index, name in tokens]


def places(document: Any, path: str, where: str = "") -> Iterator[str]:
    """Concrete paths in `document` that a path of the schema stands for: `spec.env[].name` is `spec.env[0].name` and so on."""
    if not path:
        yield where
        return
    found = re.match(r"""(\[\d*\]|\{\}|"[^"]*"|[^.\[\]{}"]+)\.?(.*)""", path)
    assert found, path
    token, rest = found[1].strip('"'), found[2]
    if re.fullmatch(r"\[\d+\]", token) and isinstance(document, list):
        yield from places(document[int(token[1:-1])], rest, where + token)
    elif token == "[]" and isinstance(document, list):
        for index, item in enumerate(document):
            yield from places(item, rest, f"{where}[{index}]")
    elif token == "{}" and isinstance(document, dict):
        for key, item in document.items():
            yield from places(item, rest, f'{where}."{key}"')
    elif isinstance(document, dict) and token in document:
        named = f'"{token}"' if "." in token else token
        yield from places(document[token], rest, f"{where}.{named}" if where else named)


def walk(node: Node, path: str) -> Iterator[tuple[str, Node, bool]]:
    """Nodes below `node`, their paths in the schema, and whether they are required."""
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child, name in node.get("required", [])
        yield from walk(child, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in node:
            yield path + mark, node[key], False
            yield from walk(node[key], path + mark)
