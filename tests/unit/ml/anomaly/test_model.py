"""The detector of one stream, whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_ml.anomaly.maker import AnomalyMaker
from dharma_ml.anomaly.model import AnomalyModel, rating
from dharma_ml.anomaly.settings import SETTINGS
from dharma_ml.findings import Sample

STEP = 300.0
START = 1.7e9


def stream(count: int = 1600, channels: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    times = START + STEP * np.arange(count)
    chance = np.random.default_rng(seed)
    values = 50 + 10 * np.sin(times / 86_400 * 2 * np.pi)[:, None] + chance.normal(size=(count, channels))
    return times, values


@pytest.fixture(scope="module")
def seen():
    times, values = stream()
    values[1400:1440, 1] += 40
    model = AnomalyModel("s")
    return times, values, model.observe(times, values, ("cpu", "errors")), model


def test_a_shift_is_an_alarm_blamed_on_its_channel(seen):
    times, _, scored, _ = seen
    found = [alarm for alarm in scored.alarms if times[1399] < alarm.start <= times[1440]]
    assert len(found) == 1
    assert found[0].shares["errors"] > 0.8
    assert found[0].deviation > 10
    assert sum(found[0].shares.values()) == pytest.approx(1)


def test_scores_are_in_range_and_quiet_streams_are_quiet(seen):
    _, _, scored, _ = seen
    score = rating(scored)
    assert ((score >= 0) & (score <= 1)).all()
    assert score[1400:1412].max() == score.max()


def test_the_future_never_changes_the_past(seen):
    times, values, scored, _ = seen
    changed = values.copy()
    changed[1000:] = np.random.default_rng(9).normal(size=changed[1000:].shape) * 1e3
    other = AnomalyModel("s").observe(times, changed, ("cpu", "errors"))
    np.testing.assert_array_equal(rating(other)[:1000], rating(scored)[:1000])
    assert not np.array_equal(rating(other)[1000:], rating(scored)[1000:])


def test_the_same_input_gives_the_same_output(seen):
    times, values, scored, model = seen
    again = AnomalyModel("s")
    np.testing.assert_array_equal(rating(again.observe(times, values, ("cpu", "errors"))), rating(scored))
    assert again.to_bytes() == model.to_bytes()


def test_how_the_points_are_cut_into_calls_does_not_matter(seen):
    times, values, scored, _ = seen
    model, parts, start = AnomalyModel("s"), [], 0
    for size in (1, 71, 73, 500, 1, 1, 354, 399, 1, 17, 182):
        parts.append(rating(model.observe(times[start : start + size], values[start : start + size], ("cpu", "errors"))))
        start += size
    assert start == len(times)
    np.testing.assert_allclose(np.concatenate(parts), rating(scored), atol=1e-9)


@pytest.mark.parametrize("cut", [0, 1, 100, 144, 300, 1000, 1410])
def test_a_restart_forgets_nothing(seen, cut):
    times, values, scored, whole = seen
    model = AnomalyModel("s")
    model.observe(times[:cut], values[:cut], ("cpu", "errors"))
    restored = AnomalyModel.from_bytes("s", model.to_bytes())
    assert restored.to_bytes() == model.to_bytes()
    rest = restored.observe(times[cut:], values[cut:], ("cpu", "errors"))
    np.testing.assert_allclose(rating(rest), rating(scored)[cut:], atol=1e-9)
    assert restored.points == whole.points
    if cut == 1410:
        assert [round(a.start) for a in rest.alarms if a.start < times[cut]] == [
            round(a.start) for a in scored.alarms if times[1399] < a.start < times[cut]
        ]


def test_a_new_stream_says_it_learns_and_raises_nothing():
    times, values = stream(560, 1)
    values[500:] += 1000
    model = AnomalyModel("s")
    for start in range(0, 560, 56):
        findings = model.update(
            [Sample(t, {"cpu": float(v)}) for t, v in zip(times[start : start + 56], values[start : start + 56, 0], strict=True)]
        )
        assert [finding.kind for finding in findings] == ["Learning"]
    assert model.learning


def test_findings_of_an_alarm_carry_its_numbers():
    times, values = stream()
    values[1400:1410, 0] -= 30
    model = AnomalyModel("web")
    model.observe(times[:1395], values[:1395], ("cpu", "memory"))
    findings = model.update(
        [Sample(t, {"cpu": a, "memory": b}) for t, (a, b) in zip(times[1395:1410], values[1395:1410].tolist(), strict=True)]
    )
    [found] = [finding for finding in findings if finding.kind == "Anomaly"]
    assert found.stream == "web"
    assert found.numbers["share:cpu"] > 0.8
    assert 0.99 < found.confidence <= 1
    assert "cpu" in found.message


def test_tail_probabilities_are_calibrated_on_normal_streams():
    shares = []
    for seed in range(4):
        times, values = stream(5000, 3, seed)
        shares.append(AnomalyModel("s").observe(times, values).evidence[1000:])
    joined = np.concatenate(shares)
    assert 0.003 <= np.mean(joined >= 2) <= 0.03


BAD = st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e300, 0.0, -1e9, 5.0])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([300.0, 0.0, -300.0, 1e7, float("nan"), -1e9]), st.dictionaries(st.sampled_from("abc"), BAD, max_size=3)),
        max_size=40,
    ),
    st.sampled_from([0, 50, 400]),
)
def test_bad_readings_never_raise_and_never_give_a_bad_score(readings, before):
    model = AnomalyModel("s")
    times, values = stream(before, 1)
    model.observe(times, values, ("a",))
    now, samples = START + STEP * before, []
    for step, value in readings:
        now += step if step == step else 0.0  # noqa: PLR0124 - not a number
        samples.append(Sample(now if step == step else step, value))  # noqa: PLR0124
    for finding in model.update(samples):
        assert finding.kind in {"Learning", "Anomaly"}
        assert 0 <= finding.confidence <= 1
        assert all(np.isfinite(number) for number in finding.numbers.values())
    scored = model.observe(START + 1e8 + STEP * np.arange(5), np.full((5, 1), 7.0), ("a",))
    assert np.isfinite(rating(scored)).all()
    AnomalyModel.from_bytes("s", model.to_bytes())


@pytest.mark.parametrize("constant", [0.0, 1.0, 1e9])
def test_a_constant_stream_is_quiet(constant):
    times = START + STEP * np.arange(1500)
    scored = AnomalyModel("s").observe(times, np.full((1500, 2), constant))
    assert not scored.alarms
    assert np.isfinite(rating(scored)).all()


def test_older_readings_are_left_out_until_the_clock_was_plainly_set_back():
    times, values = stream(800, 1)
    model = AnomalyModel("s")
    model.observe(times, values)
    model.observe(times[:10], values[:10])
    assert model.points == 800
    model.observe(times[:40], values[:40])
    assert model.points == 40 - (SETTINGS.backward - 10) + 1
    assert model.learning


def test_a_gap_of_a_month_starts_learning_anew():
    times, values = stream(800, 1)
    model = AnomalyModel("s")
    model.observe(times, values)
    model.observe(times[:5] + 40 * 86_400, values[:5])
    assert model.points == 5


def test_a_channel_that_vanishes_or_appears_raises_nothing_by_that():
    times, values = stream(2400, 3)
    values[:, 2] += 1000
    model = AnomalyModel("s")
    first = model.observe(times[:1200], values[:1200, :2], ("a", "b"))
    second = model.observe(times[1200:], values[1200:, [0, 2]], ("a", "c"))
    assert not [alarm for alarm in first.alarms + second.alarms if alarm.shares.get("c", 0) > 0.5]
    assert np.isfinite(rating(second)).all()
    assert model.points == 2400


def test_no_sample_gives_nothing():
    assert AnomalyModel("s").update([]) == []
    assert AnomalyModel("s").update([Sample(START, {})]) == []


def test_a_wide_stream_takes_no_more_memory_than_allowed():
    times, values = stream(4200, 20)
    model = AnomalyModel("s")
    model.observe(times, values)
    assert len(model.to_bytes()) <= 240_000


def test_the_fleet_gets_a_detector_by_name_and_back_from_bytes():
    maker = AnomalyMaker()
    times, values = stream(300, 1)
    first = maker.create("s")
    findings = first.observe([Sample(t, {"cpu": v}) for t, v in zip(times.tolist(), values[:, 0].tolist(), strict=True)], None)
    assert [finding.kind for finding in findings] == ["Learning"]
    assert maker.restore("s", first.save()).save() == first.save()
    with pytest.raises(ValueError, match="state"):
        maker.restore("s", b"nonsense")


def test_a_hundred_wide_streams_take_20_megabytes_at_most():
    """Noise, which cannot be packed, in as many channels as the servers of the benchmark have; after that the state grows no more."""
    count = 4500
    model = AnomalyModel("wide")
    model.observe(1.7e9 + 300.0 * np.arange(count), np.random.default_rng(0).normal(size=(count, 19)))
    assert len(model.to_bytes()) <= 200_000
