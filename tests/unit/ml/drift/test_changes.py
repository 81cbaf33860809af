import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_ml.drift.changes import Change, leaves, quantity

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def paths(path: str, before: object, after: object) -> list[tuple[str, str, object, object]]:
    return [(leaf.path, leaf.key, leaf.before, leaf.after) for leaf in leaves(Change("Deployment", "a/b", path, before, after))]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1000m", 1.0), (1, 1.0), ("1Gi", 2**30), ("128Mi", 2**27), ("2k", 2000.0), ("0.5", 0.5), (True, None), ("x", None), ("1..2", None)],
)
def test_quantities(text: object, value: float | None) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1000m", 1),
        ("1Gi", "1024Mi"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([{"name": "a", "value": "1"}, {"name": "b"}], [{"name": "b"}, {"name": "a", "value": "1"}]),
        (["get", "list"], ["list", "get"]),
        ([{"verbs": ["get"]}, {"verbs": ["list"]}], [{"verbs": ["list"]}, {"verbs": ["get"]}]),
    ],
)
def test_the_same_said_otherwise_is_no_difference(before: object, after: object) -> None:
    assert paths("spec", before, after) == []


def test_what_differs_is_found_where_it_is() -> None:
    before = {"containers": [{"name": "web", "image": "a:1"}, {"name": "log", "image": "b:1"}]}
    after = {"containers": [{"name": "log", "image": "b:1"}, {"name": "web", "image": "a:2"}]}
    assert paths("spec", before, after) == [("spec.containers[].image", "web", "a:1", "a:2")]


def test_values_that_only_look_alike_differ() -> None:
    assert paths("a", True, 1) == [("a", "", True, 1)]
    assert paths("a", "1", "1.0") == []
    assert paths("a", None, False) == [("a", "", None, False)]


def test_an_empty_item_of_a_list_says_something() -> None:
    assert paths("spec.ingress", [], [{}]) == [("spec.ingress[]", "0", None, "{}")]


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_nothing_differs_from_itself(value: object) -> None:
    found = paths("spec", value, value)
    assert all(before != before for _, _, before, _ in found), "only NaN does"  # noqa: PLR0124


@settings(max_examples=50, deadline=None)
@given(JSON, JSON)
def test_both_directions_tell_the_same_places(before: object, after: object) -> None:
    there, back = paths("spec", before, after), paths("spec", after, before)
    assert sorted({path for path, *_ in there}) == sorted({path for path, *_ in back})
