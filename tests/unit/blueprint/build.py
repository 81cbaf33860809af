"""Blueprints and observations for tests, made short to write."""

import base64
import dataclasses
import hashlib
import hmac
import itertools
from datetime import UTC, datetime
from typing import Any

import yaml

from dharma_crds.blueprint import Blueprint
from dharma_handlers.blueprint import credentials
from dharma_handlers.blueprint.decide import decide
from dharma_handlers.blueprint.observed import (
    DatabaseObserved,
    Observed,
    PgBouncerMember,
    PostgresMember,
    PostgresObserved,
    RedisMember,
    RoleObserved,
)
from dharma_handlers.blueprint.patroni import dynamic_configuration
from dharma_handlers.blueprint.pgbouncer import databases, settings
from dharma_handlers.blueprint.redis import live_settings
from dharma_handlers.blueprint.scope import Scope, scopes
from dharma_handlers.facts import ClusterFacts, Images, OperatorIdentity
from dharma_handlers.outcome import Manifest

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CLUSTER = ClusterFacts(
    images=Images("example/postgres:17", "example/pgbouncer:1.24", "example/redis:8"),
    operator=OperatorIdentity("dharma-system", {"app.kubernetes.io/name": "iac-dharma"}),
    api_server_endpoints=(("10.0.0.1", 6443), ("10.96.0.1", 443)),
    dns_addresses=("10.96.0.10",),
)
DB = {"name": "db", "postgres": {"storage": {"size": "1Gi"}, "databases": [{"name": "shop", "owner": "shop"}]}}
POOL = {"name": "pool", "pgbouncer": {"target": "db"}}
CACHE = {"name": "cache", "redis": {}}


def postgres(name: str = "db", **fields: Any) -> dict[str, Any]:
    """A Postgres component."""
    return {"name": name, "postgres": {**DB["postgres"], **fields}}  # type: ignore[dict-item]


def blueprint(*components: dict[str, Any], name: str = "shop", status: dict[str, Any] | None = None, **spec: Any) -> Blueprint:
    """A Blueprint in namespace `acme-shop`."""
    return Blueprint.model_validate(
        {
            "apiVersion": "dharma.io/v1alpha1",
            "kind": "Blueprint",
            "metadata": {"name": name, "namespace": "acme-shop", "uid": "1", "generation": 1},
            "spec": {"components": list(components), **spec},
            "status": status or {},
        }
    )


def read(text: str) -> Blueprint:
    """A Blueprint from YAML."""
    return Blueprint.model_validate(yaml.safe_load(text))


def empty(**fields: Any) -> Observed:
    """Nothing is there yet."""
    return Observed(now=NOW, cluster=CLUSTER, patroni_config_maps=frozenset(), **fields)


def with_secrets(wanted: Blueprint, observed: Observed) -> Observed:
    """The same with every password that was missing."""
    count = itertools.count()
    written = credentials.missing_secrets(wanted, observed, lambda: f"password{next(count):02d}")
    made = {write.manifest["metadata"]["name"]: write.manifest["stringData"] for write in written}
    return dataclasses.replace(observed, secrets={**observed.secrets, **made})


def first(wanted: Blueprint) -> Observed:
    """What is seen just after the Blueprint was made: passwords, nothing else."""
    return with_secrets(wanted, empty())


def running(wanted: Blueprint, **fields: Any) -> Observed:
    """All as it should be: objects applied, pods ready, services answering with the wanted settings."""
    observed = first(wanted)
    outcome = decide(wanted, observed).outcome
    assert outcome.objects is not None, outcome.conditions
    children = {(one.manifest["kind"], one.manifest["metadata"]["name"]): one.manifest for one in outcome.objects}
    names = frozenset(
        name for kind, name in children if kind == "ConfigMap" and name.endswith(("-config", "-leader", "-failover", "-sync"))
    )
    for scope in scopes(wanted, observed):
        children |= {("Pod", name): pod(scope, name) for name in pod_names(scope)}
    observed = dataclasses.replace(observed, children=children, patroni_config_maps=names)
    components = {scope.component.name: answering(scope) for scope in scopes(wanted, observed)}
    return dataclasses.replace(observed, components=components, **fields)


def pod_names(scope: Scope) -> list[str]:
    """Names of the pods that a component should have."""
    component = scope.component
    if component.postgres is not None:
        return [scope.names.pod(ordinal) for ordinal in range(component.postgres.instances)]
    if component.pgbouncer is not None:
        return [f"{scope.names.base}-7f9c-{number}" for number in range(component.pgbouncer.replicas)]
    assert component.redis is not None
    return [scope.names.pod(ordinal) for ordinal in range(component.redis.replicas)]


def pod(scope: Scope, name: str, *, ready: bool = True) -> Manifest:
    """A running pod."""
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(scope.labels), "creationTimestamp": "2026-11-23T11:00:00Z"},
        "status": {"phase": "Running", "conditions": [condition], "containerStatuses": [{"state": {"running": {}}}]},
    }


def answering(scope: Scope) -> Any:
    """A data plane that is as it should be."""
    component, pods = scope.component, pod_names(scope)
    if component.postgres is not None:
        return postgres_answering(scope)
    if component.pgbouncer is not None:
        from dharma_handlers.blueprint.observed import PgBouncerObserved

        live = {
            name: {"host": words["host"], "max_connections": words["max_db_connections"]}
            for name, words in databases(scope, component.pgbouncer).items()
        }
        config = settings(component.pgbouncer)
        return PgBouncerObserved(
            tuple(PgBouncerMember(name, answered=True, config=config, databases={**live, "pgbouncer": {}}) for name in pods)
        )
    from dharma_handlers.blueprint.observed import RedisObserved

    assert component.redis is not None
    return RedisObserved(tuple(redis_member(scope, name, master=number == 0) for number, name in enumerate(pods)))


def redis_member(scope: Scope, name: str, *, master: bool, **fields: Any) -> RedisMember:
    """A Redis that answers with the wanted settings."""
    assert scope.component.redis is not None
    internal = scope.observed.secrets[scope.names.internal]
    application = scope.observed.secrets[scope.names.connection("default")]["password"]
    passwords = {"default": application, "dharma-operator": internal["operator-password"], "dharma-replica": internal["replica-password"]}
    hashes = {user: frozenset({hashlib.sha256(password.encode()).hexdigest()}) for user, password in passwords.items()}
    known = {
        "pod": name,
        "answered": True,
        "role": "master" if master else "slave",
        "link_up": not master,
        "config": live_settings(scope.component.redis),
        "acl_hashes": hashes,
    }
    return RedisMember(**{**known, **fields})


def postgres_answering(scope: Scope, **fields: Any) -> PostgresObserved:
    """A Postgres with all roles, databases, settings as wanted."""
    wanted = scope.component.postgres
    assert wanted is not None
    secrets = scope.observed.secrets
    roles = {
        role.name: RoleObserved(
            can_login=True,
            managed=True,
            member_of=frozenset(role.member_of),
            verifier=verifier(secrets[scope.names.connection(role.name)]["password"]),
        )
        for role in wanted.roles
    }
    internal = RoleObserved(can_login=True, managed=False)
    known: dict[str, Any] = {
        "members": tuple(member(name, primary=number == 0) for number, name in enumerate(pod_names(scope))),
        "answered": True,
        "config": dynamic_configuration(scope, wanted),
        "roles": {**roles, "postgres": internal, "dharma_operator": internal},
        "databases": {database.name: DatabaseObserved(database.owner, frozenset(database.extensions)) for database in wanted.databases},
        "settings": {},
    }
    return PostgresObserved(**{**known, **fields})


def member(name: str, *, primary: bool, **fields: Any) -> PostgresMember:
    """A Patroni member that serves."""
    known = {"role": "primary" if primary else "replica", "state": "running" if primary else "streaming", "server_version": "17.11"}
    return PostgresMember(pod=name, **{**known, **fields})


def verifier(password: str, salt: bytes = b"0123456789abcdef", rounds: int = 4096) -> str:
    """A SCRAM verifier as Postgres stores it."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${rounds}:{text[0]}${text[1]}:{text[2]}"


def scope(wanted: Blueprint, name: str, observed: Observed | None = None) -> Scope:
    """One component's scope."""
    return next(one for one in scopes(wanted, observed or first(wanted)) if one.component.name == name)


def changed(observed: Observed, component: str, **fields: Any) -> Observed:
    """The same with some of a component's observation changed."""
    before = observed.components[component]
    return dataclasses.replace(observed, components={**observed.components, component: dataclasses.replace(before, **fields)})


def condition(wanted: Blueprint, observed: Observed, kind: str) -> tuple[str, str, str]:
    """Status, reason and message of one condition."""
    found = next(one for one in decide(wanted, observed).outcome.conditions if one.type == kind)
    return found.status, found.reason, found.message


def objects(wanted: Blueprint, observed: Observed | None = None) -> dict[tuple[str, str], Manifest]:
    """The wanted objects by kind and name."""
    outcome = decide(wanted, observed or first(wanted)).outcome
    assert outcome.objects is not None, outcome.conditions
    return {(one.manifest["kind"], one.manifest["metadata"]["name"]): one.manifest for one in outcome.objects}
