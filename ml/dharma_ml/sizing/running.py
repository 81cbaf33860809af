"""CPU readings as they come in, and what follows from the days that are over: the state of one sizer of a stream."""

import base64
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dharma_ml.sizing.cpu import CpuRecommendation, CpuSizer, recommendation
from dharma_ml.sizing.history import DAY, clean, day_of
from dharma_ml.sizing.parameters import CPU
from dharma_ml.sizing.refusal import Refusal, refusal


@dataclass
class RunningCpu:
    """One channel of cores."""

    sizer: CpuSizer = field(default_factory=CpuSizer)
    today: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Readings of the day that is not over."""
    count: int = 0
    newest: float = 0.0
    """Time of the newest reading, seconds since 1970."""

    def take(self, time: float, value: float) -> None:
        """Take a reading in cores."""
        self.today.append((time, value))
        self.count += 1
        self.newest = max(self.newest, time)

    def close_days(self, now: float) -> None:
        """Hand the days that are over to the sizer."""
        today = math.floor(now / DAY)
        history = clean([time for time, _ in self.today], [value for _, value in self.today])
        for day, values in history.days():
            if day < today:
                self.sizer.close(day, values)
        self.today = [(time, value) for time, value in self.today if int(day_of(time)) >= today]

    def recommend(self, now: float, *, autoscaled: bool, anomaly_open: bool) -> CpuRecommendation | Refusal:
        """Recommend what carries tomorrow, or refuse; on the first day from what there is, at the most careful level."""
        request = self.sizer.decide()
        refused = refusal(
            "CPU",
            self.count,
            least_points=CPU.least_points,
            hpa_metric=autoscaled,
            anomaly_open=anomaly_open,
            age_seconds=now - self.newest,
        )
        if refused is not None:
            return refused
        if request is not None:
            return recommendation(self.sizer, request)
        first = CpuSizer()
        first.close(0, np.array([value for _, value in self.today]))
        return recommendation(first, first.quantile(CPU.least * CPU.target))

    def save(self) -> dict[str, Any]:
        """Give the state as what JSON can hold."""
        state = base64.b64encode(self.sizer.save()).decode()
        return {"sizer": state, "today": self.today, "count": self.count, "newest": self.newest}

    @classmethod
    def restore(cls, raw: dict[str, Any]) -> "RunningCpu":
        """Read what `save` gave. Raises KeyError, TypeError or ValueError for anything else."""
        today = [(float(time), float(value)) for time, value in raw["today"]]
        return cls(CpuSizer.restore(base64.b64decode(raw["sizer"])), today, int(raw["count"]), float(raw["newest"]))
