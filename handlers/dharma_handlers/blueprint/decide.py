"""The one decision about a Blueprint: what should exist, what is to be done, what is to be told."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator

from dharma_crds.blueprint import Blueprint
from dharma_handlers import labels
from dharma_handlers.blueprint import network, pgbouncer, postgres, redis, status
from dharma_handlers.blueprint.actions import Action, Decision, DeleteConfigMap
from dharma_handlers.blueprint.component_health import component_health
from dharma_handlers.blueprint.credentials import secrets
from dharma_handlers.blueprint.graph import Graph, Issue, compile_graph
from dharma_handlers.blueprint.health import Health
from dharma_handlers.blueprint.names import Names
from dharma_handlers.blueprint.observed import Observed
from dharma_handlers.blueprint.pgbouncer_actions import pgbouncer_actions
from dharma_handlers.blueprint.postgres_actions import postgres_actions
from dharma_handlers.blueprint.redis_actions import redis_actions
from dharma_handlers.blueprint.scope import Scope, scopes
from dharma_handlers.outcome import Event, Manifest, Mode, Outcome, Wanted


def decide(blueprint: Blueprint, observed: Observed) -> Decision:
    """Decide from nothing but the spec and what was observed.

    All passwords must be there (`credentials.missing_secrets`), unless the Blueprint is a Draft or its spec is refused (`refusal`).
    Raises LookupError when one is not.
    """
    compiled = _compiled(blueprint, observed)
    if not isinstance(compiled, Graph):
        return Decision(status.refused(blueprint, compiled))
    if blueprint.spec.lifecycle == "Draft":
        return Decision(status.draft(blueprint))
    everything = scopes(blueprint, observed)
    secret_objects = secrets(blueprint, observed)
    wanted = {scope.component.name: _wanted(scope, secret_objects[scope.component.name]) for scope in everything}
    issues = tuple(_collisions(everything, wanted, observed))
    if issues:
        return Decision(status.refused(blueprint, issues))
    return _decide(blueprint, observed, compiled, wanted)


def refusal(blueprint: Blueprint, observed: Observed) -> Outcome | None:
    """Tell why the spec cannot be carried out, before any password is made for it; None: it can."""
    compiled = _compiled(blueprint, observed)
    return None if isinstance(compiled, Graph) else status.refused(blueprint, compiled)


def _decide(blueprint: Blueprint, observed: Observed, graph: Graph, wanted: dict[str, list[Wanted]]) -> Decision:
    by_name = {scope.component.name: scope for scope in scopes(blueprint, observed)}
    pending = {name: _actions(scope) for name, scope in by_name.items()}
    health: dict[str, Health] = {}
    objects: list[Wanted] = []
    for name in graph.order:
        unready = () if _exists(by_name[name]) else tuple(need for need in graph.waits_for[name] if not health[need].ready)
        health[name] = component_health(by_name[name], pending[name], unready)
        objects += _delayed(wanted[name]) if unready else wanted[name]
    ordered = {name: health[name] for name in by_name}
    actions = (*(action for some in pending.values() for action in some), *_leftovers(blueprint, observed))
    return Decision(
        Outcome(
            conditions=status.conditions(blueprint, ordered, busy=bool(actions)),
            objects=tuple(objects),
            correct_drift=blueprint.spec.drift.policy == "Correct",
            status=status.status(list(by_name.values()), ordered),
            requeue_after=status.requeue_after(blueprint, ordered, busy=bool(actions)),
            events=tuple(_events(observed)),
        ),
        actions,
    )


def _compiled(blueprint: Blueprint, observed: Observed) -> Graph | tuple[Issue, ...]:
    graph = compile_graph(blueprint.name, blueprint.spec.components)
    issues = tuple(_unsupported(blueprint, observed))
    return (*(graph if isinstance(graph, tuple) else ()), *issues) or graph


def _unsupported(blueprint: Blueprint, observed: Observed) -> Iterator[Issue]:
    """Find what the spec may say and this cluster or this version cannot do."""
    for index, scope in enumerate(scopes(blueprint, observed)):
        component = scope.component.postgres
        if component is not None and component.restore_from is not None and not _exists(scope):
            yield Issue(
                f"spec.components[{index}].postgres.restoreFrom",
                "this version cannot restore a backup, and will not begin empty instead; remove it to begin empty",
            )
    if blueprint.spec.access is not None and labels.TENANT not in observed.namespace_labels:
        for index, peer in enumerate(blueprint.spec.access.from_):
            if peer.project is not None:
                yield Issue(
                    f"spec.access.from[{index}].project",
                    f'namespace {blueprint.namespace} belongs to no Tenant, so "{peer.project}" means none; name a namespace instead',
                )


def _wanted(scope: Scope, secret_objects: list[Manifest]) -> list[Wanted]:
    component = scope.component
    built: list[Wanted] = [Wanted(network.policy(scope)), *(Wanted(secret) for secret in secret_objects)]
    if component.postgres is not None:
        built += postgres.objects(scope, component.postgres)
    elif component.pgbouncer is not None:
        built += pgbouncer.objects(scope, component.pgbouncer)
    elif component.redis is not None:
        built += redis.objects(scope, component.redis)
    return built


def _actions(scope: Scope) -> tuple[Action, ...]:
    component = scope.component
    if component.postgres is not None:
        return postgres_actions(scope, component.postgres)
    if component.pgbouncer is not None:
        return pgbouncer_actions(scope, component.pgbouncer)
    return redis_actions(scope, component.redis) if component.redis is not None else ()


def _exists(scope: Scope) -> bool:
    """Whether the component was made once: only its first making waits for others."""
    kind = "Deployment" if scope.component.pgbouncer is not None else "StatefulSet"
    return scope.child(kind, scope.names.base) is not None


def _delayed(wanted: Iterable[Wanted]) -> Iterator[Wanted]:
    return (dataclasses.replace(one, mode=Mode.UPDATE_ONLY) for one in wanted if one.mode is Mode.APPLY)


def _collisions(everything: Iterable[Scope], wanted: dict[str, list[Wanted]], observed: Observed) -> Iterator[Issue]:
    """Two things that would have one name: `db` with user `x_y` and `db-x` with user `y` both make Secret `…-db-x-y`."""
    makers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    indexes = {scope.component.name: index for index, scope in enumerate(everything)}
    for component, objects in wanted.items():
        for kind, name in dict.fromkeys(_name(one.manifest) for one in objects):
            makers[kind, name].append(component)
    for (kind, name), components in makers.items():
        path = f"spec.components[{indexes[components[-1]]}].name"
        if len(components) > 1:
            yield Issue(path, f"{kind} {name} would be made for {' and '.join(components)} alike; give one of them another name")
        elif (kind, name) in observed.claimed:
            yield Issue(path, f"{kind} {name} belongs to {observed.claimed[kind, name]}; give this component another name")


def _name(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _leftovers(blueprint: Blueprint, observed: Observed) -> Iterator[Action]:
    """Patroni's ConfigMaps of components that are gone: no inventory holds them. They go when the last pod has."""
    kept = {name for component in blueprint.spec.components for name in Names(blueprint.name, component.name).patroni}
    running = {
        pod["metadata"].get("labels", {}).get(labels.INSTANCE)
        for (kind, _), pod in observed.children.items()
        if kind in {"Pod", "StatefulSet"}
    }
    for name in sorted((observed.patroni_config_maps or frozenset()) - kept):
        if name.rpartition("-")[0] not in running:
            yield DeleteConfigMap(component="", name=name)


def _events(observed: Observed) -> Iterator[Event]:
    for action in observed.done:
        yield Event("Normal", "Changed", f"{action.component}: {action.describe()}".removeprefix(": "))
    for failure in observed.failures:
        yield Event("Warning", "ActionFailed", f"{failure.component}: could not {failure.action}: {failure.message}")
