"""A version: what its pods are made from, and the digest that names it.

The digest covers what the user wrote, not what is made of it: neither defaults of the API server, nor labels, nor another release of the
operator start a rollout. What a version was made from stands on its ReplicaSet, so that an old one can be brought back.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from pydantic import ValidationError

from dharma_crds.base import Struct
from dharma_crds.deployment import DharmaDeployment, EnvironmentVariable, Port, Probes
from dharma_crds.deployment.workload import WorkloadResources
from dharma_handlers import labels
from dharma_handlers.deployment.parts import label, part
from dharma_handlers.outcome import Manifest

SOURCE_ANNOTATION: Final = "dharma.io/revision-source"
RESTART_ANNOTATION: Final = "dharma.io/restart"
"""Of a Deployment: another value makes another version of the same spec."""
_DIGITS: Final = 10


class Source(Struct):
    """What the pods of a version are made from."""

    image: str
    ports: tuple[Port, ...] = ()
    bound: tuple[EnvironmentVariable, ...] = ()
    """Variables that come from `bind`, with the names of Secrets as they were found."""
    env: tuple[EnvironmentVariable, ...] = ()
    resources: WorkloadResources | None = None
    probes: Probes = Probes()
    pod_template: Mapping[str, Any] | None = None
    restart: str = ""


@dataclass(frozen=True)
class Revision:
    """One version."""

    source: Source

    @cached_property
    def text(self) -> str:
        """The source as canonical JSON, without defaults."""
        return _text(self.source)

    @cached_property
    def hash(self) -> str:
        """Its name. Labels in the overlay and the numbers of the Service's ports are not the pods' business: they make no other version."""
        ports = tuple(port.model_copy(update={"port": 1, "target_port": target_of(port)}) for port in self.source.ports)
        counted = self.source.model_copy(update={"ports": ports, "pod_template": _without_labels(self.source.pod_template)})
        return hashlib.sha256(_text(counted).encode()).hexdigest()[:_DIGITS]


def target_of(port: Port) -> int | str:
    """Return the pods' port behind a port of the Service."""
    return port.target_port or port.port


def port_name(ports: Sequence[Port], port: Port) -> str:
    """Name the pods' port behind a port of the Service, so that each version's pods say which number that is.

    Two ports of the Service may lead to one of the pods: it has the name of the first.
    """
    target = target_of(port)
    if isinstance(target, str):
        return target
    return next(other.name for other in ports if (target_of(other), other.protocol) == (target, port.protocol))


def _text(source: Source) -> str:
    return json.dumps(source.model_dump(mode="json", exclude_defaults=True), separators=(",", ":"), sort_keys=True)


def revision_of(deployment: DharmaDeployment, bound: tuple[EnvironmentVariable, ...]) -> Revision:
    """Return the version that the spec asks for."""
    spec = deployment.spec
    return Revision(
        Source(
            image=spec.image,
            ports=spec.ports,
            bound=bound,
            env=spec.env,
            resources=spec.resources,
            probes=spec.probes,
            pod_template=spec.pod_template,
            restart=deployment.metadata.annotations.get(RESTART_ANNOTATION, ""),
        )
    )


def revision_on(replica_set: Mapping[str, Any]) -> Revision | None:
    """Return the version that a ReplicaSet was made from; None when that cannot be read, or is not what its name says."""
    revision = _revision(str(part(replica_set, "metadata", "annotations").get(SOURCE_ANNOTATION, "")))
    return revision if revision is not None and revision.hash == hash_on(replica_set) else None


@lru_cache(maxsize=1024)
def _revision(text: str) -> Revision | None:
    try:
        return Revision(Source.model_validate_json(text))
    except ValidationError:
        return None


def hash_on(replica_set: Mapping[str, Any]) -> str:
    """Name the version of a ReplicaSet or pod."""
    return label(replica_set, labels.REVISION)


def _without_labels(template: Mapping[str, Any] | None) -> Manifest | None:
    """Return an overlay without its labels; None when nothing else is in it."""
    if template is None:
        return None
    metadata = {key: value for key, value in part(template, "metadata").items() if key != "labels"}
    rest = {key: value for key, value in template.items() if key != "metadata"}
    return ({**rest, "metadata": metadata} if metadata else rest) or None
