"""CPU requests that keep a stated shortage.

Each midnight the request is a quantile of the recent past, weighted by age. Its level is steered: shortage that was allowed and
not used may be spent on the next day, shortage beyond the target is paid back. That is the integral controller of adaptive
conformal inference (Gibbs and Candès 2021; Angelopoulos, Candès and Tibshirani 2023), with whole days as steps. Debt is paid back
only as far as it is cheap: what a machine of seldom bursts would have to reserve for it is more than the shortage is worth.
No learning: a quantile and one number. The number is what makes the shortage come true.
"""

import base64
import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dharma_ml.sizing.history import DAY, Floats, History, day_of
from dharma_ml.sizing.parameters import CPU, CpuParameters
from dharma_ml.sizing.refusal import Refusal, refusal


@dataclass(frozen=True, slots=True)
class CpuRecommendation:
    """What to request. No CPU limit: a limit throttles where there is spare CPU, and protects nobody."""

    request: float
    """Cores."""
    shortage_target: float
    """Share of points that may exceed the request."""
    shortage_kept: float | None
    """Share of points that did exceed what was recommended, over all days replayed; None before the first."""
    days: int
    """Days replayed."""
    confidence: float
    """Share of recent days that kept three times the target, counted with one of each kind beforehand: 0.5 at first."""


@dataclass
class CpuSizer:
    """One workload. Whole days go in by `close`, requests come out by `decide`; the past is replayed, so nothing looks ahead."""

    parameters: CpuParameters = CPU
    days: list[tuple[int, Floats]] = field(default_factory=list[tuple[int, Floats]])
    """The last days: number since 1970, values sorted, in single precision, which is more than any meter has."""
    credit: float = 0.0
    """Shortage not used so far, in days of full shortage; negative when owed."""
    pending: float | None = None
    """The request in force, in the unit of the values; None before there is a day."""
    replayed: int = 0
    short: float = 0.0
    """Sum of each replayed day's share of short points."""
    kept: float = 1.0
    missed: float = 1.0

    def close(self, day: int, values: Floats) -> None:
        """Take a day that is over. A day that is not newer than the last is ignored, as is one without points."""
        if not len(values) or (self.days and day <= self.days[-1][0]):
            return
        if self.pending is not None and len(self.days) >= self.parameters.settle_days:
            self._judge(float(np.mean(values > self.pending)))
        kept = [entry for entry in self.days if entry[0] > day - self.parameters.window_days]
        # As they will be saved: the same with a restart in between and without.
        self.days = [*kept, (day, np.sort(values).astype(np.float32).astype(np.float64))]
        self.pending = self._request()

    def decide(self) -> float | None:
        """Give the request for the day after the last, in the unit of the values; None before there is a day."""
        return self.pending

    def level(self) -> float:
        """Give the share of points that the next day may be short: the aim, more when there is credit, less when there is debt."""
        own = self.parameters
        return float(np.clip(own.aim * own.target + self.credit, own.least * own.target, 1.0))

    def _request(self) -> float:
        own, level = self.parameters, self.level()
        usual = own.aim * own.target
        request = self.quantile(level)
        if level < usual:
            request = min(request, own.lift * self.quantile(usual))
        return request * (1.0 + own.margin * min(usual / level, own.margin_most))

    def quantile(self, tail: float) -> float:
        """Give the smallest value that at most the share `tail` of the weighted past exceeds. 0 when there is no past."""
        if not self.days:
            return 0.0
        newest = self.days[-1][0]
        values = np.concatenate([values for _, values in self.days])
        weights = np.concatenate(
            [np.full(len(values), 2.0 ** ((day - newest) / self.parameters.half_life_days)) for day, values in self.days]
        )
        order = np.argsort(values, kind="stable")
        share = np.cumsum(weights[order])
        # 1e-12 takes back what the sum lost to rounding.
        at = int(np.count_nonzero(share < (1.0 - tail - 1e-12) * share[-1]))
        return float(values[order][min(at, len(values) - 1)])

    @property
    def confidence(self) -> float:
        """Share of recent days that kept three times the target."""
        return self.kept / (self.kept + self.missed)

    def _judge(self, shortage: float) -> None:
        own = self.parameters
        most = own.book_days * own.target
        self.credit = float(np.clip(self.credit + own.aim * own.target - shortage, -most, most))
        self.replayed += 1
        self.short += shortage
        fade = 2.0 ** (-1.0 / self.parameters.window_days)
        good = shortage <= 3.0 * self.parameters.target
        self.kept = self.kept * fade + good
        self.missed = self.missed * fade + (not good)

    def save(self) -> bytes:
        """Give the state."""
        days = [[day, base64.b64encode(values.astype("<f4").tobytes()).decode()] for day, values in self.days]
        own = {name: getattr(self, name) for name in ("credit", "pending", "replayed", "short", "kept", "missed")}
        return json.dumps({"version": 1, "days": days, **own}).encode()

    @classmethod
    def restore(cls, state: bytes, parameters: CpuParameters = CPU) -> "CpuSizer":
        """Read what `save` gave. Raises ValueError for anything else."""
        try:
            raw: dict[str, Any] = json.loads(state)
            if raw["version"] != 1:
                raise ValueError(f"version {raw['version']} is not known")  # noqa: TRY301 - the one sentence below
            days = [(int(day), np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float64)) for day, text in raw["days"]]
            pending = None if raw["pending"] is None else float(raw["pending"])
            numbers = {name: float(raw[name]) for name in ("credit", "short", "kept", "missed")}
            return cls(parameters, days, pending=pending, replayed=int(raw["replayed"]), **numbers)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no state of a CPU sizer: {error}") from error


def replay(history: History, now: float, parameters: CpuParameters = CPU) -> CpuSizer:
    """Feed all days that were over at `now` (seconds since 1970)."""
    sizer = CpuSizer(parameters)
    today = math.floor(now / DAY)
    for day, values in history.until(now).days():
        if day < today:
            sizer.close(day, values)
    return sizer


def recommend_cpu(
    history: History, now: float, *, hpa_on_cpu: bool = False, anomaly_open: bool = False, parameters: CpuParameters = CPU
) -> CpuRecommendation | Refusal:
    """Recommend a CPU request from usage in cores, or refuse with the reason. Only points up to `now` are looked at."""
    seen = history.until(now)
    refused = refusal(
        "CPU",
        len(seen),
        least_points=parameters.least_points,
        hpa_metric=hpa_on_cpu,
        anomaly_open=anomaly_open,
        age_seconds=now - float(seen.times[-1]) if len(seen) else 0.0,
    )
    if refused:
        return refused
    sizer = replay(seen, now, parameters)
    request = sizer.decide()
    if request is None:  # the first day is not over: all there is, at the most careful level
        sizer.close(int(day_of(seen.times[-1])), seen.values)
        request = sizer.quantile(parameters.least * parameters.target)
        return recommendation(CpuSizer(parameters), request)
    return recommendation(sizer, request)


def recommendation(sizer: CpuSizer, request: float) -> CpuRecommendation:
    """Round up to whole thousandths of a core and say how well the past was kept."""
    return CpuRecommendation(
        request=max(math.ceil(request * 1000 - 1e-9) / 1000, sizer.parameters.least_cores),
        shortage_target=sizer.parameters.target,
        shortage_kept=sizer.short / sizer.replayed if sizer.replayed else None,
        days=sizer.replayed,
        confidence=sizer.confidence,
    )
