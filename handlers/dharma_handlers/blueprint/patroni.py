"""Patroni: the configuration that all members share, the part of each pod, and the script that keeps the internal roles right."""

import json
from collections.abc import Mapping
from typing import Any, Final

from dharma_crds.blueprint import Postgres
from dharma_crds.blueprint.budget import connection_budgets
from dharma_handlers import labels
from dharma_handlers.blueprint.internal_roles import INTERNAL_ROLES_SCRIPT, INTERNAL_ROLES_SQL
from dharma_handlers.blueprint.names import PATRONI_PORT, POSTGRES_PORT
from dharma_handlers.blueprint.parameters import parameters
from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Manifest

PATRONI_USER: Final = "patroni"
"""User of Patroni's REST API for all that changes something."""
DATA_DIRECTORY: Final = "/var/lib/postgresql/data"
SOCKET_DIRECTORY: Final = "/run/postgresql"
CONFIG_DIRECTORY: Final = "/etc/patroni"
SECRET_DIRECTORY: Final = "/etc/patroni-secret"  # noqa: S105 (a folder's name)

OWNED_TOP_LEVEL: Final = (
    "ttl", "loop_wait", "retry_timeout", "maximum_lag_on_failover", "failsafe_mode", "synchronous_mode", "synchronous_mode_strict",
    "synchronous_node_count",
)  # fmt: skip
"""Keys of the dynamic configuration that are made equal to the wanted ones; others (`pause`, `slots`) are people's."""


def dynamic_configuration(scope: Scope, postgres: Postgres) -> dict[str, Any]:
    """Build the configuration that Patroni keeps in its store and all members follow."""
    budget = next(budget for budget in connection_budgets(scope.blueprint.spec.components) if budget.component == scope.component.name)
    synchronous = postgres.replication.mode == "Sync"
    return {
        # Measured: 1 to 2 s of writes lost to a deleted primary. ttl must be at least loop_wait + 2 x retry_timeout.
        "ttl": 20,
        "loop_wait": 3,
        "retry_timeout": 3,
        # A replica further behind is not promoted by itself: 1 MiB of WAL.
        "maximum_lag_on_failover": 1048576,
        # The primary goes on when the API server is away, as long as it reaches all its replicas.
        "failsafe_mode": True,
        "synchronous_mode": synchronous,
        "synchronous_mode_strict": synchronous,
        "synchronous_node_count": postgres.replication.min_sync,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "parameters": parameters(postgres, budget),
            "pg_hba": list(HBA),
        },
    }


HBA: Final = (
    # In the pod itself: Patroni and people by `kubectl exec`, as the operating system's user. The superuser has no password at all.
    "local all postgres peer",
    "local replication dharma_standby scram-sha-256",
    "local all all scram-sha-256",
    "host all postgres all reject",
    "host replication dharma_standby all scram-sha-256",
    "host postgres dharma_rewind all scram-sha-256",
    "host postgres dharma_pooler all scram-sha-256",
    "host all dharma_standby,dharma_rewind,dharma_pooler all reject",
    "host all all all scram-sha-256",
)
"""Who may log in, from where, how; the first line that fits counts. NetworkPolicies say which pods get as far as this."""


def configuration_patch(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """Build the merge patch that makes the live dynamic configuration the wanted one; empty: it is already.

    All of `postgresql.parameters` and `pg_hba` are the operator's: a setting that nobody wants any more is removed. Other keys are left.
    """
    patch: dict[str, Any] = {key: wanted[key] for key in OWNED_TOP_LEVEL if live.get(key) != wanted[key]}
    live_postgresql: Mapping[str, Any] = live.get("postgresql") or {}
    wanted_postgresql: Mapping[str, Any] = wanted["postgresql"]
    inner: dict[str, Any] = {
        key: value for key, value in wanted_postgresql.items() if key != "parameters" and live_postgresql.get(key) != value
    }
    live_parameters: Mapping[str, Any] = live_postgresql.get("parameters") or {}
    wanted_parameters: Mapping[str, str] = wanted_postgresql["parameters"]
    changed: dict[str, Any] = {name: value for name, value in wanted_parameters.items() if str(live_parameters.get(name)) != value}
    changed |= {name: None for name in live_parameters if name not in wanted_parameters}
    if changed:
        inner["parameters"] = changed
    if inner:
        patch["postgresql"] = inner
    return patch


def settings_config_map(scope: Scope) -> Manifest:
    """Build the ConfigMap mounted at CONFIG_DIRECTORY. Nothing in it depends on parameters, so pods need no restart for them."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": scope.metadata(scope.names.settings),
        "data": {
            "10-patroni.yml": _yaml(_local_configuration(scope)),
            "internal-roles.sh": INTERNAL_ROLES_SCRIPT,
            "internal-roles.sql": INTERNAL_ROLES_SQL,
        },
    }


def store_config_maps(scope: Scope, postgres: Postgres) -> list[Manifest]:
    """Build the ConfigMaps that Patroni then fills: made by the operator so that they belong to the Blueprint and go with it.

    They do not carry the label of managed objects: they change every few seconds, and nobody must watch that.
    """
    mine = {key: value for key, value in scope.labels.items() if key != labels.MANAGED_BY}
    built: list[Manifest] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": scope.namespace, "labels": dict(mine)}}
        for name in scope.names.patroni
    ]
    # Patroni takes an object without this key for one that it must create itself, and then fails as it is already there.
    built[0]["metadata"]["annotations"] = {"config": json.dumps(dynamic_configuration(scope, postgres), separators=(",", ":"))}
    return built


def secret_configuration(*, patroni: str, standby: str, rewind: str) -> str:
    """Build the second configuration file, which Patroni merges with the first: the passwords."""
    return _yaml(
        {
            "restapi": {"authentication": {"username": PATRONI_USER, "password": patroni}},
            "postgresql": {
                "authentication": {
                    "superuser": {"username": "postgres"},
                    "replication": {"username": "dharma_standby", "password": standby},
                    "rewind": {"username": "dharma_rewind", "password": rewind},
                }
            },
        }
    )


def _local_configuration(scope: Scope) -> dict[str, Any]:
    callback = f"/bin/sh {CONFIG_DIRECTORY}/internal-roles.sh"
    return {
        "scope": scope.names.base,
        "kubernetes": {
            "namespace": scope.namespace,
            "labels": dict(scope.selector),
            "scope_label": labels.INSTANCE,
            "role_label": labels.ROLE,
            "use_endpoints": False,
        },
        "restapi": {"listen": f"0.0.0.0:{PATRONI_PORT}"},
        "postgresql": {
            "listen": f"0.0.0.0:{POSTGRES_PORT}",
            "data_dir": DATA_DIRECTORY,
            "pgpass": "/tmp/pgpass",  # noqa: S108 (the pod's own emptyDir)
            "use_unix_socket": True,
            "use_unix_socket_repl": True,
            "parameters": {"unix_socket_directories": SOCKET_DIRECTORY},
            # A new replica does not wait minutes for the primary's next checkpoint.
            "basebackup": [{"checkpoint": "fast"}],
            "callbacks": {"on_start": callback, "on_role_change": callback, "on_reload": callback},
        },
        "bootstrap": {
            "initdb": [
                "data-checksums",
                {"encoding": "UTF8"},
                # Sorting that no upgrade of the C library changes under an index.
                {"locale-provider": "builtin"},
                {"builtin-locale": "C.UTF-8"},
                {"locale": "C.UTF-8"},
                {"auth-local": "peer"},
                {"auth-host": "scram-sha-256"},
            ]
        },
        "watchdog": {"mode": "off"},
    }


def _yaml(value: Mapping[str, Any]) -> str:
    """JSON is YAML too, and thirty times as quick to write."""
    return json.dumps(value, indent=2) + "\n"
