"""Services and disruption budgets: the same few lines for all components."""

from collections.abc import Mapping

from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Manifest


def service(
    scope: Scope, name: str, port_name: str, port: int, *, also: Mapping[str, str] | None = None, headless: bool = False
) -> Manifest:
    """Build a Service for the component's ready pods, those with the labels `also`. A headless one names all pods, ready or not."""
    spec: Manifest = {
        "selector": {**scope.selector, **(also or {})},
        "ports": [{"name": port_name, "port": port, "protocol": "TCP", "targetPort": port_name}],
    }
    if headless:
        spec |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    return {"apiVersion": "v1", "kind": "Service", "metadata": scope.metadata(name), "spec": spec}


def disruption_budget(scope: Scope) -> Manifest:
    """Build the PodDisruptionBudget: one pod at a time. A broken one may always go; so may the only one, or no node could be drained."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": scope.metadata(scope.names.base),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(scope.selector)}, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    }
