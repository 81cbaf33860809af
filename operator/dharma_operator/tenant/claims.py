"""Which Tenant holds which namespace: an index over the Tenants that there are, kept as they are seen."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dharma_handlers.outcome import Manifest
from dharma_operator.kube.resources import NAMESPACE, TENANT, ObjectKey
from dharma_operator.store import Store, part


@dataclass(frozen=True, slots=True)
class _Claim:
    since: str
    uid: str
    recorded: str
    """Uid of the namespace that was the Tenant's by its status; empty: its spec asks for one of that name."""


class Claims:
    """All claims of all Tenants. What exists is with whom it was; what several ask for is for the oldest of them."""

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

    def _holder(self, store: Store, namespace: str, asking: str) -> str | None:
        claims = self._by_namespace.get(namespace)
        if not claims or claims.keys() == {asking}:
            return None
        live = store.get(ObjectKey(NAMESPACE, None, namespace))
        uid = live["metadata"]["uid"] if live is not None else None
        return min(claims, key=lambda name: (uid is None or claims[name].recorded != uid, claims[name].since, claims[name].uid))

    def _take(self, tenant: Manifest) -> None:
        metadata = tenant["metadata"]
        name = metadata["name"]
        recorded = recorded_namespaces(tenant)
        names = frozenset({*asked_namespaces(tenant), *recorded})
        if self._names.get(name) != names:
            self.forget(name)
            self._names[name] = names
        for namespace in names:
            self._by_namespace[namespace][name] = _Claim(metadata["creationTimestamp"], metadata["uid"], recorded.get(namespace, ""))


def asked_namespaces(tenant: Mapping[str, Any]) -> list[str]:
    """Return the namespaces that a Tenant's spec asks for, one a project."""
    name = tenant["metadata"]["name"]
    return [project.get("namespace") or f"{name}-{project['name']}" for project in part(tenant, "spec").get("projects") or ()]


def recorded_namespaces(tenant: Mapping[str, Any]) -> dict[str, str]:
    """Return by name the uids of the namespaces that a Tenant's status says are its own."""
    entries = part(tenant, "status").get("namespaces") or ()
    return {entry["name"]: entry["uid"] for entry in entries if entry.get("uid")}
