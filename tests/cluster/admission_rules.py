"""One accepted and one refused object for each rule that looks at more than one field."""

from dataclasses import dataclass, field

from tests.unit.crds.documents import REMOVED, Changes


@dataclass(frozen=True)
class RuleCase:
    """`accepted` and `refused` change the sample; with `update` they change it after it was stored (with `before`'s changes).

    `field` is where the API server must point, `sentence` all that it must say.
    """

    kind: str
    path: str
    rule: str
    refused: Changes
    field: str
    sentence: str
    accepted: Changes = field(default_factory=dict)
    update: bool = False
    before: Changes = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.path} {self.rule}".replace("[]", "")


def limit_cases(kind: str, path: str, place: str, cpu: tuple[str, str], memory: tuple[str, str]) -> tuple[RuleCase, ...]:
    """Limits below requests; `cpu` and `memory` are a limit that is too low and one that equals the request."""
    return tuple(
        RuleCase(
            kind,
            path,
            f"{resource}-limit-covers-request",
            {f"{place}.limits.{resource}": low},
            place,
            f"limits.{resource} must not be less than requests.{resource}; raise the limit or lower the request",
            {f"{place}.limits.{resource}": equal},
        )
        for resource, (low, equal) in (("cpu", cpu), ("memory", memory))
    )


def storage_cases(kind: str, path: str, place: str, size: str) -> tuple[RuleCase, ...]:
    """What a volume cannot do. `size` is what the sample has."""
    return (
        RuleCase(
            kind,
            path,
            "storage-shrink",
            {f"{place}.size": "4Gi"},
            f"{place}.size",
            f"size cannot shrink from {size} to 4Gi, as a volume only grows; set it back, or make a new one and move the data",
            {f"{place}.size": "200Gi", f"{place}.grow": REMOVED} if path.startswith("spec.components") else {f"{place}.size": "200Gi"},
            update=True,
        ),
        RuleCase(
            kind,
            path,
            "storage-class-immutable",
            {f"{place}.storageClassName": REMOVED},
            f"{place}.storageClassName",
            "storageClassName cannot change once the volume exists; set it back, or make a new one and move the data",
            {"spec.deletionPolicy": "Retain"},
            update=True,
        ),
        RuleCase(
            kind,
            path,
            "storage-class-immutable",
            {f"{place}.storageClassName": "fast"},
            f"{place}.storageClassName",
            "storageClassName cannot change once the volume exists; set it back, or make a new one and move the data",
            {"spec.deletionPolicy": "Retain"},
            update=True,
        ),
        RuleCase(
            kind,
            path,
            "storage-class-immutable",
            {f"{place}.storageClassName": "fast"},
            f"{place}.storageClassName",
            "storageClassName cannot change once the volume exists; set it back, or make a new one and move the data",
            {"spec.deletionPolicy": "Retain"},
            update=True,
            before={f"{place}.storageClassName": REMOVED},
        ),
    )


def _grow_case(path: str, place: str) -> RuleCase:
    return RuleCase(
        "Blueprint",
        path,
        "storage-grow-max",
        {f"{place}.grow.max": "9Gi"},
        f"{place}.grow.max",
        "storage.grow.max must not be less than storage.size; raise it or remove grow",
        {f"{place}.grow.max": "50Gi"},
    )


DB, POOL, CACHE = (f"spec.components[{index}]" for index in range(3))
BLUEPRINT = (
    RuleCase(
        "Blueprint",
        "",
        "names-fit",
        {"metadata.name": "a" * 44},
        "spec.components",
        f"the names {'a' * 44} and db together are longer than 45 characters, more than fits into names of pods; shorten one",
        {"metadata.name": "a" * 40},
    ),
    RuleCase(
        "Blueprint",
        "",
        "name-no-dots",
        {"metadata.name": "a.b"},
        "",
        "the name of a Blueprint must be lower-case letters, digits and hyphens, beginning with a letter, as Services are named after it",
        {"metadata.name": "a-b"},
    ),
    RuleCase(
        "Blueprint",
        "spec",
        "unknown-dependency",
        {f"{CACHE}.dependsOn": ["db", "nothing"]},
        "spec.components",
        "dependsOn of component cache names a component that this Blueprint does not have; correct the name or add the component",
        {f"{CACHE}.dependsOn": ["db", "pool"]},
    ),
    RuleCase(
        "Blueprint",
        "spec",
        "pooler-target",
        {f"{POOL}.pgbouncer.target": "cache"},
        "spec.components",
        "pgbouncer.target of component pool is cache, which is no postgres component of this Blueprint; "
        "correct the name or add the component",
        {f"{POOL}.pgbouncer.target": "db"},
    ),
    RuleCase(
        "Blueprint",
        "spec",
        "max-connections-number",
        {f"{DB}.postgres.parameters.max_connections": "12%"},
        "spec.components",
        "parameters.max_connections of component db must be a whole number such as 200",
        {f"{DB}.postgres.parameters.max_connections": "1000"},
    ),
    RuleCase(
        "Blueprint",
        "spec",
        "connection-budget",
        {f"{DB}.postgres.parameters.max_connections": 204},
        "spec.components",
        'parameters.max_connections 204 of component db is too small for its poolers ["2 x 100 (pool)"] and 5 reserved, which need 205; '
        "raise it to 205 or lower replicas or maxServerConnections",
        {f"{DB}.postgres.parameters.max_connections": 205},
    ),
    RuleCase(
        "Blueprint",
        "spec.components[]",
        "component-one-member",
        {f"{CACHE}.redis": REMOVED},
        CACHE,
        "component cache must hold exactly one of postgres, pgbouncer and redis, and holds 0",
    ),
    RuleCase(
        "Blueprint",
        "spec.components[]",
        "component-one-member",
        {f"{POOL}.redis": {}},
        POOL,
        "component pool must hold exactly one of postgres, pgbouncer and redis, and holds 2",
    ),
    RuleCase(
        "Blueprint",
        "spec.components[]",
        "component-type-immutable",
        {f"{CACHE}.redis": REMOVED, f"{CACHE}.postgres": {"storage": {"size": "10Gi"}}},
        CACHE,
        "component cache cannot change its type; give the new one another name",
        {CACHE: {"name": "store", "postgres": {"storage": {"size": "10Gi"}}}},
        update=True,
    ),
    RuleCase(
        "Blueprint",
        "spec.components[]",
        "depends-on-itself",
        {f"{CACHE}.dependsOn": ["db", "cache"]},
        f"{CACHE}.dependsOn",
        "dependsOn of component cache names the component itself; remove that entry",
        {f"{CACHE}.dependsOn": []},
    ),
    RuleCase(
        "Blueprint",
        "spec.components[].postgres",
        "sync-needs-replicas",
        {f"{DB}.postgres.instances": 1},
        f"{DB}.postgres.instances",
        "replication.mode Sync with minSync 1 needs at least 2 instances and there are 1; raise instances or lower minSync",
        {f"{DB}.postgres.instances": 2},
    ),
    RuleCase(
        "Blueprint",
        "spec.components[].postgres.users[]",
        "member-of-itself",
        {f"{DB}.postgres.users[1].memberOf": ["report"]},
        f"{DB}.postgres.users[1].memberOf",
        "memberOf of user report names the user itself; remove that entry",
        {f"{DB}.postgres.users[1].memberOf": ["auditor"]},
    ),
    RuleCase(
        "Blueprint",
        "spec.components[].postgres",
        "member-of-exists",
        {f"{DB}.postgres.users[1].memberOf": ["pg_monitor", "sales"]},
        f"{DB}.postgres.users",
        "memberOf of user report names a role that is neither predefined (pg_…) nor a user of this component; "
        "correct the name or add the user",
        {f"{DB}.postgres.users[1].memberOf": ["pg_monitor", "shop", "auditor"]},
    ),
    RuleCase(
        "Blueprint",
        "spec.components[].postgres",
        "restore-only-at-birth",
        {f"{DB}.postgres.restoreFrom.backup": "weekly"},
        f"{DB}.postgres.restoreFrom",
        "postgres.restoreFrom works only when the component is first made; remove it, and restore into a new component",
        {f"{DB}.postgres.restoreFrom": REMOVED},
        update=True,
    ),
    RuleCase(
        "Blueprint",
        "spec.components[].postgres",
        "restore-only-at-birth",
        {f"{DB}.postgres.restoreFrom": {"backup": "nightly"}},
        f"{DB}.postgres.restoreFrom",
        "postgres.restoreFrom works only when the component is first made; remove it, and restore into a new component",
        {f"{DB}.postgres.restoreFrom": REMOVED, "spec.components[3]": {"name": "new", "postgres": {"storage": {"size": "1Gi"}}}},
        update=True,
        before={f"{DB}.postgres.restoreFrom": {"backup": "nightly", "time": "2026-11-20T08:00:00Z"}},
    ),
    *limit_cases("Blueprint", "spec.components[].postgres.resources", f"{DB}.postgres.resources", ("499m", "0.5"), ("1023Mi", "1024Mi")),
    *storage_cases("Blueprint", "spec.components[].postgres.storage", f"{DB}.postgres.storage", "50Gi"),
    _grow_case("spec.components[].postgres.storage", f"{DB}.postgres.storage"),
    RuleCase(
        "Blueprint",
        "spec.components[].pgbouncer",
        "pool-fits-server-connections",
        {f"{POOL}.pgbouncer.poolSize": 101},
        f"{POOL}.pgbouncer.poolSize",
        "poolSize 101 is more than maxServerConnections 100; lower it or raise maxServerConnections",
        {f"{POOL}.pgbouncer.poolSize": 100},
    ),
    *limit_cases("Blueprint", "spec.components[].pgbouncer.resources", f"{POOL}.pgbouncer.resources", ("49m", "50m"), ("63Mi", "64Mi")),
    RuleCase(
        "Blueprint",
        "spec.components[].redis",
        "redis-memory-requests",
        {f"{CACHE}.redis.resources.requests.memory": "512Mi"},
        f"{CACHE}.redis.resources.requests.memory",
        "resources.requests.memory 512Mi must be more than maxMemory 512Mi, as Redis needs room beside its data; "
        "raise it or lower maxMemory",
        {f"{CACHE}.redis.resources.requests.memory": "513Mi"},
    ),
    RuleCase(
        "Blueprint",
        "spec.components[].redis",
        "redis-memory-limits",
        {f"{CACHE}.redis.resources": {"limits": {"memory": "400Mi"}}},
        f"{CACHE}.redis.resources.limits.memory",
        "resources.limits.memory 400Mi must be more than maxMemory 512Mi, as Redis needs room beside its data; raise it or lower maxMemory",
        {f"{CACHE}.redis.resources": {"limits": {"memory": "600Mi"}}},
    ),
    RuleCase(
        "Blueprint",
        "spec.components[].redis",
        "redis-storage-room",
        {f"{CACHE}.redis.storage.size": "1023Mi"},
        f"{CACHE}.redis.storage.size",
        "storage.size 1023Mi must be at least twice maxMemory 512Mi, for the file being rewritten; raise it, or set persistence: None",
        {f"{CACHE}.redis.storage.size": "1Gi"},
    ),
    RuleCase(
        "Blueprint",
        "spec.components[].redis",
        "redis-storage-room",
        {f"{CACHE}.redis.storage.size": "100Mi"},
        f"{CACHE}.redis.storage.size",
        "storage.size 100Mi must be at least twice maxMemory 512Mi, for the file being rewritten; raise it, or set persistence: None",
        {f"{CACHE}.redis.storage.size": "100Mi", f"{CACHE}.redis.persistence": "None"},
    ),
    *storage_cases("Blueprint", "spec.components[].redis.storage", f"{CACHE}.redis.storage", "10Gi"),
    _grow_case("spec.components[].redis.storage", f"{CACHE}.redis.storage"),
    *limit_cases("Blueprint", "spec.components[].redis.resources", f"{CACHE}.redis.resources", ("99m", "0.1"), ("1000Mi", "1Gi")),
    RuleCase(
        "Blueprint",
        "spec.access.from[]",
        "peer-says-who",
        {"spec.access.from[0]": {}},
        "spec.access.from[0]",
        "an entry of access.from is empty and would admit nobody; set project, namespace or podSelector",
        {"spec.access.from[0]": {"podSelector": {"matchLabels": {"app": "x"}}}},
    ),
    RuleCase(
        "Blueprint",
        "spec.access.from[]",
        "peer-one-place",
        {"spec.access.from[0].namespace": "batch"},
        "spec.access.from[0]",
        "an entry of access.from names both project and namespace; keep one of them, or make two entries",
        {"spec.access.from[0]": {"namespace": "batch"}},
    ),
    RuleCase(
        "Blueprint",
        "spec.rotation",
        "rotation-overlap",
        {"spec.rotation.overlap": "720h"},
        "spec.rotation.overlap",
        "rotation.overlap must be shorter than rotation.every; lower it",
        {"spec.rotation.overlap": "719h"},
    ),
)
