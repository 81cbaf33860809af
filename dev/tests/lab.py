"""What tests of the cluster's network and volumes share: namespaces, pods that are both ends of connections, waiting on conditions."""

import contextlib
import http.client
import json
import platform
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from dharma_dev import oci, paths
from dharma_dev.api import Api
from dharma_dev.run import command

PROBE = paths.BIN / "probe"
NOBODY = 65534
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
T = TypeVar("T")
# Seconds.
DEADLINE = 120.0
POLL = 0.05


def eventually(what: str, check: Callable[[], T | None], deadline: float = DEADLINE) -> T:
    """Return the first result that is neither None nor False. Raises AssertionError after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        result = check()
        if result is not None and result is not False:
            return result
        assert time.monotonic() < end, f"not within {deadline:.0f} s: {what}"
        time.sleep(POLL)


class Namespace:
    """A namespace of its own for one test or module."""

    def __init__(self, api: Api, name: str) -> None:
        self.api, self.name = api, name

    def path(self, plural: str, name: str = "", *, group: str = "") -> str:
        """The API path of a collection, or of an object in it."""
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}/namespaces/{self.name}/{plural}" + (f"/{name}" if name else "")

    def create(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create an object."""
        return self._send("POST", path, manifest)

    def merge(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Change an object by a merge patch."""
        return self._send("PATCH", path, patch, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        """Delete an object, or every object of a collection, without grace."""
        status, _ = self.api.request("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0})
        assert status in {http.client.OK, http.client.ACCEPTED, http.client.NOT_FOUND}, f"DELETE {path}: {status}"

    def _send(self, method: str, path: str, body: dict[str, Any], content_type: str = "application/json") -> dict[str, Any]:
        status, answer = self.api.request(method, path, body, content_type)
        assert status in {http.client.OK, http.client.CREATED}, f"{method} {path}: {status} {answer.decode(errors='replace')}"
        result: dict[str, Any] = json.loads(answer)
        return result

    def start_pod(self, manifest: dict[str, Any]) -> None:
        """Create a pod."""
        self.create(self.path("pods"), manifest)

    def ready_pod(self, name: str) -> dict[str, Any]:
        """Wait until a pod is Ready and return it."""

        def check() -> dict[str, Any] | None:
            pod = self.api.get(self.path("pods", name)) or {}
            conditions = pod.get("status", {}).get("conditions", [])
            return pod if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions) else None

        return eventually(f"pod {self.name}/{name} is Ready", check)

    def gone(self, path: str) -> None:
        """Wait until an object does not exist any more."""
        eventually(f"{path} is gone", lambda: self.api.get(path) is None)

    def exec(self, pod: str, *argv: str) -> str:
        """Run a command in a pod."""
        return command([*self._kubectl("exec", pod), "--", *argv], timeout=DEADLINE)

    def stream(self, pod: str, *argv: str) -> "subprocess.Popen[str]":
        """Start a command in a pod whose output is read while it runs."""
        return subprocess.Popen([*self._kubectl("exec", pod), "--", *argv], stdout=subprocess.PIPE, text=True)

    def logs(self, pod: str) -> str:
        """What a pod printed."""
        return command(self._kubectl("logs", pod))

    def _kubectl(self, verb: str, pod: str) -> list[str]:
        return [str(paths.BIN / "kubectl"), "--kubeconfig", str(paths.KUBECONFIG), "--namespace", self.name, verb, pod]


@contextlib.contextmanager
def namespace(api: Api, purpose: str, labels: dict[str, str] | None = None) -> Iterator[Namespace]:
    """A new namespace whose default service account exists; deleted at the end."""
    name = f"{purpose}-{secrets.token_hex(3)}"
    space = Namespace(api, name)
    space.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})
    eventually("the default service account", lambda: api.get(space.path("serviceaccounts", "default")))
    try:
        yield space
    finally:
        # The pods first and without grace: a namespace's own deletion would wait for each pod's.
        space.delete(space.path("pods"))
        space.delete(f"/api/v1/namespaces/{name}")


def probe_image() -> str:
    """Load the image of the test program into the node and return its name."""
    client: list[str | Path] = [paths.BIN / "ctr", "--address", paths.CONTAINERD_SOCKET, "--namespace", paths.CONTAINERD_NAMESPACE]
    name = oci.reference(PROBE)
    if name not in command([*client, "images", "list", "--quiet"]).split():
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "probe.tar"
            oci.write_image(PROBE, archive, platform.machine())
            command([*client, "images", "import", archive])
    return name


def pod(name: str, image: str, arguments: list[str], *, labels: dict[str, str] | None = None, **container: Any) -> dict[str, Any]:
    """A pod that meets Pod Security `restricted`, with one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": NOBODY,
                "runAsGroup": NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "imagePullPolicy": "Never",
                    "args": arguments,
                    "securityContext": RESTRICTED,
                    **container,
                }
            ],
        },
    }
