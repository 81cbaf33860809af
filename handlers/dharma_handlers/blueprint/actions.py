"""What the operator is to do to running data services, beside applying objects: frozen values, no code that acts.

Every action is safe to repeat: it is decided from what the service says of itself, so after a crash the same or no action comes out.
Actions of one component run in the order given; different components may run side by side.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dharma_handlers.outcome import Manifest, Outcome

MANAGED_COMMENT = "managed by iac-dharma"
"""Comment on every role that the operator made: such a role, and no other, is locked when the spec stops naming it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(ABC):
    """Something to do to one component."""

    component: str

    @abstractmethod
    def describe(self) -> str:
        """One short line for people, events and crash points; never holds a password."""


# --- SQL on the primary, as dharma_operator -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRole(Action):
    """`CREATE ROLE … LOGIN`, its comment and its memberships, in one transaction. The password is SCRAM-hashed by the client."""

    role: str
    password: str = field(repr=False)
    member_of: tuple[str, ...] = ()

    def describe(self) -> str:
        """See Action."""
        return f"create role {self.role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRolePassword(Action):
    """`ALTER ROLE … PASSWORD`, SCRAM-hashed by the client."""

    role: str
    password: str = field(repr=False)

    def describe(self) -> str:
        """See Action."""
        return f"set the password of role {self.role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockRole(Action):
    """`ALTER ROLE … LOGIN`, and the comment that marks it as managed."""

    role: str

    def describe(self) -> str:
        """See Action."""
        return f"let role {self.role} log in"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRole(Action):
    """`ALTER ROLE … NOLOGIN`, then `pg_terminate_backend` of its sessions. Nothing is dropped: what it owns stays."""

    role: str

    def describe(self) -> str:
        """See Action."""
        return f"lock role {self.role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRole(Action):
    """`GRANT group TO role`."""

    role: str
    group: str

    def describe(self) -> str:
        """See Action."""
        return f"make role {self.role} a member of {self.group}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeRole(Action):
    """`REVOKE group FROM role`."""

    role: str
    group: str

    def describe(self) -> str:
        """See Action."""
        return f"end role {self.role}'s membership of {self.group}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDatabase(Action):
    """`CREATE DATABASE … OWNER …`. Every role may connect, as is Postgres's own default: a reporting user needs it."""

    database: str
    owner: str

    def describe(self) -> str:
        """See Action."""
        return f"create database {self.database}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDatabaseOwner(Action):
    """`ALTER DATABASE … OWNER TO …`."""

    database: str
    owner: str

    def describe(self) -> str:
        """See Action."""
        return f"make {self.owner} the owner of database {self.database}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateExtension(Action):
    """`SELECT dharma.create_extension(name)` in that database: many extensions need rights that `dharma_operator` has not."""

    database: str
    extension: str

    def describe(self) -> str:
        """See Action."""
        return f"create extension {self.extension} in database {self.database}"


# --- Patroni's REST API ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchPatroniConfig(Action):
    """`PATCH /config` on any member: a merge patch (None removes a key). Patroni reloads by itself within `loop_wait`."""

    patch: Mapping[str, Any]
    restarts: frozenset[str] = frozenset()
    """Those of its settings that take effect by a restart, which follows as an action of its own."""

    def describe(self) -> str:
        """See Action."""
        parameters: Mapping[str, Any] = self.patch.get("postgresql", {}).get("parameters", {})
        reloaded = sorted(parameters.keys() - self.restarts)
        parts = [
            f"reload {', '.join(reloaded)}" if reloaded else "",
            f"set {', '.join(sorted(self.restarts))} for the next restart" if self.restarts else "",
            "" if parameters else f"change {', '.join(sorted(self.patch))} of Patroni",
        ]
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartMember(Action):
    """`POST /restart {"restart_pending": true}` on that member; waits until it answers or 30 s are over."""

    pod: str
    settings: tuple[str, ...] = ()

    def describe(self) -> str:
        """See Action."""
        return f"restart Postgres in {self.pod} for {', '.join(self.settings) or 'pending settings'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switchover(Action):
    """`POST /switchover {"leader": …, "candidate": …}` on the leader."""

    leader: str
    candidate: str

    def describe(self) -> str:
        """See Action."""
        return f"switch over from {self.leader} to {self.candidate}"


# --- pods -----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatePod(Action):
    """Merge patch of a live pod's annotations: the kubelet then refreshes its ConfigMap and Secret volumes at once."""

    pod: str
    annotations: Mapping[str, str]

    def describe(self) -> str:
        """See Action."""
        return f"refresh the mounted configuration of {self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPod(Action):
    """Merge patch of a live pod's labels."""

    pod: str
    labels: Mapping[str, str]

    def describe(self) -> str:
        """See Action."""
        return f"label {self.pod} {', '.join(f'{key}={value}' for key, value in sorted(self.labels.items()))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteConfigMap(Action):
    """Delete one of Patroni's own ConfigMaps, which no inventory holds."""

    name: str

    def describe(self) -> str:
        """See Action."""
        return f"delete ConfigMap {self.name}"


# --- PgBouncer's admin console --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadPgBouncer(Action):
    """`RELOAD` on the admin console of that pod, as `dharma_admin`. The file may not be there yet: `SHOW CONFIG` tells, next time."""

    pod: str

    def describe(self) -> str:
        """See Action."""
        return f"reload PgBouncer in {self.pod}"


# --- Redis ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRedisConfig(Action):
    """`CONFIG SET` of all these keys in one command (all or none take effect)."""

    pod: str
    settings: Mapping[str, str]

    def describe(self) -> str:
        """See Action."""
        return f"set {', '.join(sorted(self.settings))} of Redis in {self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRedisAcl(Action):
    """`ACL LOAD` on that pod. The mounted file may not be there yet: `ACL LIST` tells, next time."""

    pod: str

    def describe(self) -> str:
        """See Action."""
        return f"load the ACL of Redis in {self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateFrom(Action):
    """`REPLICAOF host port`, or `REPLICAOF NO ONE` when host is None."""

    pod: str
    host: str | None
    port: int = 6379

    def describe(self) -> str:
        """See Action."""
        return f"make Redis in {self.pod} " + (f"a replica of {self.host}" if self.host else "a primary")


@dataclass(frozen=True, slots=True)
class SecretWrite:
    """A Secret that lacks a password, with all its keys, the password now generated."""

    manifest: Manifest = field(repr=False)
    exists: bool
    """False: `client.create` (AlreadyExists: read it, what is there is the truth). True: it is there but a key is gone: apply."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to apply and tell, and what to do."""

    outcome: Outcome
    actions: tuple[Action, ...] = ()
