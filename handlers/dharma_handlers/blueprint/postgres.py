"""A Postgres component's objects."""

from dharma_crds.blueprint import Postgres
from dharma_handlers import labels, pods
from dharma_handlers.blueprint import patroni, rbac, services, volumes
from dharma_handlers.blueprint.credentials import OPERATOR, POOLER, REWIND, STANDBY
from dharma_handlers.blueprint.names import PATRONI_PORT, POSTGRES_PORT, POSTGRES_USER_ID, ordinal_of
from dharma_handlers.blueprint.observed import PostgresObserved
from dharma_handlers.blueprint.parameters import MIB
from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Manifest, Mode, Wanted

_CHECKPOINT = (
    "timeout 30 psql --no-psqlrc --quiet --host=/run/postgresql --username=postgres --dbname=postgres --command=CHECKPOINT || true"
)


def objects(scope: Scope, postgres: Postgres) -> list[Wanted]:
    """Build everything but the Secrets."""
    seen = scope.observed.components.get(scope.component.name)
    used = seen.used_bytes if isinstance(seen, PostgresObserved) else None
    count = instances(scope, postgres)
    built = [
        *rbac.patroni_access(scope),
        patroni.settings_config_map(scope),
        *_services(scope),
        services.disruption_budget(scope),
        *volumes.claims(scope, postgres.storage, max(postgres.instances, count), used),
        _stateful_set(scope, postgres, count),
    ]
    return [*(Wanted(manifest) for manifest in built), *_store(scope, postgres)]


def instances(scope: Scope, postgres: Postgres) -> int:
    """Decide how many pods there are: what the spec says, but none that goes away may be the primary.

    Until leadership has moved to one that stays, and as long as nobody knows the primary, the number stays as it is.
    """
    if scope.stopped:
        return 0
    live = live_replicas(scope)
    if live <= postgres.instances:
        return postgres.instances
    primary = primary_of(scope)
    return postgres.instances if primary is not None and ordinal_of(primary) < postgres.instances else live


def live_replicas(scope: Scope) -> int:
    """Read how many pods the workload has been told to run; 0 when there is no workload."""
    live = scope.child("StatefulSet", scope.names.base)
    return 0 if live is None else int(live["spec"].get("replicas", 1))


def primary_of(scope: Scope) -> str | None:
    """Name the pod of the primary, when the data plane could be asked."""
    seen = scope.observed.components.get(scope.component.name)
    if not isinstance(seen, PostgresObserved):
        return None
    return next((member.pod for member in seen.members if member.role == "primary" and member.state == "running"), None)


def _store(scope: Scope, postgres: Postgres) -> list[Wanted]:
    """Patroni's own ConfigMaps, while they are missing; from then on they are Patroni's."""
    there = scope.observed.patroni_config_maps
    if there is None:
        return []
    missing = (manifest for manifest in patroni.store_config_maps(scope, postgres) if manifest["metadata"]["name"] not in there)
    return [Wanted(manifest, Mode.CREATE_ONLY) for manifest in missing]


def _services(scope: Scope) -> list[Manifest]:
    return [
        services.service(scope, scope.names.read_write, "postgres", POSTGRES_PORT, also={labels.ROLE: "primary"}),
        services.service(scope, scope.names.read_only, "postgres", POSTGRES_PORT, also={labels.ROLE: "replica"}),
        services.service(scope, scope.names.any_member, "postgres", POSTGRES_PORT),
    ]


def _stateful_set(scope: Scope, postgres: Postgres, count: int) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": scope.metadata(scope.names.base),
        "spec": {
            "replicas": count,
            "serviceName": scope.names.any_member,
            # Replicas need not wait for each other: Patroni orders what must be ordered.
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": dict(scope.selector)},
            "template": {"metadata": {"labels": dict(scope.labels), **_made_anew(scope)}, "spec": _pod(scope, postgres)},
            "volumeClaimTemplates": volumes.templates(scope, postgres.storage),
        },
    }


def _made_anew(scope: Scope) -> Manifest:
    """Name the ServiceAccount in the pod template when it is younger than the workload.

    Somebody deleted it, and the pods' tokens went with it: the API server refuses them, Patroni has no leader lock, and the kubelet fetches
    no new token for an hour. A changed template means new pods, one after the other.
    """
    account, workload = scope.child("ServiceAccount", scope.names.base), scope.child("StatefulSet", scope.names.base)
    if account is None or workload is None:
        return {}
    made, started = account["metadata"].get("creationTimestamp", ""), workload["metadata"].get("creationTimestamp", "")
    return {"annotations": {labels.SERVICE_ACCOUNT: account["metadata"]["uid"]}} if made > started else {}


def _pod(scope: Scope, postgres: Postgres) -> Manifest:
    return {
        "serviceAccountName": scope.names.base,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        # A primary stops with a checkpoint, and hands over the rest of its WAL before it gives up the leader's lock.
        "terminationGracePeriodSeconds": 180,
        "securityContext": pods.pod_security(POSTGRES_USER_ID),
        "topologySpreadConstraints": pods.spread(scope.selector),
        "containers": [_container(scope, postgres)],
        "volumes": _volumes(scope, postgres),
    }


def _container(scope: Scope, postgres: Postgres) -> Manifest:
    asked, limits = postgres.resources.requests, postgres.resources.limits
    address = "$(PATRONI_KUBERNETES_POD_IP)"
    return {
        "name": "postgres",
        "image": scope.observed.cluster.images.postgres,
        "imagePullPolicy": "IfNotPresent",
        "args": [patroni.CONFIG_DIRECTORY],
        "env": [
            pods.env_of_field("PATRONI_NAME", "metadata.name"),
            pods.env_of_field("PATRONI_KUBERNETES_POD_IP", "status.podIP"),
            {"name": "PATRONI_POSTGRESQL_CONNECT_ADDRESS", "value": f"{address}:{POSTGRES_PORT}"},
            {"name": "PATRONI_RESTAPI_CONNECT_ADDRESS", "value": f"{address}:{PATRONI_PORT}"},
        ],
        "ports": [
            {"name": "postgres", "containerPort": POSTGRES_PORT, "protocol": "TCP"},
            {"name": "patroni", "containerPort": PATRONI_PORT, "protocol": "TCP"},
        ],
        "resources": pods.resources(
            str(asked.cpu),
            str(asked.memory),
            str(limits.cpu) if limits is not None and limits.cpu is not None else None,
            str(limits.memory) if limits is not None and limits.memory is not None else None,
        ),
        "securityContext": pods.container_security(),
        # Patroni answers as soon as it runs; making the first data folder or copying a large one takes as long as it takes.
        "startupProbe": pods.http_probe("/liveness", "patroni", periodSeconds=1, timeoutSeconds=2, failureThreshold=120),
        "livenessProbe": pods.http_probe("/liveness", "patroni", periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
        "readinessProbe": pods.http_probe("/readiness", "patroni", periodSeconds=1, timeoutSeconds=2, failureThreshold=3),
        # Most of the last checkpoint's work is done while the primary still serves, which shortens the hand-over.
        "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", _CHECKPOINT]}}},
        "volumeMounts": [
            {"name": volumes.VOLUME, "mountPath": "/var/lib/postgresql"},
            {"name": "config", "mountPath": patroni.CONFIG_DIRECTORY, "readOnly": True},
            {"name": "secret", "mountPath": patroni.SECRET_DIRECTORY, "readOnly": True},
            {"name": "run", "mountPath": patroni.SOCKET_DIRECTORY},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (an emptyDir)
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 (an emptyDir in memory)
        ],
    }


def _volumes(scope: Scope, postgres: Postgres) -> list[Manifest]:
    names = scope.names
    # Parallel queries share memory through /dev/shm, for which a container has 64 MiB unless told otherwise. It counts as the pod's memory.
    shared = max(postgres.resources.requests.memory.bytes // 4 // MIB, 64)
    config = [
        {"configMap": {"name": names.settings}},
        {"secret": {"name": names.internal, "items": [{"key": "20-secret.yml", "path": "20-secret.yml"}]}},
    ]
    passwords = [{"key": key, "path": key} for key in (OPERATOR, POOLER, REWIND, STANDBY)]
    return [
        {"name": "config", "projected": {"defaultMode": 0o440, "sources": config}},
        {"name": "secret", "secret": {"secretName": names.internal, "defaultMode": 0o440, "items": passwords}},
        pods.scratch("run", "16Mi"),
        pods.scratch("tmp", "256Mi"),
        pods.scratch("shm", f"{shared}Mi", in_memory=True),
    ]
