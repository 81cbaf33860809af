"""How a component stands: ready or not, and in one sentence why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dharma_handlers import labels
from dharma_handlers.blueprint.actions import Action
from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Manifest

_STUCK_SECONDS = 60
"""A pod that cannot start is given this long before it counts as stuck: volumes and images take their time."""
_BAD_WAITS = frozenset({
    "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName",
    "RunContainerError",
})  # fmt: skip
_MESSAGE_LENGTH = 300
DONE = "done: "


@dataclass(frozen=True, slots=True)
class Health:
    """One component at a look."""

    ready: bool
    serving: int
    """Pods that serve."""
    wanted: int
    """Pods that should."""
    message: str = ""
    stuck: bool = False
    """Nothing will change by itself: a person must act."""
    progressing: bool = False
    """Something is on its way, though it may serve all the same."""
    primary: str | None = None
    version: str | None = None
    credentials_current: bool | None = True


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a component does not serve, in words, and whether waiting helps."""

    message: str
    stuck: bool = False
    resting: bool = False
    """It waits for a person or a time, and nothing is under way."""


def pods(scope: Scope) -> dict[str, Manifest]:
    """Find the component's pods that are not on their way out, by name."""
    found = (child for (kind, _), child in scope.observed.children.items() if kind == "Pod")
    mine = (pod for pod in found if pod["metadata"].get("labels", {}).get(labels.COMPONENT) == scope.component.name)
    return {pod["metadata"]["name"]: pod for pod in mine if not pod["metadata"].get("deletionTimestamp")}


def ready_pods(found: Mapping[str, Manifest]) -> set[str]:
    """Name those of them whose readiness probe succeeds."""
    return {name for name, pod in found.items() if _condition(pod, "Ready").get("status") == "True"}


def pods_problem(scope: Scope, wanted: int) -> Problem | None:
    """Say what keeps the pods from being there, all, and ready; None: they are."""
    found = pods(scope)
    ready = ready_pods(found)
    problems = [_pod_problem(pod, scope.observed.now) for name, pod in sorted(found.items()) if name not in ready]
    if problems:
        return next((problem for problem in problems if problem.stuck), problems[0])
    if len(found) < wanted:
        return Problem(f"waiting for pods: {len(found)} of {wanted} are there")
    return None


def rollout_problem(scope: Scope) -> Problem | None:
    """Say how far the pods are being replaced by those of a newer template; None: all are new."""
    kind = "Deployment" if scope.component.pgbouncer is not None else "StatefulSet"
    workload = scope.child(kind, scope.names.base) or {}
    status: Mapping[str, Any] = workload.get("status", {})
    if status.get("observedGeneration", 0) < workload.get("metadata", {}).get("generation", 0):
        return Problem("rolling out: the pods' new template is on its way")
    wanted, updated = workload.get("spec", {}).get("replicas", 0), status.get("updatedReplicas", 0)
    return Problem(f"rolling out: {updated} of {wanted} pods are new") if status and updated < wanted else None


def _pod_problem(pod: Manifest, now: datetime) -> Problem:
    name = pod["metadata"]["name"]
    old = _age(pod, now) > _STUCK_SECONDS
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return Problem(_short(f"pod {name} finds no node: {scheduled.get('message', 'no reason given')}"), old)
    containers: list[Mapping[str, Any]] = pod.get("status", {}).get("containerStatuses") or []
    states: list[Mapping[str, Any]] = [status.get("state", {}) for status in containers]
    for state in states:
        waiting: Mapping[str, Any] = state.get("waiting", {})
        if waiting.get("reason") in _BAD_WAITS:
            return Problem(_short(f"pod {name} cannot run: {waiting['reason']}: {waiting.get('message', 'no reason given')}"), old)
    running = any("running" in state for state in states)
    return Problem(f"waiting for pod {name} to be ready" if running else f"waiting for pod {name} to start")


def settled_message(scope: Scope, note: str = "") -> str:
    """Say what was done last to a component that is well; that stays until something else is done."""
    deeds = (*scope.observed.earlier, *scope.observed.done)
    done = list(dict.fromkeys(action.describe() for action in deeds if action.component == scope.component.name))
    previous = next((one.message for one in scope.blueprint.status.components if one.name == scope.component.name), "")
    said = DONE + ", ".join(done) if done else previous.partition("; note: ")[0] if previous.startswith(DONE) else ""
    return "; ".join(part for part in (_short(said), f"note: {note}" if note else "") if part)


def failure_message(scope: Scope) -> str:
    """Say what this reconcile tried and could not do; empty: nothing failed."""
    failed = [failure for failure in scope.observed.failures if failure.component == scope.component.name]
    return _short(f"could not {failed[0].action}: {failed[0].message}") if failed else ""


def reason(error: str) -> str:
    """Cut what a client library says of a failed connection down to what the server said."""
    return error.rpartition("failed: ")[2].removeprefix("FATAL:").strip() or "no answer yet"


def doing_message(pending: Iterable[Action]) -> str:
    """Say what is about to be done."""
    return _short("now: " + ", ".join(action.describe() for action in pending))


def _condition(pod: Manifest, kind: str) -> Mapping[str, Any]:
    conditions: list[Mapping[str, Any]] = pod.get("status", {}).get("conditions") or []
    nothing: Mapping[str, Any] = {}
    return next((condition for condition in conditions if condition["type"] == kind), nothing)


def _age(pod: Manifest, now: datetime) -> float:
    created = pod["metadata"].get("creationTimestamp")
    return (now - datetime.fromisoformat(created)).total_seconds() if created else 0.0


def _short(text: str) -> str:
    return text if len(text) <= _MESSAGE_LENGTH else text[: _MESSAGE_LENGTH - 1] + "…"
