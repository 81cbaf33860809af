"""A stage for tests of whole Blueprints: a namespace, an operator beside the cluster, a client pod, and what a user would do and see."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tests.support import cluster
from tests.support.cluster import ROOT, TEST_LABEL, kubectl, wait_until
from tests.support.operator_process import OperatorProcess

from dharma_operator.kube.crashpoints import CRASH_LOG

CLIENT = "client"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}

Spec = dict[str, Any]


def postgres(name: str = "db", **fields: Any) -> Spec:
    """A small Postgres component."""
    defaults = {"storage": {"size": "512Mi"}, "resources": {"requests": {"cpu": "20m", "memory": "192Mi"}}}
    return {"name": name, "postgres": {**defaults, **fields}}


def pgbouncer(name: str = "pool", **fields: Any) -> Spec:
    """A small pooler in front of `db`."""
    defaults = {
        "target": "db",
        "replicas": 1,
        "poolSize": 5,
        "maxServerConnections": 20,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }
    return {"name": name, "pgbouncer": {**defaults, **fields}}


def redis(name: str = "cache", **fields: Any) -> Spec:
    """A small Redis component."""
    defaults = {"maxMemory": "32Mi", "storage": {"size": "128Mi"}, "resources": {"requests": {"cpu": "10m"}}}
    return {"name": name, "redis": {**defaults, **fields}}


def autoscaler(target: str, least: int) -> Spec:
    """A HorizontalPodAutoscaler that wants at least so many pods of a Deployment."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": target},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": least,
            "maxReplicas": least,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}}}],
        },
    }


def blueprint(*components: Spec, name: str = "shop", **spec: Any) -> Spec:
    """A Blueprint of these components."""
    return {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Blueprint",
        "metadata": {"name": name},
        "spec": {"components": list(components), **spec},
    }


class Stage:
    """One namespace, its operator, and kubectl."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.namespace = namespace
        self.writes_log = folder / "writes.log"
        self.operator = OperatorProcess((namespace,), folder / "operator.log", lease_seconds="3")
        self.operator.environment[CRASH_LOG] = str(self.writes_log)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace."""
        return kubectl("--namespace", self.namespace, *arguments, stdin=stdin, check=check)

    def apply(self, manifest: Spec) -> float:
        """Apply an object as a user does; return the time just before."""
        before = time.monotonic()
        self.kubectl("apply", "--filename", "-", stdin=yaml.safe_dump(manifest))
        return before

    def get(self, kind: str, name: str) -> Spec | None:
        """Read an object; None when it is not there."""
        text = self.kubectl("get", kind, name, "--output", "json", "--ignore-not-found")
        return json.loads(text) if text else None

    def names(self, kind: str, selector: str = "dharma.io/blueprint") -> set[str]:
        """Names of the objects of a kind that are a Blueprint's."""
        return {line.partition("/")[2] for line in self.kubectl("get", kind, "--selector", selector, "--output", "name").splitlines()}

    def status(self, name: str = "shop") -> Spec:
        """The Blueprint's status."""
        return (self.get("dhb", name) or {}).get("status") or {}

    def condition(self, kind: str, name: str = "shop") -> Spec:
        """One condition of the Blueprint; empty when it has none."""
        found = self.get("dhb", name) or {}
        generation = found.get("metadata", {}).get("generation")
        conditions = (found.get("status") or {}).get("conditions") or []
        return next((item for item in conditions if item["type"] == kind and item.get("observedGeneration") == generation), {})

    def component(self, component: str, name: str = "shop") -> Spec:
        """One component's status."""
        return next((item for item in self.status(name).get("components") or [] if item["name"] == component), {})

    async def ready(self, name: str = "shop", seconds: float = 90) -> None:
        """Wait until this generation of the Blueprint is Ready, and nothing is going on any more."""

        def done() -> bool:
            ready, busy = self.condition("Ready", name), self.condition("Reconciling", name)
            return ready.get("status") == "True" and busy.get("status") == "False"

        await wait_until(done, f"Blueprint {name} is Ready", seconds=seconds, every=0.2, explain=lambda: self.explain(name))

    def explain(self, name: str = "shop") -> str:
        """What a person would look at."""
        status = yaml.safe_dump(self.status(name))
        return f"{status}\n{self.kubectl('get', 'pods', '--output', 'wide')}\n{self.operator.tail(25)}"

    async def until(self, what: str, predicate: Callable[[], object], seconds: float = 60, every: float = 0.2) -> None:
        """Wait for anything else."""
        await wait_until(lambda: bool(predicate()), what, seconds=seconds, every=every, explain=self.explain)

    def secret(self, name: str) -> dict[str, str]:
        """A Secret, decoded."""
        found = self.get("secret", name)
        assert found is not None, f"Secret {name} is not there"
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def sql(self, statement: str, secret: str = "shop-db-shop", key: str = "uri", pod: str = CLIENT) -> str:
        """Run a statement as an application would, with a connection Secret as it is. Fails as psql does."""
        uri = self.secret(secret)[key]
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, f"{uri}?connect_timeout=3", pod=pod).strip()

    def answers(self, expected: str, statement: str, **how: str) -> bool:
        """Whether a statement is answered so; False also while nobody answers."""
        try:
            return self.sql(statement, **how) == expected
        except AssertionError:
            return False

    def redis(self, *command: str, secret: str = "shop-cache-default", pod: str = CLIENT) -> str:
        """Run a Redis command as an application would."""
        return self.run("timeout", "5", "redis-cli", "--no-auth-warning", "-u", self.secret(secret)["uri"], *command, pod=pod).strip()

    def run(self, *command: str, pod: str = CLIENT, check: bool = True) -> str:
        """Run a command in a pod."""
        return self.kubectl("exec", pod, "--", *command, check=check)

    def client_pod(self, name: str = CLIENT, **labels: str) -> None:
        """Start a pod with psql and redis-cli."""
        container = {
            "name": "client",
            "image": cluster.images()["toolbox"],
            "imagePullPolicy": "IfNotPresent",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
        self.apply({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name, **labels}},
            "spec": {"terminationGracePeriodSeconds": 0, "securityContext": security, "containers": [container]},
        })  # fmt: skip
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")

    def pods(self, component: str, name: str = "shop") -> dict[str, Spec]:
        """The component's pods, by name."""
        selector = f"dharma.io/blueprint={name},dharma.io/component={component}"
        items = json.loads(self.kubectl("get", "pods", "--selector", selector, "--output", "json"))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def uids(self, component: str) -> dict[str, str]:
        """Uids of the component's pods with their containers' restarts: unchanged means that nothing was restarted."""
        return {
            name: f"{pod['metadata']['uid']}/{[status['restartCount'] for status in pod['status'].get('containerStatuses') or ()]}"
            for name, pod in self.pods(component).items()
        }

    def writes(self) -> list[str]:
        """Everything that the operator has written so far, but its Lease."""
        lines = self.writes_log.read_text().splitlines() if self.writes_log.exists() else []
        return [line.partition(" ")[2] for line in lines if "Lease" not in line]

    async def writes_nothing(self, seconds: float = 3) -> None:
        """Start the operator anew, so that it looks at everything, and see that it writes nothing for some time."""
        await self.operator.stop()
        before = len(self.writes())
        await self.operator.start().ready()
        runs = "dharma_reconciles_total"
        await wait_until(
            lambda: self.operator.metric(runs, kind="Blueprint") >= 1, "the operator looked at the Blueprint", explain=self.explain
        )
        until = time.monotonic() + seconds
        await wait_until(lambda: time.monotonic() > until, "some time has passed", seconds=seconds + 5)
        assert self.writes()[before:] == []


@contextmanager
def stage(folder: Path, name: str, *, labels: dict[str, str] | None = None) -> Iterator[Stage]:
    """A namespace that admits only restricted pods, with an operator that serves it. Deleted afterwards, without waiting."""
    namespace = f"{name}-{time.time_ns() % 0xFFFFFF:06x}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {TEST_LABEL: "true", **RESTRICTED, **(labels or {})}},
    }
    kubectl("create", "--filename", "-", stdin=yaml.safe_dump(manifest))
    made = Stage(namespace, folder)
    try:
        made.operator.start()
        yield made
    finally:
        made.operator.close()
        print(f"--- {made.operator.log}\n{made.operator.tail()}")
        kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def example(name: str) -> Spec:
    """One of the examples, without what it says of a namespace."""
    loaded = yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text())
    loaded["metadata"].pop("namespace", None)
    return loaded
