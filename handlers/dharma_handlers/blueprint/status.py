"""The status of a Blueprint: conditions and the components at a look."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dharma_crds.blueprint import Blueprint, ComponentStatus
from dharma_handlers.blueprint.connection import service_host
from dharma_handlers.blueprint.credentials import users
from dharma_handlers.blueprint.graph import Issue
from dharma_handlers.blueprint.health import Health
from dharma_handlers.blueprint.scope import Scope
from dharma_handlers.outcome import Condition, Outcome

_RESTING_SECONDS = 60.0
"""How often a Blueprint at rest is asked whether all of it still answers."""
_MOVING_SECONDS = 3.0
"""The same while pods are replaced: most of it comes as events, the rest is asked for."""
_LONGEST = 1000

Truth = Literal["True", "False", "Unknown"]


def refused(blueprint: Blueprint, issues: Sequence[Issue]) -> Outcome:
    """Tell that the spec cannot be carried out. What ran keeps running as it was."""
    told = "; ".join(str(issue) for issue in issues)
    return Outcome(
        conditions=(
            Condition("Ready", "False", "InvalidSpec", _short(told)),
            Condition("Reconciling", "False", "InvalidSpec", "the spec must be corrected first"),
            Condition("Stalled", "True", "InvalidSpec", _short(told)),
            Condition("RevisionAccepted", "False", "InvalidSpec", _short(told)),
        ),
        status=_kept(blueprint),
    )


def draft(blueprint: Blueprint) -> Outcome:
    """Tell that nothing is done for a Draft. What exists of a former Published one is left as it is."""
    message = "lifecycle is Draft: nothing is made or changed until it is Published"
    return Outcome(
        conditions=(
            Condition("Ready", "False", "Draft", message),
            Condition("Reconciling", "False", "Draft", message),
            Condition("Stalled", "False", "Draft"),
            _accepted(blueprint),
        ),
        status=_kept(blueprint),
    )


def conditions(blueprint: Blueprint, health: Mapping[str, Health], *, busy: bool) -> tuple[Condition, ...]:
    """Sum the components up. `busy`: something is still to be done, though all may serve."""
    if blueprint.spec.lifecycle == "Archived":
        return _archived(blueprint, health)
    waiting = {name: one for name, one in health.items() if not one.ready}
    told = _short("; ".join(f"{name}: {one.message}" for name, one in waiting.items()))
    stuck = _short("; ".join(f"{name}: {one.message}" for name, one in waiting.items() if one.stuck))
    everyone = f"{len(health)} component{'s' if len(health) > 1 else ''} answer{'s' if len(health) == 1 else ''} queries"
    moving = any(one.progressing for one in health.values())
    doing = told or _short("; ".join(f"{name}: {one.message}" for name, one in health.items() if one.message))
    return (
        Condition("Ready", "False", "ComponentsNotReady", told) if waiting else Condition("Ready", "True", "ComponentsReady", everyone),
        Condition("Reconciling", "True", "InProgress", doing)
        if waiting or moving or busy
        else Condition("Reconciling", "False", "Settled"),
        Condition("Stalled", "True", "PodsCannotRun", stuck) if stuck else Condition("Stalled", "False", "Progressing"),
        _accepted(blueprint),
        _credentials(health),
    )


def status(scopes: Sequence[Scope], health: Mapping[str, Health]) -> dict[str, Any]:
    """Build `ready` and `components`."""
    return {
        "ready": f"{sum(1 for one in health.values() if one.ready)}/{len(health)}",
        "components": [_component(scope, health[scope.component.name]).to_dict() for scope in scopes],
    }


def requeue_after(blueprint: Blueprint, health: Mapping[str, Health], *, busy: bool) -> float | None:
    """Decide when to look again though nothing changed: soon where only the data plane knows of progress, for it sends no events."""
    if blueprint.spec.lifecycle == "Archived":
        return None
    if busy:
        return 1.0
    waiting = [one for one in health.values() if not one.ready]
    if not waiting:
        return _MOVING_SECONDS if any(one.progressing for one in health.values()) else _RESTING_SECONDS
    return 10.0 if all(one.stuck for one in waiting) else 0.5


def _component(scope: Scope, health: Health) -> ComponentStatus:
    names = scope.names
    service = names.read_write if scope.component.postgres is not None else names.base
    return ComponentStatus(
        name=scope.component.name,
        type=scope.component.type,
        ready=f"{health.serving}/{health.wanted}",
        phase=_phase(scope, health),
        primary=health.primary,
        version=health.version,
        service=service_host(scope, service),
        secret=_first_secret(scope),
        message=health.message,
    )


def _first_secret(scope: Scope) -> str | None:
    """Name the Secret that an application takes first: that of the owner of the first database, else of the first user."""
    databases = scope.component.postgres.databases if scope.component.postgres is not None else ()
    named = [database.owner for database in databases] or list(users(scope))
    return scope.names.connection(named[0]) if named else None


def _phase(scope: Scope, health: Health) -> str:
    if scope.stopped:
        return "Stopped" if health.serving == 0 else "Stopping"
    if health.ready:
        return "Running"
    if health.stuck:
        return "Stuck"
    return "Degraded" if health.serving else "Starting"


def _archived(blueprint: Blueprint, health: Mapping[str, Health]) -> tuple[Condition, ...]:
    stopping = any(one.serving for one in health.values())
    message = "lifecycle is Archived: everything is stopped, data is kept"
    return (
        Condition("Ready", "False", "Archived", message),
        Condition("Reconciling", "True", "Stopping", "pods are still stopping")
        if stopping
        else Condition("Reconciling", "False", "Settled"),
        Condition("Stalled", "False", "Archived"),
        _accepted(blueprint),
    )


def _accepted(blueprint: Blueprint) -> Condition:
    spec = blueprint.spec
    asleep = [
        name
        for name, value in (
            ("rotation", spec.rotation),
            ("hibernation", spec.hibernation),
            ("maintenanceWindows", spec.maintenance_windows),
        )
        if value
    ]
    message = f"accepted; not acted on by this version: {', '.join(asleep)}" if asleep else ""
    return Condition("RevisionAccepted", "True", "Accepted", message)


def _credentials(health: Mapping[str, Health]) -> Condition:
    kind = "CredentialsCurrent"
    old = [name for name, one in health.items() if one.credentials_current is False]
    if old:
        return Condition(kind, "False", "PasswordsDiffer", f"not yet as in the Secrets: {', '.join(old)}")
    unknown = [name for name, one in health.items() if one.credentials_current is None]
    if unknown:
        return Condition(kind, "Unknown", "NotAsked", f"could not be asked: {', '.join(unknown)}")
    return Condition(kind, "True", "AsInSecrets")


def _kept(blueprint: Blueprint) -> dict[str, Any]:
    """Return what was reported of the components last: it is still how they were left."""
    before = blueprint.status.to_dict()
    return {key: before[key] for key in ("ready", "components") if before.get(key)}


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
