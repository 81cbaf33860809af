"""Metrics for anomalies that last, on cases worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dharma_ml.bench.ranges import average_precision, best_event_f1, events_at, segments, vus_pr


def flags(count: int, *runs: tuple[int, int]) -> np.ndarray:
    result = np.zeros(count, dtype=bool)
    for first, last in runs:
        result[first : last + 1] = True
    return result


def test_segments_are_the_runs():
    assert segments(flags(10, (0, 1), (4, 4), (8, 9))) == [(0, 1), (4, 4), (8, 9)]
    assert segments(flags(3)) == []


def test_a_perfect_score_without_a_buffer_has_the_whole_volume():
    labels = flags(100, (40, 49))
    assert vus_pr(labels, labels.astype(float), window=0, thresholds=100) == pytest.approx(1.0)


def test_one_buffer_length_by_hand():
    # length 2: one point on each side counts sqrt(1 - 1/2); scores rank the label first, then both sides, then the rest.
    labels = flags(9, (4, 4))
    scores = np.array([0, 0, 0, 2, 3, 2, 0, 0, 0], dtype=float)
    half = math.sqrt(0.5)
    whole = (1 + 2 * half) / (1 + half)  # hits over positives: more than 1, so recall is full
    assert whole > 1
    without = 1.0
    # thresholds: every rank. Rank 1: precision 1, recall 1/1 = 1. Nothing is left to gain.
    assert vus_pr(labels, scores, window=0, thresholds=9) == pytest.approx(without)
    # average over lengths 0, 1 (no buffer) and 2: there too the first rank has recall 1 / (1 + 0).
    assert vus_pr(labels, scores, window=2, thresholds=9) == pytest.approx(1.0)
    # The sides first, a tie: T = 2h, positives 1 + h, precision 2h/2; then the label: T = 1 + 2h, precision (1 + 2h)/3.
    scores = np.array([0, 0, 0, 3, 2, 3, 0, 0, 0], dtype=float)
    recall = 2 * half / (1 + half)
    by_hand = recall * half + (1 - recall) * (1 + 2 * half) / 3
    zero = 1 / 3  # without a buffer only the label counts, and it comes third
    assert vus_pr(labels, scores, window=2, thresholds=9) == pytest.approx((2 * zero + by_hand) / 3)


def test_a_run_that_is_never_touched_lowers_recall():
    labels = flags(20, (3, 3), (12, 12))
    scores = np.zeros(20)
    scores[3] = 1.0
    # rank 1: T = 1, positives 2, recall 1/2 times one run of two = 1/4, precision 1; the rest comes with all points: precision 2/20.
    assert vus_pr(labels, scores, window=0, thresholds=20) == pytest.approx(0.25 + 0.75 * 0.1)


def test_no_label_has_no_figure():
    assert math.isnan(vus_pr(flags(10), np.zeros(10)))
    assert math.isnan(average_precision(flags(10), np.zeros(10)))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=5, max_size=60), st.integers(0, 12))
def test_the_volume_is_between_nothing_and_one(points, window):
    labels = np.array([label for label, _ in points])
    scores = np.array([float(score) for _, score in points])
    value = vus_pr(labels, scores, window, 30)
    assert math.isnan(value) if not labels.any() else 0 <= value <= 1 + 1e-9


def test_events_count_by_overlap_and_false_runs_once():
    labels = flags(100, (10, 19), (50, 59))
    alarms = flags(100, (18, 22), (30, 35), (80, 80))
    events = events_at(labels, alarms)
    assert (events.recall, events.precision, events.false_alarms) == (0.5, pytest.approx(1 / 3), 2)
    assert events.f1 == pytest.approx(2 * 0.5 / 3 / (0.5 + 1 / 3))
    assert events.flagged == pytest.approx(0.12)


def test_the_cap_forbids_one_endless_alarm():
    labels = flags(100, (10, 12), (50, 52), (90, 92))
    scores = np.ones(100)
    assert best_event_f1(labels, scores, cap=0.3).f1 == 0
    assert best_event_f1(labels, scores, cap=1.0).f1 == 1


def test_average_precision_by_hand():
    labels = np.array([True, False, True, False])
    assert average_precision(labels, np.array([4.0, 3.0, 2.0, 1.0])) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
