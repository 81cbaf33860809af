"""Which objects of a namespace belong to another owner: looked up by name when a decision asks, never collected beforehand."""

from collections.abc import Iterator, Mapping
from typing import cast

from dharma_handlers.blueprint.observed import ObjectName
from dharma_operator.kube.resources import (
    CONFIG_MAP,
    DEPLOYMENT,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    ObjectKey,
)
from dharma_operator.store import Store, owners_of
from dharma_operator.workqueue import OwnerKey

_KINDS = {
    resource.kind: resource
    for resource in (
        CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY, PERSISTENT_VOLUME_CLAIM, POD_DISRUPTION_BUDGET, ROLE, ROLE_BINDING, SECRET, SERVICE,
        SERVICE_ACCOUNT, STATEFUL_SET,
    )
}  # fmt: skip


class Claims(Mapping[ObjectName, str]):
    """`(kind, name)` → the other owner, such as `Blueprint shop-db`, of a managed object in the owner's namespace."""

    def __init__(self, store: Store, owner: OwnerKey) -> None:
        self._store = store
        self._owner = owner

    def __getitem__(self, name: ObjectName) -> str:
        other = self._other(name)
        if other is None:
            raise KeyError(name)
        return f"{other.kind} {other.name}"

    def __iter__(self) -> Iterator[ObjectName]:
        for kind, resource in _KINDS.items():
            for key in self._store.keys(resource, self._owner.namespace):
                if (kind, key.name) in self:
                    yield kind, key.name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, tuple) and self._other(cast("ObjectName", name)) is not None

    def _other(self, name: ObjectName) -> OwnerKey | None:
        """Return the owner that the object names and that is there: what a deleted owner left behind is for whoever needs it."""
        kind, called = name
        resource = _KINDS.get(kind)
        child = None if resource is None else self._store.get(ObjectKey(resource, self._owner.namespace, called))
        if child is None:
            return None
        return next((owner for owner in owners_of(child) if owner != self._owner and self._store.owner(owner) is not None), None)
