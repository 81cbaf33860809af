"""Cost of one stream ahead, for the fleet's tick: samples in, standing forecasts out, state as bytes.

Channels: `cpu_cores_together` (else `cpu_cores`) and `memory_bytes_together` (else `memory_bytes`), of all replicas where there are
several. Facts: `cpu_request_cores`, `memory_request_bytes` of the same. Usage is forecast; what it costs follows by OpenCost's rule, the
greater of request and usage.
"""

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from dharma_ml.cost.forecast import Forecast, forecast
from dharma_ml.cost.methods import DAY, WEEK
from dharma_ml.cost.prices import DEFAULT, PriceTable
from dharma_ml.cost.series import HOUR, Floats, fill
from dharma_ml.findings import Finding, Sample, Severity
from dharma_ml.fleet import Moment

GIB: Final = 1024.0**3
KEPT: Final = 6 * WEEK
"""Hours that are remembered: three weeks of back-tests a week ahead, each with a week and a day before it."""
SILENT: Final = DAY
"""Hours without a reading after which nothing is forecast: what is filled in would be all that is seen."""


@dataclass
class Hours:
    """Means by hour of one resource, gaps as NaN; `first` is the hour since 1970 of the first of them."""

    first: int = 0
    means: Floats = field(default_factory=lambda: np.zeros(0))
    running: int = 0
    """The hour that is not over."""
    total: float = 0.0
    count: int = 0

    def take(self, time: float, value: float) -> None:
        """Take a reading; time ascends."""
        hour = int(time // HOUR)
        if hour > self.running:
            self.close(hour)
        self.total += value
        self.count += 1

    def close(self, hour: int) -> None:
        """Let time pass until that hour begins."""
        if hour <= self.running:
            return
        if self.count:
            self._append(self.running, self.total / self.count)
        self.running, self.total, self.count = hour, 0.0, 0

    def past(self) -> Floats:
        """Give all hours up to the one that is not over, gaps filled; none when the last reading is more than a day old."""
        silent = self.running - (self.first + len(self.means))
        if not len(self.means) or silent > SILENT:
            return np.zeros(0)
        return fill(np.concatenate([self.means, np.full(silent, np.nan)]))

    def save(self) -> dict[str, Any]:
        """Give the state as what JSON can hold; single precision is more than any meter has."""
        means = base64.b64encode(self.means.astype("<f4").tobytes()).decode()
        return {"first": self.first, "means": means, "running": self.running, "total": self.total, "count": self.count}

    @classmethod
    def restore(cls, raw: Mapping[str, Any]) -> "Hours":
        """Read what `save` gave. Raises KeyError, TypeError or ValueError for anything else."""
        means = np.frombuffer(base64.b64decode(raw["means"]), dtype="<f4").astype(np.float64)
        return cls(int(raw["first"]), means, int(raw["running"]), float(raw["total"]), int(raw["count"]))

    def _append(self, hour: int, mean: float) -> None:
        end = self.first + len(self.means)
        if not len(self.means) or hour - end >= KEPT:
            self.first, self.means = hour, np.zeros(0)
            end = hour
        gap = np.full(hour - end, np.nan)
        # As it will be saved: the same with a restart in between and without.
        joined = np.concatenate([self.means, gap, [float(np.float32(mean))]])
        self.means = joined[-KEPT:]
        self.first = hour + 1 - len(self.means)


class CostModel:
    """One workload. Forecasts are renewed each hour, and repeated in between, also over a restart: they are the dearest part of a tick.

    Each stream has a minute of its own for it, so that not all of a fleet fall into one tick.
    """

    def __init__(self, stream: str, prices: PriceTable) -> None:
        self.stream = stream
        self.prices = prices
        self._offset = float(zlib.crc32(stream.encode()) % int(HOUR))
        self.hours = {name: Hours() for name in ("cpu_cores", "memory_bytes", "cpu_cores_together", "memory_bytes_together")}
        self._said: list[Finding] = []
        self._due = 0.0

    def observe(self, samples: Sequence[Sample], moment: Moment) -> Sequence[Finding]:
        """Take samples in order of time; give what the next 24 h, 7 days and the rest of the month will cost."""
        for sample in samples:
            for channel, hours in self.hours.items():
                value = sample.values.get(channel, math.nan)
                if math.isfinite(value) and value >= 0:
                    hours.take(sample.time, value)
        for hours in self.hours.values():
            hours.close(math.floor(moment.now / HOUR))
        if moment.now >= self._due or moment.now < self._due - 2 * HOUR:
            self._due = (math.floor((moment.now - self._offset) / HOUR) + 1) * HOUR + self._offset
            self._said = self._state(moment)
        return [replace(finding, time=moment.now) for finding in self._said]

    def save(self) -> bytes:
        """Give the whole state."""
        hours = {name: hours.save() for name, hours in self.hours.items()}
        said = [(one.confidence, one.message, one.numbers) for one in self._said]
        return json.dumps({"version": 1, "hours": hours, "said": said, "due": self._due}).encode()

    @classmethod
    def restore(cls, stream: str, prices: PriceTable, state: bytes) -> "CostModel":
        """Read what `save` gave. Raises ValueError for anything else."""
        try:
            raw: dict[str, Any] = json.loads(state)
            if raw["version"] != 1:
                raise ValueError(f"version {raw['version']} is not known")  # noqa: TRY301 - the one sentence below
            own = cls(stream, prices)
            own.hours = {name: Hours.restore(raw["hours"][name]) for name in own.hours}
            own._said = [own._say(float(sure), str(text), dict(numbers)) for sure, text, numbers in raw["said"]]
            own._due = float(raw["due"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no state of a cost model: {error}") from error
        return own

    def _state(self, moment: Moment) -> list[Finding]:
        cpu, memory = (self._past(name) for name in ("cpu_cores", "memory_bytes"))
        if not len(cpu) and not len(memory):
            return []
        return [
            self._finding(name, hours, cpu, memory, moment)
            for name, hours in (("24 h", DAY), ("7 days", WEEK), ("rest of the month", hours_of_month(moment.now)))
        ]

    def _past(self, name: str) -> Floats:
        together = self.hours[f"{name}_together"].past()
        return together if len(together) else self.hours[name].past()

    def _finding(self, name: str, hours: int, cpu: Floats, memory: Floats, moment: Moment) -> Finding:
        parts = [
            (title, forecast(past, hours), price, moment.facts.get(request, 0.0) / unit, unit)
            for title, past, price, request, unit in (
                ("CPU", cpu, self.prices.cpu, "cpu_request_cores", 1.0),
                ("memory", memory, self.prices.ram, "memory_request_bytes", GIB),
            )
            if len(past)
        ]
        costs = np.array([priced(found, price, request, unit) for _, found, price, request, unit in parts]).sum(axis=0)
        value, low, high = (float(cost) for cost in costs)
        tested = min(found.origins for _, found, *_ in parts)
        methods = ", ".join(f"{title} by {found.method}" for title, found, *_ in parts)
        basis = f"{tested} days of back-test" if tested else "no back-test yet, the interval is a guess"
        unit = self.prices.currency.lower()
        message = (
            f"The {'next ' if name[0].isdigit() else ''}{name} will cost {value:.2f} {self.prices.currency} ({low:.2f} to {high:.2f}): "
            f"{methods}; {basis}."
        )
        numbers = {"horizon_hours": float(hours), f"cost_{unit}": value, f"cost_low_{unit}": low, f"cost_high_{unit}": high}
        numbers |= {f"{title.lower()}_backtests": float(found.origins) for title, found, *_ in parts}
        return self._say(0.95 if tested else 0.5, message, numbers)

    def _say(self, confidence: float, message: str, numbers: dict[str, float]) -> Finding:
        return Finding(self.stream, "CostForecast", Severity.LOW, confidence, message, 0.0, numbers)


def priced(found: Forecast, price: float, request: float, unit: float) -> tuple[float, float, float]:
    """Price a forecast: value and bounds. `request` in priced units, `unit` of usage in one of them; the bounds move every hour alike."""

    def cost(usage: Floats) -> float:
        return float(np.maximum(np.maximum(usage, 0.0) / unit, request).sum()) * price

    return cost(found.values), cost(found.values - found.off), cost(found.values + found.off)


def hours_of_month(now: float) -> int:
    """Tell the whole hours from the one in which `now` lies to the end of its month (UTC), that one included; 1 at least."""
    day = datetime.fromtimestamp(now, UTC)
    following = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC).timestamp()
    return int(following // HOUR) - math.floor(now / HOUR)


class CostMaker:
    """Makes cost models for the fleet, all with one price table."""

    def __init__(self, prices: PriceTable = DEFAULT) -> None:
        self._prices = prices

    @property
    def sort(self) -> str:
        """The name under which its states are kept."""
        return "cost-1"

    def create(self, stream: str) -> CostModel:
        """Make one that knows nothing."""
        return CostModel(stream, self._prices)

    def restore(self, stream: str, state: bytes) -> CostModel:
        """Read what `save` gave. Raises ValueError for anything else."""
        return CostModel.restore(stream, self._prices, state)
