"""Which of a Blueprint's Deployments an autoscaler of somebody scales."""

from collections.abc import Mapping

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.client import Client
from dharma_operator.kube.ownership import autoscaled
from dharma_operator.kube.resources import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, ObjectKey


def marked(children: Mapping[ObjectKey, Manifest]) -> frozenset[str]:
    """Name the Deployments whose number of replicas an autoscaler has written, now or at some time."""
    return frozenset(key.name for key, live in children.items() if key.resource == DEPLOYMENT and autoscaled(live))


async def autoscaled_deployments(client: Client, namespace: str, candidates: frozenset[str]) -> frozenset[str]:
    """Name those of `candidates` that a HorizontalPodAutoscaler points to. Raises ApiError.

    Without candidates this costs no request. They are not believed for good: an autoscaler that is deleted leaves its number behind, which
    then is the spec's again.
    """
    if not candidates:
        return frozenset()
    listing = await client.list(HORIZONTAL_POD_AUTOSCALER, namespace)
    targets = [item["spec"]["scaleTargetRef"] for item in listing.items]
    ours = (DEPLOYMENT.api_version, DEPLOYMENT.kind)
    return candidates & {target["name"] for target in targets if (target.get("apiVersion"), target["kind"]) == ours}
