"""The order and the guards of the writes that move quota."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from dharma_handlers.tenant.quota_state import Allocation, Ledger, QuotaObserved, QuotaRelease, QuotaWrite, Step, observed_from
from dharma_operator.controllers import Request
from dharma_operator.kube.errors import AlreadyExists, ApiUnavailable, Conflict
from dharma_operator.kube.resources import RESOURCE_QUOTA, TENANT
from dharma_operator.store import Store
from dharma_operator.tenant.quota import carry_out

OWNER = {
    "apiVersion": "dharma.io/v1alpha1",
    "kind": "Tenant",
    "metadata": {"name": "acme", "uid": "u", "resourceVersion": "40"},
    "spec": {},
    "status": {"allocations": {"sequence": 1, "namespaces": {"gone": {"sequence": 1, "amounts": {"pods": "1"}}}}},
}


def quota(namespace, version, hard=None):
    metadata = {"name": "dharma-quota", "namespace": namespace, "uid": f"u-{namespace}", "resourceVersion": version}
    labels = {"app.kubernetes.io/managed-by": "iac-dharma", "dharma.io/tenant": "acme"}
    spec = {"hard": hard or {"pods": "1", "secrets": "4"}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {**metadata, "labels": labels}, "spec": spec}


class Client:
    """Answers as the server would; `errors` by the first words of a call."""

    def __init__(self):
        self.calls, self.sent, self.errors = [], [], {}

    def _call(self, words, sent=None):
        self.calls.append(words)
        self.sent.append(sent)
        for beginning, error in self.errors.items():
            if words.startswith(beginning):
                raise error

    async def create(self, manifest):
        self._call(f"create {manifest['metadata']['namespace']}", manifest)
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "new", "resourceVersion": "50"}}

    async def get(self, key):
        self._call(f"get {key.namespace}")

    async def patch(self, key, body, *, resource_version):
        self._call(f"patch {key.namespace} at {resource_version}", body)
        return quota(key.namespace, "51")

    async def delete(self, key, *, uid, resource_version):
        self._call(f"delete {key.namespace} {uid} at {resource_version}")
        return True

    async def patch_status(self, key, patch, *, uid, resource_version):
        self._call(f"ledger {key.name} {uid} at {resource_version}", patch)
        return {**OWNER, "metadata": {**OWNER["metadata"], "resourceVersion": "52"}}


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def request_(client):
    store = Store()
    store.seen(OWNER, TENANT)
    for name, version in (("a", "7"), ("b", "8"), ("gone", "9")):
        store.seen(quota(name, version), RESOURCE_QUOTA)
    return Request(OWNER, {}, client, store, SimpleNamespace(), datetime.now(UTC), "r", suspended=False)


def whole():
    return Step(
        create=(QuotaWrite("new", None, {"pods": 0}, 1),),
        shrink=(QuotaWrite("a", "7", {"pods": 0}, 1),),
        release=(QuotaRelease("gone", "9"),),
        ledger=Ledger(2, {"b": Allocation(2, {"pods": 5})}),
        raises=(QuotaWrite("b", "8", {"pods": 5}, 2),),
    )


async def test_all_in_order_each_with_its_guard(request_, client):
    assert await carry_out(request_, whole())
    assert client.calls == ["create new", "patch a at 7", "delete gone u-gone at 9", "ledger acme u at 40", "patch b at 8"]
    created, _, _, ledger, raised = client.sent
    assert created["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert ledger == {"allocations": {"sequence": 2, "namespaces": {"gone": None, "b": {"sequence": 2, "amounts": {"pods": "5"}}}}}
    assert raised["spec"]["hard"] == {"pods": "5", "secrets": None}, "a resource that is limited no more goes"
    assert raised["metadata"]["annotations"] == {"dharma.io/quota-sequence": "2"}


@pytest.mark.parametrize("refused", ["delete gone", "ledger"])
async def test_what_is_refused_stops_what_comes_after(request_, client, refused):
    client.errors = {refused: Conflict(409, "Conflict", "changed")}
    assert not await carry_out(request_, whole())
    assert not any(call.startswith("patch b") for call in client.calls), "no raise without a confirmed ledger"


async def test_a_ledger_whose_answer_is_lost_raises_nothing(request_, client):
    client.errors = {"ledger": ApiUnavailable(0, "NoAnswer", "silence")}
    with pytest.raises(ApiUnavailable):
        await carry_out(request_, whole())
    assert client.calls[-1].startswith("ledger")


async def test_a_quota_that_changed_meanwhile_is_not_written(request_, client):
    request_.store.seen(quota("b", "10"), RESOURCE_QUOTA)
    assert not await carry_out(request_, whole())
    assert not any(call.startswith("patch b") for call in client.calls)


async def test_a_quota_that_is_there_unseen_is_not_taken_from_others(request_, client):
    client.errors = {"create": AlreadyExists(409, "AlreadyExists", "there")}

    async def get(_):
        return {"metadata": {"name": "dharma-quota", "namespace": "new", "resourceVersion": "3", "uid": "x"}}

    client.get = get
    with pytest.raises(Conflict, match="belongs to someone else"):
        await carry_out(request_, Step(create=(QuotaWrite("new", None, {"pods": 0}, 1),)))


async def test_our_own_that_lost_its_labels_gets_them_back(request_, client):
    client.errors = {"create": AlreadyExists(409, "AlreadyExists", "there")}

    async def get(_):
        metadata = {"name": "dharma-quota", "namespace": "new", "resourceVersion": "3", "annotations": {"dharma.io/quota-sequence": "1"}}
        return {"metadata": metadata}

    client.get = get
    assert await carry_out(request_, Step(create=(QuotaWrite("new", None, {"pods": 0}, 1),)))
    assert client.calls[-1] == "patch new at 3"
    assert client.sent[-1]["metadata"]["labels"]["dharma.io/tenant"] == "acme"


def test_what_is_read_back_is_what_was_written():
    seen = observed_from({**quota("a", "7"), "status": {"hard": {"pods": "1"}, "used": {"pods": "1"}}})
    assert seen == QuotaObserved("a", "7", {"pods": 1, "secrets": 4}, {"pods": 1}, {"pods": 1}, 0)
