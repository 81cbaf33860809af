"""Crash walks of Tenants: a Tenant a run, all of its namespaces compared, and a witness of its quota throughout."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import yaml
from tests.support.cluster import TEST_LABEL, kubectl
from tests.support.snapshot import Snapshot, masked, objects_in
from tests.support.tenants import QuotaWitness

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import ApiError
from dharma_operator.kube.resources import NAMESPACE, TENANT, ObjectKey

_SEQUENCE = "dharma.io/quota-sequence"


def tenant_of(home: str) -> str:
    """The Tenant of the run whose own namespace this is."""
    return f"t{home.rpartition('-')[2]}"


def space(home: str, project: str) -> str:
    """The namespace of a project of that Tenant."""
    return f"{tenant_of(home)}-{project}"


def spaces(*projects: str) -> Callable[[str], tuple[str, ...]]:
    """The namespaces of these projects, as a Scenario wants them."""
    return lambda home: tuple(space(home, project) for project in projects)


def apply(home: str, projects: Iterable[str], **spec: Any) -> None:
    """Write the Tenant, as a user does."""
    manifest = {
        "apiVersion": TENANT.api_version,
        "kind": "Tenant",
        "metadata": {"name": tenant_of(home), "labels": {TEST_LABEL: "true"}},
        "spec": {"plan": "Basic", "deletionPolicy": "Delete", **spec, "projects": [{"name": project} for project in projects]},
    }
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=yaml.safe_dump(manifest))


def witnessed(limits: Mapping[str, int], *projects: str) -> Callable[[Client, str], contextlib.AbstractAsyncContextManager[None]]:
    """For Scenario.around: no event of the Tenant's quota may tell of more than the limits; at the end nothing is left of the Tenant."""

    @asynccontextmanager
    async def around(client: Client, home: str) -> AsyncIterator[None]:
        try:
            async with QuotaWitness(client, tenant_of(home), limits) as witness:
                yield
            assert witness.events > 0, "the witness has seen no quota at all"
            assert witness.violations == []
        finally:
            await client.delete(ObjectKey(TENANT, None, tenant_of(home)))
            for name in spaces(*projects)(home):
                with contextlib.suppress(ApiError):
                    await client.delete(ObjectKey(NAMESPACE, None, name))

    return around


def look(*projects: str) -> Callable[[Client, str], Any]:
    """For Scenario.look: the Tenant with its status, each namespace and all that is in it."""

    async def read(client: Client, home: str) -> Snapshot:
        found: dict[str, Any] = {}
        for key in (ObjectKey(TENANT, None, tenant_of(home)), *(ObjectKey(NAMESPACE, None, one) for one in spaces(*projects)(home))):
            live = await client.get(key)
            if live is None:
                continue
            live.pop("spec")  # that of a Tenant is its user's
            found[str(key).replace(tenant_of(home), "<tenant>")] = _without_sequences(masked(live, tenant_of(home)))
            if key.resource == NAMESPACE:
                for item in await objects_in(client, key.name):
                    name = f"{key.name} {item['kind']} {item['metadata']['name']}".replace(tenant_of(home), "<tenant>")
                    found[name] = _without_sequences(masked(item, tenant_of(home)))
        return found

    return read


def _without_sequences(item: Manifest) -> Manifest:
    """The ledger's numbers count the attempts: a crash may cost one more."""
    allocations = (item.get("status") or {}).get("allocations")
    if allocations:
        for entry in (allocations, *allocations["namespaces"].values()):
            entry["sequence"] = "<number>"
    annotations = item["metadata"].get("annotations") or {}
    if _SEQUENCE in annotations:
        annotations[_SEQUENCE] = "<number>"
    return item
