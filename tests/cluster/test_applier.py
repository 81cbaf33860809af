"""Applying a set of children to a real API server: drift, prune, modes, owners, names that are taken, and what happens under one's feet."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.cluster import wait_until

from dharma_handlers.outcome import RETAIN_ANNOTATION, Condition, Manifest, Mode, Outcome, Wanted
from dharma_operator.kube.applier import Applied, Applier, DriftItem
from dharma_operator.kube.auth import login
from dharma_operator.kube.client import Client
from dharma_operator.kube.compare import differences, trim
from dharma_operator.kube.errors import Conflict, Forbidden
from dharma_operator.kube.resources import CONFIG_MAP, MANAGED_BY, MANAGED_BY_LABEL, SERVICE, ObjectKey, key_of

# Any kind can own; a ConfigMap needs no definition.
OWNER_LABEL = "dharma.io/configmap"


class Cache:
    """What a store does, by hand: `see` is its watch."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.objects: dict[ObjectKey, Manifest] = {}

    def get(self, key: ObjectKey) -> Manifest | None:
        return self.objects.get(key)

    def wrote(self, manifest: Manifest) -> None:
        self.objects[key_of(manifest)] = trim(manifest)

    async def see(self, owner: str = "owner") -> dict[ObjectKey, Manifest]:
        self.objects = {}
        for resource in (CONFIG_MAP, SERVICE):
            listing = await self.client.list(resource, self.namespace, label_selector=f"{MANAGED_BY_LABEL}={MANAGED_BY}", trim=trim)
            self.objects.update({key_of(item): item for item in listing.items})
        return {key: item for key, item in self.objects.items() if item["metadata"]["labels"].get(OWNER_LABEL) == owner}


@pytest.fixture
def cache(client: Client, namespace: str) -> Cache:
    return Cache(client, namespace)


@pytest.fixture
def verbs() -> list[str]:
    """The verbs of all requests that the applier made."""
    return []


@pytest.fixture
async def applier(kubeconfig: Any, cache: Cache, verbs: list[str]) -> AsyncIterator[Applier]:
    async with Client(login, on_request=lambda verb, _code, _seconds: verbs.append(verb)) as client:
        yield Applier(client, cache)


@pytest.fixture
async def other(kubeconfig: Any) -> AsyncIterator[Client]:
    """Somebody else."""
    async with Client(login, manager="kubectl-edit") as client:
        yield client


@pytest.fixture
async def owner(client: Client, namespace: str) -> Manifest:
    return await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": namespace}})


def config_map(namespace: str, name: str, *, retain: bool = False, **data: str) -> Manifest:
    annotations = {RETAIN_ANNOTATION: "true"} if retain else {}
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def outcome(*manifests: Manifest, mode: Mode = Mode.APPLY, correct: bool = True) -> Outcome:
    objects = tuple(Wanted(manifest, mode) for manifest in manifests)
    return Outcome(conditions=(Condition("Ready", "True", "Ready"),), objects=objects, correct_drift=correct)


def key(namespace: str, name: str) -> ObjectKey:
    return ObjectKey(CONFIG_MAP, namespace, name)


async def test_children_name_their_owner_and_go_with_it(client: Client, applier: Applier, owner: Manifest, namespace: str):
    await applier.apply(owner, outcome(config_map(namespace, "a"), config_map(namespace, "kept", retain=True)), {}, settled=False)
    child = await client.get(key(namespace, "a"))
    assert child is not None
    assert child["metadata"]["labels"] == {MANAGED_BY_LABEL: MANAGED_BY, OWNER_LABEL: "owner"}
    reference = child["metadata"]["ownerReferences"][0]
    assert (reference["kind"], reference["name"], reference["uid"]) == ("ConfigMap", "owner", owner["metadata"]["uid"])
    kept = await client.get(key(namespace, "kept"))
    assert kept is not None
    assert "ownerReferences" not in kept["metadata"]
    await client.delete(key(namespace, "owner"))

    async def collected() -> bool:
        return await client.get(key(namespace, "a")) is None

    await wait_until(collected, "the child went with its owner")
    assert await client.get(key(namespace, "kept")) is not None


async def test_drift_is_put_back_and_named(applier: Applier, cache: Cache, other: Client, owner: Manifest, namespace: str):
    wanted = outcome(config_map(namespace, "a", x="1"), config_map(namespace, "b", x="1"), config_map(namespace, "c", x="1"))
    await applier.apply(owner, wanted, {}, settled=False)
    await other.patch(key(namespace, "a"), {"data": {"x": "2", "foreign": "stays"}})
    await other.delete(key(namespace, "b"))

    applied = await applier.apply(owner, wanted, await cache.see(), settled=True)
    assert applied.drift == (DriftItem("ConfigMap/a", "Update", ("data.x",)), DriftItem("ConfigMap/b", "Create", ()))
    assert set(applied.changed) == {key(namespace, "a"), key(namespace, "b")}
    live = await other.get(key(namespace, "a"))
    assert live is not None
    assert live["data"] == {"x": "1", "foreign": "stays"}
    assert await other.get(key(namespace, "b")) is not None
    assert await applier.apply(owner, wanted, await cache.see(), settled=True) == Applied()


async def test_drift_is_only_reported_when_asked_so(
    applier: Applier, cache: Cache, other: Client, owner: Manifest, namespace: str, verbs: list[str]
):
    manifests = config_map(namespace, "a", x="1"), config_map(namespace, "b", x="1")
    await applier.apply(owner, outcome(*manifests, correct=False), {}, settled=False)
    await other.patch(key(namespace, "a"), {"data": {"x": "2"}})
    await other.delete(key(namespace, "b"))
    verbs.clear()
    applied = await applier.apply(owner, outcome(*manifests, correct=False), await cache.see(), settled=True)
    assert [(item.object, item.action) for item in applied.drift] == [("ConfigMap/a", "Update"), ("ConfigMap/b", "Create")]
    assert applied.changed == ()
    assert verbs == []


async def test_a_change_of_what_is_wanted_is_no_drift(applier: Applier, cache: Cache, owner: Manifest, namespace: str):
    await applier.apply(owner, outcome(config_map(namespace, "a", x="1", y="1")), {}, settled=False)
    applied = await applier.apply(owner, outcome(config_map(namespace, "a", x="2"), correct=False), await cache.see(), settled=False)
    assert applied == Applied(changed=(key(namespace, "a"),))
    live = await cache.client.get(key(namespace, "a"))
    assert live is not None
    assert live["data"] == {"x": "2"}, "what is not wanted any more is taken out"


async def test_what_nothing_wants_is_pruned_but_for_what_is_retained(
    client: Client, applier: Applier, cache: Cache, owner: Manifest, namespace: str
):
    first = outcome(config_map(namespace, "a"), config_map(namespace, "b"), config_map(namespace, "kept", retain=True))
    await applier.apply(owner, first, {}, settled=False)
    # Made by some controller from a template of ours: it carries our labels, but we never wrote it.
    labels = {MANAGED_BY_LABEL: MANAGED_BY, OWNER_LABEL: "owner"}
    async with Client(login, manager="some-controller") as controller:
        await controller.create(
            {**config_map(namespace, "foreign"), "metadata": {"name": "foreign", "namespace": namespace, "labels": labels}}
        )
    applied = await applier.apply(owner, outcome(config_map(namespace, "a")), await cache.see(), settled=False)
    assert applied == Applied(pruned=(key(namespace, "b"),))
    assert set(await cache.see()) == {key(namespace, name) for name in ("a", "kept", "foreign")}


async def test_an_object_that_took_the_name_is_not_pruned(client: Client, applier: Applier, cache: Cache, owner: Manifest, namespace: str):
    await applier.apply(owner, outcome(config_map(namespace, "a")), {}, settled=False)
    seen = await cache.see()
    await client.delete(key(namespace, "a"))
    await client.create(config_map(namespace, "a", other="object"))
    assert await applier.apply(owner, outcome(), seen, settled=False) == Applied()
    live = await client.get(key(namespace, "a"))
    assert live is not None
    assert live["data"] == {"other": "object"}


async def test_an_object_is_not_deleted_twice_while_the_cache_lags(
    applier: Applier, cache: Cache, owner: Manifest, namespace: str, verbs: list[str]
):
    await applier.apply(owner, outcome(config_map(namespace, "a")), {}, settled=False)
    seen = await cache.see()
    assert (await applier.apply(owner, outcome(), seen, settled=False)).pruned == (key(namespace, "a"),)
    verbs.clear()
    assert await applier.apply(owner, outcome(), seen, settled=True) == Applied()
    assert verbs == []


async def test_nobodys_object_is_taken_over(client: Client, applier: Applier, cache: Cache, other: Client, owner: Manifest, namespace: str):
    await other.create(config_map(namespace, "a", x="theirs"))
    applied = await applier.apply(owner, outcome(config_map(namespace, "a", x="ours")), await cache.see(), settled=False)
    assert isinstance(applied.error, Conflict)
    assert "exists already and belongs to someone else: rename one of the two" in str(applied.error)
    live = await client.get(key(namespace, "a"))
    assert live is not None
    assert live["data"] == {"x": "theirs"}


async def test_two_owners_do_not_fight_over_a_name(client: Client, applier: Applier, cache: Cache, owner: Manifest, namespace: str):
    await applier.apply(owner, outcome(config_map(namespace, "a-b", x="1")), {}, settled=False)
    second = await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "second", "namespace": namespace}})
    applied = await applier.apply(second, outcome(config_map(namespace, "a-b", x="2")), await cache.see("second"), settled=False)
    assert isinstance(applied.error, Conflict)
    assert "belongs to ConfigMap owner" in str(applied.error)


async def test_a_cache_that_lags_behind_a_crash_does_no_harm(applier: Applier, cache: Cache, owner: Manifest, namespace: str):
    """A process died just after a write; the next one's cache does not show the object yet, which somebody has changed already."""
    wanted = outcome(config_map(namespace, "a", x="1"))
    await applier.apply(owner, wanted, {}, settled=False)
    async with Client(login, manager="kubectl-edit") as other:
        await other.patch(key(namespace, "a"), {"data": {"x": "2"}})
    cache.objects.clear()
    assert (await applier.apply(owner, wanted, {}, settled=False)).changed == (key(namespace, "a"),)
    live = await cache.client.get(key(namespace, "a"))
    assert live is not None
    assert live["data"] == {"x": "1"}
    cache.objects.clear()
    await applier.apply(owner, wanted, {}, settled=False)
    assert differences(config_map(namespace, "a", x="1"), live) == ["metadata"], "labels and owner are the applier's"


async def test_an_object_that_was_replaced_meanwhile_is_made_again(
    client: Client, applier: Applier, cache: Cache, owner: Manifest, namespace: str
):
    await applier.apply(owner, outcome(config_map(namespace, "a", x="1")), {}, settled=False)
    seen = await cache.see()
    await client.delete(key(namespace, "a"))
    assert (await applier.apply(owner, outcome(config_map(namespace, "a", x="2")), seen, settled=False)).changed == (key(namespace, "a"),)
    live = await client.get(key(namespace, "a"))
    assert live is not None
    assert live["data"] == {"x": "2"}


async def test_a_terminating_object_is_waited_for(client: Client, applier: Applier, cache: Cache, owner: Manifest, namespace: str):
    wanted = outcome(config_map(namespace, "a", x="1"))
    await applier.apply(owner, wanted, {}, settled=False)
    await client.patch(key(namespace, "a"), {"metadata": {"finalizers": ["example.org/wait"]}})
    await client.delete(key(namespace, "a"))
    assert await applier.apply(owner, wanted, await cache.see(), settled=True) == Applied(terminating=(key(namespace, "a"),))
    assert await applier.apply(owner, outcome(), await cache.see(), settled=False) == Applied(), "it is not deleted once more"
    await client.patch(key(namespace, "a"), {"metadata": {"finalizers": None}})
    assert (await applier.apply(owner, wanted, await cache.see(), settled=True)).changed == (key(namespace, "a"),)


async def test_create_only_is_left_to_others(
    client: Client, applier: Applier, cache: Cache, other: Client, owner: Manifest, namespace: str, verbs: list[str]
):
    wanted = outcome(config_map(namespace, "cluster-config", state="initial"), mode=Mode.CREATE_ONLY)
    assert (await applier.apply(owner, wanted, {}, settled=False)).changed == (key(namespace, "cluster-config"),)
    child = await client.get(key(namespace, "cluster-config"))
    assert child is not None
    assert "labels" not in child["metadata"], "not watched"
    assert child["metadata"]["ownerReferences"][0]["name"] == "owner"
    await other.patch(key(namespace, "cluster-config"), {"data": {"state": "theirs"}})
    assert await applier.apply(owner, wanted, await cache.see(), settled=True) == Applied()
    assert verbs == ["create"]
    # After a restart one read says that it is there.
    restarted = Applier(client, cache)
    assert await restarted.apply(owner, wanted, {}, settled=True) == Applied()
    assert await restarted.apply(owner, wanted, {}, settled=False) == Applied()
    live = await client.get(key(namespace, "cluster-config"))
    assert live is not None
    assert live["data"] == {"state": "theirs"}


async def test_update_only_waits_until_it_is_there(client: Client, applier: Applier, cache: Cache, owner: Manifest, namespace: str):
    wanted = outcome(config_map(namespace, "a", x="2"), mode=Mode.UPDATE_ONLY)
    assert await applier.apply(owner, wanted, {}, settled=False) == Applied()
    assert await client.get(key(namespace, "a")) is None
    await applier.apply(owner, outcome(config_map(namespace, "a", x="1")), {}, settled=False)
    assert (await applier.apply(owner, wanted, await cache.see(), settled=False)).changed == (key(namespace, "a"),)


async def test_a_secret_made_by_create_can_be_applied_later(
    client: Client, applier: Applier, cache: Cache, owner: Manifest, namespace: str
):
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, "stringData": {"password": "p"}}
    secret = await client.create({**manifest, "metadata": {**manifest["metadata"], "labels": {MANAGED_BY_LABEL: MANAGED_BY}}})
    seen = {key_of(manifest): trim(secret)}
    assert (await applier.apply(owner, outcome(manifest), seen, settled=False)).changed == (key_of(manifest),)
    live = await client.get(key_of(manifest))
    assert live is not None
    assert live["data"] == {"password": "cA=="}
    assert live["metadata"]["ownerReferences"]
    assert await applier.apply(owner, outcome(manifest), {key_of(manifest): trim(live)}, settled=True) == Applied()


async def test_a_namespace_that_is_going_says_so(client: Client, applier: Applier, owner: Manifest, namespace: str, kubectl: Any):
    await client.patch(key(namespace, "owner"), {"metadata": {"finalizers": ["example.org/wait"]}})
    kubectl("delete", "namespace", namespace, "--wait=false")
    applied = await applier.apply(owner, outcome(config_map(namespace, "a")), {}, settled=False)
    assert isinstance(applied.error, Forbidden)
    assert applied.error.namespace_terminating
    await client.patch(key(namespace, "owner"), {"metadata": {"finalizers": None}})


async def test_many_objects_at_once(applier: Applier, owner: Manifest, namespace: str, verbs: list[str]):
    wanted = outcome(*(config_map(namespace, f"c-{number}", x="1") for number in range(300)))
    started, cpu = time.monotonic(), time.process_time()
    applied = await applier.apply(owner, wanted, {}, settled=False)
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    print(f"{len(applied.changed) / seconds:.0f} objects applied a second, {cpu / len(applied.changed) * 1000:.2f} ms of CPU each")
    assert len(applied.changed) == 300
    assert verbs == ["apply"] * 300
