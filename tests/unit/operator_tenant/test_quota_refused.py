"""An error in one namespace stops quota there, and nowhere else."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from dharma_handlers.tenant.quota_state import Allocation, Ledger, QuotaRelease, QuotaWrite, Step
from dharma_operator.controllers import Request
from dharma_operator.kube.errors import Forbidden
from dharma_operator.kube.resources import RESOURCE_QUOTA, TENANT
from dharma_operator.store import Store
from dharma_operator.tenant.quota import carry_out

OWNER = {
    "apiVersion": "dharma.io/v1alpha1",
    "kind": "Tenant",
    "metadata": {"name": "acme", "uid": "u", "resourceVersion": "40"},
    "spec": {},
}
STEP = Step(
    create=(QuotaWrite("lab", None, {"pods": 0}, 1),),
    shrink=(QuotaWrite("idle", "7", {"pods": 1}, 1),),
    ledger=Ledger(2, {"shop": Allocation(2, {"pods": 5})}),
    raises=(QuotaWrite("shop", "8", {"pods": 5}, 2),),
)


def quota(namespace: str, version: str):
    metadata = {"name": "dharma-quota", "namespace": namespace, "uid": f"u-{namespace}", "resourceVersion": version}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "2"}}}


class Client:
    """Allows nothing in one namespace."""

    def __init__(self, forbidden: str) -> None:
        self.forbidden, self.done = forbidden, []

    def _may(self, namespace: str, what: str) -> None:
        if namespace == self.forbidden:
            raise Forbidden(403, "Forbidden", f"cannot {what} resourcequotas in the namespace {namespace}")
        self.done.append(f"{what} {namespace}")

    async def create(self, manifest):
        self._may(manifest["metadata"]["namespace"], "create")
        return quota(manifest["metadata"]["namespace"], "50")

    async def patch(self, key, _, **__):
        self._may(key.namespace, "patch")
        return quota(key.namespace, "51")

    async def delete(self, key, **_):
        self._may(key.namespace, "delete")
        return True

    async def patch_status(self, *_, **__):
        self._may("", "record")
        return {**OWNER, "metadata": {**OWNER["metadata"], "resourceVersion": "52"}}


def request(client: Client) -> Request:
    store = Store()
    store.seen(OWNER, TENANT)
    for name, version in (("idle", "7"), ("shop", "8"), ("left", "9")):
        store.seen(quota(name, version), RESOURCE_QUOTA)
    return Request(OWNER, {}, client, store, SimpleNamespace(), datetime.now(UTC), "r", suspended=False)


@pytest.mark.parametrize(("where", "others"), [("lab", ["patch idle"]), ("idle", ["create lab"])])
async def test_the_others_get_what_they_may_have(where, others):
    client = Client(where)
    with pytest.raises(Forbidden, match=f"namespace {where}"):
        await carry_out(request(client), STEP)
    assert client.done == [*others, "record ", "patch shop"]


async def test_what_cannot_be_released_goes_on_counting():
    """Nobody may be given what a namespace that leaves has still: no ledger is written before its ResourceQuota is gone."""
    client = Client("left")
    with pytest.raises(Forbidden, match="cannot delete"):
        await carry_out(request(client), Step(release=(QuotaRelease("left", "9"),), ledger=STEP.ledger, raises=STEP.raises))
    assert client.done == []
