"""Vectors worked out by hand from the published rules of VPA's recommender, and those of its own histogram tests."""

import pytest

from dharma_ml.sizing.baselines import krr_cpu, krr_memory, maximum, p95_fixed_margin, p99
from dharma_ml.sizing.history import DAY
from dharma_ml.sizing.vpa import CPU_BUCKETS, MEMORY_BUCKETS, Buckets, Histogram, Rules, Vpa

HOUR = 3600.0
START = 1234567890.0
MIB = 1024**2


class Unit(Buckets):
    """Buckets of width 1, so that vectors can be read off."""

    __slots__ = ()

    @property
    def count(self):
        return 11

    def find(self, value):
        return min(int(value), 10)

    def start(self, bucket):
        return float(bucket)


def histogram():
    return Histogram(Unit(10.0, 1.0), HOUR)


def test_bucket_bounds():
    # 0.01 x (1.05^n - 1) / 0.05
    assert [round(CPU_BUCKETS.start(n), 8) for n in range(4)] == [0.0, 0.01, 0.0205, 0.031525]
    # ceil(log(1000 x 0.05 / 0.01 + 1) / log 1.05) + 1 = ceil(174.6) + 1; memory: ceil(log(5001) / log 1.05) + 1 as well
    assert CPU_BUCKETS.count == MEMORY_BUCKETS.count == 176
    assert [CPU_BUCKETS.find(value) for value in (0.0, 0.0099, 0.011, 0.0204, 0.021, 5000.0)] == [0, 0, 1, 1, 2, 175]
    assert MEMORY_BUCKETS.start(1) == 1e7


def test_an_empty_histogram_gives_zero():
    assert [histogram().percentile(share) for share in (-0.5, 0.0, 0.5, 1.0)] == [0.0] * 4


def test_no_decay_within_an_instant():
    one = histogram()
    for value in range(1, 5):
        one.add(value, value, START)
    shares = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert [one.percentile(share) for share in shares] == [2, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5]


def test_decay_by_half_each_half_life():
    one = histogram()
    for value in range(1, 5):
        one.add(value, value, START + (value - 1) * HOUR)
    shares = (0.0, 0.02, 0.03, 0.10, 0.11, 0.34, 0.35, 1.0)
    assert [one.percentile(share) for share in shares] == [2, 2, 3, 3, 4, 4, 5, 5]


def test_a_heavy_sample_fades():
    one = histogram()
    one.add(2, 1000, START)
    one.add(1, 1, START + 20 * HOUR)
    assert one.percentile(0.999) == 2
    assert one.percentile(1.0) == 3


def test_after_a_hundred_half_lives_the_old_is_gone():
    one = histogram()
    one.add(2, 1, START)
    one.add(1, 1, START + 101 * HOUR)
    assert one.percentile(1.0) == 2
    assert one.reference > START


def test_subtracting_empties():
    one = histogram()
    one.add(3, 1, START)
    one.subtract(3, 1, START)
    assert one.percentile(0.5) == 0.0


def test_cpu_target_lower_and_upper_by_hand():
    # One day of a reading a minute at 0.1 cores: bucket 8 (0.0955 to 0.1103), so every percentile is 110 millicores after truncation,
    # with 15 % (16.5, truncated to 16) 126. Confidence: 1439 minutes of a day and 1440 samples: 0.99930….
    one = Vpa()
    for minute in range(1440):
        one.add_cpu(minute * 60.0, 0.1)
    assert CPU_BUCKETS.find(0.1) == 8
    assert int(CPU_BUCKETS.start(9) * 1000) == 110
    assert one.confidence == pytest.approx(1439 / 1440)
    found = one.recommend_cpu()
    assert found.target == 126
    assert found.upper == int(126 * (1 + 1440 / 1439))
    assert found.lower == int(126 * (1 + 0.001 * 1440 / 1439) ** -2)


def test_the_published_confidence_multipliers():
    # The recommender's own comment: 12 h of history gives x 3, 24 h x 2, a week x 1.14; 5 min give the lower bound x 0.6.
    for days, factor in ((0.5, 3.0), (1.0, 2.0), (7.0, 8 / 7)):
        one = Vpa(Rules(least_millicores=0))
        one.add_cpu(0.0, 1.0)
        one.last, one.samples = days * DAY, int(days * 1440)
        found = one.recommend_cpu()
        assert found.upper == pytest.approx(found.target * factor, abs=1)
    one.last, one.samples = 300.0, 5
    found = one.recommend_cpu()
    assert found.lower / found.target == pytest.approx(0.6, abs=0.01)


def test_without_history_nothing_is_evicted():
    found = Vpa().recommend_cpu()
    assert (found.lower, found.target, found.upper) == (25, 25, int(1e14))


def test_readings_out_of_order_and_negative_are_dropped():
    one = Vpa()
    one.add_cpu(100.0, 1.0)
    one.add_cpu(100.0, 5.0)
    one.add_cpu(50.0, 5.0)
    one.add_cpu(200.0, -1.0)
    one.add_cpu(200.0, float("nan"))
    assert one.samples == 1


def test_only_the_peak_of_each_day_counts():
    one = Vpa(Rules(least_bytes=0))
    for hour in range(25):
        one.add_memory(hour * HOUR, 50e6 + 1e6 * hour)
    # First window: opened and ended by the first reading, the next runs a day from there; 73e6 is its peak, 74e6 opens the third.
    peaks = [MEMORY_BUCKETS.find(value) for value in (73e6, 74e6)]
    filled = [bucket for bucket in range(MEMORY_BUCKETS.count) if one.memory.weights[bucket] > 0]
    assert filled == sorted(set(peaks))


def test_an_oom_kill_raises_by_a_fifth_or_100_mib():
    small, large = Vpa(Rules(least_bytes=0)), Vpa(Rules(least_bytes=0))
    small.add_memory(0.0, 100 * MIB)
    small.add_oom(10.0, 100 * MIB)
    large.add_memory(0.0, 4000 * MIB)
    large.add_oom(10.0, 4000 * MIB)
    for one, needed in ((small, 200 * MIB), (large, 4800 * MIB)):
        top = int(MEMORY_BUCKETS.start(MEMORY_BUCKETS.find(needed) + 1))
        assert one.recommend_memory().target == top + int(top * 0.15)


def test_an_old_oom_kill_is_ignored():
    one = Vpa(Rules(least_bytes=0))
    one.add_memory(10 * DAY, 100 * MIB)
    before = one.recommend_memory()
    one.add_oom(5 * DAY, 900 * MIB)
    assert one.recommend_memory() == before


def test_the_simple_rules():
    values = [float(value) for value in range(101)]
    assert krr_cpu(values) == 95.0
    assert p99(values) == 99.0
    assert maximum(values) == 100.0
    assert p95_fixed_margin(values) == pytest.approx(114.0)
    assert krr_memory(values) == pytest.approx(115.0)
