"""Components compiled to a directed acyclic graph before anything is made: what is wrong is refused with the place of the mistake."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dharma_crds.blueprint import Component
from dharma_crds.blueprint.budget import connection_budgets
from dharma_crds.names import BLUEPRINT_AND_COMPONENT_LENGTH, COMPONENT_NAME_LENGTH

GIVEN_GROUPS = frozenset({
    "pg_checkpoint", "pg_create_subscription", "pg_maintain", "pg_monitor", "pg_read_all_data", "pg_read_all_settings", "pg_read_all_stats",
    "pg_signal_backend", "pg_stat_scan_tables", "pg_write_all_data",
})  # fmt: skip
"""Predefined roles of Postgres 17 that a user may be a member of. Those that reach the server's files or programs equal a superuser."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One mistake in a spec."""

    path: str
    """E.g. `spec.components[2].pgbouncer.target`."""
    message: str
    """What is wrong and the remedy."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Graph:
    """The compiled components."""

    order: tuple[str, ...]
    """Component names, each after all that it waits for; otherwise as written."""
    waits_for: Mapping[str, tuple[str, ...]]
    """Component → those that must be ready before it is first made."""


def compile_graph(blueprint: str, components: Iterable[Component]) -> Graph | tuple[Issue, ...]:
    """Build the graph, or name all mistakes at once, in the order of the spec."""
    components = tuple(components)
    issues = (
        *_names(blueprint, components),
        *_references(components),
        *_roles(components),
        *_budgets(components),
    )
    if issues:
        return issues
    waits_for = {component.name: component.depends_on for component in components}
    order = _sorted(waits_for)
    if order is None:
        return _cycle(components, waits_for)
    return Graph(order, waits_for)


def _names(blueprint: str, components: tuple[Component, ...]) -> Iterable[Issue]:
    seen: dict[str, int] = {}
    for index, component in enumerate(components):
        path = f"spec.components[{index}].name"
        if component.name in seen:
            yield Issue(path, f'"{component.name}" is already the name of spec.components[{seen[component.name]}]; give it another')
        seen.setdefault(component.name, index)
        if len(component.name) > COMPONENT_NAME_LENGTH:
            yield Issue(path, f'"{component.name}" is longer than {COMPONENT_NAME_LENGTH} characters; shorten it')
        elif len(blueprint) + len(component.name) > BLUEPRINT_AND_COMPONENT_LENGTH:
            yield Issue(
                path,
                f'"{blueprint}" and "{component.name}" together are longer than {BLUEPRINT_AND_COMPONENT_LENGTH} characters, '
                "which names of pods have no room for; shorten one",
            )


def _references(components: tuple[Component, ...]) -> Iterable[Issue]:
    types = {component.name: component.type for component in components}
    for index, component in enumerate(components):
        for place, name in enumerate(component.depends_on):
            path = f"spec.components[{index}].dependsOn[{place}]"
            if name not in types:
                yield Issue(path, _unknown(name, types))
        if component.pgbouncer is not None:
            path = f"spec.components[{index}].pgbouncer.target"
            target = component.pgbouncer.target
            if target not in types:
                yield Issue(path, _unknown(target, [name for name, kind in types.items() if kind == "postgres"]))
            elif types[target] != "postgres":
                yield Issue(path, f'"{target}" is a {types[target]}, and a pool needs a postgres; name one')


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f'did you mean "{near[0]}"?' if near else "correct the name or add the component"
    return f'"{name}" is no component of this Blueprint; {hint}'


def _roles(components: tuple[Component, ...]) -> Iterable[Issue]:
    for index, component in enumerate(components):
        if component.postgres is None:
            continue
        users = {role.name for role in component.postgres.roles}
        for place, user in enumerate(component.postgres.users):
            for group_place, group in enumerate(user.member_of):
                path = f"spec.components[{index}].postgres.users[{place}].memberOf[{group_place}]"
                if group not in GIVEN_GROUPS and group not in users:
                    near = difflib.get_close_matches(group, [*GIVEN_GROUPS, *users], n=1)
                    hint = f'did you mean "{near[0]}"?' if near else "name another user, or a predefined role such as pg_read_all_data"
                    yield Issue(path, f'"{group}" is no role that can be given; {hint}')
                elif group == user.name:
                    yield Issue(path, f'"{group}" is the user itself; remove that entry')


def _budgets(components: tuple[Component, ...]) -> Iterable[Issue]:
    places = {component.name: index for index, component in enumerate(components)}
    try:
        budgets = connection_budgets(components)
    except ValueError as error:
        yield Issue("spec.components", str(error))
        return
    for budget in budgets:
        if not budget.fits:
            yield Issue(f"spec.components[{places[budget.component]}].postgres.parameters.max_connections", budget.sentence())


def _sorted(waits_for: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """Names after all that they wait for, as written otherwise; None when some wait for each other."""
    order: dict[str, None] = {}
    while len(order) < len(waits_for):
        free = next((name for name, needed in waits_for.items() if name not in order and all(need in order for need in needed)), None)
        if free is None:
            return None
        order[free] = None
    return tuple(order)


def _cycle(components: tuple[Component, ...], waits_for: Mapping[str, tuple[str, ...]]) -> tuple[Issue, ...]:
    """Name the first cycle, told from its first member on."""
    for index, component in enumerate(components):
        way = _way_back(component.name, component.name, waits_for, frozenset())
        if way:
            place = component.depends_on.index(way[0])
            told = " → ".join((component.name, *way))
            return (
                Issue(
                    f"spec.components[{index}].dependsOn[{place}]",
                    f"components wait for each other: {told}; remove one of these dependencies",
                ),
            )
    raise AssertionError("a graph without an order has a cycle")


def _way_back(start: str, goal: str, waits_for: Mapping[str, tuple[str, ...]], seen: frozenset[str]) -> tuple[str, ...]:
    for need in waits_for[start]:
        if need == goal:
            return (need,)
        if need not in seen:
            rest = _way_back(need, goal, waits_for, seen | {need})
            if rest:
                return (need, *rest)
    return ()
