"""The objects that an operator made: listed, and applied directly, without it."""

import asyncio
import json
from collections.abc import Sequence

from benchmarks.owned import owned
from dharma_handlers.outcome import Manifest
from dharma_operator.kube import resources
from dharma_operator.kube.client import Client

_KINDS = (
    resources.CONFIG_MAP,
    resources.DEPLOYMENT,
    resources.NETWORK_POLICY,
    resources.PERSISTENT_VOLUME_CLAIM,
    resources.POD_DISRUPTION_BUDGET,
    resources.ROLE,
    resources.ROLE_BINDING,
    resources.SECRET,
    resources.SERVICE,
    resources.SERVICE_ACCOUNT,
    resources.STATEFUL_SET,
)


async def children(client: Client, namespace: str) -> list[Manifest]:
    """Return every object of the namespace that the operator made, as it applied it."""
    listings = await asyncio.gather(*(client.list(kind, namespace) for kind in _KINDS))
    return [manifest for listing in listings for item in listing.items if (manifest := owned(item)) is not None]


def moved(manifests: Sequence[Manifest], namespace: str, target: str) -> list[Manifest]:
    """Return the same objects for another namespace, its name replaced wherever it is said."""
    texts = [json.dumps(manifest).replace(namespace, target) for manifest in manifests]
    loaded: list[Manifest] = [json.loads(text) for text in texts]
    return [{**manifest, "metadata": {**manifest["metadata"], "namespace": target}} for manifest in loaded]


async def apply_all(client: Client, manifests: Sequence[Manifest]) -> None:
    """Apply all of them at once: nothing here waits for anything else."""
    await asyncio.gather(*(client.apply(manifest) for manifest in manifests))
