"""NetworkPolicies of a tenant's namespace. Policies add up, so who is let in here is let in whatever another policy says.

Therefore two of them: one opens to applications what the Tenant allows, one denies everything to the pods of Blueprints, which have
policies of their own with narrower rules. No pod is selected by both, and none by neither: whichever is written or deleted first,
applications are never cut off from what is allowed while the other one is on its way.
"""

from dharma_crds.tenant import NetworkPeer, Tenant
from dharma_handlers import labels
from dharma_handlers.facts import ClusterFacts
from dharma_handlers.outcome import Manifest
from dharma_handlers.peers import dns, namespace

DENY, ALLOW = "dharma-deny", "dharma-default"


def policies(tenant: Tenant, name: str, cluster: ClusterFacts) -> list[Manifest]:
    """Build the policies of namespace `name`; none with isolation None."""
    network = tenant.spec.network
    if network.isolation == "None":
        return []
    whole_tenant: Manifest = {"namespaceSelector": {"matchLabels": {labels.TENANT: tenant.name}}}
    own: Manifest = {"podSelector": {}} if network.isolation == "Project" else whole_tenant
    ingress = [{"from": [own]}, *(_rule("from", peer) for peer in network.ingress_from)]
    egress = [dns(cluster), {"to": [own]}, *(_rule("to", peer) for peer in network.egress_to)]
    return [
        _policy(tenant, name, DENY, {"podSelector": _components("Exists")}),
        _policy(tenant, name, ALLOW, {"podSelector": _components("DoesNotExist"), "ingress": ingress, "egress": egress}),
    ]


def _components(operator: str) -> Manifest:
    return {"matchExpressions": [{"key": labels.COMPONENT, "operator": operator}]}


def _policy(tenant: Tenant, namespace_name: str, name: str, spec: Manifest) -> Manifest:
    own = {labels.MANAGED_BY: labels.MANAGER, labels.TENANT: tenant.name}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace_name, "labels": own},
        "spec": {**spec, "policyTypes": ["Ingress", "Egress"]},
    }


def _rule(direction: str, peer: NetworkPeer) -> Manifest:
    end: Manifest = namespace(peer.namespace) if peer.namespace is not None else {"ipBlock": {"cidr": peer.cidr}}
    rule: Manifest = {direction: [end]}
    if peer.ports:
        rule["ports"] = [{"protocol": "TCP", "port": port} for port in sorted(peer.ports)]
    return rule
