"""The other ends of NetworkPolicies that Tenants and Blueprints share."""

import ipaddress

from dharma_handlers import labels
from dharma_handlers.facts import ClusterFacts
from dharma_handlers.outcome import Manifest

_API_PORTS_UNKNOWN = (443, 6443)


def namespace(name: str) -> Manifest:
    """Build the peer of all pods of one namespace."""
    return {"namespaceSelector": {"matchLabels": {labels.NAMESPACE_NAME: name}}}


def operator(cluster: ClusterFacts) -> Manifest | None:
    """Build the peer of the operator's pods. None: it runs outside the cluster, or on a node, where policies do not stop it."""
    if cluster.operator is None:
        return None
    return {**namespace(cluster.operator.namespace), "podSelector": {"matchLabels": dict(cluster.operator.pod_labels)}}


def dns(cluster: ClusterFacts) -> Manifest:
    """Allow name lookups: at the cluster's DNS pods, and at its addresses where it does not run in pods."""
    pods = {
        **namespace("kube-system"),
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {"to": [pods, *(_block(address) for address in sorted(cluster.dns_addresses))], "ports": ports}


def api_server(cluster: ClusterFacts) -> list[Manifest]:
    """Allow the API server, which Patroni keeps its leader in. Its addresses unknown, only its usual ports are."""
    if not cluster.api_server_endpoints:
        return [{"ports": [{"protocol": "TCP", "port": port} for port in _API_PORTS_UNKNOWN]}]
    ports = sorted({port for _, port in cluster.api_server_endpoints})
    return [
        {
            "to": [_block(address) for address, at in sorted(cluster.api_server_endpoints) if at == port],
            "ports": [{"protocol": "TCP", "port": port}],
        }
        for port in ports
    ]


def _block(address: str) -> Manifest:
    return {"ipBlock": {"cidr": f"{address}/{ipaddress.ip_address(address).max_prefixlen}"}}
