"""Reads the CPU traces: one regular series a machine."""

import csv
import gzip
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from dharma_ml.sizing.history import Floats, History, clean

STEP = 300.0


@dataclass(frozen=True)
class Machine:
    """One machine: demand in MHz each five minutes while it was on, its capacity, the length of its record in days."""

    name: str
    usage: History
    capacity: float
    cores: int
    first_day: int

    @property
    def days(self) -> list[tuple[int, Floats]]:
        """Give each day of the record: number since 1970 and values, none for a day off."""
        seen = dict(self.usage.days())
        last = max(seen, default=self.first_day - 1)
        return [(day, seen.get(day, np.zeros(0))) for day in range(self.first_day, last + 1)]


def read_machines(path: Path) -> list[Machine]:
    """Read `bitbrains/cpu.csv.gz`: each row is spread backwards over its duration; time off (0 cores) has no demand to judge.

    Raises FileNotFoundError, and ValueError naming the line that cannot be read.
    """
    rows: dict[str, list[tuple[float, int, int, float, float]]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                end = datetime.fromisoformat(row["timestamp"]).timestamp()
                steps = max(round(float(row["duration_s"]) / STEP), 1)
                usage, capacity = float(row["cpu_usage_mhz"]), float(row["cpu_capacity_mhz"])
                rows[row["vm"]].append((end, steps, int(row["cpu_count"]), usage, capacity))
            except (KeyError, ValueError, AttributeError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    return [_machine(name, rows[name]) for name in sorted(rows)]


def _machine(name: str, rows: list[tuple[float, int, int, float, float]]) -> Machine:
    rows.sort(key=lambda row: row[0])
    times: list[float] = []
    values: list[float] = []
    for end, steps, cores, usage, _ in rows:
        if cores > 0:
            # On the grid of whole steps, so that merged rows and single ones meet.
            grid = (end // STEP) * STEP + STEP
            times.extend(grid - STEP * np.arange(steps - 1, -1, -1))
            values.extend([usage] * steps)
    start = rows[0][0] - rows[0][1] * STEP
    return Machine(
        name=name,
        usage=clean(times, values),
        capacity=max(row[4] for row in rows),
        cores=max(1, *(row[2] for row in rows)),
        first_day=int(start // 86400),
    )
