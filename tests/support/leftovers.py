"""Everything that is in a namespace, of whatever kind the API server knows: to see that nothing was left behind."""

import asyncio
from collections.abc import Mapping

from dharma_operator.kube.client import Client

_PASSING = {"events", "pods.metrics.k8s.io", "events.events.k8s.io"}
_EVERYWHERE = {"configmaps/kube-root-ca.crt", "serviceaccounts/default"}
"""What Kubernetes itself puts into every namespace."""


async def left_in(client: Client, namespace: str) -> set[str]:
    """All objects of the namespace as `statefulsets.apps/shop-db`, without events and what every namespace has."""
    paths = await _namespaced(client)
    listings = await asyncio.gather(*(client.request("list", "GET", path.format(namespace)) for path in paths.values()))
    found = {f"{kind}/{item['metadata']['name']}" for kind, listing in zip(paths, listings, strict=True) for item in listing["items"]}
    return found - _EVERYWHERE


async def _namespaced(client: Client) -> Mapping[str, str]:
    """The path of each namespaced kind that can be listed, by its plural and group."""
    groups = (await client.request("get", "GET", "/apis"))["groups"]
    versions = {"/api/v1": "", **{f"/apis/{group['preferredVersion']['groupVersion']}": f".{group['name']}" for group in groups}}
    served = await asyncio.gather(*(client.request("get", "GET", path) for path in versions))
    kinds = {
        f"{item['name']}{group}": f"{path}/namespaces/{{}}/{item['name']}"
        for (path, group), answer in zip(versions.items(), served, strict=True)
        for item in answer["resources"]
        if item["namespaced"] and "list" in item["verbs"]
    }
    return {kind: path for kind, path in kinds.items() if kind not in _PASSING}
