"""The recommender of Kubernetes' Vertical Pod Autoscaler, ported from its rules: the baseline to beat.

Source of every rule: kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender (util/histogram.go, util/histogram_options.go,
util/decaying_histogram.go, logic/estimator.go, logic/recommender.go, model/container.go), Apache-2.0. Written anew from them.
Amounts are whole millicores and bytes, as there. Not ported: checkpoints, merging of containers, pod minima per container count.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dharma_ml.sizing.history import DAY, Floats

EPSILON: Final = 1e-4
"""Weight below which a bucket counts as empty: a thousandth of the least sample weight, 0.1."""
GROWTH: Final = 1.05
MAX_EXPONENT: Final = 100
"""Half-lives after which the reference time is moved, so that weights stay finite."""
YEAR_ONE: Final = -62135596800.0
"""The zero time of Go in seconds since 1970: reference times are whole half-lives from there."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Exponential buckets: the first is `first` wide, each next one 5 % wider; the last starts at `largest` or above."""

    largest: float
    first: float
    ratio: float = GROWTH

    @property
    def count(self) -> int:
        """How many buckets there are."""
        return math.ceil(_log(self.ratio, self.largest * (self.ratio - 1) / self.first + 1)) + 1

    def find(self, value: float) -> int:
        """Give the bucket of a value; values beyond the range fall into the nearest."""
        if value < self.first:
            return 0
        return min(int(_log(self.ratio, value * (self.ratio - 1) / self.first + 1)), self.count - 1)

    def start(self, bucket: int) -> float:
        """Give the lower end of a bucket: first x (ratio^n - 1) / (ratio - 1)."""
        return 0.0 if bucket == 0 else self.first * (math.pow(self.ratio, bucket) - 1) / (self.ratio - 1)


CPU_BUCKETS: Final = Buckets(1000.0, 0.01)
"""Cores. Releases to 2024 have 0.01 as the first bucket; the main branch of 2026 has 0.001 under a comment that still says 0.01."""
CPU_BUCKETS_FINE: Final = Buckets(1000.0, 0.001)
MEMORY_BUCKETS: Final = Buckets(1e12, 1e7)
"""Bytes."""


class Histogram:
    """A decaying histogram: a sample's weight halves each `half_life` seconds."""

    def __init__(self, buckets: Buckets, half_life: float = DAY) -> None:
        self.buckets = buckets
        self.half_life = half_life
        self.weights: Floats = np.zeros(buckets.count)
        self.total = 0.0
        self.reference = YEAR_ONE
        self._count = buckets.count
        self._low = self._count - 1
        self._high = 0

    def add(self, value: float, weight: float, time: float) -> None:
        """Add a sample; `time` in seconds since 1970."""
        grown = weight * self._factor(time)
        bucket = self.buckets.find(value)
        self.weights[bucket] += grown
        self.total += grown
        if self.weights[bucket] >= EPSILON:
            self._low = min(self._low, bucket)
            self._high = max(self._high, bucket)

    def subtract(self, value: float, weight: float, time: float) -> None:
        """Take a sample back; a bucket never goes below zero."""
        bucket = self.buckets.find(value)
        grown = weight * self._factor(time)
        if grown > self.weights[bucket] - EPSILON:
            grown = float(self.weights[bucket])
        self.total -= grown
        self.weights[bucket] -= grown
        self._narrow()

    def percentile(self, share: float) -> float:
        """Give the upper end of the bucket in which that share of the weight is reached; 0 when empty."""
        if self.weights[self._low] < EPSILON:
            return 0.0
        reached = np.cumsum(self.weights[self._low : self._high]) >= share * self.total
        bucket = self._low + (int(np.argmax(reached)) if reached.any() else self._high - self._low)
        return self.buckets.start(bucket + 1 if bucket < self._count - 1 else bucket)

    def _factor(self, time: float) -> float:
        if time > self.reference + self.half_life * MAX_EXPONENT:
            moved = YEAR_ONE + _round((time - YEAR_ONE) / self.half_life) * self.half_life
            exponent = _round((self.reference - moved) / self.half_life)
            scale = math.ldexp(1.0, max(exponent, -1074))
            self.weights *= scale
            self.total *= scale
            self.reference = moved
            self._narrow()
        return math.pow(2.0, (time - self.reference) / self.half_life)

    def _narrow(self) -> None:
        while self.weights[self._low] < EPSILON and self._low < self._count - 1:
            self._low += 1
        while self.weights[self._high] < EPSILON and self._high > 0:
            self._high -= 1


@dataclass(frozen=True, slots=True)
class Rules:
    """VPA's defaults; each is a flag of its recommender."""

    target: float = 0.9
    lower: float = 0.5
    upper: float = 0.95
    margin: float = 0.15
    least_millicores: int = 25
    least_bytes: int = 250 * 1024**2


@dataclass(frozen=True, slots=True)
class Estimate:
    """Whole millicores or bytes."""

    lower: int
    target: int
    upper: int


@dataclass
class Vpa:
    """The state of one container."""

    rules: Rules = Rules()
    cpu_buckets: Buckets = CPU_BUCKETS
    cpu: Histogram = field(init=False)
    memory: Histogram = field(init=False)
    first: float | None = None
    last: float | None = None
    samples: int = 0
    _window_end: float | None = None
    _last_memory: float = -math.inf
    _peak: int = 0
    _oom_peak: int = 0

    def __post_init__(self) -> None:
        self.cpu = Histogram(self.cpu_buckets)
        self.memory = Histogram(MEMORY_BUCKETS)

    def add_cpu(self, time: float, cores: float, request: float = 0.0) -> None:
        """Add a CPU reading, weighted by the request, 0.1 cores at least. Readings that are not newer than the last are dropped."""
        if not cores >= 0 or (self.last is not None and time <= self.last):
            return
        self.cpu.add(int(cores * 1000) / 1000, max(int(request * 1000) / 1000, 0.1), time)
        self.first = time if self.first is None else self.first
        self.last = time
        self.samples += 1

    def add_memory(self, time: float, used: float, *, oom: bool = False) -> None:
        """Add a memory reading in bytes: the peak of each 24 h counts once."""
        if not used >= 0 or (not oom and time < self._last_memory):
            return
        self._last_memory = time
        end = time if self._window_end is None else self._window_end
        amount = int(used)
        if time < end:
            before = max(self._peak, self._oom_peak)
            if before == 0 or amount <= before:
                self._window_end = end
                return
            self.memory.subtract(before, 1.0, end)
        else:
            end += math.floor((time - end) / DAY) * DAY + DAY
            self._peak = self._oom_peak = 0
        self.memory.add(amount, 1.0, end)
        self._window_end = end
        if oom:
            self._oom_peak = amount
        else:
            self._peak = amount

    def add_oom(self, time: float, requested: float) -> None:
        """Record an OOM kill: a sample of the request or the recent peak, and 20 % or 100 MiB more."""
        if self._window_end is not None and time < self._window_end - DAY:
            return
        used = max(int(requested), self._peak)
        self.add_memory(time, max(used + 100 * 1024**2, int(used * 1.2)), oom=True)

    @property
    def confidence(self) -> float:
        """Days of history, or of minutes with a sample when those are fewer."""
        if self.first is None or self.last is None:
            return 0.0
        return min((self.last - self.first) / DAY, self.samples / 1440)

    def recommend_cpu(self) -> Estimate:
        """Give millicores."""
        return self._estimate(self.cpu, 1000.0, self.rules.least_millicores)

    def recommend_memory(self) -> Estimate:
        """Give bytes."""
        return self._estimate(self.memory, 1.0, self.rules.least_bytes)

    def _estimate(self, histogram: Histogram, unit: float, least: int) -> Estimate:
        def base(share: float) -> int:
            amount = int(histogram.percentile(share) * unit)
            return amount + int(amount * self.rules.margin)

        lower, upper = base(self.rules.lower), base(self.rules.upper)
        confidence = self.confidence
        # Without history the upper bound is without end and the lower one zero, so that nothing is evicted.
        high = upper * (1 + 1 / confidence) if confidence else math.inf
        low = lower * (1 + 0.001 / confidence) ** -2 if confidence else 0.0
        return Estimate(max(int(low), least), max(base(self.rules.target), least), max(int(min(high, 1e14)), least))


def _log(base: float, value: float) -> float:
    return math.log(value) / math.log(base)


def _round(value: float) -> int:
    return math.floor(value + 0.5)
