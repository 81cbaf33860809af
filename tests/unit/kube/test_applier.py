"""What the applier does with errors, ranks, limits and servers that rewrite: cases that a real cluster does not offer at will."""

import asyncio
import itertools
import logging
from typing import Any

import pytest

from dharma_handlers.outcome import Condition, Manifest, Mode, Outcome, Wanted
from dharma_operator.kube.applier import Applied, Applier
from dharma_operator.kube.errors import AlreadyExists, Forbidden, Invalid
from dharma_operator.kube.resources import ObjectKey, key_of

OWNER = {"apiVersion": "dharma.io/v1alpha1", "kind": "Blueprint", "metadata": {"name": "shop", "namespace": "acme", "uid": "u"}}
TENANT = {"apiVersion": "dharma.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme", "uid": "u"}}


def fields_of(value: Any) -> dict[str, Any]:
    return {f"f:{key}": fields_of(member) if isinstance(member, dict) else {} for key, member in value.items()}


class ScriptedClient:
    """Stores what is applied. `errors` by name; `rewrite` changes objects on the way, as an admission webhook does."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sent: list[Manifest] = []
        self.errors: dict[str, Exception] = {}
        self.rewrite: dict[str, Any] = {}
        self.versions = itertools.count(1)
        self.busy = 0
        self.most_busy = 0

    async def _call(self, verb: str, name: str) -> None:
        self.calls.append(f"{verb} {name}")
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        await asyncio.sleep(0)
        self.busy -= 1
        if name in self.errors:
            raise self.errors[name]

    async def apply(self, manifest: Manifest, *, force: bool = True) -> Manifest:
        del force
        self.sent.append(manifest)
        await self._call("apply", manifest["metadata"]["name"])
        owned = fields_of({**{key: value for key, value in manifest.items() if key in {"data", "spec"}}})
        metadata = {key: value for key, value in manifest["metadata"].items() if key == "labels"}
        references = {'k:{"uid":"u"}': {}}
        entry = {
            "manager": "iac-dharma",
            "operation": "Apply",
            "fieldsV1": {**owned, "f:metadata": {**fields_of(metadata), "f:ownerReferences": references}},
        }
        stored = {"resourceVersion": str(next(self.versions)), "uid": f"u-{manifest['metadata']['name']}", "managedFields": [entry]}
        return {**manifest, **self.rewrite, "metadata": {**manifest["metadata"], **stored}}

    async def create(self, manifest: Manifest) -> Manifest:
        await self._call("create", manifest["metadata"]["name"])
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "u-created", "resourceVersion": "1"}}

    async def get(self, key: ObjectKey) -> Manifest | None:
        await self._call("get", key.name)
        return None

    async def delete(self, key: ObjectKey, *, uid: str) -> bool:
        assert uid
        await self._call("delete", key.name)
        return True


class Cache:
    def __init__(self) -> None:
        self.objects: dict[ObjectKey, Manifest] = {}

    def get(self, key: ObjectKey) -> Manifest | None:
        return self.objects.get(key)

    def wrote(self, manifest: Manifest) -> None:
        self.objects[key_of(manifest)] = manifest


@pytest.fixture
def client() -> ScriptedClient:
    return ScriptedClient()


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def applier(client: ScriptedClient, cache: Cache) -> Applier:
    return Applier(client, cache, concurrency=4)  # type: ignore[arg-type]


def config_map(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "acme"}, "data": data}


def stateful_set(name: str) -> Manifest:
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": "acme"}, "spec": {"replicas": 1}}


def outcome(*manifests: Manifest, mode: Mode = Mode.APPLY) -> Outcome:
    return Outcome(conditions=(Condition("Ready", "True", "Ready"),), objects=tuple(Wanted(manifest, mode) for manifest in manifests))


async def test_none_is_hands_off(applier: Applier, client: ScriptedClient):
    nothing = Outcome(conditions=(Condition("Ready", "False", "Suspended"),), objects=None)
    surplus = config_map("a")
    surplus["metadata"] |= {"uid": "u-a", "managedFields": [{"manager": "iac-dharma", "operation": "Apply"}]}
    assert await applier.apply(OWNER, nothing, {key_of(surplus): surplus}, settled=False) == Applied()
    assert client.calls == []


async def test_workloads_come_after_what_they_need(applier: Applier, client: ScriptedClient):
    await applier.apply(OWNER, outcome(stateful_set("db"), config_map("a"), config_map("b")), {}, settled=False)
    assert client.calls[-1] == "apply db"


async def test_an_error_lets_the_rank_finish_and_stops_there(applier: Applier, client: ScriptedClient):
    client.errors = {"a": Forbidden(403, "Forbidden", "no right"), "c": Invalid(422, "Invalid", "bad")}
    surplus = config_map("old")
    surplus["metadata"] |= {"uid": "u-old", "managedFields": [{"manager": "iac-dharma", "operation": "Apply"}]}
    applied = await applier.apply(
        OWNER,
        outcome(config_map("a"), config_map("b"), config_map("c"), stateful_set("db")),
        {key_of(surplus): surplus},
        settled=False,
    )
    assert client.calls == ["apply a", "apply b", "apply c"], "neither the workload nor the prune"
    assert isinstance(applied.error, Forbidden)
    assert applied.error.__notes__ == ["bad (422 Invalid)"]
    assert [key.name for key in applied.changed] == ["b"]


def elsewhere(manifest: Manifest, namespace: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


async def test_an_error_in_one_namespace_stops_nothing_in_another(applier: Applier, client: ScriptedClient):
    client.errors = {"one": Forbidden(403, "Forbidden", "no right")}
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("one", "two")]
    inside = [elsewhere(config_map(f"in-{name}"), name) for name in ("one", "two")]
    surplus = [elsewhere(config_map(f"old-{name}"), name) for name in ("one", "two")]
    for old in surplus:
        old["metadata"] |= {"uid": f"u-{old['metadata']['name']}", "managedFields": [{"manager": "iac-dharma", "operation": "Apply"}]}
    applied = await applier.apply(TENANT, outcome(*spaces, *inside), {key_of(old): old for old in surplus}, settled=False)
    assert client.calls == ["apply one", "apply two", "apply in-two", "delete old-two"]
    assert isinstance(applied.error, Forbidden)


async def test_what_the_controller_writes_itself_is_left_alone(applier: Applier, client: ScriptedClient):
    live = config_map("kept", image="other")
    live["metadata"] |= {"uid": "u-kept", "managedFields": [{"manager": "iac-dharma", "operation": "Apply"}]}
    kept = Outcome(conditions=(), objects=(Wanted(config_map("kept"), Mode.KEEP), Wanted(config_map("absent"), Mode.KEEP)))
    assert await applier.apply(OWNER, kept, {key_of(live): live}, settled=True) == Applied()
    assert client.calls == []


async def test_what_is_let_go_is_not_pruned(applier: Applier, client: ScriptedClient):
    live = config_map("space")
    live["metadata"] |= {"uid": "u-space", "resourceVersion": "1", "managedFields": [{"manager": "iac-dharma", "operation": "Apply"}]}
    freed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "space", "namespace": live["metadata"]["namespace"]}}
    released = Outcome(conditions=(), objects=(), release=(freed,))
    await applier.apply(OWNER, released, {key_of(live): live}, settled=False)
    assert client.calls == ["apply space"]
    assert client.sent[-1] == {**freed, "metadata": {**freed["metadata"], "uid": "u-space"}}, "that very object, and nothing of it kept"


async def test_writes_in_flight_are_bounded(applier: Applier, client: ScriptedClient):
    await applier.apply(OWNER, outcome(*(config_map(f"c-{number}") for number in range(50))), {}, settled=False)
    assert len(client.calls) == 50
    assert client.most_busy <= 4


async def test_what_a_webhook_rewrites_is_not_fought_over(
    applier: Applier, client: ScriptedClient, cache: Cache, caplog: pytest.LogCaptureFixture
):
    client.rewrite = {"data": {"image": "mirror/a"}}
    wanted = outcome(config_map("a", image="a"))
    with caplog.at_level(logging.WARNING):
        await applier.apply(OWNER, wanted, {}, settled=False)
    assert "ConfigMap acme/a is rewritten on the server after it was applied, and left so: data.image" in caplog.text
    client.calls.clear()
    assert await applier.apply(OWNER, wanted, dict(cache.objects), settled=True) == Applied()
    assert client.calls == []
    # A change of what is wanted, or of what is there, is another matter.
    assert (await applier.apply(OWNER, outcome(config_map("a", image="b")), dict(cache.objects), settled=False)).changed
    changed = {**cache.objects[key_of(config_map("a"))], "data": {"image": "edited"}}
    assert (await applier.apply(OWNER, outcome(config_map("a", image="b")), {key_of(changed): changed}, settled=True)).drift


async def test_create_only_finds_it_made_already(applier: Applier, client: ScriptedClient):
    client.errors = {"a": AlreadyExists(409, "AlreadyExists", "it exists")}
    wanted = outcome(config_map("a"), mode=Mode.CREATE_ONLY)
    assert await applier.apply(OWNER, wanted, {}, settled=False) == Applied()
    assert await applier.apply(OWNER, wanted, {}, settled=True) == Applied()
    assert client.calls == ["create a"]
    applier.forget("u")
    assert await applier.apply(OWNER, wanted, {}, settled=False) == Applied()
    assert client.calls == ["create a", "create a"]


async def test_a_name_wanted_twice_is_a_bug(applier: Applier):
    with pytest.raises(ValueError, match="ConfigMap acme/a is wanted twice"):
        await applier.apply(OWNER, outcome(config_map("a"), config_map("a")), {}, settled=False)
