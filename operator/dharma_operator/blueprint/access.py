"""The operator's way to the Secrets of a namespace: a RoleBinding to itself there, for as long as the namespace has Blueprints."""

import asyncio
from collections import defaultdict
from typing import Any

from dharma_handlers.outcome import Manifest
from dharma_operator.controllers import Request
from dharma_operator.kube.compare import differences
from dharma_operator.kube.resources import BLUEPRINT, CLUSTER_ROLE, MANAGED_BY, MANAGED_BY_LABEL, ROLE_BINDING, SECRET, ObjectKey
from dharma_operator.settings import Settings
from dharma_operator.store import Store

NAME = "iac-dharma-operator"


class NamespaceAccess:
    """Makes the RoleBinding before anything else in a namespace, and has the namespace's Secrets watched."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ensure(self, request: Request) -> None:
        """Return when the Secrets of the Blueprint's namespace are in the store. Raises ApiError."""
        namespace: str = request.owner["metadata"]["namespace"]
        # One at a time, so that each sees the owners that the one before it wrote.
        async with self._locks[namespace]:
            live = request.store.get(ObjectKey(ROLE_BINDING, namespace, NAME))
            wanted = role_binding(namespace, owner_references(request.store, namespace, request.owner), request.settings)
            if live is None or differences(wanted, live):
                request.store.wrote(await request.client.apply(wanted))
        await request.store.ensure_namespaced_watch(SECRET, namespace)


def owner_references(store: Store, namespace: str, owner: Manifest) -> list[dict[str, Any]]:
    """Return references to `owner` and all Blueprints of the namespace that have objects, by uid: the binding goes with the last."""
    blueprints = [store.get(key) for key in store.keys(BLUEPRINT, namespace)]
    live = {
        blueprint["metadata"]["uid"]: blueprint["metadata"]["name"]
        for blueprint in blueprints
        if blueprint is not None and _has_objects(blueprint)
    }
    live[owner["metadata"]["uid"]] = owner["metadata"]["name"]
    return [{"apiVersion": BLUEPRINT.api_version, "kind": BLUEPRINT.kind, "name": name, "uid": uid} for uid, name in sorted(live.items())]


def _has_objects(blueprint: Manifest) -> bool:
    return not blueprint["metadata"].get("deletionTimestamp") and blueprint["spec"].get("lifecycle") != "Draft"


def role_binding(namespace: str, owners: list[dict[str, Any]], settings: Settings) -> Manifest:
    """Return the RoleBinding of the operator's ServiceAccount to the ClusterRole that may work with Secrets."""
    return {
        "apiVersion": ROLE_BINDING.api_version,
        "kind": ROLE_BINDING.kind,
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY, "app.kubernetes.io/part-of": "iac-dharma"},
            "ownerReferences": owners,
        },
        "roleRef": {"apiGroup": CLUSTER_ROLE.group, "kind": CLUSTER_ROLE.kind, "name": settings.namespace_cluster_role},
        "subjects": [{"kind": "ServiceAccount", "name": settings.service_account, "namespace": settings.pod_namespace}],
    }
