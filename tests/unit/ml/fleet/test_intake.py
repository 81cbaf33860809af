import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_ml.findings import Sample
from dharma_ml.intake import Clean, Intake

NONE: frozenset[str] = frozenset()


def times(clean: Clean) -> list[float]:
    return [sample.time for sample in clean.samples]


def test_order_repeats_and_late_samples() -> None:
    intake = Intake()
    clean = intake.take([Sample(20, {"cpu": 2.0}), Sample(10, {"cpu": 1.0}), Sample(20, {"cpu": 9.0})], NONE, 30)
    assert times(clean) == [10, 20]
    assert clean.dropped == 1
    assert times(intake.take([Sample(15, {"cpu": 1.0}), Sample(20, {"cpu": 1.0}), Sample(25, {"cpu": 1.0})], NONE, 30)) == [25]


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1000.0])
def test_samples_without_a_usable_time_are_dropped(time: float) -> None:
    clean = Intake().take([Sample(time, {"cpu": 1.0})], NONE, 30)
    assert clean.samples == ()
    assert clean.dropped == 1


def test_values_that_are_no_numbers_are_absent() -> None:
    clean = Intake().take([Sample(1, {"cpu": math.nan, "memory": math.inf, "disk": 3.0}), Sample(2, {"cpu": math.nan})], NONE, 30)
    assert [sample.values for sample in clean.samples] == [{"disk": 3.0}, {}]


def test_counters_become_rates_and_a_reset_begins_at_zero() -> None:
    readings = [Sample(t, {"bytes": v}) for t, v in ((0, 100.0), (10, 150.0), (20, 30.0), (50, 90.0))]
    clean = Intake().take(readings, frozenset({"bytes"}), 60)
    assert [sample.values.get("bytes") for sample in clean.samples] == [None, 5.0, 3.0, 2.0]


def test_a_rate_that_overflows_is_absent() -> None:
    clean = Intake().take([Sample(-1e-5, {"a": 0.0}), Sample(0.0, {"a": 1.7e308})], frozenset("a"), 0.0)
    assert [sample.values for sample in clean.samples] == [{}, {}]


def test_a_clock_that_went_back_restarts_the_stream() -> None:
    intake = Intake()
    intake.take([Sample(1_000_000, {"cpu": 1.0})], NONE, 1_000_000)
    assert not intake.take([Sample(999_000, {"cpu": 1.0})], NONE, 999_000).restart, "a quarter of an hour is only late"
    clean = intake.take([Sample(900_000, {"cpu": 1.0})], NONE, 900_000)
    assert clean.restart
    assert times(clean) == [900_000]


SAMPLES = st.lists(st.builds(Sample, st.floats(), st.dictionaries(st.sampled_from("abc"), st.floats(), max_size=3)), max_size=20)


@settings(max_examples=60, deadline=None)
@given(SAMPLES, SAMPLES, st.floats())
def test_any_input_comes_out_ascending_and_finite(first: list[Sample], second: list[Sample], now: float) -> None:
    intake = Intake()
    taken = [*intake.take(first, frozenset("a"), now).samples, *intake.take(second, frozenset("a"), now).samples]
    seen = [sample.time for sample in taken]
    assert seen == sorted(set(seen))
    assert all(math.isfinite(value) for sample in taken for value in sample.values.values())


@settings(max_examples=60, deadline=None)
@given(SAMPLES, SAMPLES)
def test_state_round_trip(first: list[Sample], second: list[Sample]) -> None:
    intake = Intake()
    intake.take(first, frozenset("a"), 1e6)
    again = Intake.restore(intake.save())
    assert again.take(second, frozenset("a"), 2e6) == intake.take(second, frozenset("a"), 2e6)


@pytest.mark.parametrize("state", [b"", b"{}", b"[1]", b"[1, 2]", b"null", b"\xff", b'["x", {}]'])
def test_foreign_state_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Intake.restore(state)
