"""What all pods have in common: Pod Security `restricted`, spreading over nodes, small volumes."""

from collections.abc import Mapping
from typing import Any

from dharma_handlers.outcome import Manifest


def pod_security(user: int) -> Manifest:
    """Build the pod's security context: a fixed numeric user that also owns the volumes."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        # A large volume is not walked at each start: the service itself made its files.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    """Build a container's security context: no privilege, nothing writable but its mounts."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def spread(selector: Mapping[str, str]) -> list[Manifest]:
    """Over nodes and zones as evenly as can be; pods start all the same where there is but one node."""
    return [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": dict(selector)}}
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def scratch(name: str, size: str, *, in_memory: bool = False) -> Manifest:
    """Build an empty volume of at most `size`, on the node's disk or, counted as the pod's memory, in memory."""
    volume: Manifest = {"sizeLimit": size}
    if in_memory:
        volume["medium"] = "Memory"
    return {"name": name, "emptyDir": volume}


def http_probe(path: str, port: str, **timing: int) -> Manifest:
    """Build an HTTP probe; `timing` is `periodSeconds`, `failureThreshold` and so on."""
    return {"httpGet": {"path": path, "port": port}, **timing}


def tcp_probe(port: str, **timing: int) -> Manifest:
    """Build a probe that connects."""
    return {"tcpSocket": {"port": port}, **timing}


def command_probe(*command: str, **timing: int) -> Manifest:
    """Build a probe that runs a command in the container."""
    return {"exec": {"command": list(command)}, **timing}


def env_of_field(name: str, path: str) -> Manifest:
    """Build an environment variable from the pod's own object."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def resources(cpu_request: str, memory_request: str, cpu_limit: str | None, memory_limit: str | None) -> dict[str, dict[str, Any]]:
    """Build a container's resources.

    Memory is always limited, by default to what is requested: a pod that grows is killed, not its neighbours.
    """
    limits = {"memory": memory_limit or memory_request}
    if cpu_limit is not None:
        limits["cpu"] = cpu_limit
    return {"requests": {"cpu": cpu_request, "memory": memory_request}, "limits": limits}
