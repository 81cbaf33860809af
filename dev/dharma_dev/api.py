"""A small client of the API server, for what the cluster needs of it while it comes up."""

import http.client
import json
import ssl
from typing import Any, Self
from urllib.parse import urlsplit

from dharma_dev import paths, pki
from dharma_dev.run import UserError

FIELD_MANAGER = "iac-dharma-dev"


class Api:
    """One connection with full rights. Use it as a context."""

    def __init__(self, timeout: float = 10.0) -> None:
        context = ssl.create_default_context(cafile=str(pki.crt("ca")))
        context.load_cert_chain(str(pki.crt("admin")), str(pki.key("admin")))
        address = urlsplit(paths.API_SERVER)
        self._connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=context, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> tuple[int, bytes]:
        """Send one request; return status and body. Raises OSError or http.client.HTTPException when there is no answer."""
        headers = {"Accept": "application/json", "User-Agent": FIELD_MANAGER}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        try:
            self._connection.request(method, path, data, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def get(self, path: str) -> dict[str, Any] | None:
        """Return an object or a list; None when it does not exist. Raises UserError on any other answer."""
        status, body = self.request("GET", path)
        if status == http.client.NOT_FOUND:
            return None
        if status != http.client.OK:
            raise UserError(f"The API server answered {status} to GET {path}: {body.decode(errors='replace')[:300]}")
        content: dict[str, Any] = json.loads(body)
        return content

    def apply(self, path: str, manifest: dict[str, Any]) -> None:
        """Server-side apply. What cannot be changed in place is made anew. Raises UserError when it is refused."""
        status, body = self._patch(path, manifest)
        if status == http.client.UNPROCESSABLE_ENTITY:
            self.request("DELETE", path)
            status, body = self._patch(path, manifest)
        if status not in {http.client.OK, http.client.CREATED}:
            raise UserError(f"The API server refused {path} with {status}: {body.decode(errors='replace')[:300]}")

    def _patch(self, path: str, manifest: dict[str, Any]) -> tuple[int, bytes]:
        return self.request("PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", manifest, "application/apply-patch+yaml")
