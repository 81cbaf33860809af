"""Passwords and the Secrets that hold them.

A password in a Secret is the truth: roles and ACLs are made equal to it, never the other way round. `missing_secrets` is asked first,
and the shell creates what it returns; `secrets` then builds all Secrets of the Blueprint from the passwords that are there.
"""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dharma_crds.blueprint import Blueprint
from dharma_handlers import labels
from dharma_handlers.blueprint.actions import SecretWrite
from dharma_handlers.blueprint.connection import postgres_connection, redis_connection
from dharma_handlers.blueprint.observed import Observed, PasswordGenerator
from dharma_handlers.blueprint.patroni import secret_configuration
from dharma_handlers.blueprint.scope import Scope, scopes
from dharma_handlers.outcome import Manifest

OPERATOR_ROLE: Final = "dharma_operator"
"""Postgres role of the operator: may make roles and databases, is no superuser. Its password: key OPERATOR of the internal Secret."""
POOLER_ROLE: Final = "dharma_pooler"
"""Postgres role by which PgBouncer looks up verifiers."""
POOLER_ADMIN: Final = "dharma_admin"
"""User of PgBouncer's admin console; it exists in PgBouncer only."""
REDIS_OPERATOR: Final = "dharma-operator"
"""ACL user of the operator."""
REDIS_REPLICA: Final = "dharma-replica"
"""ACL user by which a Redis follows its primary."""
REDIS_USER: Final = "default"
"""ACL user of applications: the one that `AUTH password` means, so that clients which know no users work too."""

OPERATOR: Final = "operator-password"
STANDBY: Final = "standby-password"
REWIND: Final = "rewind-password"
POOLER: Final = "pooler-password"
PATRONI: Final = "patroni-password"
ADMIN: Final = "admin-password"
REPLICA: Final = "replica-password"

_INTERNAL: Final[Mapping[str, tuple[str, ...]]] = {
    "postgres": (OPERATOR, PATRONI, POOLER, REWIND, STANDBY),
    "pgbouncer": (ADMIN,),
    "redis": (OPERATOR, REPLICA),
}

_NOTHING: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({})

Passwords = Mapping[tuple[str, str], str]
"""(Secret, key) → password."""


def needed_passwords(blueprint: Blueprint, observed: Observed) -> tuple[tuple[str, str], ...]:
    """Name every password of the Blueprint as (Secret, key)."""
    found: list[tuple[str, str]] = []
    for scope in scopes(blueprint, observed):
        found += [(scope.names.internal, key) for key in _INTERNAL[scope.component.type]]
        found += [(scope.names.connection(user), "password") for user in users(scope)]
    return tuple(found)


def users(scope: Scope) -> tuple[str, ...]:
    """Name the users of a component that get a connection Secret."""
    if scope.component.postgres is not None:
        return tuple(role.name for role in scope.component.postgres.roles)
    return (REDIS_USER,) if scope.component.redis is not None else ()


def missing_secrets(
    blueprint: Blueprint, observed: Observed, generate_password: PasswordGenerator, remembered: Mapping[str, Mapping[str, str]] = _NOTHING
) -> tuple[SecretWrite, ...]:
    """Build the Secrets that lack a password: those that are there are kept, the rest are new.

    `remembered` is what the Secrets were seen to hold before: one that somebody deleted gets its password back, which everything that runs
    still uses. The superuser has no password, so a new one for the operator would be known to nobody inside.
    The shell writes them and asks again until nothing is missing; only then is anything decided. A Draft needs none.
    """
    if blueprint.spec.lifecycle == "Draft":
        return ()
    places = needed_passwords(blueprint, observed)
    passwords = {
        (name, key): _observed(observed, (name, key)) or remembered.get(name, {}).get(key) or generate_password() for name, key in places
    }
    lacking = {name for name, key in passwords if not _observed(observed, (name, key))}
    built = {manifest["metadata"]["name"]: manifest for manifest in _secrets(blueprint, observed, passwords)}
    return tuple(SecretWrite(built[name], exists=name in observed.secrets) for name in built if name in lacking)


def secrets(blueprint: Blueprint, observed: Observed) -> dict[str, list[Manifest]]:
    """Build all Secrets of the Blueprint, by component. Raises LookupError when a password is not there yet."""
    passwords = observed_passwords(blueprint, observed)
    built: dict[str, list[Manifest]] = {component.name: [] for component in blueprint.spec.components}
    for manifest in _secrets(blueprint, observed, passwords):
        built[manifest["metadata"]["labels"][labels.COMPONENT]].append(manifest)
    return built


def observed_passwords(blueprint: Blueprint, observed: Observed) -> Passwords:
    """Read all passwords from the observed Secrets. Raises LookupError when one is not there."""
    places = needed_passwords(blueprint, observed)
    for name, key in places:
        if not _observed(observed, (name, key)):
            raise LookupError(f"Secret {name} has no {key}")
    return {place: _observed(observed, place) for place in places}


def _observed(observed: Observed, place: tuple[str, str]) -> str:
    name, key = place
    return observed.secrets.get(name, {}).get(key, "")


def _secrets(blueprint: Blueprint, observed: Observed, passwords: Passwords) -> list[Manifest]:
    built: list[Manifest] = []
    for scope in scopes(blueprint, observed):
        built.append(_secret(scope, scope.names.internal, _internal(scope, passwords)))
        for user in users(scope):
            name = scope.names.connection(user)
            connection = postgres_connection if scope.component.postgres is not None else redis_connection
            built.append(_secret(scope, name, connection(scope, user, passwords[name, "password"]), user=user))
    return built


def _secret(scope: Scope, name: str, texts: Mapping[str, str], *, user: str | None = None) -> Manifest:
    extra = {} if user is None else {labels.USER: user}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": scope.metadata(name, holds_data=True, extra_labels=extra),
        "type": "Opaque",
        "stringData": dict(texts),
    }


def _internal(scope: Scope, passwords: Passwords) -> dict[str, str]:
    name = scope.names.internal
    texts = {key: passwords[name, key] for key in _INTERNAL[scope.component.type]}
    if scope.component.postgres is not None:
        texts["20-secret.yml"] = secret_configuration(patroni=texts[PATRONI], standby=texts[STANDBY], rewind=texts[REWIND])
    elif scope.component.pgbouncer is not None:
        target = scope.sibling(scope.component.pgbouncer.target).names.internal
        # PgBouncer must log in as this one itself, for which a verifier does not suffice. All others are looked up in Postgres.
        texts["userlist.txt"] = f'"{POOLER_ROLE}" "{passwords[target, POOLER]}"\n"{POOLER_ADMIN}" "{texts[ADMIN]}"\n'
    else:
        application = passwords[scope.names.connection(REDIS_USER), "password"]
        texts["users.acl"] = redis_acl(application=application, operator=texts[OPERATOR], replica=texts[REPLICA])
        texts["replication.conf"] = f"masteruser {REDIS_REPLICA}\nmasterauth {texts[REPLICA]}\n"
    return texts


def redis_acl(*, application: str, operator: str, replica: str) -> str:
    """Build the ACL file: passwords as SHA-256, each user with no more than it needs.

    Applications have all commands but those of administration: ACL, CONFIG, DEBUG, REPLICAOF, SHUTDOWN and the like. `dharma-probe` is for
    the kubelet, needs no password and can do nothing but PING.
    """
    managing = "+ping +info +role +config|get +config|set +acl|list +acl|load +acl|whoami +replicaof +client|setname +client|setinfo +hello"
    return (
        f"user {REDIS_USER} on {digest(application)} ~* &* +@all -@admin\n"
        f"user {REDIS_OPERATOR} on {digest(operator)} resetkeys resetchannels -@all {managing}\n"
        f"user {REDIS_REPLICA} on {digest(replica)} resetkeys resetchannels -@all +psync +replconf +ping\n"
        "user dharma-probe on nopass resetkeys resetchannels -@all +ping\n"
    )


def digest(password: str) -> str:
    """Write a password as Redis's ACL files and `ACL LIST` do: `#` and its SHA-256 in hex."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()
