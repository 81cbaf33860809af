"""Asking the real API server whether it takes an object: many questions a second, none of which leaves anything behind."""

import base64
import copy
import http.client
import json
import re
import secrets
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import yaml

from dharma_crds.kinds import KINDS, Kind

Document = dict[str, Any]
Node = dict[str, Any]
Changes = dict[str, Any]
"""Values by path, as for `changed`."""
REMOVED = object()
"""As a value in `changed`: take the field out."""


@dataclass(frozen=True)
class Answer:
    """What the API server said; `causes` are (field, sentence), empty when it took the object."""

    status: int
    body: Document

    @property
    def accepted(self) -> bool:
        return self.status < 300

    @property
    def causes(self) -> list[tuple[str, str]]:
        details = self.body.get("details", {}) if not self.accepted else {}
        return [(cause.get("field", ""), cause.get("message", "")) for cause in details.get("causes", [])]

    def said(self) -> str:
        return "accepted" if self.accepted else "\n".join(f"{field}: {message}" for field, message in self.causes) or self.body["message"]


class ApiServer:
    """One kept-open connection to the API server of a kubeconfig, with the client certificate in it."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=_embedded(cluster, "certificate-authority").decode())
        with tempfile.NamedTemporaryFile() as certificate, tempfile.NamedTemporaryFile() as key:
            certificate.write(_embedded(user, "client-certificate"))
            key.write(_embedded(user, "client-key"))
            certificate.flush()
            key.flush()
            context.load_cert_chain(certificate.name, key.name)
        server = urlparse(cluster["server"])
        assert server.hostname is not None
        self.namespace = namespace
        self._connection = http.client.HTTPSConnection(server.hostname, server.port, context=context, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: Document | None = None, *, content: str = "application/json") -> Answer:
        headers = {"Content-Type": content, "Accept": "application/json"}
        self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read() or b"{}"))

    def path(self, kind: Kind, name: str = "", *, subresource: str = "", dry_run: bool = True) -> str:
        where = f"/namespaces/{self.namespace}" if kind.namespaced else ""
        parts = "/".join(part for part in (kind.plural, name, subresource) if part)
        return f"/apis/{kind.api_version}{where}/{parts}?fieldValidation=Strict{'&dryRun=All' if dry_run else ''}"

    def would_create(self, document: Document) -> Answer:
        return self.request("POST", self.path(KINDS[document["kind"]]), document)

    def would_change(self, before: Document, after: Document) -> Answer:
        """Ask about an update of a stored object. It is suspended, so that no operator acts on it, and it is gone afterwards."""
        kind, name = KINDS[before["kind"]], f"sample-{secrets.token_hex(4)}"
        kept = changed(before, {"spec.suspend": True, "metadata.name": name})
        created = self.request("POST", self.path(kind, dry_run=False), kept)
        assert created.accepted, created.said()
        try:
            return self._put_over_newest(kind, changed(after, {"metadata.name": name, "spec.suspend": True}))
        finally:
            self.request("DELETE", self.path(kind, name, dry_run=False))

    def _put_over_newest(self, kind: Kind, document: Document) -> Answer:
        """An operator may write status at any time, which makes a resourceVersion old: then the newest is taken, a few times."""
        path = self.path(kind, document["metadata"]["name"])
        for _ in range(10):
            version = self.request("GET", path).body["metadata"]["resourceVersion"]
            answer = self.request("PUT", path, changed(document, {"metadata.resourceVersion": version}))
            if answer.status != http.client.CONFLICT:
                break
        return answer


@contextmanager
def api_server(kubeconfig: Path) -> Iterator[ApiServer]:
    """The API server, and a namespace that goes with it at the end."""
    server = ApiServer(kubeconfig, "default")
    made = server.request("POST", "/api/v1/namespaces", {"metadata": {"generateName": "admission-"}})
    assert made.accepted, made.said()
    server.namespace = made.body["metadata"]["name"]
    try:
        yield server
    finally:
        server.request("DELETE", f"/api/v1/namespaces/{server.namespace}")
        server.close()


def _embedded(section: Document, name: str) -> bytes:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"])
    return Path(section[name]).read_bytes()


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
