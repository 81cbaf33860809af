"""The shell's parts that need no server: pods, Secrets, addresses, neighbours, refusals, the order of actions."""

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dharma_handlers.blueprint import actions
from dharma_handlers.blueprint.actions import SecretWrite
from dharma_operator import facts
from dharma_operator.blueprint import act, controller, credentials, redis
from dharma_operator.blueprint.act import Actor, CannotActError
from dharma_operator.blueprint.neighbours import Claims
from dharma_operator.blueprint.pods import Pod, pods_of
from dharma_operator.kube import crashpoints
from dharma_operator.kube.errors import AlreadyExists
from dharma_operator.kube.resources import POD, SECRET, ObjectKey, key_of
from dharma_operator.store import Store
from dharma_operator.workqueue import OwnerKey


def pod(name: str, component: str = "db", *, address: str = "10.0.0.1", ready: bool = True, **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "n", "labels": {"dharma.io/component": component}},
        "status": {"phase": "Running", "podIP": address, "conditions": conditions, **status},
    }


def by_key(*manifests: dict[str, Any]) -> dict[ObjectKey, dict[str, Any]]:
    return {key_of(manifest): manifest for manifest in manifests}


def test_pods_that_can_be_asked() -> None:
    leaving = pod("db-3")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    children = by_key(
        pod("db-1", ready=False), pod("db-0"), pod("db-2", address=""), leaving, pod("db-4", phase="Pending"), pod("x-0", "x")
    )
    assert pods_of("db", children) == (Pod("db-0", "10.0.0.1", ready=True), Pod("db-1", "10.0.0.1", ready=False))


def test_secrets_are_decoded_and_what_is_no_text_is_left_out() -> None:
    data = {"password": base64.b64encode(b"geheim").decode(), "blob": base64.b64encode(b"\xff\xfe").decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "data": data}
    assert credentials.decoded(by_key(secret, pod("db-0"))) == {"s": {"password": "geheim"}}


def test_generated_passwords_have_at_least_128_bits_and_no_sign_that_needs_quoting() -> None:
    made = {credentials.generate_password() for _ in range(200)}
    assert len(made) == 200
    assert all(len(password) >= 22 and password.replace("-", "").replace("_", "").isalnum() for password in made)


OWNER = {"apiVersion": "dharma.io/v1alpha1", "kind": "Blueprint", "metadata": {"name": "shop", "namespace": "n", "uid": "b1"}}


def secret(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "n", **metadata},
        "stringData": {"password": "ours"},
    }


async def test_a_secret_that_somebody_else_made_meanwhile_is_the_truth() -> None:
    theirs = {"metadata": {"name": "s", "namespace": "n"}, "data": {"password": base64.b64encode(b"theirs").decode()}}

    async def create(manifest: dict[str, Any]) -> dict[str, Any]:
        raise AlreadyExists(409, "AlreadyExists", "it is there")

    async def get(key: ObjectKey) -> dict[str, Any]:
        assert key == ObjectKey(SECRET, "n", "s")
        return theirs

    client: Any = SimpleNamespace(create=create, get=get)
    written = await credentials.write(client, Store(), OWNER, [SecretWrite(secret(), exists=False)])
    assert written == {"s": {"password": "theirs"}}


@pytest.mark.parametrize("stays", [False, True])
async def test_a_new_secret_belongs_to_its_blueprint_from_the_first_unless_it_is_to_stay(stays: bool) -> None:
    made: list[dict[str, Any]] = []

    async def create(manifest: dict[str, Any]) -> dict[str, Any]:
        made.append(manifest)
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "s1", "resourceVersion": "7"}}

    annotations = {"dharma.io/retain": "true"} if stays else {}
    store = Store()
    written = await credentials.write(
        SimpleNamespace(create=create), store, OWNER, [SecretWrite(secret(annotations=annotations), exists=False)]
    )
    assert written == {"s": {"password": "ours"}}
    (manifest,) = made
    assert [owner["uid"] for owner in manifest["metadata"].get("ownerReferences", [])] == ([] if stays else ["b1"])
    assert store.get(ObjectKey(SECRET, "n", "s")) is not None


def test_addresses_of_the_api_server_are_those_behind_the_service_and_its_own() -> None:
    endpoint_slice = {"endpoints": [{"addresses": ["192.0.2.1"]}, {"addresses": ["192.0.2.2"]}], "ports": [{"port": 6443}]}
    service = {"spec": {"clusterIPs": ["10.96.0.1"], "ports": [{"port": 443}]}}
    assert list(facts._endpoints(endpoint_slice)) == [("192.0.2.1", 6443), ("192.0.2.2", 6443)]
    assert list(facts._service(service)) == [("10.96.0.1", 443)]
    assert list(facts._service({"spec": {"clusterIPs": ["None"], "ports": [{"port": 53}]}})) == []


def test_acl_lines_and_info_are_read() -> None:
    lines = ["user default on sanitize-payload #aa #bb ~* &* +@all -@admin", "user dharma-probe on nopass resetchannels -@all +ping"]
    assert redis._hashes(lines) == {"default": frozenset({"aa", "bb"}), "dharma-probe": frozenset()}
    assert redis._info("# Server\r\nredis_version:8.0.2\r\n\r\n# Memory\r\nused_memory:12\r\n") == {
        "redis_version": "8.0.2",
        "used_memory": "12",
    }
    assert redis._pairs(["maxmemory", "1", "save", ""]) == {"maxmemory": "1", "save": ""}


def owned(kind: str, name: str, blueprint: str) -> dict[str, Any]:
    labels = {"dharma.io/blueprint": blueprint}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": "1", "labels": labels},
    }


def test_only_what_a_living_neighbour_owns_is_claimed() -> None:
    store = Store()
    neighbour = {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Blueprint",
        "metadata": {"name": "shop-db", "namespace": "n", "uid": "b", "resourceVersion": "1"},
    }
    for manifest in (
        neighbour,
        owned("Service", "shop-db-x", "shop-db"),
        owned("Service", "left", "long-gone"),
        owned("Service", "mine", "shop"),
    ):
        store.seen(manifest)
    claims = Claims(store, OwnerKey("Blueprint", "n", "shop"))
    assert dict(claims) == {("Service", "shop-db-x"): "Blueprint shop-db"}
    assert ("Service", "left") not in claims
    assert ("Nonsense", "left") not in claims


def make_actor(log: Path, monkeypatch: pytest.MonkeyPatch, refused: frozenset[str] = frozenset()) -> tuple[Actor, list[str]]:
    """An actor whose services are a list, and a log of crash points."""
    asked: list[str] = []

    async def ask(self: Actor, action: actions.Action, scope: object) -> None:
        if action.describe() in refused:
            raise CannotActError("the pod is not there any more")
        asked.append(f"{action.component}: {action.describe()}")

    monkeypatch.setattr(Actor, "_ask", ask)
    monkeypatch.setattr(crashpoints, "writes", crashpoints.WriteLog(log=log))
    nothing: Any = None
    scopes: Any = {"db": None, "other": None}
    return Actor(nothing, nothing, nothing, "n", "shop", scopes, {}), asked


def role(name: str, component: str = "db") -> actions.CreateRole:
    return actions.CreateRole(component=component, role=name, password="geheim")


async def test_actions_run_in_order_and_each_is_a_crash_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "writes"
    actor, asked = make_actor(log, monkeypatch)
    deeds = await actor.run([role("a"), role("b"), actions.CreateDatabase(component="db", database="d", owner="a")])
    assert asked == ["db: create role a", "db: create role b", "db: create database d"]
    assert [line.split(" ", 1)[1] for line in log.read_text().splitlines()] == [
        "CreateRole n/shop: create role a",
        "CreateRole n/shop: create role b",
        "CreateDatabase n/shop: create database d",
    ]
    assert [action.describe() for action in deeds.done] == ["create role a", "create role b", "create database d"]


async def test_a_failure_ends_the_turn_of_its_component_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actor, asked = make_actor(tmp_path / "writes", monkeypatch, frozenset({"create role b"}))
    deeds = await actor.run([role("a"), role("b"), role("c"), role("d", "other")])
    assert sorted(asked) == ["db: create role a", "other: create role d"]
    assert [(failure.component, failure.action, failure.message) for failure in deeds.failures] == [
        ("db", "create role b", "the pod is not there any more")
    ]
    assert "geheim" not in repr(deeds)


def test_every_action_has_somebody_who_runs_it() -> None:
    handled = {*act.postgres_actions.SQL_ACTIONS}
    source = Path(act.__file__).read_text()
    every = [value for value in vars(actions).values() if isinstance(value, type) and issubclass(value, actions.Action)]
    missing = [
        kind.__name__ for kind in every if kind is not actions.Action and kind not in handled and f"actions.{kind.__name__}()" not in source
    ]
    assert missing == []


async def test_a_spec_that_cannot_be_read_is_told_by_path() -> None:
    owner = {
        "apiVersion": "dharma.io/v1alpha1",
        "kind": "Blueprint",
        "metadata": {"name": "shop", "namespace": "n", "uid": "u", "generation": 1},
        "spec": {"components": [{"name": "db", "postgres": {"storage": {"size": "1Gi"}, "instances": "many"}}]},
    }
    request: Any = SimpleNamespace(owner=owner, settings=None, client=None, store=None, children={}, now=None, suspended=False)
    outcome = await controller.BlueprintController().reconcile(request)
    ready = next(condition for condition in outcome.conditions if condition.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "InvalidSpec")
    assert "spec.components[0].postgres.instances" in ready.message
    assert outcome.objects is None


def test_a_pod_key_is_what_children_are_keyed_by() -> None:
    assert key_of(pod("db-0")) == ObjectKey(POD, "n", "db-0")
