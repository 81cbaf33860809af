"""A stage for tests of Deployments: a small real server in two versions, requests to it without pause, and what a user sees."""

import json
from typing import Any

from tests.support import cluster
from tests.support.blueprints import Spec, Stage
from tests.support.cluster import ROOT

SUPPORT = ROOT / "tests" / "support"
CLIENT = "traffic"
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def script(name: str) -> list[str]:
    """Command that runs one of the scripts for pods."""
    return ["python3", "-c", (SUPPORT / f"{name}.py").read_text()]


def deployment(version: str = "1", *, name: str = "web", drain: bool = True, strategy: Spec | None = None, **spec: Any) -> Spec:
    """The test server in a version."""
    defaults = {
        "environment": "test",
        "image": cluster.images()["operator"],  # has python3, and unlike the toolbox it ends by SIGTERM
        "replicas": 3,
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        "env": [{"name": "VERSION", "value": version}, {"name": "DRAIN", "value": "yes" if drain else "no"}],
        "resources": {"requests": {"cpu": "10m", "memory": "24Mi"}},
        "probes": {"readiness": {"http": {"path": "/"}, "period": "1s", "timeout": "2s", "failureThreshold": 2}},
        "podTemplate": {"spec": {"containers": [{"name": "app", "command": script("web_server")}]}},
        "strategy": {"blueGreen": {"bake": "1s", "keepOld": "1s", **(strategy or {})}},
    }
    return {"apiVersion": "dharma.io/v1alpha1", "kind": "Deployment", "metadata": {"name": name}, "spec": {**defaults, **spec}}


class Application:
    """One Deployment on a stage."""

    def __init__(self, stage: Stage, name: str = "web") -> None:
        self.stage = stage
        self.name = name

    def apply(self, version: str = "1", **spec: Any) -> None:
        """Ask for a version."""
        self.stage.apply(deployment(version, name=self.name, **spec))

    def annotate(self, **annotations: str) -> None:
        """Decide something: `annotate(abort="abc")`."""
        words = [f"dharma.io/{key.replace('_', '-')}={value}" for key, value in annotations.items()]
        self.stage.kubectl("annotate", "--overwrite", f"dhd/{self.name}", *words)

    @property
    def live(self) -> Spec:
        return self.stage.get("dhd", self.name) or {}

    @property
    def status(self) -> Spec:
        return self.live.get("status") or {}

    def revision(self, which: str) -> str:
        """Hash of the active, target or previous version."""
        return ((self.status.get("revisions") or {}).get(which) or {}).get("hash", "")

    def condition(self, kind: str) -> Spec:
        live = self.live
        generation = live.get("metadata", {}).get("generation")
        conditions = (live.get("status") or {}).get("conditions") or []
        return next((item for item in conditions if item["type"] == kind and item.get("observedGeneration") == generation), {})

    async def phase(self, *phases: str, seconds: float = 60, generation: bool = True) -> None:
        """Wait until it is in one of these phases, for the spec as it is now."""

        def there() -> bool:
            live = self.live
            status = live.get("status") or {}
            current = not generation or status.get("observedGeneration") == live["metadata"]["generation"]
            return current and status.get("phase") in phases

        await self.stage.until(f"{self.name} is in {' or '.join(phases)}", there, seconds=seconds, every=0.1)

    async def serves(self, version: str, seconds: float = 60) -> None:
        """Wait until a rollout has ended well, and the version's name is what the Service answers."""

        def well() -> bool:
            return self.status.get("phase") == "Idle" and self.condition("Ready").get("status") == "True"

        await self.stage.until(f"{self.name} serves version {version}", well, seconds=seconds, every=0.1)
        await self.answers(version)

    async def answers(self, version: str, service: str | None = None) -> None:
        """Wait until the Service answers with that version: nodes follow its slices with some delay."""
        host = service or self.name
        await self.stage.until(f"{host} answers {version}", lambda: self.answer(host) == version, seconds=20, every=0.2)

    def answer(self, service: str | None = None) -> str:
        """Ask the Service once, from within the cluster; empty for no answer."""
        return self.stage.run("curl", "--silent", "--max-time", "2", f"http://{service or self.name}/", pod=CLIENT, check=False)

    def pods(self, revision: str) -> list[str]:
        """Names of a version's pods."""
        selector = f"dharma.io/deployment={self.name},dharma.io/revision={revision}"
        return self.stage.kubectl("get", "pods", "--selector", selector, "--output", "jsonpath={.items[*].metadata.name}").split()

    def selected(self, service: str | None = None) -> str:
        """The version that a Service leads to."""
        return (self.stage.get("service", service or self.name) or {})["spec"]["selector"].get("dharma.io/revision", "*")


class Traffic:
    """Requests without pause."""

    def __init__(self, stage: Stage, host: str = "web", *, short: int = 10, kept: int = 10, slow: int = 10, pause: float = 0.03) -> None:
        self.stage = stage
        wanted = {"HOST": host, "SHORT": short, "KEPT": kept, "SLOW": slow, "PAUSE": pause}
        self.environment = [{"name": key, "value": str(value)} for key, value in wanted.items()]

    def start(self) -> None:
        """Start the pod that sends them, which also serves as a client for anything else."""
        container = {
            "name": "traffic",
            "image": cluster.images()["toolbox"],
            "imagePullPolicy": "IfNotPresent",
            "command": script("traffic"),
            "env": self.environment,
            "securityContext": RESTRICTED,
        }
        security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {"terminationGracePeriodSeconds": 0, "securityContext": security, "containers": [container]}
        self.stage.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": CLIENT}, "spec": spec})
        self.stage.kubectl("wait", "--for=condition=Ready", f"pod/{CLIENT}", "--timeout=60s")

    def count(self) -> dict[str, Any]:
        """What was sent, answered, and went wrong so far."""
        text = self.stage.run("cat", "/tmp/traffic.json", pod=CLIENT, check=False)
        return json.loads(text) if text else {"sent": {}, "versions": {}, "errors": 0, "examples": [], "latest": {}}
