"""The pod template of a version: `restricted`, spread over nodes, and out of the Service before it ends."""

from typing import Any, Final

from dharma_crds.deployment import EnvironmentVariable, Probe
from dharma_handlers import labels, pods
from dharma_handlers.deployment.names import Names
from dharma_handlers.deployment.overlay import overlay
from dharma_handlers.deployment.parts import part
from dharma_handlers.deployment.revision import Revision, Source, port_name, target_of
from dharma_handlers.outcome import Manifest

CONTAINER: Final = "app"
_LEAVE_SECONDS: Final = 5
"""A pod that ends goes on serving for so long: proxies and load balancers must have heard of it first."""
_GRACE_SECONDS: Final = 60
"""From the begin of its end to SIGKILL; requests under way have what the above leaves of it."""


def pod_template(names: Names, revision: Revision) -> Manifest:
    """Build the template. The overlay wins, but for the labels that pods are found by."""
    source = revision.source
    built: Manifest = {"metadata": {"labels": names.labels}, "spec": _spec(names, revision)}
    laid = overlay(built, source.pod_template or {})
    metadata = part(laid, "metadata")
    found_by = {**names.labels, labels.REVISION: revision.hash}
    return {**laid, "metadata": {**metadata, "labels": {**part(metadata, "labels"), **found_by}}}


def _spec(names: Names, revision: Revision) -> Manifest:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "topologySpreadConstraints": pods.spread(names.selector(revision.hash)),
        "containers": [_container(revision.source)],
    }


def _container(source: Source) -> Manifest:
    default_port = _default_port(source)
    probes = {
        f"{kind}Probe": _probe(probe, default_port)
        for kind, probe in (
            ("readiness", source.probes.readiness),
            ("liveness", source.probes.liveness),
            ("startup", source.probes.startup),
        )
        if probe is not None
    }
    return {
        "name": CONTAINER,
        "image": source.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": _ports(source),
        "env": _environment(source),
        "resources": source.resources.model_dump(mode="json", exclude_none=True) if source.resources is not None else {},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "lifecycle": {"preStop": {"sleep": {"seconds": _LEAVE_SECONDS}}},
        **probes,
    }


def _default_port(source: Source) -> str | None:
    """Return the pods' first port, as probes name it."""
    if not source.ports:
        return None
    return port_name(source.ports, source.ports[0])


def _ports(source: Source) -> list[Manifest]:
    """List the ports given by number; those given by name are the overlay's to define."""
    numbered = [port for port in source.ports if isinstance(target_of(port), int) and port_name(source.ports, port) == port.name]
    return [{"name": port.name, "containerPort": target_of(port), "protocol": port.protocol} for port in numbered]


def _environment(source: Source) -> list[Manifest]:
    """List the variables; one that the spec sets itself wins over one of the same name from `bind`."""
    variables: dict[str, EnvironmentVariable] = {variable.name: variable for variable in (*source.bound, *source.env)}
    return [variable.to_dict() for variable in variables.values()]


def _probe(probe: Probe, default_port: str | None) -> Manifest:
    timing = {
        "initialDelaySeconds": None if probe.initial_delay is None else int(probe.initial_delay.total_seconds()),
        "periodSeconds": int(probe.period.total_seconds()),
        "timeoutSeconds": int(probe.timeout.total_seconds()),
        "failureThreshold": probe.failure_threshold,
        "successThreshold": probe.success_threshold,
    }
    return {**_question(probe, default_port), **{key: value for key, value in timing.items() if value is not None}}


def _question(probe: Probe, default_port: str | None) -> dict[str, Any]:
    if probe.http is not None:
        return {"httpGet": {"path": probe.http.path, "port": probe.http.port or default_port, "scheme": probe.http.scheme}}
    if probe.tcp is not None:
        return {"tcpSocket": {"port": probe.tcp.port or default_port}}
    if probe.exec is not None:
        return {"exec": {"command": list(probe.exec.command)}}
    return {"grpc": probe.grpc.to_dict()} if probe.grpc is not None else {}
