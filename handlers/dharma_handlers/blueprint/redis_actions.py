"""What must be done to a running Redis: settings, users, whom it follows."""

from collections.abc import Iterator, Mapping

from dharma_crds.blueprint import Redis
from dharma_handlers import labels
from dharma_handlers.blueprint import actions
from dharma_handlers.blueprint.credentials import OPERATOR, REDIS_OPERATOR, REDIS_REPLICA, REDIS_USER, REPLICA, digest
from dharma_handlers.blueprint.names import ordinal_of
from dharma_handlers.blueprint.observed import RedisMember, RedisObserved
from dharma_handlers.blueprint.redis import live_settings, primary_host
from dharma_handlers.blueprint.refresh import refresh
from dharma_handlers.blueprint.scope import Scope


def redis_actions(scope: Scope, redis: Redis) -> tuple[actions.Action, ...]:
    """Decide all that is to be done now, in order."""
    seen = scope.observed.components.get(scope.component.name)
    if not isinstance(seen, RedisObserved) or scope.stopped:
        return ()
    primary_serves = any(ordinal_of(member.pod) == 0 and member.role == "master" for member in seen.members)
    return tuple(action for member in seen.members for action in _member_actions(scope, redis, member, primary_serves=primary_serves))


def credentials_current(scope: Scope) -> bool | None:
    """Tell whether every server knows the passwords of the Secrets; None: none could be asked."""
    seen = scope.observed.components.get(scope.component.name)
    if not isinstance(seen, RedisObserved):
        return None
    known = [member.acl_hashes for member in seen.members if member.acl_hashes is not None]
    return all(_knows(scope, hashes) for hashes in known) if known else None


def _member_actions(scope: Scope, redis: Redis, member: RedisMember, *, primary_serves: bool) -> Iterator[actions.Action]:
    component = scope.component.name
    if member.config is not None:
        config = member.config
        changed = {key: value for key, value in live_settings(redis).items() if config.get(key) != value}
        if changed:
            yield actions.SetRedisConfig(component=component, pod=member.pod, settings=changed)
    if member.acl_hashes is not None and not _knows(scope, member.acl_hashes):
        yield from refresh(scope, member.pod, scope.observed.secrets[scope.names.internal].get("users.acl", ""))
        yield actions.LoadRedisAcl(component=component, pod=member.pod)
    if ordinal_of(member.pod) == 0:
        return
    # A primary beside the one that the Service leads to gets no writes and must not answer reads. When ordinal 0 itself follows another,
    # a person has moved the role, and nothing is undone.
    if member.role == "master" and primary_serves:
        yield actions.ReplicateFrom(component=component, pod=member.pod, host=primary_host(scope))
    if member.role == "slave" and member.link_up and _label(scope, member.pod) != "replica":
        yield actions.LabelPod(component=component, pod=member.pod, labels={labels.ROLE: "replica"})


def _knows(scope: Scope, hashes: Mapping[str, frozenset[str]]) -> bool:
    internal = scope.observed.secrets[scope.names.internal]
    wanted = {
        REDIS_USER: scope.observed.secrets[scope.names.connection(REDIS_USER)]["password"],
        REDIS_OPERATOR: internal[OPERATOR],
        REDIS_REPLICA: internal[REPLICA],
    }
    return all(hashes.get(user) == frozenset({digest(password).removeprefix("#")}) for user, password in wanted.items())


def _label(scope: Scope, pod: str) -> str | None:
    live = scope.child("Pod", pod)
    found: Mapping[str, str] = (live or {}).get("metadata", {}).get("labels") or {}
    return found.get(labels.ROLE)
