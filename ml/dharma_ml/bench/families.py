"""Generated memory and disk series: shapes that people report, not our models' assumptions. No public long trace per container exists."""

from collections.abc import Callable
from typing import Final

import numpy as np

from dharma_ml.bench.tables import Table
from dharma_ml.sizing import baselines
from dharma_ml.sizing.disk import DiskForecast, forecast_disk
from dharma_ml.sizing.history import DAY, Floats, History
from dharma_ml.sizing.leak import find_leak
from dharma_ml.sizing.measures import Outcome, judge, total
from dharma_ml.sizing.memory import MemoryRecommendation, OomKill, recommend_memory
from dharma_ml.sizing.vpa import Rules, Vpa

MIB: Final = 1024.0**2
GIB: Final = 1024.0**3
PER_DAY: Final = 288
DAYS: Final = 21
EACH: Final = 8
SEED: Final = 20260101
DISKS: Final = 200
DISK_ORIGIN: Final = 14 * 24
"""Hours known when a disk is forecast."""
Decide = Callable[[int, History, list[OomKill]], float]


def memory_series(family: str, random: np.random.Generator) -> Floats:  # noqa: PLR0911 - one return a family
    """Make 21 days of demand in bytes, 5 min apart, for one of `FAMILIES`. Raises ValueError for another."""
    length = DAYS * PER_DAY
    hours = np.arange(length) / 12.0
    level = float(random.uniform(0.4, 4.0)) * GIB
    base = level * (1 + 0.05 * np.sin(2 * np.pi * hours / 24 + random.uniform(0, 6))) + random.normal(0, 0.01 * level, length)
    match family:
        case "steady":
            return base
        case "daily":
            return base + 0.5 * level * np.clip(np.sin(2 * np.pi * (hours - random.uniform(0, 24)) / 24), 0, None)
        case "spikes":
            at = random.random(length) < 0.0015
            return base + np.where(at, level * random.pareto(3.0, length), 0.0)
        case "steps":
            jumps = np.cumsum((random.random(length) < 1.0 / (5 * PER_DAY)) * random.normal(0.1, 0.25, length))
            return base * np.exp(jumps)
        case "walk":
            return level * np.exp(np.cumsum(random.normal(0, 0.004, length)))
        case "cache":
            return base + level * (1 - np.exp(-hours / random.uniform(24, 96)))
        case "leak":
            # Deployed anew at random, which frees all; it rises by a share of its level a day, unevenly.
            rise = random.uniform(0.05, 0.2) * level / PER_DAY * random.gamma(0.5, 2.0, length)
            return base + _restarting(rise, restarts(random, length))
        case _:
            raise ValueError(f"there is no family {family}")


def restarts(random: np.random.Generator, length: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Draw deployments, one in six days."""
    return np.asarray(random.random(length) < 1.0 / (6 * PER_DAY), dtype=np.bool_)


FAMILIES: Final = ("steady", "daily", "spikes", "steps", "walk", "cache", "leak")


def memory_table() -> list[Table]:
    """Walk memory recommenders over all families: a limit each midnight, a day counts as killed when demand passes it."""
    methods: dict[str, Callable[[], Decide]] = {
        "ours": _ours,
        "VPA": _vpa,
        "KRR (max + 15 %)": lambda: lambda _, past, __: baselines.krr_memory(past.values),
        "max of 14 d": lambda: lambda _, past, __: baselines.maximum(past.values),
        "p99": lambda: lambda _, past, __: baselines.p99(past.values),
    }
    series = {family: [_history(memory_series(family, _random(family, index))) for index in range(EACH)] for family in FAMILIES}
    rows: list[tuple[str | float | int | None, ...]] = []
    by_family: list[tuple[str | float | int | None, ...]] = []
    for name, make in methods.items():
        outcomes = {family: [_walk(history, make()) for history in each] for family, each in series.items()}
        every = total([one for each in outcomes.values() for one in each])
        rows.append((name, round(100 * every.days_short / every.days, 2), round(every.slack, 4), every.days))
        by_family.append((name, *(_killed(total(outcomes[family])) for family in FAMILIES)))
    notes = ("Generated: figures compare rules on these shapes and say nothing about real workloads. Kills raise ours and VPA.",)
    return [
        Table("Memory limits on generated families, walk-forward", ("method", "days with a kill %", "slack", "days"), tuple(rows), notes),
        Table("Days with a kill % by family", ("method", *FAMILIES), tuple(by_family)),
    ]


def leak_table() -> Table:
    """Ask each midnight from the fourth day whether memory leaks; only the family `leak` does, while four days since its restart."""
    rows: list[tuple[str | float | int | None, ...]] = []
    for family in FAMILIES:
        asked = found = 0
        for index in range(EACH):
            values = memory_series(family, _random(family, index))
            history = _history(values)
            for day in range(4, DAYS):
                recent = values[(day - 4) * PER_DAY : day * PER_DAY]
                if family == "leak" and np.any(np.diff(recent) < -0.08 * recent.mean()):
                    continue
                asked += 1
                found += find_leak(history, day * DAY) is not None
        rows.append((family, asked, round(100 * found / asked, 1) if asked else None))
    note = "In `leak` a finding is right, in all others it is false; days within four days of a restart are not asked there."
    return Table("Leaks found on generated families", ("family", "days asked", "leak found %"), tuple(rows), (note,))


def disk_table() -> Table:
    """Forecast generated disks after 14 days; count how often the day on which they fill lies in the interval."""
    shapes = ("grows evenly", "cleaned up weekly")
    inside: dict[str, list[bool]] = {shape: [] for shape in shapes}
    misses: dict[str, list[float]] = {shape: [] for shape in shapes}
    for index in range(DISKS):
        shape = shapes[index % 2]
        used, capacity, full = _disk(np.random.default_rng((SEED, 7, index)), cleaned=shape == shapes[1])
        times = np.arange(1, DISK_ORIGIN + 1, dtype=np.float64) * 3600.0
        found = forecast_disk(History(times, used[:DISK_ORIGIN]), DISK_ORIGIN * 3600.0, capacity)
        if isinstance(found, DiskForecast):
            inside[shape].append(found.early <= full <= found.late)
            misses[shape].append(abs(found.days - full) / max(full, 1.0))
    rows = tuple(
        (shape, len(inside[shape]), round(100 * float(np.mean(inside[shape])), 1), round(100 * float(np.median(misses[shape])), 1))
        for shape in shapes
    )
    columns = ("shape", "disks", "filled within the 80 % interval, %", "median error of the day %")
    return Table("Days until full on generated disks, forecast from 14 days", columns, rows)


def _disk(random: np.random.Generator, *, cleaned: bool) -> tuple[Floats, float, float]:
    """Make a disk: bytes used by hour, capacity, and the day after the origin on which it is full."""
    length = 400 * 24
    daily = float(random.uniform(0.2, 3.0)) * GIB
    grown = np.cumsum(random.gamma(0.3, daily / 24 / 0.3, length))
    if cleaned:  # weekly, half of the week's growth goes
        week = np.arange(length) // 168
        grown -= 0.5 * np.append(0.0, grown)[week * 168]
    used = 10 * GIB + grown
    capacity = float(used[DISK_ORIGIN] + daily * (0.5 if cleaned else 1.0) * random.uniform(7, 60))
    return used, capacity, int(np.argmax(used[DISK_ORIGIN:] >= capacity)) / 24


def _ours() -> Decide:
    def decide(day: int, past: History, kills: list[OomKill]) -> float:
        found = recommend_memory(past, day * DAY, kills)
        return found.limit if isinstance(found, MemoryRecommendation) else float(past.values.max()) * 1.15

    return decide


def _vpa() -> Decide:
    state = Vpa(Rules(least_bytes=0))
    fed = {"points": 0, "kills": 0}

    def decide(_: int, past: History, kills: list[OomKill]) -> float:
        events = [(float(t), float(v), False) for t, v in zip(past.times[fed["points"] :], past.values[fed["points"] :], strict=True)]
        events += [(kill.time, kill.limit, True) for kill in kills[fed["kills"] :]]
        for time, value, killed in sorted(events, key=lambda event: event[0]):
            if killed:
                state.add_oom(time, value)
            else:
                state.add_memory(time, value)
        fed["points"], fed["kills"] = len(past), len(kills)
        return float(state.recommend_memory().target)

    return decide


def _walk(history: History, decide: Decide) -> Outcome:
    kills: list[OomKill] = []
    pairs: list[tuple[float, Floats]] = []
    # A killed container never shows more than its limit, so no method may see more either.
    seen = history.values.copy()
    for day in range(1, DAYS):
        start, end = day * PER_DAY, (day + 1) * PER_DAY
        limit = decide(day, History(history.times[:start], seen[:start]), kills)
        values = history.values[start:end]
        above = np.flatnonzero(values > limit)
        if len(above):
            kills.append(OomKill(float(history.times[start + above[0]]), limit))
            seen[start:end] = np.minimum(values, limit)
        if day >= 2:
            pairs.append((limit, values))
    return judge(pairs)


def _killed(one: Outcome) -> float:
    return round(100 * one.days_short / one.days, 2)


def _restarting(rise: Floats, restarts: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    held = 0.0
    out = np.empty_like(rise)
    for at, (step, restart) in enumerate(zip(rise, restarts, strict=True)):
        held = 0.0 if restart else held + float(step)
        out[at] = held
    return out


def _history(values: Floats) -> History:
    return History(np.arange(1, len(values) + 1, dtype=np.float64) * (DAY / PER_DAY), np.maximum(values, 0.0))


def _random(family: str, index: int) -> np.random.Generator:
    return np.random.default_rng((SEED, FAMILIES.index(family), index))
