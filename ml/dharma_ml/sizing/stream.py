"""Sizing of one stream for the fleet's tick: samples in, standing statements out, state as bytes.

Channels: `cpu_cores` and `memory_bytes` of one replica, `cpu_cores_together` of all replicas, `disk_bytes`. Facts: `cpu_request_cores`,
`replicas`, `replica_cpu_cores` (what one of them is to carry), `replicas_least`, `replicas_most`, `memory_limit_bytes`,
`disk_capacity_bytes`, `hpa_on_cpu`, `hpa_on_memory` (1 for yes), `oom_kills` (a count that grows).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np

from dharma_ml.findings import Finding, Sample
from dharma_ml.sizing import statements
from dharma_ml.sizing.history import DAY, History, clean, day_of
from dharma_ml.sizing.memory import OomKill, recommend_memory
from dharma_ml.sizing.parameters import DISK, MEMORY
from dharma_ml.sizing.running import RunningCpu

HOUR: Final = 3600.0


class Moment(Protocol):
    """What is known beside the samples."""

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        ...

    @property
    def facts(self) -> Mapping[str, float]:
        """What is set now."""
        ...

    @property
    def anomaly_open(self) -> bool:
        """An anomaly of this stream is open."""
        ...


class SizingModel:
    """One workload: CPU, replicas, memory and disk. Statements are renewed hourly and at an OOM kill, and repeated in between."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.cpu = RunningCpu()
        self.together = RunningCpu()
        self.memory: dict[int, tuple[float, float]] = {}
        """By hour since 1970: least and greatest reading."""
        self.memory_count = 0
        self.disk: dict[int, float] = {}
        """By day since 1970: the last reading."""
        self.kills: list[OomKill] = []
        self.kill_count: float | None = None
        self._said: list[Finding] = []
        self._due = -math.inf

    def observe(self, samples: Sequence[Sample], moment: Moment) -> Sequence[Finding]:
        """Take samples in order of time and give what stands: requests, or why there are none, leaks, disks that fill up."""
        for sample in samples:
            for channel, value in sample.values.items():
                if math.isfinite(value) and value >= 0:
                    self._take(channel, sample.time, value)
        self._close_days(moment.now)
        if self._killed(moment) or moment.now >= self._due or moment.now < self._due - 2 * HOUR:
            self._due = (math.floor(moment.now / HOUR) + 1) * HOUR
            self._said = self._state(moment)
        return [replace(finding, time=moment.now) for finding in self._said]

    def _take(self, channel: str, time: float, value: float) -> None:
        match channel:
            case "cpu_cores":
                self.cpu.take(time, value)
            case "cpu_cores_together":
                self.together.take(time, value)
            case "memory_bytes":
                low, high = self.memory.get(int(time // HOUR), (value, value))
                self.memory[int(time // HOUR)] = (min(low, value), max(high, value))
                self.memory_count += 1
            case "disk_bytes":
                self.disk[int(day_of(time))] = value
            case _:
                return

    def _close_days(self, now: float) -> None:
        today = math.floor(now / DAY)
        self.cpu.close_days(now)
        self.together.close_days(now)
        self.memory = {hour: pair for hour, pair in self.memory.items() if hour * HOUR > now - (MEMORY.window_days + 1) * DAY}
        self.disk = {day: used for day, used in self.disk.items() if day > today - DISK.window_days - 2}

    def _killed(self, moment: Moment) -> bool:
        count, limit = moment.facts.get("oom_kills"), moment.facts.get("memory_limit_bytes", 0.0)
        before, self.kill_count = self.kill_count, count if count is not None else self.kill_count
        if count is None or before is None or count <= before or not limit > 0:
            return False
        window = moment.now - MEMORY.window_days * DAY
        self.kills = [*(kill for kill in self.kills if kill.time > window), OomKill(moment.now, limit)]
        return True

    def _state(self, moment: Moment) -> list[Finding]:
        return [*self._cpu(moment), *self._replicas(moment), *self._memory(moment), *self._disk(moment)]

    def _cpu(self, moment: Moment) -> list[Finding]:
        if not self.cpu.count:
            return []
        autoscaled = moment.facts.get("hpa_on_cpu", 0.0) > 0
        found = self.cpu.recommend(moment.now, autoscaled=autoscaled, anomaly_open=moment.anomaly_open)
        return statements.cpu(self.stream, moment.now, found, moment.facts)

    def _replicas(self, moment: Moment) -> list[Finding]:
        if not self.together.count or not moment.facts.get("replica_cpu_cores", 0.0) > 0:
            return []
        autoscaled = moment.facts.get("hpa_on_cpu", 0.0) > 0
        found = self.together.recommend(moment.now, autoscaled=autoscaled, anomaly_open=moment.anomaly_open)
        return statements.replicas(self.stream, moment.now, found, moment.facts)

    def _memory(self, moment: Moment) -> list[Finding]:
        if not self.memory_count:
            return []
        hours = sorted(self.memory)
        times = np.array([[hour * HOUR + 1, hour * HOUR + 2] for hour in hours]).ravel()
        values = np.array([self.memory[hour] for hour in hours]).ravel()
        found = recommend_memory(
            History(times, values),
            max(moment.now, float(times[-1]) if len(times) else moment.now),
            self.kills,
            limit=moment.facts.get("memory_limit_bytes"),
            hpa_on_memory=moment.facts.get("hpa_on_memory", 0.0) > 0,
            anomaly_open=moment.anomaly_open,
            # The history holds two values an hour: readings are counted here.
            parameters=replace(MEMORY, least_points=1 if self.memory_count >= MEMORY.least_points else len(times) + 1),
        )
        return statements.memory(self.stream, moment.now, found, self.memory_count)

    def _disk(self, moment: Moment) -> list[Finding]:
        capacity = moment.facts.get("disk_capacity_bytes", 0.0)
        if not self.disk or not capacity > 0:
            return []
        days = sorted(self.disk)
        ends = np.minimum((np.array(days, dtype=np.float64) + 1) * DAY, moment.now)
        return statements.disk(self.stream, moment.now, clean(ends, [self.disk[day] for day in days]), capacity)

    def save(self) -> bytes:
        """Give the whole state."""
        kills = [(kill.time, kill.limit) for kill in self.kills]
        keyed = {"memory": list(self.memory.items()), "disk": list(self.disk.items())}
        plain = {"memory_count": self.memory_count, "kill_count": self.kill_count}
        cpu = {"cpu": self.cpu.save(), "together": self.together.save()}
        return json.dumps({"version": 2, **cpu, "kills": kills, **plain, **keyed}).encode()

    @classmethod
    def restore(cls, stream: str, state: bytes) -> "SizingModel":
        """Read what `save` gave. Raises ValueError for anything else."""
        try:
            raw: dict[str, Any] = json.loads(state)
            if raw["version"] != 2:
                raise ValueError(f"version {raw['version']} is not known")  # noqa: TRY301 - the one sentence below
            own = cls(stream)
            own.cpu, own.together = RunningCpu.restore(raw["cpu"]), RunningCpu.restore(raw["together"])
            own.memory_count = int(raw["memory_count"])
            own.memory = {int(hour): (float(low), float(high)) for hour, (low, high) in raw["memory"]}
            own.disk = {int(day): float(used) for day, used in raw["disk"]}
            own.kills = [OomKill(float(time), float(limit)) for time, limit in raw["kills"]]
            own.kill_count = None if raw["kill_count"] is None else float(raw["kill_count"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no state of a sizing model: {error}") from error
        return own


class SizingMaker:
    """Makes sizing models for the fleet."""

    sort = "sizing-2"

    def create(self, stream: str) -> SizingModel:
        """Make one that knows nothing."""
        return SizingModel(stream)

    def restore(self, stream: str, state: bytes) -> SizingModel:
        """Read what `save` gave. Raises ValueError for anything else."""
        return SizingModel.restore(stream, state)
