"""The cluster as the caller sees it: kubeconfig and its plugins by the `kubernetes` package, objects as plain dicts."""

import json
from typing import Any, TypeAlias

from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from dharma_operator.cli.package import client, config

Manifest: TypeAlias = dict[str, Any]

MANAGED = "app.kubernetes.io/managed-by=iac-dharma"
NOT_FOUND = 404
TIMEOUT = 15.0
"""Seconds for one request."""


class CliError(Exception):
    """What a person is told instead of a traceback: what is wrong and what to do."""


class RefusedError(CliError):
    """The API server answered with an HTTP error; `status` is its code."""

    def __init__(self, status: int, body: str | bytes | None) -> None:
        try:
            message = json.loads(body or "{}").get("message") or f"HTTP {status}"
        except ValueError:
            message = f"HTTP {status}"
        super().__init__(f"The API server refused: {message}")
        self.status = status


class Cluster:
    """One cluster, reached with the rights of the caller's kubeconfig (or, in a pod, of its service account)."""

    def __init__(self, context: str | None = None, namespace: str | None = None) -> None:
        """Load the kubeconfig. Raises CliError when there is none or the context is unknown."""
        try:
            self.api: Any = config.new_client_from_config(context=context)
            contexts, active = config.list_kube_config_contexts()
        except ConfigException as error:
            raise CliError(f"No usable kubeconfig ({error}); set KUBECONFIG, or name a context with --context.") from error
        chosen = next((entry for entry in contexts if entry["name"] == context), active)
        self.context: str = chosen["name"]
        self.namespace: str = namespace or chosen["context"].get("namespace", "default")

    def core(self) -> Any:  # noqa: ANN401 (the kubernetes package has no types)
        """Return the typed core API, for exec and port-forward only."""
        return client.CoreV1Api(self.api)

    def request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Manifest | None = None,
        accept: str = "application/json",
        content: str = "application/json",
    ) -> Manifest:
        """Send one request and return the decoded answer. Raises RefusedError for an HTTP error, CliError when nothing answers."""
        headers = {"Accept": accept} | ({"Content-Type": content} if body is not None else {})
        # The package makes JSON of a dict under that name only; an apply is sent as text.
        data = body if body is None or content == "application/json" else json.dumps(body)
        target = self.api.param_serialize(
            method, path, query_params=list((query or {}).items()), header_params=headers, body=data, auth_settings=["BearerToken"]
        )
        try:
            answer = self.api.call_api(*target, _request_timeout=TIMEOUT)
            said = answer.read()
        except HTTPError as error:
            raise CliError(f"The API server of context {self.context} does not answer ({error}); is the cluster up?") from error
        if answer.status >= 400:
            raise RefusedError(answer.status, said)
        decoded: Manifest = json.loads(said)
        return decoded

    def get(self, path: str) -> Manifest | None:
        """One object, or None when it does not exist."""
        try:
            return self.request("GET", path)
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def list(self, path: str, labels: str = "", *, metadata_only: bool = False) -> list[Manifest]:
        """Objects of a collection; with `metadata_only` their contents never leave the API server (for Secrets)."""
        accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1" if metadata_only else "application/json"
        try:
            answer = self.request("GET", path, {"labelSelector": labels} if labels else None, accept=accept)
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return []
            raise
        items: list[Manifest] = answer.get("items", [])
        return items
