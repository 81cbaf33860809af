import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_ml.sizing.cpu import CpuRecommendation, CpuSizer, recommend_cpu, replay
from dharma_ml.sizing.history import DAY, clean
from dharma_ml.sizing.measures import judge, total, walk, within
from dharma_ml.sizing.parameters import CPU
from dharma_ml.sizing.refusal import Reason, Refusal
from dharma_ml.sizing.replicas import replicas
from dharma_ml.sizing.savings import state_savings


def week(seed=0, days=20, scale=1.0):
    random = np.random.default_rng(seed)
    times = np.arange(1, days * 288 + 1) * 300.0
    return clean(times, random.gamma(2.0, 0.1 * scale, len(times)))


def test_cleaning_drops_what_is_no_reading():
    history = clean([3, 1, 2, 2, 4, 5, np.nan, 6], [30, 10, 1, 20, np.nan, -1, 7, np.inf])
    assert history.times.tolist() == [1, 2, 3]
    assert history.values.tolist() == [10, 20, 30]


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="each reading needs both"):
        clean([1, 2], [1])


def test_a_point_on_midnight_ends_the_day_before():
    days = list(clean([DAY - 300, DAY, DAY + 300], [1, 2, 3]).days())
    assert [(day, values.tolist()) for day, values in days] == [(0, [1.0, 2.0]), (1, [3.0])]


def test_the_quantile_is_weighted_by_age():
    sizer = CpuSizer(dataclasses.replace(CPU, half_life_days=1.0))
    sizer.days = [(0, np.array([10.0])), (1, np.array([1.0]))]  # weights 1/2 and 1
    assert sizer.quantile(0.34) == 1.0
    assert sizer.quantile(0.32) == 10.0


def test_credit_raises_the_level_and_debt_lowers_it():
    sizer = CpuSizer()
    assert sizer.level() == pytest.approx(0.008)
    sizer.credit = 0.03
    assert sizer.level() == pytest.approx(0.038)
    sizer.credit = -0.27
    assert sizer.level() == pytest.approx(0.001)
    sizer.credit = 9.0
    assert sizer.level() == 1.0


def test_an_account_is_about_a_month():
    sizer = CpuSizer()
    for day in range(100):
        sizer.close(day, np.full(288, 1.0))
    assert sizer.credit == pytest.approx(0.28)
    for day in range(100, 110):
        sizer.close(day, np.full(288, 2.0**day))
    assert sizer.credit == pytest.approx(-0.28)


def test_debt_is_paid_back_only_as_far_as_it_is_cheap():
    sizer = CpuSizer()
    bursts = np.concatenate([np.full(286, 1.0), np.full(2, 50.0)])  # two of 288 readings: a share of 0.7 %
    for day in range(4):
        sizer.close(day, bursts)
    assert sizer.decide() < 1.01
    sizer.close(4, np.full(288, 1.05))
    assert sizer.credit < -0.2
    assert sizer.decide() == pytest.approx(1.1 * 1.05 * 1.01)


def test_a_ceiling_that_is_passed_by_thousandths_is_kept():
    random = np.random.default_rng(0)
    sizer = CpuSizer()
    short = []
    for day in range(20):
        busy = 100.0 * (1 + 0.0002 * day) + random.normal(0, 0.05, 288)
        if day >= 2:
            short.append(float(np.mean(busy > sizer.decide())))
        sizer.close(day, busy)
    assert np.mean(short) <= 0.0125


def test_shortage_is_kept_where_tomorrow_is_like_today():
    for target in (0.005, 0.01, 0.05):
        outcomes = []
        for seed in range(8):
            sizer = CpuSizer(dataclasses.replace(CPU, target=target))
            pairs = []
            for day, values in week(seed, 28).days():
                if sizer.decide() is not None and day >= 2:
                    pairs.append((sizer.decide(), values))
                sizer.close(day, values)
            outcomes.append(judge(pairs))
        assert within(outcomes, target) == 1.0


def test_a_jump_is_paid_back():
    calm, wild = np.full(288, 1.0), np.full(288, 2.0)
    sizer = CpuSizer()
    for day in range(5):
        sizer.close(day, calm)
    before = sizer.level()
    sizer.close(5, wild)
    assert sizer.credit == pytest.approx(-0.28)
    assert sizer.level() < before
    assert 2.0 < sizer.decide() <= 2.02


def test_the_future_changes_nothing():
    history = week(days=20)
    now = 12 * DAY + 1234.0
    changed = history.values.copy()
    changed[history.times > now] = 99.0
    other = clean(history.times, changed)
    assert recommend_cpu(history, now) == recommend_cpu(other, now)


@given(st.integers(1, 8))
@settings(max_examples=8, deadline=None)
def test_state_goes_round(days):
    whole = list(week(3, 10).days())
    straight, broken = CpuSizer(), CpuSizer()
    for day, values in whole[:days]:
        straight.close(day, values.astype(np.float32))
        broken.close(day, values.astype(np.float32))
    broken = CpuSizer.restore(broken.save())
    for day, values in whole[days:]:
        straight.close(day, values.astype(np.float32))
        broken.close(day, values.astype(np.float32))
    assert straight.save() == broken.save()


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b'{"version": 2}', b"\xff", b'{"version": 1, "days": [[1]]}'])
def test_a_foreign_state_is_refused(state):
    with pytest.raises(ValueError, match=r"no state of a CPU sizer|codec"):
        CpuSizer.restore(state)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=300))
@settings(max_examples=50, deadline=None)
def test_nothing_that_meters_give_breaks_it(readings):
    history = clean([time for time, _ in readings], [value for _, value in readings])
    found = recommend_cpu(history, 1e9)
    assert isinstance(found, CpuRecommendation | Refusal)


def test_the_first_day_is_sized_from_what_there_is():
    history = week(days=1).until(0.6 * DAY)
    found = recommend_cpu(history, 0.6 * DAY)
    assert isinstance(found, CpuRecommendation)
    assert found.shortage_kept is None
    assert found.request >= np.quantile(history.values, 0.99)


def test_days_that_are_empty_or_old_are_passed_over():
    sizer = CpuSizer()
    sizer.close(5, np.ones(3))
    state = sizer.save()
    sizer.close(5, np.ones(3) * 9)
    sizer.close(4, np.ones(3) * 9)
    sizer.close(6, np.zeros(0))
    assert sizer.save() == state


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"hpa_on_cpu": True}, Reason.AUTOSCALED),
        ({"anomaly_open": True}, Reason.ANOMALY),
    ],
)
def test_refusals(asked, reason):
    found = recommend_cpu(week(), 20 * DAY, **asked)
    assert isinstance(found, Refusal)
    assert found.reason is reason
    assert found.message.endswith(".")


def test_99_points_are_too_few_and_100_enough():
    history = week()
    few = recommend_cpu(history.until(99 * 300.0), 99 * 300.0)
    assert isinstance(few, Refusal)
    assert few.reason is Reason.TOO_FEW_POINTS
    assert isinstance(recommend_cpu(history.until(100 * 300.0), 100 * 300.0), CpuRecommendation)


def test_old_readings_are_refused():
    found = recommend_cpu(week(), 22 * DAY)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.STALE


def test_measures_by_hand():
    one = judge([(2.0, np.array([1.0, 3.0])), (4.0, np.array([4.0, 0.0]))])
    assert (one.points, one.short, one.days, one.days_short) == (4, 1, 2, 1)
    assert one.shortage == 0.25
    assert one.slack == pytest.approx(1 - 7 / 12)
    assert one.unmet == pytest.approx(1 / 8)
    assert total([one, one]).slack == one.slack
    assert within([one], 0.25) == 1.0
    assert within([one], 0.1) == 0.0
    assert judge([]).slack == judge([]).shortage == judge([]).unmet == 0.0


def test_walking_forward_shows_only_the_past():
    seen = []
    days = [(day, np.array([float(day)])) for day in range(5)]
    pairs = walk(days, lambda past: seen.append([day for day, _ in past]) or 1.0)
    assert seen == [[0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert [float(values[0]) for _, values in pairs] == [2.0, 3.0, 4.0]


def test_replicas_carry_the_sum():
    demand = CpuRecommendation(2.05, 0.01, None, 0, 0.5)
    assert replicas(demand, 0.5) == 5
    assert replicas(demand, 5.0, least=2) == 2
    assert replicas(demand, 0.5, most=3) == 3
    with pytest.raises(ValueError, match="positive size"):
        replicas(demand, 0.0)
    with pytest.raises(ValueError, match="exclude"):
        replicas(demand, 1.0, least=3, most=2)


def test_savings_charge_the_greater_of_request_and_usage():
    saved = state_savings(np.array([1.0, 5.0]), current=4.0, recommended=2.0, price=0.1, hours=10.0)
    assert saved.now == pytest.approx(4.5)
    assert saved.then == pytest.approx(3.5)
    assert saved.saved == pytest.approx(1.0)


def test_replay_leaves_today_out():
    history = week(days=4)
    assert [day for day, _ in replay(history, 2.5 * DAY).days] == [0, 1]
