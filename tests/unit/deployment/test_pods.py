"""What pods are made from: restricted, out of the Service before they end, overlaid, bound to data services."""

from typing import Any

from dharma_crds.blueprint import Blueprint
from dharma_crds.deployment import DharmaDeployment
from dharma_handlers.deployment.bindings import Unbound, bound
from dharma_handlers.deployment.names import Names
from dharma_handlers.deployment.overlay import overlay
from dharma_handlers.deployment.revision import revision_of
from dharma_handlers.deployment.template import pod_template


def deployment(**spec: Any) -> DharmaDeployment:
    wanted = {"environment": "test", "image": "shop:1", "ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
    return DharmaDeployment.model_validate({"metadata": {"name": "web", "namespace": "acme"}, "spec": wanted})


def template(**spec: Any) -> dict[str, Any]:
    return pod_template(Names("web"), revision_of(deployment(**spec), ()))


BLUEPRINT = Blueprint.model_validate({
    "metadata": {"name": "shop", "namespace": "acme"},
    "spec": {
        "components": [
            {"name": "db", "postgres": {"storage": {"size": "1Gi"}, "databases": [{"name": "shop", "owner": "the_shop"}]}},
            {"name": "pool", "pgbouncer": {"target": "db"}},
            {"name": "cache", "redis": {"storage": {"size": "1Gi"}}},
            {"name": "empty", "postgres": {"storage": {"size": "1Gi"}, "databases": [], "users": []}},
        ]
    },
})  # fmt: skip


def test_pods_are_restricted_and_leave_the_service_before_they_end() -> None:
    spec = template()["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] < spec["terminationGracePeriodSeconds"]
    assert spec["automountServiceAccountToken"] is False


def test_probes_ask_the_first_port_unless_they_say_otherwise() -> None:
    probes = {
        "readiness": {"http": {"path": "/ready"}, "period": "1s"},
        "liveness": {"tcp": {"port": 9000}},
        "startup": {"exec": {"command": ["/up"]}},
    }
    (container,) = template(probes=probes)["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http", "scheme": "HTTP"}
    assert container["readinessProbe"]["periodSeconds"] == 1
    assert container["livenessProbe"]["tcpSocket"] == {"port": 9000}
    assert container["startupProbe"]["exec"] == {"command": ["/up"]}


def test_the_overlay_wins_but_for_the_labels_that_pods_are_found_by() -> None:
    over = {
        "metadata": {"labels": {"team": "shop", "dharma.io/revision": "mine"}, "annotations": {"checksum": "1"}},
        "spec": {"priorityClassName": "high", "containers": [{"name": "app", "command": ["/run"]}, {"name": "side", "image": "side:1"}]},
    }
    built = template(podTemplate=over)
    assert built["metadata"]["labels"]["team"] == "shop"
    assert built["metadata"]["labels"]["dharma.io/revision"] == revision_of(deployment(podTemplate=over), ()).hash
    assert built["metadata"]["annotations"] == {"checksum": "1"}
    app, side = built["spec"]["containers"]
    assert (app["command"], app["image"], side["image"]) == (["/run"], "shop:1", "side:1")
    assert built["spec"]["priorityClassName"] == "high"


def test_an_overlay_merges_maps_and_named_items_and_removes_by_null() -> None:
    base = {"a": {"b": 1, "c": 2}, "list": [{"name": "x", "v": 1}, {"name": "y"}], "plain": [1, 2]}
    over = {"a": {"b": None, "d": 3}, "list": [{"name": "x", "w": 2}, {"name": "z"}], "plain": [3]}
    assert overlay(base, over) == {
        "a": {"c": 2, "d": 3}, "list": [{"name": "x", "v": 1, "w": 2}, {"name": "y"}, {"name": "z"}], "plain": [3],
    }  # fmt: skip


def variables(**binding: str) -> dict[str, str] | str:
    found = bound(deployment(bind=[{"blueprint": "shop", "as": "DATA", **binding}]), {"shop": BLUEPRINT})
    if isinstance(found, Unbound):
        return str(found)
    sources = {one.name: one.value_from.secret_key_ref if one.value_from is not None else None for one in found}
    return {one.name: one.value or f"{sources[one.name].name}/{sources[one.name].key}" for one in found}  # type: ignore[union-attr]


def test_bindings_name_the_keys_of_connection_secrets() -> None:
    assert variables(component="db") == {
        "DATA_HOST": "shop-db-the-shop/host",
        "DATA_PORT": "shop-db-the-shop/port",
        "DATA_DBNAME": "shop-db-the-shop/dbname",
        "DATA_USER": "shop-db-the-shop/user",
        "DATA_PASSWORD": "shop-db-the-shop/password",
        "DATA_URI": "shop-db-the-shop/uri",
    }
    pooled = variables(component="pool", user="report")
    assert isinstance(pooled, dict)
    assert (pooled["DATA_URI"], pooled["DATA_HOST"], pooled["DATA_PORT"]) == (
        "shop-db-report/pooled-uri", "shop-db-report/pooled-host", "6432",
    )  # fmt: skip
    cache = variables(component="cache")
    assert isinstance(cache, dict)
    assert cache["DATA_URI"] == "shop-cache-default/uri"


def test_a_binding_that_cannot_be_made_says_why() -> None:
    assert variables(component="other") == ("spec.bind[DATA]: Blueprint shop has no component other; name one of db, pool, cache, empty")
    assert "set user" in str(variables(component="empty"))
    missing = bound(deployment(bind=[{"blueprint": "shop", "component": "db", "as": "DATA"}]), {})
    assert str(missing) == "spec.bind[DATA]: there is no Blueprint shop in this namespace yet"


def test_an_own_variable_wins_over_one_from_a_binding() -> None:
    asked = deployment(bind=[{"blueprint": "shop", "component": "db", "as": "DATA"}], env=[{"name": "DATA_HOST", "value": "elsewhere"}])
    found = bound(asked, {"shop": BLUEPRINT})
    assert not isinstance(found, Unbound)
    (container,) = pod_template(Names("web"), revision_of(asked, found))["spec"]["containers"]
    assert {"name": "DATA_HOST", "value": "elsewhere"} in container["env"]
    assert [one["name"] for one in container["env"]].count("DATA_HOST") == 1
