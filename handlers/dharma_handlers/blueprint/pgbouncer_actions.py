"""What must be done to a running PgBouncer: let it read its new configuration."""

from collections.abc import Iterator

from dharma_crds.blueprint import PgBouncer
from dharma_handlers.blueprint.actions import Action, ReloadPgBouncer
from dharma_handlers.blueprint.observed import PgBouncerMember, PgBouncerObserved
from dharma_handlers.blueprint.pgbouncer import configuration_file, runs_wanted
from dharma_handlers.blueprint.refresh import refresh
from dharma_handlers.blueprint.scope import Scope


def pgbouncer_actions(scope: Scope, pgbouncer: PgBouncer) -> tuple[Action, ...]:
    """Decide all that is to be done now, in order."""
    seen = scope.observed.components.get(scope.component.name)
    if not isinstance(seen, PgBouncerObserved) or scope.stopped:
        return ()
    content = configuration_file(scope, pgbouncer)
    live = scope.child("ConfigMap", scope.names.settings)
    if live is None or live.get("data", {}).get("pgbouncer.ini") != content:
        return ()  # it is applied first; nothing new could be fetched yet
    return tuple(action for member in seen.members if is_stale(scope, pgbouncer, member) for action in _reload(scope, member, content))


def is_stale(scope: Scope, pgbouncer: PgBouncer, member: PgBouncerMember) -> bool:
    """Tell whether a pod runs another configuration than the wanted one."""
    if member.config is None or member.databases is None:
        return False
    return not runs_wanted(scope, pgbouncer, member.config, member.databases)


def _reload(scope: Scope, member: PgBouncerMember, content: str) -> Iterator[Action]:
    yield from refresh(scope, member.pod, content)
    yield ReloadPgBouncer(component=scope.component.name, pod=member.pod)
