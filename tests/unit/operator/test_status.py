"""Conditions keep their times, drift is counted once, patches are as small as can be."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fake_api import merged

from dharma_handlers.outcome import Condition
from dharma_operator import status as statuses
from dharma_operator.kube.applier import DriftItem

EARLY = datetime(2026, 11, 20, 8, 0, 0, 500, tzinfo=UTC)
LATE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
READY = Condition("Ready", "True", "AllReady", "all serve")


def test_a_time_is_written_in_utc_and_whole_seconds():
    assert statuses.format_time(EARLY) == "2026-11-20T08:00:00Z"


def test_the_transition_time_moves_with_the_status_alone():
    first = statuses.conditions([], [READY], 1, EARLY)
    assert first == [
        {
            "type": "Ready",
            "status": "True",
            "reason": "AllReady",
            "message": "all serve",
            "lastTransitionTime": "2026-11-20T08:00:00Z",
            "observedGeneration": 1,
        }
    ]
    second = statuses.conditions(first, [Condition("Ready", "True", "Other", "else")], 2, LATE)
    assert second[0]["lastTransitionTime"] == "2026-11-20T08:00:00Z"
    assert (second[0]["reason"], second[0]["observedGeneration"]) == ("Other", 2)
    third = statuses.conditions(second, [Condition("Ready", "False", "Other", "else")], 2, LATE)
    assert third[0]["lastTransitionTime"] == "2026-11-20T09:00:00Z"


def test_the_well_known_conditions_come_first_and_others_in_their_order():
    wanted = [Condition(name, "True", "R") for name in ("Zeta", "Stalled", "Alpha", "Ready", "Reconciling")]
    order = [condition["type"] for condition in statuses.conditions([], wanted, 1, EARLY)]
    assert order == ["Ready", "Reconciling", "Stalled", "Zeta", "Alpha"]


def test_conditions_that_nobody_states_any_more_go():
    before = statuses.conditions([], [READY, Condition("Suspended", "True", "Suspended")], 1, EARLY)
    assert [condition["type"] for condition in statuses.conditions(before, [READY], 1, LATE)] == ["Ready"]


def test_a_long_message_is_cut():
    message = statuses.conditions([], [Condition("Ready", "False", "R", "x" * 5000)], 1, EARLY)[0]["message"]
    assert len(message) == 1024
    assert message.endswith("…")


def test_keeping_all_but_some_conditions():
    before = statuses.conditions([], [READY, Condition("DriftFree", "True", "InSync"), Condition("Stalled", "False", "R")], 3, EARLY)
    after = statuses.keep_but(before, [Condition("Stalled", "True", "Forbidden", "no"), Condition("New", "True", "N")], 4, LATE)
    assert [condition["type"] for condition in after] == ["Ready", "Stalled", "DriftFree", "New"]
    by_type = {condition["type"]: condition for condition in after}
    assert by_type["Ready"] == before[0]
    assert by_type["Stalled"]["status"] == "True"
    assert by_type["Stalled"]["observedGeneration"] == 4


def test_amending_replaces_by_type():
    amended = statuses.amend([READY, Condition("A", "True", "X")], Condition("A", "False", "Y"), Condition("B", "True", "Z"))
    assert [(condition.type, condition.status) for condition in amended] == [("Ready", "True"), ("A", "False"), ("B", "True")]


def item(name: str, *fields: str) -> DriftItem:
    return DriftItem(f"Service/{name}", "Update", fields)


def test_corrected_drift_is_counted_each_time_and_the_latest_ten_listed():
    state = statuses.drift(None, [item("a", "spec.ports")], corrected=True, now=EARLY)
    assert state == {
        "count": 1,
        "items": [{"object": "Service/a", "fields": ["spec.ports"], "time": "2026-11-20T08:00:00Z"}],
        "lastCorrected": "2026-11-20T08:00:00Z",
    }
    for number in range(15):
        state = statuses.drift(state, [item(f"n{number}")], corrected=True, now=LATE)
    assert state["count"] == 16
    assert [entry["object"] for entry in state["items"]] == [f"Service/n{number}" for number in range(14, 4, -1)]


def test_no_drift_changes_nothing():
    assert statuses.drift(None, [], corrected=True, now=EARLY) == {"count": 0, "items": []}
    state = statuses.drift(None, [item("a")], corrected=True, now=EARLY)
    assert statuses.drift(state, [], corrected=True, now=LATE) == state


def test_reported_drift_counts_once_however_often_it_is_found():
    state = statuses.drift(None, [item("a", "x"), item("b")], corrected=False, now=EARLY)
    assert state["count"] == 2
    assert statuses.drift(state, [item("a", "x"), item("b")], corrected=False, now=LATE) == state
    changed = statuses.drift(state, [item("a", "y"), item("b")], corrected=False, now=LATE)
    assert changed["count"] == 3
    assert statuses.drift(changed, [], corrected=False, now=LATE) == {"count": 3, "items": []}


def test_the_revision_counts_changes_and_remembers_the_last_good_one():
    first = statuses.revision(None, "aaa", 1, ready=False)
    assert first == {"hash": "aaa", "current": 1, "generation": 1}
    good = statuses.revision(first, "aaa", 1, ready=True)
    assert good == {"hash": "aaa", "current": 1, "generation": 1, "lastGood": 1}
    broken = statuses.revision(good, "bbb", 2, ready=False)
    assert broken == {"hash": "bbb", "current": 2, "generation": 2, "lastGood": 1}
    assert statuses.revision(broken, "bbb", 2, ready=True)["lastGood"] == 2


def test_other_objects_of_the_same_generation_are_no_new_revision():
    first = statuses.revision(None, "aaa", 1, ready=True)
    grown = statuses.revision(first, "bbb", 1, ready=True)
    assert grown == {**first, "hash": "bbb"}


def test_a_generation_that_asks_for_the_same_objects_is_no_new_revision():
    first = statuses.revision(None, "aaa", 1, ready=True)
    suspended_and_back = statuses.revision(first, "aaa", 3, ready=True)
    assert suspended_and_back == {**first, "generation": 3}
    assert statuses.revision(suspended_and_back, "bbb", 3, ready=True)["current"] == 1


@pytest.mark.parametrize(
    ("live", "wanted", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({}, {"a": None}, {}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"a": {"b": 1}}, {"a": 5}, {"a": 5}),
    ],
)
def test_the_patch_says_only_what_differs(live, wanted, patch):
    assert statuses.merge_patch(live, wanted) == patch


def without_nulls(value):
    return {name: without_nulls(inner) for name, inner in value.items() if inner is not None} if isinstance(value, dict) else value


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", "y"]) | st.lists(st.integers(0, 2), max_size=2)
maps = st.recursive(
    st.dictionaries(st.sampled_from("abc"), scalars, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | scalars, max_size=3),
    max_leaves=8,
)


@given(maps.map(without_nulls), maps)
def test_applying_the_patch_gives_what_is_wanted(live, wanted):
    patch = statuses.merge_patch(live, wanted)
    after = merged(live, patch)
    assert after == without_nulls(wanted)
    assert statuses.merge_patch(after, wanted) == {}
