"""What must be done to a running Postgres: decided from what it says of itself, never from what changed in the spec."""

from collections.abc import Iterable, Iterator

from dharma_crds.blueprint import Postgres
from dharma_handlers.blueprint import actions, scram
from dharma_handlers.blueprint.graph import GIVEN_GROUPS
from dharma_handlers.blueprint.names import ordinal_of
from dharma_handlers.blueprint.observed import PostgresMember, PostgresObserved, RoleObserved
from dharma_handlers.blueprint.parameters import effect
from dharma_handlers.blueprint.patroni import configuration_patch, dynamic_configuration
from dharma_handlers.blueprint.postgres import live_replicas, primary_of
from dharma_handlers.blueprint.scope import Scope

BLOCKING = (actions.CreateRole, actions.SetRolePassword, actions.UnlockRole, actions.CreateDatabase, actions.CreateExtension)
"""Until these are done an application cannot use what it asked for, and the component is not ready."""


def postgres_actions(scope: Scope, postgres: Postgres) -> tuple[actions.Action, ...]:
    """Decide all that is to be done now, in order; a restart comes alone, when nothing else is left."""
    seen = scope.observed.components.get(scope.component.name)
    if not isinstance(seen, PostgresObserved) or scope.stopped:
        return ()
    return (
        *_configuration(scope, postgres, seen),
        *_roles(scope, postgres, seen),
        *_databases(scope, postgres, seen),
    ) or (*_hand_over(scope, postgres, seen), *_restart(scope, postgres, seen))[:1]


def credentials_current(scope: Scope, pending: Iterable[actions.Action]) -> bool | None:
    """Tell whether every user's password in its Secret is the one that Postgres accepts; None: it could not be asked."""
    seen = scope.observed.components.get(scope.component.name)
    if not isinstance(seen, PostgresObserved) or seen.roles is None:
        return None
    return not any(isinstance(action, actions.CreateRole | actions.SetRolePassword) for action in pending)


def waits_for_window(scope: Scope) -> bool:
    """Tell whether a restart must wait: windows are given, and the operator does not know how to keep them yet."""
    return bool(scope.blueprint.spec.maintenance_windows)


def _configuration(scope: Scope, postgres: Postgres, seen: PostgresObserved) -> Iterator[actions.Action]:
    if seen.config is not None:
        patch = configuration_patch(dynamic_configuration(scope, postgres), seen.config)
        if patch:
            names = patch.get("postgresql", {}).get("parameters", {})
            restarts = frozenset(name for name in names if effect(name, seen.settings) == "RollingRestart")
            yield actions.PatchPatroniConfig(component=scope.component.name, patch=patch, restarts=restarts)


def _roles(scope: Scope, postgres: Postgres, seen: PostgresObserved) -> Iterator[actions.Action]:
    if seen.roles is None:
        return
    component = scope.component.name
    wanted = {role.name: frozenset(role.member_of) for role in postgres.roles}
    for name, groups in wanted.items():
        live = seen.roles.get(name)
        if live is None:
            predefined = tuple(sorted(groups & GIVEN_GROUPS))
            yield actions.CreateRole(component=component, role=name, password=_password(scope, name), member_of=predefined)
        else:
            yield from _login(scope, name, live)
    # All roles are there by now: some may be members of others.
    for name, groups in wanted.items():
        live = seen.roles.get(name)
        held = live.member_of if live is not None else groups & GIVEN_GROUPS
        yield from (actions.GrantRole(component=component, role=name, group=group) for group in sorted(groups - held))
        # Memberships in roles that the users made themselves are theirs.
        lost = sorted((held - groups) & (GIVEN_GROUPS | wanted.keys()))
        yield from (actions.RevokeRole(component=component, role=name, group=group) for group in lost)
    for name, live in sorted(seen.roles.items()):
        if name not in wanted and live.managed and live.can_login:
            yield actions.LockRole(component=component, role=name)


def _login(scope: Scope, name: str, live: RoleObserved) -> Iterator[actions.Action]:
    if not (live.can_login and live.managed):
        yield actions.UnlockRole(component=scope.component.name, role=name)
    if not scram.matches(live.verifier, _password(scope, name)):
        yield actions.SetRolePassword(component=scope.component.name, role=name, password=_password(scope, name))


def _databases(scope: Scope, postgres: Postgres, seen: PostgresObserved) -> Iterator[actions.Action]:
    if seen.databases is None:
        return
    component = scope.component.name
    for database in postgres.databases:
        live = seen.databases.get(database.name)
        if live is None:
            yield actions.CreateDatabase(component=component, database=database.name, owner=database.owner)
        elif live.owner != database.owner:
            yield actions.SetDatabaseOwner(component=component, database=database.name, owner=database.owner)
        for extension in database.extensions:
            if live is None or extension not in live.extensions:
                yield actions.CreateExtension(component=component, database=database.name, extension=extension)


def _hand_over(scope: Scope, postgres: Postgres, seen: PostgresObserved) -> Iterator[actions.Action]:
    """Move leadership to a pod that stays before the one that has it goes away."""
    primary = primary_of(scope)
    if primary is None or ordinal_of(primary) < postgres.instances or live_replicas(scope) <= postgres.instances:
        return
    staying = [member for member in seen.members if _follows(member) and 0 <= ordinal_of(member.pod) < postgres.instances]
    if staying:
        nearest = min(staying, key=lambda member: (member.lag_bytes or 0, ordinal_of(member.pod)))
        yield actions.Switchover(component=scope.component.name, leader=primary, candidate=nearest.pod)


def _restart(scope: Scope, postgres: Postgres, seen: PostgresObserved) -> Iterator[actions.Action]:
    """Restart for settings that need it: one member, replicas first, and only while all members are well."""
    if waits_for_window(scope) or len(seen.members) < postgres.instances or not all(_serves(member) for member in seen.members):
        return
    for member in restart_order(seen.members):
        yield actions.RestartMember(component=scope.component.name, pod=member.pod, settings=member.pending_restart)


def restart_order(members: Iterable[PostgresMember]) -> list[PostgresMember]:
    """Members that wait for a restart, the primary last: a replica must not allow fewer connections than the primary."""
    waiting = (member for member in members if member.pending_restart)
    return sorted(waiting, key=lambda member: (member.role == "primary", member.pod))


def _follows(member: PostgresMember) -> bool:
    return member.role == "replica" and member.state in {"running", "streaming"}


def _serves(member: PostgresMember) -> bool:
    return _follows(member) or (member.role == "primary" and member.state == "running")


def _password(scope: Scope, user: str) -> str:
    return scope.observed.secrets[scope.names.connection(user)]["password"]
