"""Pods that no scheduler takes: they count against quota, and cost nothing."""

import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import Forbidden
from dharma_operator.kube.resources import REPLICA_SET

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Asked:
    """One attempt to create a pod."""

    admitted: bool
    seconds: float
    """Until the answer, yes or no."""


async def ask(client: Client, namespace: str) -> Asked:
    """Create a pod. Whatever is said but yes, and no for want of quota, is raised."""
    begun = time.monotonic()
    try:
        await client.create(_pod(f"pod-{next(_NUMBERS)}", namespace))
    except Forbidden as error:
        if "exceeded quota" not in str(error):
            raise
        return Asked(admitted=False, seconds=time.monotonic() - begun)
    return Asked(admitted=True, seconds=time.monotonic() - begun)


def replica_set(namespace: str) -> Manifest:
    """Build one that wants a single such pod. That it cannot have it, its controller tells by an event."""
    name = f"wanting-{next(_NUMBERS)}"
    labels = {"app": name}
    return {
        "apiVersion": REPLICA_SET.api_version,
        "kind": REPLICA_SET.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(name, namespace)["spec"]},
        },
    }


def plain_quota(namespace: str, pods: int) -> Manifest:
    """Build a ResourceQuota as people write it."""
    metadata = {"name": "plain", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": str(pods)}}}


def counted(quotas: Iterable[Manifest], pods: int) -> bool:
    """Tell whether Kubernetes has counted so many pods in all, in namespaces whose quota it enforces."""
    statuses: list[Manifest] = [quota.get("status") or {} for quota in quotas]
    enforced = all("pods" in (status.get("hard") or {}) for status in statuses)
    return enforced and sum(int(status["used"]["pods"]) for status in statuses) == pods


def _pod(name: str, namespace: str) -> Manifest:
    container = {
        "name": "main",
        "image": "none",
        "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"cpu": "10m", "memory": "8Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"schedulerName": "nobody", "containers": [container], "securityContext": security, "terminationGracePeriodSeconds": 0},
    }
