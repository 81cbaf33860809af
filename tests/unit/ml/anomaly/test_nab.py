"""NAB's rule, on cases worked out by hand."""

import math

import numpy as np
import pytest

from dharma_ml.bench.nab import LOW_FN, LOW_FP, STANDARD, Scored, corpus_score, fixed_score, probation


def sigma(x: float) -> float:
    return 2 / (1 + math.exp(5 * x)) - 1


def spikes(count: int, *at: int) -> np.ndarray:
    scores = np.zeros(count)
    scores[list(at)] = 1.0
    return scores


def percent(total: float, windows: int = 1, miss: float = 1.0) -> float:
    return 100 * (total + miss * windows) / (windows + miss * windows)


def test_an_alarm_at_the_first_point_of_every_window_is_perfect():
    series = Scored(spikes(1000, 400, 700), ((400, 449), (700, 749)))
    for profile in (STANDARD, LOW_FP, LOW_FN):
        assert corpus_score([series], profile).score == pytest.approx(100)


def test_no_alarm_at_all_is_zero():
    assert corpus_score([Scored(np.zeros(1000), ((400, 449),))], STANDARD).score == 0
    assert fixed_score([Scored(np.zeros(1000), ((400, 449),))], STANDARD, 0.5) == 0


def test_a_late_hit_is_worth_less_and_only_the_earliest_counts():
    window = (400, 449)
    late = sigma(-(449 - 440 + 1) / 50) / sigma(-1)
    assert fixed_score([Scored(spikes(1000, 440), (window,))], STANDARD, 0.5) == pytest.approx(percent(late))
    assert fixed_score([Scored(spikes(1000, 440, 445, 449), (window,))], STANDARD, 0.5) == pytest.approx(percent(late))


def test_false_alarms_cost_little_after_a_window_and_all_of_it_before_the_first():
    window = (400, 449)
    before = fixed_score([Scored(spikes(1000, 300, 400), (window,))], STANDARD, 0.5)
    assert before == pytest.approx(percent(1 - 0.11))
    near = fixed_score([Scored(spikes(1000, 400, 455), (window,))], STANDARD, 0.5)
    assert near == pytest.approx(percent(1 + 0.11 * sigma((455 - 449) / 49)))
    far = fixed_score([Scored(spikes(1000, 400, 900), (window,))], LOW_FP, 0.5)
    assert far == pytest.approx(percent(1 - 0.22))


def test_a_missed_window_costs_double_in_low_fn():
    series = Scored(spikes(1000, 400), ((400, 449), (700, 749)))
    assert fixed_score([series], LOW_FN, 0.5) == pytest.approx(percent(1 - 2, windows=2, miss=2))


def test_probation_is_not_scored():
    assert [probation(n) for n in (100, 1000, 4032, 10_000)] == [15, 150, 604, 750]
    assert fixed_score([Scored(spikes(1000, 0, 149, 400), ((400, 449),))], STANDARD, 0.5) == pytest.approx(100)


def test_one_threshold_serves_the_corpus_and_is_the_best_one():
    loud, quiet = np.zeros(1000), np.zeros(1000)
    loud[400], loud[800] = 0.9, 0.8  # a hit, then a false alarm
    quiet[500] = 0.7
    corpus = [Scored(loud, ((400, 449),)), Scored(quiet, ((500, 549),))]
    best = corpus_score(corpus, STANDARD)
    assert best.threshold == 0.7
    assert best.score == pytest.approx(percent(2 - 0.11, windows=2))
    by_hand = max(fixed_score(corpus, STANDARD, cut) for cut in (0.7, 0.8, 0.9, 1.0))
    assert best.score == pytest.approx(by_hand)


def test_points_of_one_score_are_alarms_together():
    flat = Scored(np.full(200, 0.5), ((100, 119),))
    alarms = 200 - 30 - 20
    assert corpus_score([flat], STANDARD).score == pytest.approx(max(fixed_score([flat], STANDARD, 0.5), 0))
    assert alarms == 150


def test_the_sweep_agrees_with_every_fixed_threshold():
    chance = np.random.default_rng(1)
    corpus = [Scored(np.round(chance.random(600), 2), ((200, 239), (400, 439))) for _ in range(3)]
    for profile in (STANDARD, LOW_FP, LOW_FN):
        best = corpus_score(corpus, profile)
        every = [fixed_score(corpus, profile, cut) for cut in np.unique(np.concatenate([s.scores for s in corpus]))]
        assert best.score == pytest.approx(max([*every, 0.0]))


def test_a_corpus_without_windows_is_refused():
    with pytest.raises(ValueError, match="no labelled window"):
        corpus_score([Scored(np.zeros(10), ())], STANDARD)
