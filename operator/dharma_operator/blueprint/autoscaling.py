"""Which of a Blueprint's Deployments an autoscaler of somebody scales."""

from dharma_operator.controllers import Request
from dharma_operator.kube.ownership import autoscaled
from dharma_operator.kube.resources import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER


async def autoscaled_deployments(request: Request) -> frozenset[str]:
    """Name the Deployments that a HorizontalPodAutoscaler points to. Raises ApiError.

    Autoscalers are asked for only where one has written a number of replicas, so that without any this costs no request. They are not
    believed for good: one that is deleted leaves its number behind, which then is the spec's again.
    """
    scaled = [key for key, live in request.children.items() if key.resource == DEPLOYMENT and autoscaled(live)]
    if not scaled:
        return frozenset()
    listing = await request.client.list(HORIZONTAL_POD_AUTOSCALER, request.owner["metadata"]["namespace"])
    targets = [item["spec"]["scaleTargetRef"] for item in listing.items]
    named = {
        target["name"] for target in targets if target["kind"] == DEPLOYMENT.kind and target.get("apiVersion") == DEPLOYMENT.api_version
    }
    return frozenset(key.name for key in scaled if key.name in named)
