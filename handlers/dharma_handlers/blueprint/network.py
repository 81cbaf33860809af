"""NetworkPolicies: nothing reaches a component's pods, and they reach nothing, but what is named here."""

from collections.abc import Iterable, Mapping

from dharma_crds.blueprint import AccessPeer
from dharma_handlers import labels
from dharma_handlers.blueprint.names import PATRONI_PORT, PGBOUNCER_PORT, POSTGRES_PORT, REDIS_PORT
from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Manifest
from dharma_handlers.peers import api_server, dns, namespace, operator


def policy(scope: Scope) -> Manifest:
    """Build the component's one policy: both directions, everything not listed denied. The kubelet's probes come from the node and pass."""
    if scope.component.postgres is not None:
        ingress, egress = _postgres(scope)
    elif scope.component.pgbouncer is not None:
        ingress, egress = _pgbouncer(scope, scope.component.pgbouncer.target)
    else:
        ingress, egress = _redis(scope)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": scope.metadata(scope.names.base),
        "spec": {
            "podSelector": {"matchLabels": dict(scope.selector)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [*ingress, *_operator(scope)],
            "egress": [*egress, dns(scope.observed.cluster)],
        },
    }


def _postgres(scope: Scope) -> tuple[list[Manifest], list[Manifest]]:
    own = [_pods(scope.selector)]
    poolers = [_pods(scope.sibling(pooler.name).selector) for pooler in scope.poolers]
    ingress = [*_rule("from", consumers(scope), POSTGRES_PORT), *_rule("from", poolers, POSTGRES_PORT)]
    ingress += _rule("from", own, POSTGRES_PORT, PATRONI_PORT)
    egress = [*_rule("to", own, POSTGRES_PORT, PATRONI_PORT), *api_server(scope.observed.cluster)]
    return ingress, egress


def _pgbouncer(scope: Scope, target: str) -> tuple[list[Manifest], list[Manifest]]:
    return _rule("from", consumers(scope), PGBOUNCER_PORT), _rule("to", [_pods(scope.sibling(target).selector)], POSTGRES_PORT)


def _redis(scope: Scope) -> tuple[list[Manifest], list[Manifest]]:
    own = [_pods(scope.selector)]
    return [*_rule("from", consumers(scope), REDIS_PORT), *_rule("from", own, REDIS_PORT)], _rule("to", own, REDIS_PORT)


def consumers(scope: Scope) -> list[Manifest]:
    """Build the peers that may connect: `spec.access.from`, or every pod of the Blueprint's namespace."""
    access = scope.blueprint.spec.access
    if access is None:
        return [{"podSelector": {}}]
    return [_peer(peer, scope.observed.namespace_labels) for peer in access.from_]


def _peer(peer: AccessPeer, own_namespace: Mapping[str, str]) -> Manifest:
    built: Manifest = {}
    if peer.project is not None:
        # Only a Tenant's namespaces carry both labels, and only the operator may write them there.
        tenant = own_namespace.get(labels.TENANT, "")
        built["namespaceSelector"] = {"matchLabels": {labels.PROJECT: peer.project, labels.TENANT: tenant}}
    elif peer.namespace is not None:
        built |= namespace(peer.namespace)
    if peer.pod_selector is not None:
        built["podSelector"] = {"matchLabels": dict(peer.pod_selector.match_labels)}
    return built


def _operator(scope: Scope) -> list[Manifest]:
    """Let the operator ask every service how it is. Outside the cluster it comes from a node, which policies do not stop."""
    peer = operator(scope.observed.cluster)
    if peer is None:
        return []
    ports = {"postgres": (POSTGRES_PORT, PATRONI_PORT), "pgbouncer": (PGBOUNCER_PORT,), "redis": (REDIS_PORT,)}
    return _rule("from", [peer], *ports[scope.component.type])


def _rule(direction: str, peers: Iterable[Manifest], *ports: int) -> list[Manifest]:
    """One rule, or none without peers: an empty list of peers would mean everybody."""
    listed = list(peers)
    if not listed:
        return []
    return [{direction: listed, "ports": [{"protocol": "TCP", "port": port} for port in ports]}]


def _pods(selector: Mapping[str, str]) -> Manifest:
    return {"podSelector": {"matchLabels": dict(selector)}}
