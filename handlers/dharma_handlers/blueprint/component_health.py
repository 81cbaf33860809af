"""Health of each type of component, from its pods and from what it answered."""

from dharma_crds.blueprint import PgBouncer, Postgres, Redis
from dharma_handlers.blueprint import health, postgres_actions, redis_actions
from dharma_handlers.blueprint.actions import Action
from dharma_handlers.blueprint.health import Health, Problem
from dharma_handlers.blueprint.names import ordinal_of
from dharma_handlers.blueprint.observed import (
    PgBouncerMember,
    PgBouncerObserved,
    PostgresMember,
    PostgresObserved,
    RedisMember,
    RedisObserved,
)
from dharma_handlers.blueprint.pgbouncer import replicas
from dharma_handlers.blueprint.pgbouncer_actions import is_stale
from dharma_handlers.blueprint.postgres import instances, primary_of
from dharma_handlers.blueprint.scope import Scope

_SENTINEL_FROM = 3


def component_health(scope: Scope, pending: tuple[Action, ...], waiting_for: tuple[str, ...]) -> Health:
    """Judge one component; `waiting_for` are the dependencies that keep it from being made."""
    component = scope.component
    if scope.stopped:
        return _stopped(scope)
    if waiting_for:
        return Health(
            ready=False, serving=0, wanted=_wanted(scope), message=f"waiting for {', '.join(waiting_for)}", credentials_current=None
        )
    if component.postgres is not None:
        return _postgres(scope, component.postgres, pending)
    if component.pgbouncer is not None:
        return _pgbouncer(scope, component.pgbouncer, pending)
    if component.redis is not None:
        return _redis(scope, component.redis, pending)
    raise AssertionError(f"component {component.name} has no type")


def _wanted(scope: Scope) -> int:
    component = scope.component
    if component.postgres is not None:
        return component.postgres.instances
    if component.pgbouncer is not None:
        return replicas(scope, component.pgbouncer)
    return component.redis.replicas if component.redis is not None else 0


def _stopped(scope: Scope) -> Health:
    left = len(health.pods(scope))
    message = f"stopping: {left} pods are left" if left else "stopped; its data is kept"
    return Health(ready=False, serving=left, wanted=0, message=message, credentials_current=None)


def _postgres(scope: Scope, postgres: Postgres, pending: tuple[Action, ...]) -> Health:
    observed = scope.observed.components.get(scope.component.name)
    seen = observed if isinstance(observed, PostgresObserved) else PostgresObserved()
    ready = health.ready_pods(health.pods(scope))
    serving = sum(1 for member in seen.members if member.pod in ready and _member_serves(member))
    problem = _postgres_problem(scope, postgres, seen, pending)
    # A setting that waits for its restart, a lock, a hand-over: it serves all the same.
    works = seen.answered and serving >= postgres.instances and not any(isinstance(action, postgres_actions.BLOCKING) for action in pending)
    return Health(
        ready=works and not health.failure_message(scope),
        serving=serving,
        wanted=postgres.instances,
        message=problem.message if problem is not None else health.settled_message(scope, _growth_note(seen)),
        stuck=problem is not None and problem.stuck,
        progressing=problem is not None and not problem.resting,
        primary=primary_of(scope),
        version=next((member.server_version for member in seen.members if member.server_version), None),
        credentials_current=postgres_actions.credentials_current(scope, pending),
    )


def _growth_note(seen: PostgresObserved) -> str:
    """Say that a volume does not grow by itself now: it would fill up without a word."""
    return f"its volumes do not grow, as their use could not be measured: {health.reason(seen.used_error)}" if seen.used_error else ""


def _postgres_problem(scope: Scope, postgres: Postgres, seen: PostgresObserved, pending: tuple[Action, ...]) -> Problem | None:
    failed = health.failure_message(scope)
    if failed:
        return Problem(failed)
    at_pods = health.pods_problem(scope, instances(scope, postgres))
    if at_pods is not None and at_pods.stuck:
        return at_pods
    if at_pods is not None:
        return Problem(_with_patroni(at_pods.message, seen.members))
    if not seen.answered:
        return Problem(f"waiting for the primary to answer: {health.reason(seen.error)}")
    behind = [member for member in seen.members if not _member_serves(member)]
    if behind:
        return Problem(f"waiting for {behind[0].pod}: {behind[0].state}")
    return _pending_problem(scope, seen, pending)


def _pending_problem(scope: Scope, seen: PostgresObserved, pending: tuple[Action, ...]) -> Problem | None:
    if pending:
        return Problem(health.doing_message(pending))
    rolling = health.rollout_problem(scope)
    if rolling is not None:
        return rolling
    waiting = postgres_actions.restart_order(seen.members)
    if waiting and postgres_actions.waits_for_window(scope):
        names = ", ".join(waiting[0].pending_restart)
        told = f"a restart is needed for {names}; it waits, as maintenanceWindows are set and not kept yet: remove them to restart now"
        return Problem(told, resting=True)
    if waiting:
        return Problem(f"a restart of {waiting[0].pod} is needed for {', '.join(waiting[0].pending_restart)}")
    return None


def _with_patroni(message: str, members: tuple[PostgresMember, ...]) -> str:
    busy = next((member for member in members if not _member_serves(member)), None)
    return f"{message} (Postgres: {busy.state})" if busy is not None else message


def _member_serves(member: PostgresMember) -> bool:
    return member.role in {"primary", "replica"} and member.state in {"running", "streaming"}


def _pgbouncer(scope: Scope, pgbouncer: PgBouncer, pending: tuple[Action, ...]) -> Health:
    observed = scope.observed.components.get(scope.component.name)
    seen = observed if isinstance(observed, PgBouncerObserved) else PgBouncerObserved()
    ready = health.ready_pods(health.pods(scope))
    serving = [member for member in seen.members if member.answered and member.pod in ready]
    wanted = replicas(scope, pgbouncer)
    problem = _pgbouncer_problem(scope, pgbouncer, seen, pending)
    return Health(
        ready=len(serving) >= wanted and not health.failure_message(scope),
        serving=len(serving),
        wanted=wanted,
        message=problem.message if problem is not None else health.settled_message(scope),
        stuck=problem is not None and problem.stuck,
        progressing=problem is not None and not problem.resting,
        version=next((member.version for member in seen.members if member.version), None),
    )


def _pgbouncer_problem(scope: Scope, pgbouncer: PgBouncer, seen: PgBouncerObserved, pending: tuple[Action, ...]) -> Problem | None:
    failed = health.failure_message(scope)
    if failed:
        return Problem(failed)
    at_pods = health.pods_problem(scope, replicas(scope, pgbouncer))
    if at_pods is not None:
        return at_pods
    silent = next((member for member in seen.members if not member.answered), None)
    if silent is not None or len(seen.members) < replicas(scope, pgbouncer):
        return Problem(_silence(scope, pgbouncer, silent))
    if pending or any(is_stale(scope, pgbouncer, member) for member in seen.members):
        return Problem("reloading: the new configuration is on its way to the pods")
    return health.rollout_problem(scope)


def _silence(scope: Scope, pgbouncer: PgBouncer, silent: PgBouncerMember | None) -> str:
    """Say why queries through the pool are not answered: mostly as there is nothing behind it yet."""
    target = scope.observed.components.get(pgbouncer.target)
    if not (isinstance(target, PostgresObserved) and target.answered):
        return f"waiting for {pgbouncer.target}"
    if silent is None:
        return "waiting for the first query through it"
    return f"waiting for a query through {silent.pod} to be answered: {health.reason(silent.error)}"


def _redis(scope: Scope, redis: Redis, pending: tuple[Action, ...]) -> Health:
    observed = scope.observed.components.get(scope.component.name)
    seen = observed if isinstance(observed, RedisObserved) else RedisObserved()
    ready = health.ready_pods(health.pods(scope))
    serving = [member for member in seen.members if member.pod in ready and _redis_serves(member)]
    problem = _redis_problem(scope, redis, seen, pending)
    note = "replicas follow, and nothing fails over by itself yet" if redis.replicas >= _SENTINEL_FROM else ""
    return Health(
        ready=len(serving) >= redis.replicas and not health.failure_message(scope),
        serving=len(serving),
        wanted=redis.replicas,
        message=problem.message if problem is not None else health.settled_message(scope, note),
        stuck=problem is not None and problem.stuck,
        progressing=problem is not None and not problem.resting,
        primary=next((member.pod for member in serving if member.role == "master" and ordinal_of(member.pod) == 0), None),
        version=next((member.version for member in seen.members if member.version), None),
        credentials_current=redis_actions.credentials_current(scope),
    )


def _redis_problem(scope: Scope, redis: Redis, seen: RedisObserved, pending: tuple[Action, ...]) -> Problem | None:
    failed = health.failure_message(scope)
    if failed:
        return Problem(failed)
    at_pods = health.pods_problem(scope, redis.replicas)
    if at_pods is not None:
        return at_pods
    silent = next((member for member in seen.members if not member.answered), None)
    if silent is not None:
        return Problem(f"waiting for {silent.pod} to answer: {health.reason(silent.error)}")
    if len(seen.members) < redis.replicas:
        return Problem("waiting for the first answer")
    cut = next((member for member in seen.members if not _redis_serves(member)), None)
    if cut is not None:
        return Problem(f"waiting for {cut.pod} to follow the primary")
    return Problem(health.doing_message(pending)) if pending else health.rollout_problem(scope)


def _redis_serves(member: RedisMember) -> bool:
    """Ordinal 0 serves by itself; the others when they follow."""
    if not member.answered:
        return False
    return member.role == "master" if ordinal_of(member.pod) == 0 else member.role == "slave" and member.link_up
