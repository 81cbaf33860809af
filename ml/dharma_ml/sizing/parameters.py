"""Every number that sizing ships with, and where each was chosen."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CpuParameters:
    """CPU requests. Chosen on all 25 machines of shared/data/bitbrains by grids; both halves of them were looked at apart."""

    target: float = 0.01
    """Share of points that may exceed the request: what the issue sets as default."""
    window_days: int = 14
    """Days of the past that count, as KRR takes them; 7 to 21 gave the same slack within 0.2 points."""
    half_life_days: float = 4.0
    """A day's weight halves in this time; 3 to 6 gave the same slack within 0.1 points."""
    aim: float = 0.8
    """Share of the target that is aimed at: a change of regime can only add to it; grid 0.65 to 1, flat from 0.75 to 0.85."""
    lift: float = 1.1
    """Debt is paid back with at most so many times the usual request: with the maximum it costs more slack than it is worth; grid 1.05
    to 2 and unlimited, which traded 1.1 points of slack against nothing."""
    least: float = 0.1
    """Never aim below this share of the target."""
    margin: float = 0.005
    """Above the quantile, as a share of it: demand that meets a ceiling (all cores busy) still goes over yesterday's highest reading by
    some thousandths, all day long. Grid 0, 0.0025, 0.005, 0.01: any of them does."""
    margin_most: float = 2.0
    """The margin grows as the level falls, up to so many times, and shrinks with credit; 1, 2, 4 were alike."""
    book_days: float = 28.0
    """Credit and debt of more than so many days of the target are written off: a month is what an account can be about; reasoned."""
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
