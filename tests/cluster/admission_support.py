"""Asking the real API server whether it takes an object: many questions a second, none of which leaves anything behind."""

import base64
import http.client
import json
import secrets
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import yaml
from tests.unit.crds.documents import Document, changed

from dharma_crds.kinds import KINDS, Kind


@dataclass(frozen=True)
class Answer:
    """What the API server said; `causes` are (field, sentence), empty when it took the object."""

    status: int
    body: Document
    warnings: tuple[str, ...] = ()

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

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content: str = "application/json",
        user: str = "",
        groups: tuple[str, ...] = (),
    ) -> Answer:
        """Ask as the kubeconfig's administrator, or as `user` of `groups`."""
        self._connection.putrequest(method, path)
        data = json.dumps(body).encode() if body is not None else b""
        headers = {"Content-Type": content, "Accept": "application/json", "Content-Length": str(len(data))}
        for name, value in [
            *headers.items(),
            *([("Impersonate-User", user)] if user else []),
            *(("Impersonate-Group", one) for one in groups),
        ]:
            self._connection.putheader(name, value)
        self._connection.endheaders(data)
        response = self._connection.getresponse()
        warnings = tuple(line.removeprefix('299 - "').removesuffix('"') for line in response.headers.get_all("Warning") or ())
        return Answer(response.status, json.loads(response.read() or b"{}"), warnings)

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
