"""What is wrong with the pods of a version, and whether that is the version's own fault."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dharma_handlers.deployment.observed import View
from dharma_handlers.deployment.parts import items, part
from dharma_handlers.outcome import Manifest

_BAD_WAITS: Final = frozenset({
    "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName",
    "RunContainerError",
})  # fmt: skip
_MOST_RESTARTS: Final = 1
"""A container may be killed once by what happens on its node; a version that restarts again and again is broken."""
_LONGEST: Final = 300


def trouble(view: View, version: str) -> str:
    """Say what keeps pods of a version from being made or from running; empty: nothing is known to."""
    said = next((_sentence(pod, status) for pod, status in _waiting(view, version)), None)
    if said is None:
        said = next(_unscheduled(view, version), None) or _not_made(view, version)
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"


def broken(view: View, version: str) -> str:
    """Say why a version that serves does not any more; empty: it does.

    One pod of several that is lost for a while says nothing of the version: its node may be at fault. A version is broken when none, or
    less than half, of its pods are ready, or when containers of it end again and again.
    """
    ready, scale = len(view.ready(version)), view.scale(version)
    if 2 * ready < scale:
        told = trouble(view, version)
        return f"{ready} of its {scale} pods are ready" + (f": {told}" if told else "")
    for pod in view.pods(version):
        for status in _statuses(pod):
            if int(status.get("restartCount", 0)) > _MOST_RESTARTS:
                return f"container {status['name']} of pod {pod['metadata']['name']} ended {status['restartCount']} times"
    return ""


def _waiting(view: View, version: str) -> Iterator[tuple[Manifest, Mapping[str, Any]]]:
    for pod in sorted(view.pods(version), key=lambda item: item["metadata"]["name"]):
        for status in _statuses(pod):
            if part(status, "state", "waiting").get("reason") in _BAD_WAITS:
                yield pod, status


def _sentence(pod: Manifest, status: Mapping[str, Any]) -> str:
    waiting = status["state"]["waiting"]
    # Messages about back-off name the time until the next attempt, which changes: the reason says enough.
    detail = "" if waiting["reason"] == "CrashLoopBackOff" else f": {waiting.get('message', 'no reason given')}"
    return f"pod {pod['metadata']['name']} cannot run: {waiting['reason']}{detail}"


def _unscheduled(view: View, version: str) -> Iterator[str]:
    for pod in view.pods(version):
        for condition in items(part(pod, "status"), "conditions"):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                yield f"pod {pod['metadata']['name']} finds no node: {condition.get('message', 'no reason given')}"


def _not_made(view: View, version: str) -> str:
    """Say why the ReplicaSet cannot make pods: a quota, an admission policy."""
    for condition in items(part(view.replica_sets, version, "status"), "conditions"):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"pods cannot be made: {condition.get('message', 'no reason given')}"
    return ""


def _statuses(pod: Manifest) -> list[Mapping[str, Any]]:
    return items(part(pod, "status"), "containerStatuses")
