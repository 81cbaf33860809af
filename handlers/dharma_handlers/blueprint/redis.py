"""A Redis component's objects and configuration.

Ordinal 0 is the primary and the others follow it. Sentinel, which moves that role, will come with the next step; until then nothing fails
over, and the status of a component that expects it says so.
"""

import math
from typing import Final

from dharma_crds.blueprint import Redis
from dharma_handlers import labels, pods
from dharma_handlers.blueprint import services, volumes
from dharma_handlers.blueprint.names import REDIS_PORT, REDIS_USER_ID
from dharma_handlers.blueprint.parameters import MIB
from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Manifest, Wanted

_DIRECTORY: Final = "/etc/redis"
SNAPSHOTS: Final = "3600 1 300 100 60 10000"
"""Redis's own defaults: after an hour with one change, five minutes with a hundred, a minute with ten thousand."""
LIVE_SETTINGS: Final = ("appendonly", "maxmemory", "maxmemory-policy", "save")
"""Settings that the spec decides; all of them change by CONFIG SET, without a restart."""


def objects(scope: Scope, redis: Redis) -> list[Wanted]:
    """Build everything but the Secrets."""
    names = scope.names
    count = 0 if scope.stopped else redis.replicas
    built = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": scope.metadata(names.settings),
            "data": {"redis.conf": configuration_file(redis), "start.sh": start_script(scope)},
        },
        services.service(scope, names.base, "redis", REDIS_PORT, also={labels.POD_NAME: names.pod(0)}),
        services.service(scope, names.replicas, "redis", REDIS_PORT, also={labels.ROLE: "replica"}),
        services.service(scope, names.pods, "redis", REDIS_PORT, headless=True),
        services.disruption_budget(scope),
        *volumes.claims(scope, redis.storage, redis.replicas),
        _stateful_set(scope, redis, count),
    ]
    return [Wanted(manifest) for manifest in built]


def live_settings(redis: Redis) -> dict[str, str]:
    """Build the settings of LIVE_SETTINGS, as `CONFIG GET` spells them."""
    return {
        "appendonly": "yes" if redis.persistence == "AOF" else "no",
        "maxmemory": str(redis.max_memory.bytes),
        "maxmemory-policy": redis.eviction_policy,
        "save": SNAPSHOTS if redis.persistence == "RDB" else "",
    }


def configuration_file(redis: Redis) -> str:
    """Write `redis.conf`. Passwords are in the included file and in the ACL file, both from the Secret."""
    lines = {
        "bind": "* -::*",
        "port": str(REDIS_PORT),
        "protected-mode": "no",
        "dir": "/var/lib/redis",
        "aclfile": f"{_DIRECTORY}/secret/users.acl",
        "include": f"{_DIRECTORY}/secret/replication.conf",
        "appendfsync": "everysec",
        "tcp-keepalive": "60",
        # A primary that just restarted asks its replicas for nothing, and they for no full copy when little is missing.
        "repl-backlog-size": "16mb",
        "shutdown-timeout": "30",
        **live_settings(redis),
    }
    return "".join(f"{key} {value}\n" if value else f'{key} ""\n' for key, value in lines.items())


def start_script(scope: Scope) -> str:
    """Write the script that starts a server: all but ordinal 0 follow ordinal 0."""
    names = scope.names
    return (
        "#!/bin/sh\nset -eu\n"
        f'if [ "$HOSTNAME" = {names.pod(0)} ]; then exec redis-server {_DIRECTORY}/config/redis.conf; fi\n'
        f"exec redis-server {_DIRECTORY}/config/redis.conf --replicaof {primary_host(scope)} {REDIS_PORT}\n"
    )


def primary_host(scope: Scope) -> str:
    """Name of the primary, as replicas find it: its own in DNS, ready or not."""
    return f"{scope.names.pod(0)}.{scope.names.pods}"


def memory_request(redis: Redis) -> str:
    """Derive the memory of a pod: data, and room for what a fork copies while it writes the disk, for buffers and for the program."""
    if redis.resources.requests.memory is not None:
        return str(redis.resources.requests.memory)
    share = 1.25 if redis.persistence == "None" else 1.5
    return f"{math.ceil(redis.max_memory.bytes * share / MIB) + 64}Mi"


def _stateful_set(scope: Scope, redis: Redis, count: int) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": scope.metadata(scope.names.base),
        "spec": {
            "replicas": count,
            "serviceName": scope.names.pods,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": dict(scope.selector)},
            "template": {"metadata": {"labels": dict(scope.labels)}, "spec": _pod(scope, redis)},
            "volumeClaimTemplates": volumes.templates(scope, redis.storage),
        },
    }


def _pod(scope: Scope, redis: Redis) -> Manifest:
    limits = redis.resources.limits
    # While it loads its data Redis answers nobody; loading a large file takes as long as it takes.
    ping = ("redis-cli", "--user", "dharma-probe", "--pass", "none", "--no-auth-warning", "-e", "ping")
    container: Manifest = {
        "name": "redis",
        "image": scope.observed.cluster.images.redis,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", f"{_DIRECTORY}/config/start.sh"],
        "ports": [{"name": "redis", "containerPort": REDIS_PORT, "protocol": "TCP"}],
        "resources": pods.resources(
            str(redis.resources.requests.cpu),
            memory_request(redis),
            str(limits.cpu) if limits is not None and limits.cpu is not None else None,
            str(limits.memory) if limits is not None and limits.memory is not None else None,
        ),
        "securityContext": pods.container_security(),
        "startupProbe": pods.command_probe(*ping, periodSeconds=1, timeoutSeconds=3, failureThreshold=1800),
        "readinessProbe": pods.command_probe(*ping, periodSeconds=5, timeoutSeconds=3, failureThreshold=2),
        "livenessProbe": pods.tcp_probe("redis", periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
        "volumeMounts": [
            {"name": volumes.VOLUME, "mountPath": "/var/lib/redis"},
            {"name": "config", "mountPath": f"{_DIRECTORY}/config", "readOnly": True},
            {"name": "secret", "mountPath": f"{_DIRECTORY}/secret", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (an emptyDir)
        ],
    }
    files = [{"key": key, "path": key} for key in ("replication.conf", "users.acl")]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": pods.pod_security(REDIS_USER_ID),
        "topologySpreadConstraints": pods.spread(scope.selector),
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": scope.names.settings, "defaultMode": 0o440}},
            {"name": "secret", "secret": {"secretName": scope.names.internal, "defaultMode": 0o440, "items": files}},
            pods.scratch("tmp", "16Mi"),
        ],
    }
