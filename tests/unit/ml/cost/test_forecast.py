import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dharma_ml.bench.cost import mase, wape
from dharma_ml.cost.forecast import choose, conform, forecast
from dharma_ml.cost.methods import CARRIED, NAIVE, carried, season
from dharma_ml.cost.series import fill, hourly


def usage(days=30, seed=0, noise=0.02):
    random = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    week = np.where((hours // 24) % 7 >= 5, 0.7, 1.0)
    return 100 * week * (1 + 0.2 * np.sin(2 * np.pi * hours / 24)) * (1 + random.normal(0, noise, len(hours)))


def test_seasons_by_hand():
    assert season(np.arange(10.0), 5, 3).tolist() == [7, 8, 9, 7, 8]


def test_what_today_is_off_fades_and_a_share_of_the_day_stays():
    past = np.concatenate([np.full(48, 10.0), np.full(24, 14.0)])  # a day is 4 above the day before
    found = carried(past, 2, 24)
    assert found[0] == pytest.approx(14 + 0.95 * 4 + 0.05 * 1.2)
    assert found[1] == pytest.approx(14 + 0.95**2 * 4 + (1 - 0.95**2) * 1.2)


def test_shuffling_the_future_leaves_the_forecast_identical():
    series = usage()
    future = series[480:].copy()
    np.random.default_rng(1).shuffle(future)
    other = np.concatenate([series[:480], future])
    for method in (*NAIVE.values(), *CARRIED.values()):
        assert np.array_equal(method[1](series[:480], 24), method[1](other[:480], 24))
    one, two = forecast(series[:480], 168), forecast(other[:480], 168)
    assert one.values.tobytes() == two.values.tobytes()
    assert one.low.tobytes() == two.low.tobytes()
    assert one.high.tobytes() == two.high.tobytes()


def test_where_nothing_beats_the_naive_it_is_named():
    exact = np.tile(usage(7, noise=0.0), 4)
    found = forecast(exact, 24)
    assert found.method == "week-naive"
    assert np.allclose(found.values, exact[:24])


def test_each_horizon_has_its_own_choice():
    """What an hour ago says fades: a level that springs back within a day is worth carrying on for a day, not for a week."""
    random = np.random.default_rng(5)
    moved = np.zeros(28 * 24)
    for hour in range(1, len(moved)):
        moved[hour] = 0.97 * moved[hour - 1] + random.normal(0, 1.5)
    series = usage(28, noise=0.0) + moved
    day, week = choose(series, 24), choose(series, 168)
    assert day.errors.shape[1] == 24
    assert week.errors.shape[1] == 168
    assert "carried on" in day.name
    naive = [series[at : at + 168] - season(series[:at], 168, 168) for at in range(168, len(series) - 167, 24)]
    assert np.abs(week.errors).mean() <= np.abs(naive).mean()


def test_a_week_is_tested_as_far_ahead_as_the_past_allows():
    assert [choose(usage(days), 168).errors.shape[1] for days in (1, 9, 10, 12, 16, 20)] == [24, 24, 24, 72, 168, 168]


def test_the_interval_of_a_sum_holds_and_is_narrower_than_hours_that_err_together():
    held, ratio = [], []
    for seed in range(6):
        series = usage(30, seed) * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.001, 720)))
        for at in range(264, 552, 24):
            found = forecast(series[:at], 168)
            _, low, high = found.total()
            held.append(low <= series[at : at + 168].sum() <= high)
            ratio.append((high - low) / (found.high - found.low).sum())
    assert 0.9 <= np.mean(held) <= 1.0
    assert np.mean(ratio) < 0.6


def test_a_level_that_moves_is_carried_on():
    series = usage(noise=0.002) * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, 720)))
    assert "carried on" in forecast(series, 24).method


def test_intervals_cover_walking_forward():
    inside = []
    for seed in range(4):
        series = usage(30, seed)
        for at in range(240, 696, 24):
            found = forecast(series[:at], 24)
            truth = series[at : at + 24]
            inside.append(np.mean((found.low <= truth) & (truth <= found.high)))
    assert 0.92 <= np.mean(inside) <= 0.98


def test_from_the_first_hour_with_stated_uncertainty():
    found = forecast(np.array([100.0]), 24)
    assert found.method == "naive"
    assert found.origins == 0
    assert found.values.tolist() == [100.0] * 24
    assert found.low[0] <= 50
    assert found.high[0] >= 150
    nothing = forecast(np.zeros(0), 3)
    assert nothing.values.tolist() == [0, 0, 0]
    assert np.isinf(nothing.high).all()


def test_the_interval_narrows_as_days_pass():
    series = usage()
    widths = [np.mean(forecast(series[:at], 24).high - forecast(series[:at], 24).low) for at in (12, 48, 264)]
    assert widths == sorted(widths, reverse=True)


def test_sums_have_bounds():
    found = forecast(usage(), 240)
    value, low, high = found.total()
    assert low < value < high
    assert value == pytest.approx(found.values.sum())


def test_a_horizon_below_an_hour_is_refused():
    with pytest.raises(ValueError, match="at least an hour"):
        forecast(usage(), 0)


@given(arrays(np.float64, st.integers(0, 260), elements=st.floats(0, 1e9) | st.sampled_from([np.nan, np.inf])), st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_any_series_gets_a_finite_forecast_within_its_interval(series, horizon):
    found = forecast(series, horizon)
    assert len(found.values) == len(found.low) == len(found.high) == horizon
    assert np.isfinite(found.values).all()
    assert (found.low <= found.values).all()
    assert (found.values <= found.high).all()


def test_a_day_of_misses_widens_the_next():
    calm = np.ones((10, 24)) + np.random.default_rng(0).random((10, 24)) * 0.1
    wild = calm.copy()
    wild[-1] *= 1.5
    wild[-2] *= 1.5
    assert conform(wild)[1] > conform(calm)[1]


def test_hours_are_means_and_gaps_are_filled_from_before():
    times = [0, 1800, 3600, 3 * 3600, 4 * 3600]
    assert hourly(times, [1, 3, 5, 7, 9], 4 * 3600 + 60).tolist() == [2, 5, 5, 7]
    assert fill(np.array([np.nan, 1.0, np.nan])).tolist() == [1, 1, 1]
    assert fill(np.array([np.nan])).tolist() == [0]
    assert hourly([np.nan, 0, 1e18, -1e18], [1, -1, 1, 1], 7200).tolist() == []
    with pytest.raises(ValueError, match="each reading needs both"):
        hourly([1], [1, 2], 7200)


def test_metrics_by_hand():
    assert wape(np.array([10.0, 30.0]), np.array([8.0, 32.0])) == pytest.approx(10.0)
    past = np.concatenate([np.full(24, 1.0), np.full(24, 3.0)])
    assert mase(np.array([5.0]), np.array([4.0]), past) == pytest.approx(0.5)
