"""The client against a real API server: what it answers to preconditions, pages, watches and old versions."""

import asyncio
import dataclasses
from contextlib import aclosing
from typing import Any

import kopf
import pytest

from dharma_operator.kube.auth import login
from dharma_operator.kube.client import Changed, Client, Listed
from dharma_operator.kube.compare import trim
from dharma_operator.kube.errors import AlreadyExists, Conflict, Forbidden, Gone, Invalid, NotFound, Unauthorized
from dharma_operator.kube.resources import BLUEPRINT, CONFIG_MAP, POD, ObjectKey, Resource
from dharma_operator.kube.session import Call


def config_map(namespace: str, name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def key(namespace: str, name: str = "a") -> ObjectKey:
    return ObjectKey(CONFIG_MAP, namespace, name)


async def test_version(client: Client):
    assert (await client.version()).startswith("v1.")


async def test_apply_twice_is_one_change(client: Client, namespace: str):
    first = await client.apply(config_map(namespace, x="1"))
    again = await client.apply(config_map(namespace, x="1"))
    assert first["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]


async def test_dry_run_changes_nothing(client: Client, namespace: str):
    tried = await client.apply(config_map(namespace, x="1"), dry_run=True)
    assert tried["data"] == {"x": "1"}
    assert await client.get(key(namespace)) is None


async def test_apply_with_a_uid_makes_nothing_and_takes_nothing_over(client: Client, namespace: str):
    manifest = config_map(namespace, x="1")
    manifest["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(Conflict):
        await client.apply(manifest)
    await client.apply(config_map(namespace))
    with pytest.raises(Conflict):
        await client.apply(manifest)


async def test_apply_without_force_is_refused_by_another_owner(client: Client, namespace: str):
    async with Client(login, manager="someone") as someone:
        await someone.apply(config_map(namespace, x="1"))
    with pytest.raises(Conflict, match="conflict with"):
        await client.apply(config_map(namespace, x="2"), force=False)
    await client.apply(config_map(namespace, x="2"))


async def test_create(client: Client, namespace: str):
    await client.create(config_map(namespace))
    with pytest.raises(AlreadyExists):
        await client.create(config_map(namespace))


async def test_patches_are_guarded(client: Client, namespace: str):
    made = await client.create(config_map(namespace, x="1"))
    metadata = made["metadata"]
    patched = await client.patch(key(namespace), {"data": {"x": "2"}}, uid=metadata["uid"], resource_version=metadata["resourceVersion"])
    assert patched["data"] == {"x": "2"}
    operations = [{"op": "replace", "path": "/data/x", "value": "3"}]
    for body in ({"data": {"x": "3"}}, operations):
        with pytest.raises(Conflict):
            await client.patch(key(namespace), body, resource_version=metadata["resourceVersion"])
        with pytest.raises(Conflict):
            await client.patch(key(namespace), body, uid="00000000-0000-0000-0000-000000000000")
    with pytest.raises(NotFound):
        await client.patch(key(namespace, "none"), operations, uid=metadata["uid"])
    assert (await client.patch(key(namespace), operations, uid=metadata["uid"]))["data"] == {"x": "3"}


async def test_delete_spares_another_object_of_the_name(client: Client, namespace: str):
    made = await client.create(config_map(namespace))
    with pytest.raises(Conflict):
        await client.delete(key(namespace), uid="00000000-0000-0000-0000-000000000000")
    assert await client.delete(key(namespace), uid=made["metadata"]["uid"])
    assert not await client.delete(key(namespace))


async def test_status_is_apart(client: Client, namespace: str, crds: None):
    blueprint = {"apiVersion": "dharma.io/v1alpha1", "kind": "Blueprint", "metadata": {"name": "b", "namespace": namespace}}
    spec = {"lifecycle": "Draft", "components": [{"name": "cache", "redis": {}}]}
    made = await client.create({**blueprint, "spec": spec})
    where = ObjectKey(BLUEPRINT, namespace, "b")
    condition = {
        "type": "Ready", "status": "False", "reason": "Draft", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    patched = await client.patch_status(where, {"observedGeneration": 1, "conditions": [condition]}, uid=made["metadata"]["uid"])
    assert patched["status"]["observedGeneration"] == 1
    assert patched["metadata"]["generation"] == made["metadata"]["generation"], "the spec has not changed"
    again = await client.patch_status(where, {"observedGeneration": None})
    assert "observedGeneration" not in again["status"]
    assert again["status"]["conditions"][0]["reason"] == "Draft"


async def test_an_invalid_object_is_refused_with_the_servers_sentence(client: Client, namespace: str):
    with pytest.raises(Invalid, match=r"apply ConfigMap .*/a: .*\(422 Invalid\)"):
        await client.apply({**config_map(namespace), "data": {"no/slash": "x"}})


async def test_a_kind_that_is_not_served(client: Client):
    resource = Resource("example.org", "v1", "things", "Thing")
    with pytest.raises(NotFound):
        await client.list(resource)
    with pytest.raises(NotFound):
        await anext(client.watch(resource))


async def test_list_in_pages(client: Client, namespace: str):
    await asyncio.gather(*(client.create(config_map(namespace, f"c-{number}")) for number in range(7)))
    listing = await client.list(CONFIG_MAP, namespace, limit=3, trim=trim)
    names = {item["metadata"]["name"] for item in listing.items}
    assert {f"c-{number}" for number in range(7)} <= names
    assert all(item["kind"] == "ConfigMap" and item["apiVersion"] == "v1" for item in listing.items)
    assert int(listing.resource_version) > 0


async def test_watch_tells_each_change_in_order(client: Client, namespace: str):
    await client.create(config_map(namespace, "labelled", x="1"))
    await client.patch(key(namespace, "labelled"), {"metadata": {"labels": {"app": "x"}}})
    seen: list[tuple[str, str]] = []
    async with asyncio.timeout(30), aclosing(client.watch(CONFIG_MAP, namespace, label_selector="app=x", trim=trim)) as watching:
        first = await anext(watching)
        assert isinstance(first, Listed)
        assert [item["metadata"]["name"] for item in first.items] == ["labelled"]
        await client.create({**config_map(namespace, "b"), "metadata": {"name": "b", "namespace": namespace, "labels": {"app": "x"}}})
        await client.create(config_map(namespace, "not-selected"))
        await client.patch(key(namespace, "b"), {"data": {"x": "1"}})
        await client.patch(key(namespace, "labelled"), {"metadata": {"labels": {"app": None}}})
        await client.delete(key(namespace, "b"))
        async for item in watching:
            if isinstance(item, Changed):
                seen.append((item.type, item.object["metadata"]["name"]))
                if item.type == "DELETED" and item.object["metadata"]["name"] == "b":
                    break
    assert seen == [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "labelled"), ("DELETED", "b")]


async def test_a_version_that_is_too_old_is_gone(client: Client, namespace: str):
    """What makes a watch list again, as the server says it: by an answer, or by a line in one."""
    call = Call("watch", "GET", CONFIG_MAP.path(namespace), {"watch": "true", "resourceVersion": "1", "timeoutSeconds": "5"})
    try:
        lines = [line async for line in client._session.stream(call)]
    except Gone:
        return
    assert [line["object"]["code"] for line in lines] == [410]


async def with_token(token: str) -> kopf.ConnectionInfo:
    """The administrator's way to the server, with a token instead of the certificate."""
    nothing = dict.fromkeys(("certificate_data", "private_key_data", "certificate_path", "private_key_path"))
    return dataclasses.replace(await login(), token=token, **nothing)


async def test_rights_are_the_tokens(namespace: str, kubectl: Any):
    kubectl("create", "serviceaccount", "few", "--namespace", namespace)
    token = kubectl("create", "token", "few", "--namespace", namespace).strip()
    async with Client(lambda: with_token(token)) as limited:
        with pytest.raises(Forbidden, match='cannot list resource "pods"'):
            await limited.list(POD, namespace)


async def test_a_token_that_ran_out_is_renewed(namespace: str, kubectl: Any):
    good = kubectl("create", "token", "default", "--namespace", namespace).strip()
    tokens = ["ran-out", good]
    async with Client(lambda: with_token(tokens.pop(0))) as renewed:
        assert (await renewed.version()).startswith("v1.")
    assert tokens == []
    async with Client(lambda: with_token("wrong")) as wrong:
        with pytest.raises(Unauthorized):
            await wrong.get(key(namespace))
