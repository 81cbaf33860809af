"""What is the same everywhere in a cluster: addresses, images, where the operator is. The shell asks for it now and then."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Images:
    """Full references of the images that the pods run."""

    postgres: str
    pgbouncer: str
    redis: str


@dataclass(frozen=True, slots=True)
class OperatorIdentity:
    """Where the operator's pods are, for the rules that let it in. Absent when it runs outside the cluster."""

    namespace: str
    pod_labels: Mapping[str, str]
    """Labels that exactly the operator's pods carry."""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What is the same for all Tenants and Blueprints of a cluster."""

    images: Images
    operator: OperatorIdentity | None = None
    api_server_endpoints: tuple[tuple[str, int], ...] = ()
    """Addresses and ports behind the Service `default/kubernetes` (its EndpointSlices), and that Service's own address and port."""
    dns_addresses: tuple[str, ...] = ()
    """Addresses of the Service `kube-system/kube-dns` and of what is behind it: in some clusters DNS runs on the node, not in a pod."""
