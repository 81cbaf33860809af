"""Checks that are programs: each a Job of the cluster, which is found again by whichever operator looks for it."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dharma_crds.deployment import Check, CheckStatus, JobCheck
from dharma_handlers import labels
from dharma_handlers.deployment.parts import items, label, part
from dharma_handlers.deployment.state import State
from dharma_handlers.deployment.world import World
from dharma_handlers.outcome import Manifest, Mode, Wanted

CHECK: Final = "dharma.io/check"
"""Label of a Job: the check that it is."""
_KEPT_SECONDS: Final = 3600
"""How long an ended Job stays to be looked at."""
_NAME_PART: Final = 30


def job_name(world: World, version: str, stage: str, check: Check) -> str:
    """Name the Job of a check. A check that is changed while it runs is another Job: a Job's template cannot be changed."""
    told = f"{world.deployment.name}\n{version}\n{stage}\n{check.model_dump_json()}"
    return f"{world.deployment.name[:_NAME_PART].rstrip('-')}-check-{hashlib.sha256(told.encode()).hexdigest()[:10]}"


def jobs(world: World, state: State, stage: str, due: tuple[Check, ...]) -> Iterator[Wanted]:
    """Build the Jobs that are due, and keep those of the last version as they are: who asks why it failed reads their logs."""
    wanted = {job_name(world, state.target.hash, stage, check): check for check in due if check.job is not None}
    for name, check in wanted.items():
        if check.job is not None:
            yield Wanted(_job(world, state, stage, name, check, check.job))
    last = {state.target.hash, (state.rollback.from_ if state.rollback is not None else None) or ""}
    for live in world.view.jobs:
        name = live["metadata"]["name"]
        if name not in wanted and label(live, labels.REVISION) in last:
            yield Wanted(
                {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": world.deployment.namespace}},
                Mode.CREATE_ONLY,
            )


def job_status(world: World, version: str, stage: str, check: Check) -> CheckStatus | None:
    """Tell how a Job stands; None: there is none yet."""
    name = job_name(world, version, stage, check)
    live = next((job for job in world.view.jobs if job["metadata"]["name"] == name), None)
    if live is None:
        return None
    for condition in items(part(live, "status"), "conditions"):
        if condition["status"] == "True" and condition["type"] in {"Complete", "Failed"}:
            passed = condition["type"] == "Complete"
            message = f"Job {name} {'ended with code 0' if passed else _failure(condition)}"
            return CheckStatus(name=check.name, stage=stage, result="Passed" if passed else "Failed", message=message)
    return CheckStatus(name=check.name, stage=stage, result="Running", message=f"Job {name}")


def _failure(condition: Mapping[str, Any]) -> str:
    return f"failed, {condition.get('reason', 'no reason given')}: {condition.get('message', 'no message')}"


def _job(world: World, state: State, stage: str, name: str, check: Check, job: JobCheck) -> Manifest:
    service = world.names.preview if stage == "Before" else world.names.service
    environment = {"DHARMA_TARGET": f"{service}.{world.deployment.namespace}.svc", "DHARMA_REVISION": state.target.hash}
    container = {
        "name": "check",
        "image": job.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **({"command": list(job.command)} if job.command else {}),
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    # The pods carry none of the labels that Services select by.
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": world.deployment.namespace,
            "labels": {**world.names.labels, labels.REVISION: state.target.hash, CHECK: check.name},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(job.timeout.total_seconds()),
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {"metadata": {"labels": {labels.MANAGED_BY: labels.MANAGER, CHECK: check.name}}, "spec": pod},
        },
    }
