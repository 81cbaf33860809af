"""A Postgres component: instances under Patroni, storage, databases, users, parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dharma_crds.base import Struct, Time
from dharma_crds.blueprint.parameters import Parameters
from dharma_crds.blueprint.storage import Storage
from dharma_crds.cel import LIST_SET, Rule, list_map, says, unit
from dharma_crds.common import LIMITS_COVER_REQUESTS, ResourceAmounts
from dharma_crds.formats import ObjectName, byte_format, cpu_format, matching
from dharma_crds.quantity import Quantity

ReplicationMode = Literal["Async", "Sync"]

RESERVED_USERS = ("postgres", "standby", "rewind", "pooler", "dharma", "public", "none", "user", "replicator")
UserName = Annotated[
    str,
    matching(
        "postgres-user",
        r"[a-z][a-z0-9]*(_[a-z0-9]+)*",
        "must be lower-case letters, digits and single underscores, at most 31, beginning with a letter; pg_… and names that the operator "
        "keeps (postgres, standby, rewind, pooler, dharma…) are taken",
        31,
        refused=RESERVED_USERS,
        also=" && !self.startsWith('pg_') && !self.startsWith('dharma_')",
        accepts=lambda text: not text.startswith(("pg_", "dharma_")),
    ),
]
DatabaseName = Annotated[
    str,
    matching(
        "postgres-database",
        r"[a-z][a-z0-9_-]*",
        "must be lower-case letters, digits, underscores and hyphens, at most 63, beginning with a letter, and not postgres or a template",
        63,
        refused=("postgres", "template0", "template1"),
    ),
]
ExtensionName = Annotated[
    str,
    matching("extension", r"[a-z][a-z0-9_-]*", "must be the name of an extension, such as pgcrypto or pg_trgm", 63),
]
RoleName = Annotated[
    str,
    matching(
        "member-of",
        r"[a-z][a-z0-9_]*",
        "must be a role such as pg_read_all_data or another user; roles that reach the server's files or run programs are not given",
        63,
        refused=("postgres", "pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "pg_database_owner"),
    ),
]


class Replication(Struct):
    """How replicas follow the primary."""

    mode: ReplicationMode = Field(
        default="Async",
        description="Async: a commit does not wait for replicas, and a failover may lose the last moments. "
        "Sync: a commit waits until minSync replicas have it, none is lost, and writes stop while fewer are there.",
    )
    min_sync: Annotated[int, unit("replicas")] = Field(
        default=1, ge=1, le=8, description="How many replicas must have a commit before it counts, in mode Sync."
    )


class PostgresRequests(Struct):
    """What the scheduler sets aside for each instance; Postgres parameters are derived from it."""

    cpu: Annotated[Quantity, cpu_format("10m")] = Field(
        default=Quantity("250m"), description="Processor share. Worker counts are derived from it."
    )
    memory: Annotated[Quantity, byte_format("128Mi")] = Field(
        default=Quantity("512Mi"), description="Memory. shared_buffers, effective_cache_size and work_mem are derived from it."
    )


class PostgresResources(Struct):
    """CPU and memory of each instance."""

    cel_rules = LIMITS_COVER_REQUESTS
    requests: PostgresRequests = Field(default=PostgresRequests(), description="What the scheduler sets aside for each instance.")
    limits: ResourceAmounts | None = Field(
        default=None,
        description="What an instance may use at most; over its memory it is killed. Default: memory as requested, CPU without limit.",
    )


class Database(Struct):
    """A database that the component holds."""

    name: DatabaseName = Field(description="Name of the database. Removing the entry keeps the database.")
    owner: UserName = Field(description="User that owns it. It is created if users does not list it, and has a Secret to connect with.")
    extensions: Annotated[tuple[ExtensionName, ...], LIST_SET] = Field(
        default=(), max_length=32, description="Extensions to create in it. Removing an entry keeps the extension."
    )


class User(Struct):
    """A user that may log in."""

    cel_rules = (
        Rule(
            "member-of-itself",
            "!has(self.memberOf) || !(self.name in self.memberOf)",
            "memberOf names the user itself; remove that entry",
            message_expression=says("memberOf of user %s names the user itself; remove that entry", "self.name"),
            field_path=".memberOf",
        ),
    )
    name: UserName = Field(description="Name of the user. Its password is generated and kept in the Secret <blueprint>-<component>-<user>.")
    member_of: Annotated[tuple[RoleName, ...], LIST_SET] = Field(
        default=(),
        max_length=8,
        description="Roles whose rights it has, such as pg_read_all_data. Removing an entry takes the rights away.",
    )


class RestoreFrom(Struct):
    """The backup that a new component begins with."""

    backup: ObjectName = Field(description="Name of the Backup (dhk) in the same namespace.")
    time: Time | None = Field(default=None, description="The moment to restore, within what the Backup can recover. Default: its newest.")


_KNOWN_ROLE = "r.startsWith('pg_') || self.users.exists(o, o.name == r) || self.databases.exists(d, d.owner == r)"
_STRANGERS = f"(has(self.users) ? self.users.filter(u, has(u.memberOf) && u.memberOf.exists(r, !({_KNOWN_ROLE}))) : [])"


class Postgres(Struct):
    """Postgres under Patroni: one primary, the rest streaming replicas, failover without the operator."""

    cel_rules = (
        Rule(
            "sync-needs-replicas",
            "self.replication.mode != 'Sync' || self.replication.minSync < self.instances",
            "postgres.replication.mode Sync needs more instances than minSync, as the primary is one; raise instances or lower minSync",
            message_expression=says(
                "replication.mode Sync with minSync %s needs at least %s instances and there are %s; raise instances or lower minSync",
                "self.replication.minSync",
                "self.replication.minSync + 1",
                "self.instances",
            ),
            field_path=".instances",
        ),
        Rule(
            "member-of-exists",
            f"{_STRANGERS}.size() == 0",
            "memberOf names a role that is neither predefined (pg_…) nor a user of this component; correct the name or add the user",
            message_expression=says(
                "memberOf of user %s names a role that is neither predefined (pg_…) nor a user of this component; "
                "correct the name or add the user",
                f"{_STRANGERS}[0].name",
            ),
            field_path=".users",
        ),
        Rule(
            "restore-only-at-birth",
            "!has(self.restoreFrom) || (has(oldSelf.restoreFrom) && self.restoreFrom == oldSelf.restoreFrom)",
            "postgres.restoreFrom works only when the component is first made; remove it, and restore into a new component",
            reason="FieldValueForbidden",
            field_path=".restoreFrom",
        ),
    )
    version: Literal["17"] = Field(default="17", description="Major version of Postgres. Minor versions come with the operator's image.")
    instances: Annotated[int, unit("pods")] = Field(
        default=1,
        ge=1,
        le=9,
        description="One primary, the rest streaming replicas. With 1 there is no failover: a lost node means waiting for it.",
    )
    replication: Replication = Field(default=Replication(), description="How replicas follow the primary.")
    resources: PostgresResources = Field(
        default=PostgresResources(), description="CPU and memory of each instance; parameters are derived from them."
    )
    storage: Storage = Field(description="The volume of each instance.")
    databases: Annotated[tuple[Database, ...], list_map("name")] = Field(
        default=(Database(name="app", owner="app"),),
        max_length=32,
        description="Databases to create. Removing an entry keeps the database.",
    )
    users: Annotated[tuple[User, ...], list_map("name")] = Field(
        default=(), max_length=32, description="Users beside the owners of databases. Removing an entry keeps the user and stops its login."
    )
    parameters: Parameters = Field(
        default={},
        description="Settings of postgresql.conf by name, such as work_mem: 16MB; they win over the derived ones. "
        "Fractions, on and off stand in quotes. Those that need a restart are applied by a rolling one; those that Patroni "
        "or the operator sets are refused.",
    )
    restore_from: RestoreFrom | None = Field(
        default=None, description="Begin with the data of a backup; only when the component is first made. Default: begin empty."
    )

    @property
    def roles(self) -> tuple[User, ...]:
        """All users that may log in: those listed, then owners of databases that are not listed."""
        listed = {user.name for user in self.users}
        owners = dict.fromkeys(database.owner for database in self.databases if database.owner not in listed)
        return (*self.users, *(User(name=owner) for owner in owners))
