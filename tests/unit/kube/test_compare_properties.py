"""`differences` against a model of server-side apply: it says "nothing" exactly when applying would do nothing."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.ssa import SCHEMA, Items, Scalar, Server, Set, Struct, values_of

from dharma_operator.kube.compare import differences, trim
from dharma_operator.kube.ownership import applied_fields
from dharma_operator.kube.prepare import prepared

US = "iac-dharma"
wholes = values_of(SCHEMA).map(prepared)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the plain values are."""
    if isinstance(value, dict) and value:
        return [found for name, member in value.items() for found in paths(member, (*path, name))]
    return [path]


def put(content: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(content)
    target = changed
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    return changed


@given(wholes, wholes)
def test_nothing_differs_after_apply(wanted, foreign):
    server = Server()
    server.update("someone", foreign)
    server.apply(US, wanted)
    assert differences(wanted, server.live()) == []
    assert differences(wanted, trim(server.live())) == []


@given(wholes, wholes, wholes, wholes)
def test_it_is_silent_exactly_when_applying_would_do_nothing(foreign, first, edited, second):
    server = Server()
    server.update("someone", foreign)
    server.apply(US, first)
    server.update("kubectl-edit", edited)
    live = server.live()
    found = differences(second, live)
    assert found == differences(second, trim(live))
    before, owned = copy.deepcopy(server.content), applied_fields(live)
    server.apply(US, second)
    untouched = server.content == before and applied_fields(server.live()) == owned
    if not found:
        # What an empty map or list adds to the owned fields does not count: it changes nothing.
        assert server.content == before or not _visible(server.content, before)
    else:
        assert not untouched


def _visible(one: Any, other: Any) -> bool:
    """Whether two objects differ in more than empty maps and lists, which the server does not store."""
    return _without_empties(one) != _without_empties(other)


def _without_empties(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: kept for name, member in value.items() if (kept := _without_empties(member)) not in ({}, [])}
    return [_without_empties(item) for item in value] if isinstance(value, list) else value


@given(wholes, st.data())
def test_a_foreign_change_of_any_wanted_value_is_found(wanted, data):
    leaves = [path for path in paths(wanted) if path and isinstance(_at(SCHEMA, path), Scalar)]
    if not leaves:
        return
    path = data.draw(st.sampled_from(leaves))
    server = Server()
    server.apply(US, wanted)
    kind = _at(SCHEMA, path)
    current = _value(wanted, path)
    other = data.draw(kind.values.filter(lambda value: value != current))
    server.update("kubectl-edit", put(server.content, path, other))
    assert any(".".join(path).startswith(found) for found in differences(wanted, server.live()))


@given(wholes, wholes)
def test_fields_of_others_are_theirs(wanted, more):
    server = Server()
    server.apply(US, wanted)
    content = _added(SCHEMA, server.content, more)
    server.update("someone", content)
    assert differences(wanted, server.live()) == []


def _added(kind: Any, have: Any, more: Any) -> Any:
    """`have` with those members of `more` that it has not."""
    match kind:
        case Struct(fields):
            return {**more, **{name: _added(fields[name], member, more[name]) if name in more else member for name, member in have.items()}}
        case Items(key, item):
            known = {entry[key]: entry for entry in more}
            whole = Struct({key: Scalar(st.nothing()), **item.fields})
            kept = [_added(whole, entry, known.pop(entry[key])) if entry[key] in known else entry for entry in have]
            return kept + list(known.values())
        case Set():
            return have + [entry for entry in more if entry not in have]
        case _:
            return have


@given(wholes, st.data())
def test_a_field_that_is_not_wanted_any_more_is_found(wanted, data):
    leaves = [path for path in paths(wanted) if path]
    if not leaves:
        return
    path = data.draw(st.sampled_from(leaves))
    if path == ("metadata",):
        return  # leaves no trace
    less = copy.deepcopy(wanted)
    target = less
    for name in path[:-1]:
        target = target[name]
    del target[path[-1]]
    server = Server()
    server.apply(US, wanted)
    assert any(".".join(path).startswith(found) for found in differences(less, server.live()))


def _at(kind: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        if not isinstance(kind, Struct):
            break
        kind = kind.fields[name]
    return kind


def _value(content: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        content = content[name]
    return content
