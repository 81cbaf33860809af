"""The chart's admission policies on the cluster, under names of one test run and for its namespaces alone."""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml
from tests.support.chart import CHART, helm

Object = dict[str, Any]
Run = Callable[..., str]
TEST_LABEL = "dharma.io/test"


@dataclass(frozen=True)
class Installed:
    """What one run made: everything is called after it."""

    run: str = field(default_factory=lambda: f"policies-{secrets.token_hex(3)}")

    @property
    def name(self) -> str:
        """How the chart calls itself."""
        return f"{self.run}-iac-dharma"

    @property
    def operator(self) -> str:
        """The user that the operator would be."""
        return f"system:serviceaccount:{self.run}:{self.name}"

    def namespace(self, suffix: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Object:
        """A namespace of the run, which its policies look at."""
        metadata = {
            "name": f"{self.run}-{suffix}",
            "labels": {TEST_LABEL: self.run, **(labels or {})},
            "annotations": dict(annotations or {}),
        }
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}

    def rendered(self, *templates: str, settings: Iterable[str] = ()) -> list[Object]:
        """Objects of the chart; the bindings select the run's namespaces alone, and the fixed names of roles are the run's too."""
        shown = [argument for template in templates for argument in ("--show-only", template)]
        chosen = [argument for setting in settings for argument in ("--set", setting)]
        done = helm("template", self.run, CHART, "--namespace", self.run, *shown, *chosen)
        assert done.returncode == 0, done.stderr
        text = done.stdout.replace("dharma-tenant-", f"{self.run}-tenant-").replace("aggregate-to-tenant-", f"aggregate-to-{self.run}-")
        objects = [one for one in yaml.safe_load_all(text) if one]
        for one in objects:
            if one["kind"] == "ValidatingAdmissionPolicyBinding":
                selected = one["spec"].setdefault("matchResources", {}).setdefault("namespaceSelector", {}).setdefault("matchLabels", {})
                selected[TEST_LABEL] = self.run
        return objects


@contextmanager
def applied(kubectl: Run, objects: Iterable[Object]) -> Iterator[None]:
    """Make objects, and delete them afterwards without waiting."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(listed))
    try:
        yield
    finally:
        kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=json.dumps(listed))


def bound(name: str, role: str, group: str, namespace: str | None = None) -> Object:
    """A binding of a ClusterRole for a group, in one namespace or everywhere."""
    api = "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": group}],
    }


def eventually(predicate: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until `predicate` returns something true: the API server takes a moment to read a policy."""
    end = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < end, f"after {seconds:.0f} s still not: {what}"
        time.sleep(0.1)  # between two looks
