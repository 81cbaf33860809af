"""A PgBouncer component's objects, and its configuration as the file and as the admin console spell it."""

from collections.abc import Mapping
from typing import Final

from dharma_crds.blueprint import PgBouncer
from dharma_handlers import pods
from dharma_handlers.blueprint import services
from dharma_handlers.blueprint.credentials import POOLER_ADMIN, POOLER_ROLE
from dharma_handlers.blueprint.names import PGBOUNCER_PORT, PGBOUNCER_USER_ID, POSTGRES_PORT
from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Manifest, Wanted

LOOKUP_DATABASE: Final = "postgres"
"""Database that the lookup function lives in. Users have no right to connect to it."""
LOOKUP_CONNECTIONS: Final = 1
"""Server connections for lookups, of each replica; they are part of maxServerConnections."""
_DIRECTORY: Final = "/etc/pgbouncer"

COMPARED: Final = (
    "auth_dbname", "auth_query", "auth_user", "default_pool_size", "max_client_conn", "max_prepared_statements", "pool_mode",
)  # fmt: skip
"""Settings by which `SHOW CONFIG` tells whether a pod runs the wanted configuration; all of them may change without a restart."""


def objects(scope: Scope, pgbouncer: PgBouncer) -> list[Wanted]:
    """Build everything but the Secret."""
    built = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": scope.metadata(scope.names.settings),
            "data": {"pgbouncer.ini": configuration_file(scope, pgbouncer)},
        },
        services.service(scope, scope.names.base, "pgbouncer", PGBOUNCER_PORT),
        services.disruption_budget(scope),
        _deployment(scope, pgbouncer),
    ]
    return [Wanted(manifest) for manifest in built]


def settings(pgbouncer: PgBouncer) -> dict[str, str]:
    """Build the `[pgbouncer]` section."""
    return {
        "listen_addr": "*",
        "listen_port": str(PGBOUNCER_PORT),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": f"{_DIRECTORY}/secret/userlist.txt",
        # No list of users: who logs in is looked up in Postgres, by a role that may do nothing else.
        "auth_user": POOLER_ROLE,
        "auth_dbname": LOOKUP_DATABASE,
        "auth_query": "SELECT usename, passwd FROM dharma.user_lookup($1)",
        "admin_users": POOLER_ADMIN,
        "pool_mode": pgbouncer.pool_mode,
        "max_client_conn": str(pgbouncer.max_client_connections),
        "default_pool_size": str(pgbouncer.pool_size),
        "max_prepared_statements": "0" if pgbouncer.pool_mode == "session" else "200",
        # JDBC drivers send it; Postgres 12 and newer need it no more.
        "ignore_startup_parameters": "extra_float_digits",
        # After a failover or a start, try again at once and not in 15 s.
        "server_login_retry": "1",
        "server_connect_timeout": "5",
        # A server that vanished without a word is noticed after about ten seconds.
        "tcp_keepidle": "5",
        "tcp_keepintvl": "2",
        "tcp_keepcnt": "3",
        "log_connections": "0",
        "log_disconnections": "0",
    }


def databases(scope: Scope, pgbouncer: PgBouncer) -> dict[str, dict[str, str]]:
    """Build the `[databases]` section: the target's databases and no others, sharing maxServerConnections evenly.

    PgBouncer bounds connections by database, not in sum; each gets its part, so that the sum, lookups included, never exceeds the budget.
    """
    target = scope.sibling(pgbouncer.target)
    declared = target.component.postgres.databases if target.component.postgres is not None else ()
    share = max((pgbouncer.max_server_connections - LOOKUP_CONNECTIONS) // max(len(declared), 1), 1)
    server = {"host": target.names.read_write, "port": str(POSTGRES_PORT)}
    lookup = {**server, "pool_size": str(LOOKUP_CONNECTIONS), "max_db_connections": str(LOOKUP_CONNECTIONS)}
    return {LOOKUP_DATABASE: lookup} | {database.name: {**server, "max_db_connections": str(share)} for database in declared}


def configuration_file(scope: Scope, pgbouncer: PgBouncer) -> str:
    """Write `pgbouncer.ini`."""
    lines = ["[databases]"]
    for name, words in databases(scope, pgbouncer).items():
        quoted = f'"{name}"' if "-" in name else name
        lines.append(f"{quoted} = {' '.join(f'{key}={value}' for key, value in words.items())}")
    lines += ["", "[pgbouncer]", *(f"{key} = {value}" for key, value in settings(pgbouncer).items())]
    return "\n".join(lines) + "\n"


def runs_wanted(scope: Scope, pgbouncer: PgBouncer, live: Mapping[str, str], live_databases: Mapping[str, Mapping[str, str]]) -> bool:
    """Tell whether `SHOW CONFIG` and `SHOW DATABASES` are those of the wanted file."""
    wanted = settings(pgbouncer)
    if any(live.get(key) != wanted[key] for key in COMPARED):
        return False
    declared = databases(scope, pgbouncer)
    console = {"pgbouncer"}
    if set(live_databases) - console != set(declared):
        return False
    return all(
        live_databases[name].get("host") == words["host"] and live_databases[name].get("max_connections") == words["max_db_connections"]
        for name, words in declared.items()
    )


def replicas(scope: Scope, pgbouncer: PgBouncer) -> int:
    """Tell how many pods there are to be: what the spec says, or what an autoscaler has made of it."""
    live = scope.child("Deployment", scope.names.base) if _autoscaled(scope) else None
    return pgbouncer.replicas if live is None else int(live["spec"].get("replicas", 1))


def _autoscaled(scope: Scope) -> bool:
    return not scope.stopped and scope.names.base in scope.observed.autoscaled


def _deployment(scope: Scope, pgbouncer: PgBouncer) -> Manifest:
    # A number that is not sent stays the autoscaler's.
    size = {} if _autoscaled(scope) else {"replicas": 0 if scope.stopped else pgbouncer.replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": scope.metadata(scope.names.base),
        "spec": {
            **size,
            "revisionHistoryLimit": 2,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": dict(scope.selector)},
            "template": {"metadata": {"labels": dict(scope.labels)}, "spec": _pod(scope, pgbouncer)},
        },
    }


def _pod(scope: Scope, pgbouncer: PgBouncer) -> Manifest:
    asked, limits = pgbouncer.resources.requests, pgbouncer.resources.limits
    container: Manifest = {
        "name": "pgbouncer",
        "image": scope.observed.cluster.images.pgbouncer,
        "imagePullPolicy": "IfNotPresent",
        "args": [f"{_DIRECTORY}/config/pgbouncer.ini"],
        "ports": [{"name": "pgbouncer", "containerPort": PGBOUNCER_PORT, "protocol": "TCP"}],
        "resources": pods.resources(
            str(asked.cpu),
            str(asked.memory),
            str(limits.cpu) if limits is not None and limits.cpu is not None else None,
            str(limits.memory) if limits is not None and limits.memory is not None else None,
        ),
        "securityContext": pods.container_security(),
        "readinessProbe": pods.tcp_probe("pgbouncer", periodSeconds=1, timeoutSeconds=2, failureThreshold=3),
        "livenessProbe": pods.tcp_probe("pgbouncer", periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
        # New connections go elsewhere before this one stops to take them; then it waits for running transactions.
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "volumeMounts": [
            {"name": "config", "mountPath": f"{_DIRECTORY}/config", "readOnly": True},
            {"name": "secret", "mountPath": f"{_DIRECTORY}/secret", "readOnly": True},
        ],
    }
    userlist = [{"key": "userlist.txt", "path": "userlist.txt"}]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": pods.pod_security(PGBOUNCER_USER_ID),
        "topologySpreadConstraints": pods.spread(scope.selector),
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": scope.names.settings, "defaultMode": 0o440}},
            {"name": "secret", "secret": {"secretName": scope.names.internal, "defaultMode": 0o440, "items": userlist}},
        ],
    }
