import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dharma_ml.sizing.disk import GIB, DiskForecast, forecast_disk, size_for
from dharma_ml.sizing.history import DAY, clean
from dharma_ml.sizing.leak import find_leak
from dharma_ml.sizing.memory import MemoryRecommendation, OomKill, recommend_memory
from dharma_ml.sizing.refusal import Reason, Refusal

MIB = 1024.0**2


def series(shape, days=8, step=300.0):
    times = np.arange(1, int(days * DAY / step) + 1) * step
    return clean(times, shape(times))


def steady(times):
    return (500 + 20 * np.sin(2 * np.pi * times / DAY)) * MIB


def leaking(times):
    return (500 + 50 * times / DAY + 40 * np.sin(2 * np.pi * times / DAY)) * MIB


def test_never_below_the_peak_and_its_margin():
    found = recommend_memory(series(steady), 8 * DAY)
    assert isinstance(found, MemoryRecommendation)
    assert found.because == "Peak"
    assert found.request == found.limit == math.ceil(found.peak * 1.15)
    assert found.leak is None


def test_a_kill_raises_by_a_fifth_and_the_margin_two_kills_by_half():
    history = series(steady)
    once = recommend_memory(history, 8 * DAY, [OomKill(7 * DAY, 1000 * MIB)])
    assert isinstance(once, MemoryRecommendation)
    assert once.because == "OutOfMemory"
    assert once.limit == math.ceil(1200 * MIB * 1.15)
    twice = recommend_memory(history, 8 * DAY, [OomKill(6 * DAY, 900 * MIB), OomKill(7 * DAY, 1000 * MIB)])
    assert isinstance(twice, MemoryRecommendation)
    assert twice.limit == math.ceil(1500 * MIB * 1.15)


def test_a_kill_of_the_future_or_long_ago_counts_nothing():
    history = series(steady, days=30)
    plain = recommend_memory(history, 20 * DAY)
    assert recommend_memory(history, 20 * DAY, [OomKill(21 * DAY, 1e12), OomKill(5 * DAY, 1e12), OomKill(math.nan, 1e12)]) == plain


def test_a_kill_is_answered_even_in_an_anomaly():
    history = series(steady)
    refused = recommend_memory(history, 8 * DAY, anomaly_open=True)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.ANOMALY
    assert isinstance(recommend_memory(history, 8 * DAY, [OomKill(7 * DAY, 1e9)], anomaly_open=True), MemoryRecommendation)


def test_an_autoscaler_on_memory_is_refused():
    found = recommend_memory(series(steady), 8 * DAY, hpa_on_memory=True)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.AUTOSCALED


def test_a_leak_is_found_with_the_time_it_has_left():
    now = 8 * DAY
    leak = find_leak(series(leaking), now, limit=1500 * MIB)
    assert leak is not None
    assert leak.slope * DAY / MIB == pytest.approx(50, rel=0.1)
    assert leak.slope_low < leak.slope < leak.slope_high
    assert leak.to_limit is not None
    assert leak.to_limit_early < leak.to_limit < leak.to_limit_late
    # It uses 900 MiB on average then, and a peak within the last hours above that.
    assert leak.to_limit / DAY == pytest.approx((1500 - 920) / 50, rel=0.15)


def test_a_leak_without_a_limit_has_no_end():
    leak = find_leak(series(leaking), 8 * DAY)
    assert leak is not None
    assert leak.to_limit is None


def test_what_is_no_leak():
    def cache(times):
        return (500 + 400 * (1 - np.exp(-times / DAY))) * MIB

    def constant(times):
        return np.full(len(times), 500 * MIB)

    for shape in (steady, cache, constant):
        assert find_leak(series(shape), 8 * DAY) is None
    assert find_leak(clean([], []), 8 * DAY) is None
    assert find_leak(series(leaking, days=2), 2 * DAY) is None


def test_only_what_follows_a_restart_counts():
    def restarted(times):
        return leaking(np.where(times > 7 * DAY, times - 7 * DAY, times))

    assert find_leak(series(restarted), 8 * DAY) is None
    later = find_leak(series(restarted, days=12), 12 * DAY)
    assert later is not None
    assert later.since >= 7 * DAY


def test_memory_does_not_look_ahead():
    history = series(leaking, days=10)
    changed = history.values.copy()
    changed[history.times > 8 * DAY] *= 5
    assert recommend_memory(history, 8 * DAY) == recommend_memory(clean(history.times, changed), 8 * DAY)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=200))
@settings(max_examples=40, deadline=None)
def test_no_reading_breaks_memory_or_disk(readings):
    history = clean([time for time, _ in readings], [value for _, value in readings])
    assert isinstance(recommend_memory(history, 1e6), MemoryRecommendation | Refusal)
    assert isinstance(forecast_disk(history, 1e6, 1e9), DiskForecast | Refusal)


def test_a_disk_that_grows_evenly():
    history = series(lambda times: 10 * GIB + GIB * times / DAY, days=10, step=3600.0)
    found = forecast_disk(history, 10 * DAY, 40 * GIB)
    assert isinstance(found, DiskForecast)
    assert found.growth == pytest.approx(GIB)
    assert found.early == pytest.approx(20, abs=0.01)
    assert found.days == pytest.approx(20)
    assert found.late == pytest.approx(20, abs=0.01)
    assert size_for(history, 10 * DAY) == 80 * GIB


def test_an_uneven_disk_has_an_interval_around():
    random = np.random.default_rng(1)
    history = series(lambda times: 10 * GIB + np.cumsum(random.gamma(0.2, GIB / 24 / 0.2, len(times))), days=14, step=3600.0)
    found = forecast_disk(history, 14 * DAY, 60 * GIB)
    assert isinstance(found, DiskForecast)
    assert found.early < found.days < found.late


def test_full_shrinking_and_unknown_disks():
    shrinking = series(lambda times: 100 * GIB - GIB * times / DAY, days=10, step=3600.0)
    found = forecast_disk(shrinking, 10 * DAY, 200 * GIB)
    assert isinstance(found, DiskForecast)
    assert found.days == found.early == math.inf
    full = forecast_disk(shrinking, 10 * DAY, 50 * GIB)
    assert isinstance(full, DiskForecast)
    assert full.days == full.early == full.late == 0.0
    few = forecast_disk(series(steady, days=2), 2 * DAY, 1e12)
    assert isinstance(few, Refusal)
    assert few.reason is Reason.TOO_FEW_POINTS
    assert size_for(series(steady, days=2), 2 * DAY) is None
