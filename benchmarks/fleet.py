"""Tenants as they are measured: made, waited for, copied by a client that does nothing else, and removed."""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.bed import AGENT, Bed
from benchmarks.clock import Clock, condition
from benchmarks.owned import owned
from dharma_handlers import labels
from dharma_handlers.outcome import Manifest
from dharma_operator.kube.errors import ApiError
from dharma_operator.kube.resources import (
    FIELD_MANAGER,
    LIMIT_RANGE,
    NAMESPACE,
    NETWORK_POLICY,
    RESOURCE_QUOTA,
    ROLE_BINDING,
    TENANT,
    ObjectKey,
)
from dharma_operator.kube.wire import Json

_PROJECTS = ("lab", "shop")
_KINDS = (NAMESPACE, LIMIT_RANGE, NETWORK_POLICY, RESOURCE_QUOTA, ROLE_BINDING)
_SECONDS_EACH = 1.0
"""How long a namespace's making or deletion may take at most, beside others."""
_SECONDS_AT_LEAST = 90.0


@dataclass(frozen=True)
class Fleet:
    """Tenants that are told apart by a number."""

    bed: Bed
    prefix: str

    def names(self, numbers: Iterable[int]) -> list[str]:
        """Name Tenants."""
        return [f"{self.prefix}-{number:04}" for number in numbers]

    def namespaces(self, numbers: Iterable[int]) -> list[str]:
        """Name the namespaces of Tenants."""
        return [f"{name}-{project}" for name in self.names(numbers) for project in _PROJECTS]

    async def make(self, numbers: Iterable[int]) -> float:
        """Apply Tenants of two projects each. Return the seconds from the first request until all are Ready."""
        return await self.apply([tenant(name, _PROJECTS) for name in self.names(numbers)])

    async def apply(self, manifests: Sequence[Manifest]) -> float:
        """Apply these Tenants, all at once. Return the seconds from the first request until all are Ready."""
        names = {manifest["metadata"]["name"] for manifest in manifests}

        def ready(item: Manifest) -> bool:
            metadata = item["metadata"]
            return metadata["name"] in names and condition(item, "Ready", metadata["generation"])

        async with Clock(self.bed.client, TENANT, "", ready) as clock:
            begun = time.monotonic()
            await asyncio.gather(*(self.bed.client.apply(manifest) for manifest in manifests))
            return await clock.wait(len(names), "Tenants are Ready", _SECONDS_AT_LEAST + _SECONDS_EACH * len(names)) - begun

    async def copy(self, numbers: Iterable[int]) -> tuple[int, float]:
        """Apply the very same objects under other names, as fast as the API server takes them. Return how many, and the seconds."""
        names = set(self.names(numbers))
        listings = await asyncio.gather(*(self.bed.client.list(kind, label_selector=labels.TENANT) for kind in _KINDS))
        spaces, *inside = (
            [self._renamed(item) for item in listing.items if item["metadata"]["labels"][labels.TENANT] in names] for listing in listings
        )
        others = [manifest for manifests in inside for manifest in manifests]
        begun = time.monotonic()
        await asyncio.gather(*(self.bed.client.apply(manifest) for manifest in spaces))
        await asyncio.gather(*(self.bed.client.apply(manifest) for manifest in others))
        return len(spaces) + len(others), time.monotonic() - begun

    async def remove(self) -> None:
        """Delete all of them, and wait until they are gone: the next benchmark has the cluster for itself."""
        listings = [await self.bed.client.list(kind) for kind in (TENANT, NAMESPACE)]
        keys = [
            ObjectKey(kind, None, item["metadata"]["name"])
            for kind, listing in zip((TENANT, NAMESPACE), listings, strict=True)
            for item in listing.items
            if item["metadata"]["name"].startswith(self.prefix)
        ]
        with contextlib.suppress(ApiError):  # of a namespace that is being deleted after its Tenant
            await asyncio.gather(*(self.bed.client.delete(key) for key in keys))
        await self.bed.until(self._gone, f"the namespaces {self.prefix}… are gone", _SECONDS_AT_LEAST + _SECONDS_EACH * len(keys))

    async def _gone(self) -> bool:
        listing = await self.bed.client.list(NAMESPACE)
        return not any(item["metadata"]["name"].startswith(self.prefix) for item in listing.items)

    def _renamed(self, item: Manifest) -> Manifest:
        """Build the same object with a name of its own, of which no operator thinks that it is its own."""
        manifest = owned(item)
        assert manifest is not None, f"the operator wrote nothing of {item['metadata']['name']}"
        manifest["metadata"]["namespace"] = item["metadata"].get("namespace")
        text = json.dumps(manifest).replace(self.prefix, f"{self.prefix}-copy").replace(f'"{FIELD_MANAGER}"', f'"{AGENT}"')
        renamed: Manifest = json.loads(text)
        return renamed


@asynccontextmanager
async def fleet(bed: Bed) -> AsyncGenerator[Fleet]:
    """Tenants that are gone afterwards."""
    made = Fleet(bed, f"bench-{secrets.token_hex(2)}")
    try:
        yield made
    finally:
        await made.remove()


def tenant(name: str, projects: Iterable[str], **spec: Json) -> Manifest:
    """Build a Tenant that leaves nothing behind."""
    members = [
        {"kind": "User", "name": f"alice@{name}.example", "role": "Admin"},
        {"kind": "Group", "name": f"{name}-staff", "role": "Viewer"},
    ]
    whole = {"plan": "Pro", "deletionPolicy": "Delete", "members": members, **spec, "projects": [{"name": one} for one in projects]}
    return {"apiVersion": TENANT.api_version, "kind": TENANT.kind, "metadata": {"name": name}, "spec": whole}
