"""Backoff and pace keep to their bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dharma_operator.pace import Backoff, Pace
from dharma_operator.workqueue import OwnerKey

A, B = (OwnerKey("Blueprint", "acme", name) for name in "ab")


def longest(low: float, high: float) -> float:
    assert low == 0
    return high


def test_backoff_doubles_to_two_minutes_and_starts_anew_after_success():
    backoff = Backoff(longest)
    assert [backoff.failed(A, None) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert backoff.failures(A) == 9
    assert backoff.failed(B, None) == 1
    backoff.reset(A)
    assert backoff.failed(A, None) == 1


def test_backoff_survives_very_many_failures():
    backoff = Backoff(longest)
    for _ in range(5000):
        last = backoff.failed(A, None)
    assert last == 120


def test_backoff_is_jittered_over_the_whole_range():
    assert Backoff(lambda low, _: low).failed(A, None) == 0


def test_backoff_obeys_the_time_that_the_server_names():
    assert Backoff(lambda low, _: low).failed(A, 7.0) == 7.0


def test_a_calm_object_is_never_held_up():
    pace = Pace()
    for second in range(1000):
        assert pace.delay(A, float(second)) == 0
        pace.ran(A, float(second))


@pytest.mark.parametrize("seconds", [1, 10, 60])
def test_a_storm_of_events_is_bounded(seconds):
    pace = Pace()
    runs = 0
    now = 0.0
    while now < seconds:
        delay = pace.delay(A, now)
        if delay:
            now += delay
        else:
            pace.ran(A, now)
            runs += 1
            now += 0.001
    assert 20 + 5 * seconds - 2 <= runs <= 20 + 5 * seconds + 2
    assert pace.delay(B, now) == 0


@given(st.lists(st.floats(0, 10), max_size=100))
def test_the_delay_is_never_longer_than_what_one_run_costs_times_the_runs(gaps):
    pace = Pace()
    now = 0.0
    for count, gap in enumerate(gaps, start=1):
        now += gap
        pace.ran(A, now)
        assert 0 <= pace.delay(A, now) <= 0.2 * count
