"""All that a decision about a Blueprint may look at. The shell fills it; nothing here reads, connects or asks for the time.

What could not be asked (no pod is ready, a connection timed out) is absent or None, never a guess: a decision then leaves that part alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from dharma_handlers.blueprint.actions import Action
from dharma_handlers.facts import ClusterFacts
from dharma_handlers.outcome import Manifest

ObjectName: TypeAlias = tuple[str, str]
"""Kind and name of an object in the Blueprint's namespace, e.g. `("StatefulSet", "shop-db")`."""

PasswordGenerator: TypeAlias = Callable[[], str]
"""Gives a new password at each call: at least 128 bits, URL-safe characters only."""


@dataclass(frozen=True, slots=True)
class RoleObserved:
    """One role of a Postgres cluster."""

    can_login: bool
    managed: bool
    """The operator made it: its comment (`shobj_description(oid, 'pg_authid')`) is `actions.MANAGED_COMMENT`."""
    member_of: frozenset[str] = frozenset()
    verifier: str | None = field(default=None, repr=False)
    """`SCRAM-SHA-256$…` as stored, by `dharma.user_verifier(name)`; None: no password, or one that is not SCRAM."""


@dataclass(frozen=True, slots=True)
class DatabaseObserved:
    """One database of a Postgres cluster."""

    owner: str
    extensions: frozenset[str] = frozenset()
    """Installed extensions (`pg_extension`); asked only of databases that the Blueprint declares."""


@dataclass(frozen=True, slots=True)
class SettingObserved:
    """One row of `pg_settings` on the primary."""

    value: str
    """`current_setting(name)`: with its unit, as `SHOW` prints it."""
    context: str
    """`postmaster` needs a restart; `sighup`, `user`, `superuser` … a reload; `internal` cannot be set."""
    pending_restart: bool = False


@dataclass(frozen=True, slots=True)
class PostgresMember:
    """One Patroni member, from its own REST API (`GET /patroni`) and from the leader's `GET /cluster` for the lag."""

    pod: str
    role: Literal["primary", "replica", "standby_leader", "uninitialized", "unknown"]
    state: str
    """Patroni's word: `running`, `streaming`, `starting`, `creating replica`, `start failed` …"""
    timeline: int | None = None
    lag_bytes: int | None = None
    pending_restart: tuple[str, ...] = ()
    """Names of the settings that wait for a restart of this member (`pending_restart_reason`); `("*",)` when Patroni does not name them."""
    server_version: str | None = None
    """E.g. `17.11`."""


@dataclass(frozen=True, slots=True)
class PostgresObserved:
    """A Postgres component's data plane."""

    members: tuple[PostgresMember, ...] = ()
    """Those whose REST API answered."""
    answered: bool = False
    """A query as `dharma_operator` was answered by the primary (`SELECT NOT pg_is_in_recovery()` was true)."""
    error: str = ""
    """Why not, in a few words fit for people."""
    config: Mapping[str, Any] | None = None
    """Patroni's dynamic configuration (`GET /config`)."""
    roles: Mapping[str, RoleObserved] | None = None
    databases: Mapping[str, DatabaseObserved] | None = None
    settings: Mapping[str, SettingObserved] | None = None
    used_bytes: int | None = None
    """Sum of all databases' sizes and of the WAL folder, on the primary. Asked only where a volume may grow by it."""
    used_error: str = ""
    """Why it is not known, where it was asked."""


@dataclass(frozen=True, slots=True)
class PgBouncerMember:
    """One PgBouncer, from its admin console and from one query through it."""

    pod: str
    answered: bool
    """`SELECT 1` as `dharma_operator` through this pooler reached the target (the first declared database, else `postgres`)."""
    error: str = ""
    config: Mapping[str, str] | None = None
    """`SHOW CONFIG`: key → value."""
    databases: Mapping[str, Mapping[str, str]] | None = None
    """`SHOW DATABASES`: name → columns as text."""
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PgBouncerObserved:
    """A PgBouncer component's data plane."""

    members: tuple[PgBouncerMember, ...] = ()
    """Those that were asked, answered or not."""


@dataclass(frozen=True, slots=True)
class RedisMember:
    """One Redis server, asked as ACL user `dharma-operator`."""

    pod: str
    answered: bool
    """`PING` was answered and it is not loading its data (`INFO persistence: loading:0`)."""
    error: str = ""
    role: Literal["master", "slave", "unknown"] = "unknown"
    """Redis's own words (`INFO replication: role`)."""
    link_up: bool = False
    """A replica's `master_link_status:up`."""
    config: Mapping[str, str] | None = None
    """`CONFIG GET` of the keys in `redis.LIVE_SETTINGS`."""
    acl_hashes: Mapping[str, frozenset[str]] | None = None
    """ACL user → SHA-256 hex digests of its passwords (`ACL LIST`, the words that begin with `#`)."""
    version: str | None = None
    used_bytes: int | None = None
    """`used_memory`."""


@dataclass(frozen=True, slots=True)
class RedisObserved:
    """A Redis component's data plane."""

    members: tuple[RedisMember, ...] = ()


ComponentObserved: TypeAlias = PostgresObserved | PgBouncerObserved | RedisObserved


@dataclass(frozen=True, slots=True)
class ActionFailure:
    """An action that was tried in this reconcile and failed."""

    component: str
    action: str
    """`Action.describe()` of it."""
    message: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that was seen for one decision."""

    now: datetime
    cluster: ClusterFacts
    children: Mapping[ObjectName, Manifest] = field(default_factory=dict[ObjectName, Manifest])
    """All objects labelled as this Blueprint's, pods and volumes included, from the watch cache. Secrets: see `secrets`."""
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]], repr=False)
    """This Blueprint's Secrets, decoded: name → key → value."""
    patroni_config_maps: frozenset[str] | None = None
    """Names of Patroni's own ConfigMaps (label `dharma.io/blueprint`, not `app.kubernetes.io/managed-by`). None: not asked."""
    namespace_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Labels of the Blueprint's own namespace: which Tenant and project it belongs to."""
    autoscaled: frozenset[str] = frozenset()
    """Deployments whose number of replicas a HorizontalPodAutoscaler decides."""
    claimed: Mapping[ObjectName, str] = field(default_factory=dict[ObjectName, str])
    """Managed objects of this namespace that belong to another owner → that owner, e.g. `Blueprint shop-db`."""
    components: Mapping[str, ComponentObserved] = field(default_factory=dict[str, ComponentObserved])
    """By component name; absent: nothing of it could be asked yet."""
    failures: tuple[ActionFailure, ...] = ()
    """What went wrong when this reconcile's actions ran (a second decision in the same reconcile sees it)."""
    done: tuple[Action, ...] = ()
    """What this reconcile did already, oldest first."""
    earlier: tuple[Action, ...] = ()
    """What reconciles before it did since the Blueprint was last at rest: their effect may be seen only now."""
