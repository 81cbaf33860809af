"""A cluster in miniature: what the controllers of Kubernetes make of a Deployment's objects, and an operator that can die at any write."""

import contextlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from dharma_crds.deployment import CheckStatus, DharmaDeployment
from dharma_handlers import labels
from dharma_handlers.deployment.decide import Decision, decide
from dharma_handlers.deployment.observed import Observed
from dharma_handlers.deployment.state import State
from dharma_handlers.outcome import Mode
from dharma_operator.status import merge_patch

START = datetime(2026, 11, 1, tzinfo=UTC)
SLICE_LABEL = "kubernetes.io/service-name"


class Died(Exception):  # noqa: N818
    """The operator was killed."""


class Simulation:
    """One Deployment, its objects, its operator."""

    def __init__(self, **spec: Any) -> None:
        defaults = {
            "environment": "test",
            "image": "shop:1",
            "replicas": 2,
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            "strategy": {"blueGreen": {"bake": "10s", "keepOld": "20s", "progressDeadline": "60s"}},
        }
        self.spec: dict[str, Any] = {**defaults, **spec}
        self.annotations: dict[str, str] = {}
        self.status: dict[str, Any] = {}
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.now = START
        self.bad_images: set[str] = set()
        """Their pods never become ready, and lose what readiness they have."""
        self.quotas: tuple[dict[str, Any], ...] = ()
        self.checks: dict[str, str] = {}
        """Results of checks by name; those that are not here run on."""
        self.writes: list[str] = []
        self.moved: list[str] = []
        """Every version that the active Service was led to, in order."""
        self.events: list[str] = []
        self._numbers = itertools.count(1)
        self._dies_after: int | None = None

    # The operator

    def deployment(self) -> DharmaDeployment:
        metadata = {"name": "web", "namespace": "acme", "uid": "u", "generation": 1, "annotations": self.annotations}
        return DharmaDeployment.model_validate({"kind": "Deployment", "metadata": metadata, "spec": self.spec, "status": self.status})

    def observed(self, checks: tuple[CheckStatus, ...] = (), *, quotas: bool = True) -> Observed:
        return Observed(now=self.now, children=dict(self.objects), quotas=self.quotas if quotas else None, checks=checks)

    def decide(self, reached: State | None = None) -> Decision:
        first = decide(self.deployment(), self.observed(), reached)
        stage = first.checked[1]
        running = tuple(
            CheckStatus(name=check.name, stage=stage, result=self.checks.get(check.name, "Running"), message="as the test says")
            for check in first.checks
        )
        return decide(self.deployment(), self.observed(running), reached)

    def reconcile(self, *, dies_after: int | None = None) -> None:
        """Run once, as the controller and the runner do. With `dies_after`, the operator dies after so many writes."""
        self._dies_after = dies_after
        if dies_after == 0:
            raise Died
        reached: State | None = None
        for _ in range(12):
            decision = self.decide(reached)
            if decision.intent is not None:
                kept = {
                    name: value
                    for name, value in self.status.items()
                    if name not in {"preview", "refused", "checks", "lastRollback", "pinned"}
                }
                self._write_status({**kept, **decision.intent})
                reached = None
            elif decision.moves:
                for move in decision.moves:
                    name = move.manifest["metadata"]["name"]
                    assert move.resource_version == self.objects["Service", name]["metadata"]["resourceVersion"]
                    if name == "web":
                        self.moved.append(move.manifest["spec"]["selector"].get(labels.REVISION, "*"))
                        self.check_move()
                    self._apply(move.manifest)
                self.follow()
                reached = decision.state
            else:
                break
        else:
            raise AssertionError("no end")
        self._apply_all(decision)
        self.events += [event.reason for event in decision.outcome.events]
        self._write_status({**decision.outcome.status})

    def check_move(self) -> None:
        """Overridden by tests: what must hold when the active Service is about to be moved."""

    def _apply_all(self, decision: Decision) -> None:
        wanted = {(one.manifest["kind"], one.manifest["metadata"]["name"]): one for one in decision.outcome.objects or ()}
        for one in wanted.values():
            if one.mode is Mode.APPLY:
                self._apply(one.manifest)
        for key in [key for key in self.objects if key[0] not in {"Pod", "EndpointSlice"} and key not in wanted]:
            del self.objects[key]
            self._wrote(f"delete {key}")

    def _apply(self, manifest: dict[str, Any]) -> None:
        key = manifest["kind"], manifest["metadata"]["name"]
        live = self.objects.get(key)
        metadata = {"uid": f"uid-{next(self._numbers)}", "creationTimestamp": self.now.isoformat(), "resourceVersion": "0"}
        if live is not None:
            metadata = {name: live["metadata"][name] for name in metadata}
            same = all(live.get(part) == manifest.get(part) for part in ("spec",)) and all(
                live["metadata"].get(name) == value for name, value in manifest["metadata"].items()
            )
            if same:
                return
        metadata["resourceVersion"] = str(next(self._numbers))
        self.objects[key] = {**(live or {}), **manifest, "metadata": {**manifest["metadata"], **metadata}}
        self._wrote(f"apply {key[0]} {key[1]}")

    def _write_status(self, wanted: dict[str, Any]) -> None:
        if merge_patch(self.status, wanted):
            self.status = {name: value for name, value in wanted.items() if value is not None}
            self._wrote("status")

    def _wrote(self, what: str) -> None:
        self.writes.append(what)
        if self._dies_after is not None:
            self._dies_after -= 1
            if self._dies_after == 0:
                raise Died

    # Kubernetes

    def follow(self) -> None:
        """EndpointSlices follow Services and pods."""
        for (kind, name), service in list(self.objects.items()):
            if kind == "Service":
                self.objects["EndpointSlice", f"{name}-x"] = {
                    "kind": "EndpointSlice",
                    "metadata": {"name": f"{name}-x", "labels": {SLICE_LABEL: name}},
                    "addressType": "IPv4",
                    "endpoints": [
                        {"conditions": {"ready": ready(pod)}, "targetRef": {"uid": pod["metadata"]["uid"]}}
                        for pod in self.pods()
                        if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
                    ],
                }

    def run_kubernetes(self) -> None:
        """ReplicaSets make and remove pods; pods become ready, or not; slices follow."""
        for (kind, _), item in list(self.objects.items()):
            if kind == "ReplicaSet":
                self._scale(item)
        for key in [key for key, pod in self.objects.items() if key[0] == "Pod" and not self._owned(pod)]:
            del self.objects[key]
        for pod in self.pods():
            good = pod["spec"]["containers"][0]["image"] not in self.bad_images
            pod["status"]["conditions"] = [{"type": "Ready", "status": "True" if good else "False"}]
        self.follow()

    def _owned(self, pod: dict[str, Any]) -> bool:
        return ("ReplicaSet", f"web-{pod['metadata']['labels'][labels.REVISION]}") in self.objects

    def _scale(self, item: dict[str, Any]) -> None:
        mine = [pod for pod in self.pods() if pod["metadata"]["labels"][labels.REVISION] == item["metadata"]["labels"][labels.REVISION]]
        for pod in mine[item["spec"]["replicas"] :]:
            del self.objects["Pod", pod["metadata"]["name"]]
        for _ in range(item["spec"]["replicas"] - len(mine)):
            name = f"{item['metadata']['name']}-{next(self._numbers)}"
            metadata = {"name": name, "uid": f"uid-{name}", "labels": item["spec"]["template"]["metadata"]["labels"]}
            spec = item["spec"]["template"]["spec"]
            self.objects["Pod", name] = {"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}
        item["status"] = {"replicas": item["spec"]["replicas"]}

    def pods(self) -> list[dict[str, Any]]:
        return [item for (kind, _), item in self.objects.items() if kind == "Pod"]

    # What tests ask and do

    def round(self, *, dies_after: int | None = None) -> None:
        """Let the operator run once, then Kubernetes."""
        with contextlib.suppress(Died):
            self.reconcile(dies_after=dies_after)
        self.run_kubernetes()

    def rounds(self, count: int = 12) -> None:
        for _ in range(count):
            self.round()

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def phase(self) -> str:
        return self.status.get("phase", "")

    @property
    def selected(self) -> str:
        return self.objects["Service", "web"]["spec"]["selector"].get(labels.REVISION, "*")

    def revision(self, which: str) -> str:
        return ((self.status.get("revisions") or {}).get(which) or {}).get("hash", "")

    def image(self, which: str) -> str:
        return ((self.status.get("revisions") or {}).get(which) or {}).get("image", "")

    def ready(self, version: str) -> int:
        return sum(1 for pod in self.pods() if pod["metadata"]["labels"][labels.REVISION] == version and ready(pod))

    def scale(self, version: str) -> int:
        return self.objects["ReplicaSet", f"web-{version}"]["spec"]["replicas"]

    def strategy(self, **fields: Any) -> None:
        self.spec["strategy"] = {"blueGreen": {**self.spec["strategy"]["blueGreen"], **fields}}

    def settle(self, seconds: float = 300) -> None:
        """Let so much time pass, with rounds all the while."""
        for _ in range(int(seconds / 5)):
            self.rounds(3)
            self.wait(5)

    def established(self, image: str = "shop:1") -> "Simulation":
        """Bring a first version about."""
        self.spec["image"] = image
        self.rounds()
        assert self.phase == "Idle", self.status
        return self


def ready(pod: dict[str, Any]) -> bool:
    return any(condition["status"] == "True" for condition in pod["status"].get("conditions", ()))
