"""The detector's parts: tail probabilities, the forest as arrays, the baseline, peaks, severity, the state's form."""

import warnings
import zlib

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from dharma_ml.anomaly import baseline, codec, forest, subspace
from dharma_ml.anomaly.alarms import Alarm, Peaks, severity, strengths
from dharma_ml.anomaly.conformal import evidence
from dharma_ml.anomaly.settings import SETTINGS
from dharma_ml.findings import Severity


def test_ranks_become_probabilities():
    past = np.arange(1, 100, dtype=float)  # 99 scores
    assert evidence(past, np.array([0.0]), 0.02)[0] == 0  # all are at least so high: (1 + 99) / 100
    assert evidence(past, np.array([50.0]), 0.02)[0] == pytest.approx(-np.log10((1 + 50) / 100))


def test_the_tail_is_exponential_above_the_highest_scores():
    past = np.arange(1, 100, dtype=float)
    edge, scale = 91.0, np.mean(np.arange(92, 100) - 91.0)  # the eight highest shape the tail
    expected = -np.log10(8 / 99 * np.exp(-(200 - edge) / scale))
    assert evidence(past, np.array([200.0]), 0.02)[0] == pytest.approx(expected)


def test_few_scores_prove_nothing():
    assert not evidence(np.arange(20.0), np.array([1e9]), 0.02).any()


def test_tail_probabilities_hold_on_fresh_normal_scores():
    chance = np.random.default_rng(0)
    proof = evidence(np.sort(chance.exponential(size=4000)), chance.exponential(size=200_000), 0.02)
    for nominal in (0.05, 0.01, 0.001):
        assert 0.5 * nominal <= np.mean(proof >= -np.log10(nominal)) <= 2 * nominal


def test_the_forest_as_arrays_equals_scikit_learn():
    chance = np.random.default_rng(3)
    rows = chance.normal(size=(500, 4))
    ours = forest.score(forest.fit(rows, 20, 64, 1), rows)
    model = IsolationForest(n_estimators=20, max_samples=64, random_state=1).fit(rows.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = -model.score_samples(rows.astype(np.float32))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_the_forest_of_constant_rows_is_defined():
    rows = np.ones((100, 3))
    assert np.isfinite(forest.score(forest.fit(rows, 5, 64, 1), rows)).all()


def test_a_daily_season_is_found_and_noise_is_not_taken_for_one():
    times = np.arange(0, 4 * 86_400, 300, dtype=float)
    season = np.sin(times / 86_400 * 2 * np.pi) * 10
    noise = np.random.default_rng(1).normal(size=len(times))
    rows = np.stack([season, noise], axis=1)
    fitted = baseline.fit(times, rows, rows[-288:], SETTINGS)
    assert fitted.choice.tolist() == [1, 0]
    ahead = times + 4 * 86_400
    np.testing.assert_allclose(baseline.expected(fitted, ahead, SETTINGS)[:, 0], season, atol=0.8)


def test_the_subspace_sees_a_broken_relation_that_no_channel_shows():
    chance = np.random.default_rng(2)
    common = chance.normal(size=1000)
    rows = np.stack([common, common, common], axis=1) + 0.01 * chance.normal(size=(1000, 3))
    model = subspace.fit(rows, rows.mean(axis=0), rows.std(axis=0), 1, 0.9)
    usual = np.abs(subspace.residual(model, rows)).max()
    odd = np.abs(subspace.residual(model, np.array([[1.0, 1.0, -1.0]])))[0, :, 0]
    assert odd.max() > 5 * usual
    assert odd.argmax() == 2


def test_only_points_above_all_recent_ones_are_peaks():
    fused = np.zeros(600)
    fused[[10, 12, 14, 500]] = [2.0, 3.0, 1.0, 2.5]
    peaks = Peaks()
    strength = strengths(fused, np.zeros(0), 0, peaks, SETTINGS)
    assert np.flatnonzero(strength).tolist() == [10, 12, 500]
    assert strength[10] == 2.0
    assert strength[500] == pytest.approx(2.5 / (1 + 3.0))
    assert peaks.heights == [3.0, 2.5]


def alarm(**change: float) -> Alarm:
    return Alarm(**{"start": 0.0, "strength": 1.0, "fused": 1.0, "evidence": 3.0, "deviation": 1.0} | change)


def test_severity_rises_with_improbability_duration_and_impact():
    assert severity(alarm()) is Severity.LOW
    assert severity(alarm(fused=2.5, points=20)) is Severity.MEDIUM
    assert severity(alarm(fused=4.5, points=20, deviation=8.0)) is Severity.HIGH
    assert severity(alarm(fused=4.5, points=100, deviation=20.0)) is Severity.CRITICAL


def test_the_form_of_the_state_refuses_what_it_did_not_write():
    blob = codec.encode({"a": 1}, {"x": np.arange(3.0), "y": np.zeros((0, 2), dtype=np.float32)})
    plain, arrays = codec.decode(blob)
    assert plain == {"a": 1}
    np.testing.assert_array_equal(arrays["x"], [0, 1, 2])
    assert arrays["y"].shape == (0, 2)
    changed = bytearray(blob)
    changed[40] ^= 1
    for bad in (b"", b"nonsense", b"\x80\x04\x95pickle", blob[:-1], blob + b"x", bytes(changed)):
        with pytest.raises(ValueError, match="state"):
            codec.decode(bad)


def test_what_packs_well_is_packed_and_only_as_long_as_it_says():
    chance = np.random.default_rng(0).normal(size=5000)
    same = np.zeros(5000)
    blob = codec.encode({}, {"chance": chance, "same": same})
    assert chance.nbytes < len(blob) < chance.nbytes + 600
    _, arrays = codec.decode(blob)
    assert np.array_equal(arrays["chance"], chance)
    assert np.array_equal(arrays["same"], same)
    longer = codec.encode({}, {"same": same}).replace(b"[5000]", b"[4999]")[:-4]
    with pytest.raises(ValueError, match="another length"):
        codec.decode(longer + zlib.crc32(longer).to_bytes(4, "little"))
