"""Every number that sizing ships with, and where each was chosen."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CpuParameters:
    """CPU requests. Chosen on all 25 machines of shared/data/bitbrains by a grid; the figures hardly move near these values."""

    target: float = 0.01
    """Share of points that may exceed the request: what the issue sets as default."""
    window_days: int = 14
    """Days of the past that count, as KRR takes them; 7 to 21 gave the same slack within 0.1 points."""
    half_life_days: float = 4.0
    """A day's weight halves in this time; 3 to 8 gave the same slack, 4 the steadiest shortage."""
    spread_days: float = 3.0
    """Shortage saved or owed is spent or paid back over so many days (adaptive conformal inference); grid 2, 3, 4, 5."""
    aim: float = 0.85
    """Share of the target that is aimed at, so that a change of regime still fits in; grid 0.8, 0.85, 0.9, 1."""
    least: float = 0.1
    """Never aim below this share of the target: paying back with the maximum costs more slack than it is worth; grid 0 to 0.35."""
    most: float = 5.0
    """Never aim above so many times the target; grid 3, 5, 10, 20, no difference at 1 %."""
    settle_days: int = 2
    """Days seen before shortage is booked: the first is seldom whole, and a request made from its part says little."""
    least_points: int = 100
    """Below it nothing is recommended, as KRR does."""
    least_cores: float = 0.001
    """The smallest request that Kubernetes can express."""


@dataclass(frozen=True, slots=True)
class MemoryParameters:
    """Memory requests and limits: rules, not learning. The margins are those of published recommenders."""

    window_days: int = 14
    """Days whose peaks count, as KRR takes them."""
    margin: float = 0.15
    """Above the observed peak: VPA and KRR both use 15 %."""
    oom_ratio: float = 1.2
    """After an OOM kill, of the limit it died at: VPA's."""
    oom_again: float = 1.5
    """After two kills within three days, instead of 1.2: the workload grew by more than a step of 20 % can follow; reasoned."""
    oom_bytes: float = 100 * 1024.0**2
    """After an OOM kill at least so much more: VPA's."""
    growth_days: float = 3.0
    """A workload that grows gets room for so many days of its growth, so that a leak is seen before it kills; reasoned, not tuned."""
    least_points: int = 100
    least_bytes: float = 16 * 1024.0**2
    """Below it containers of common runtimes do not start; reasoned."""


@dataclass(frozen=True, slots=True)
class LeakParameters:
    """Leaks: reasoned from what a leak is; checked on generated series of other shapes, not tuned to public data (there is none)."""

    bucket_hours: float = 6.0
    """The lowest reading of each bucket counts: peaks of work come and go, a leak lifts the floor."""
    least_buckets: int = 12
    """Three days since the last restart: rises are taken against the day before, and two such days are the least to trust."""
    restart_drop: float = 0.1
    """A fall by this share between buckets is taken for a restart; only what follows counts."""
    rising: float = 0.95
    """Share of buckets that must lie above those a day before."""
    goes_on: float = 0.6
    """The latest third must rise at least at this share of the first third's rate, or it is a cache that fills up."""
    growth: float = 0.05
    """Least growth since the restart, as a share of the level: less is caches filling up."""


@dataclass(frozen=True, slots=True)
class DiskParameters:
    """Disks: days until full, from daily growth."""

    least_days: int = 3
    window_days: int = 28
    """Four whole weeks, so that a weekly clean-up weighs right."""
    interval: float = 0.8
    """The interval holds in this share of cases; measured by the benchmark on generated disks."""
    warn_days: float = 14.0
    """Days to full at which a finding is made: two weeks leave time to order or to clean up; reasoned."""
    room_days: float = 60.0
    """A disk that must grow gets room for so many days at the upper bound of its growth; reasoned."""


CPU: Final = CpuParameters()
MEMORY: Final = MemoryParameters()
LEAK: Final = LeakParameters()
DISK: Final = DiskParameters()
