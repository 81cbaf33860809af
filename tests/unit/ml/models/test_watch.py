import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_ml.models.watch import coverage_is_off, judge, psi

NORMAL = np.random.default_rng(0).normal(size=4000)


def test_psi_by_hand() -> None:
    # Two bins, cut at the median 1.5: 2 and 2 before; 1 and 3 after. Half a row is added to each, also to the bin of the missing.
    before, after = np.array([2.5, 2.5, 0.5]) / 5.5, np.array([1.5, 3.5, 0.5]) / 5.5
    by_hand = sum((a - b) * math.log(a / b) for a, b in zip(after, before, strict=True))
    assert psi(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 2.0, 2.0, 3.0]), bins=2) == pytest.approx(by_hand)


def test_psi_tells_another_input_from_the_same() -> None:
    random = np.random.default_rng(1)
    assert psi(NORMAL, random.normal(size=4000)) < 0.02
    assert psi(NORMAL, random.normal(loc=1.0, size=4000)) > 0.5
    assert psi(NORMAL, random.normal(scale=3.0, size=4000)) > 0.5
    assert psi(NORMAL, np.full(4000, np.nan)) > 1


@settings(deadline=None)
@given(st.lists(st.floats(), max_size=30), st.lists(st.floats(), max_size=30))
def test_psi_is_finite_and_not_negative(one: list[float], other: list[float]) -> None:
    assert 0 <= psi(np.array(one), np.array(other)) < math.inf
    assert psi(np.array(one), np.array(one)) == 0


def test_coverage() -> None:
    assert not coverage_is_off(950, 1000, 0.95, 0.001)
    assert not coverage_is_off(930, 1000, 0.95, 0.001)
    assert coverage_is_off(920, 1000, 0.95, 0.001)
    assert coverage_is_off(980, 1000, 0.95, 0.001), "intervals that hold too much are too wide"
    assert coverage_is_off(9, 10, 1.0, 0.001)
    assert not coverage_is_off(10, 10, 1.0, 0.001)


def test_verdict_names_what_moved() -> None:
    training = np.stack([NORMAL, NORMAL], axis=1)
    recent = np.stack([NORMAL[:500], NORMAL[:500] + 2], axis=1)
    verdict = judge(("cpu", "memory"), training, recent, covered=700, intervals=1000, nominal=0.95)
    assert verdict.retrain
    assert len(verdict.reasons) == 2
    assert "memory" in verdict.reasons[0]
    assert "700 of 1000" in verdict.reasons[1]
    assert not judge(("cpu", "memory"), training, recent[:100], covered=0, intervals=100, nominal=0.95).retrain, "too few to tell"
