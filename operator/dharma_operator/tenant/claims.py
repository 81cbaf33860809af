"""Which Tenant holds which namespace: an index over the Tenants that there are, kept as they are seen."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dharma_handlers import labels
from dharma_handlers.outcome import Manifest
from dharma_operator.kube.ownership import wrote
from dharma_operator.kube.resources import NAMESPACE, TENANT, ObjectKey
from dharma_operator.store import Store, part


@dataclass(frozen=True, slots=True)
class _Claim:
    since: str
    uid: str


class Claims:
    """All claims of all Tenants.

    What exists is with whom it was by a status; before one tells, with whom we made it for, who says so on the label; and what several ask
    for is for the oldest of them.
    """

    def __init__(self) -> None:
        self._by_namespace: defaultdict[str, dict[str, _Claim]] = defaultdict(dict)
        self._names: dict[str, frozenset[str]] = {}
        self._filled = False

    def see(self, store: Store, tenant: Manifest) -> None:
        """Take in a Tenant as it is now; before the first, all that are in the store."""
        if not self._filled:
            self._filled = True
            for key in store.keys(TENANT):
                other = store.get(key)
                if other is not None:
                    self._take(other)
        self._take(tenant)

    def forget(self, name: str) -> None:
        """Drop the claims of a Tenant that is gone."""
        for namespace in self._names.pop(name, frozenset()):
            self._by_namespace[namespace].pop(name, None)
            if not self._by_namespace[namespace]:
                del self._by_namespace[namespace]

    def others(self, store: Store, tenant: Manifest, namespaces: Iterable[str]) -> dict[str, str]:
        """Return by namespace the other Tenant that holds it."""
        name = tenant["metadata"]["name"]
        held = {namespace: self._holder(store, namespace, name) for namespace in namespaces}
        return {namespace: holder for namespace, holder in held.items() if holder not in {None, name} and holder is not None}

    def taken(self, store: Store, tenant: Manifest, namespaces: Iterable[str]) -> frozenset[str]:
        """Return those of the live namespaces that are on record as another Tenant's, whatever their labels say."""
        name = tenant["metadata"]["name"]
        return frozenset(one for one in namespaces if self._on_record(store, one, name))

    def _on_record(self, store: Store, namespace: str, asking: str) -> bool:
        live = store.get(ObjectKey(NAMESPACE, None, namespace))
        others = self._by_namespace.get(namespace, {}).keys() - {asking}
        return live is not None and any(_records(store, name, live) for name in others)

    def _holder(self, store: Store, namespace: str, asking: str) -> str | None:
        claims = self._by_namespace.get(namespace)
        if not claims or claims.keys() == {asking}:
            return None
        live = store.get(ObjectKey(NAMESPACE, None, namespace))
        if live is None:
            return min(claims, key=lambda name: (claims[name].since, claims[name].uid))
        made_for = part(live["metadata"], "labels").get(labels.TENANT) if wrote(live) else None
        return min(claims, key=lambda name: (not _records(store, name, live), name != made_for, claims[name].since, claims[name].uid))

    def _take(self, tenant: Manifest) -> None:
        metadata = tenant["metadata"]
        name = metadata["name"]
        names = frozenset({*asked_namespaces(tenant), *recorded_namespaces(tenant)})
        if self._names.get(name) != names:
            self.forget(name)
            self._names[name] = names
        for namespace in names:
            self._by_namespace[namespace][name] = _Claim(metadata["creationTimestamp"], metadata["uid"])


def _records(store: Store, name: str, live: Manifest) -> bool:
    """Tell whether this very namespace was the Tenant's by its status, as that is now."""
    tenant = store.get(ObjectKey(TENANT, None, name))
    return tenant is not None and recorded_namespaces(tenant).get(live["metadata"]["name"]) == live["metadata"]["uid"]


def asked_namespaces(tenant: Mapping[str, Any]) -> list[str]:
    """Return the namespaces that a Tenant's spec asks for, one a project."""
    name = tenant["metadata"]["name"]
    return [project.get("namespace") or f"{name}-{project['name']}" for project in part(tenant, "spec").get("projects") or ()]


def recorded_namespaces(tenant: Mapping[str, Any]) -> dict[str, str]:
    """Return by name the uids of the namespaces that a Tenant's status says are its own."""
    entries = part(tenant, "status").get("namespaces") or ()
    return {entry["name"]: entry["uid"] for entry in entries if entry.get("uid")}
