"""Walks all CPU recommenders over the machines: a request each midnight from the past, judged on the day that follows."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from dharma_ml.bench.vms import Machine
from dharma_ml.sizing import baselines
from dharma_ml.sizing.cpu import CpuSizer
from dharma_ml.sizing.history import DAY, Floats
from dharma_ml.sizing.measures import FIRST_JUDGED, Outcome, judge, walk
from dharma_ml.sizing.parameters import CPU
from dharma_ml.sizing.vpa import CPU_BUCKETS, Buckets, Rules, Vpa

WINDOW: Final = 14
VPA_TARGETS: Final = (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
FIXED: Final[dict[str, Callable[[Floats], float]]] = {
    "max of 14 d": baselines.maximum,
    "p95 x 1.2": baselines.p95_fixed_margin,
    "p99": baselines.p99,
    "KRR (p95)": baselines.krr_cpu,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """One request of ours: machine, day, MHz, stated confidence, what the day brought."""

    day: int
    request: float
    confidence: float
    values: Floats


def ours(machine: Machine, target: float) -> list[Decision]:
    """Walk our sizer over one machine."""
    sizer = CpuSizer(dataclasses.replace(CPU, target=target))
    decisions: list[Decision] = []
    for day, values in machine.days:
        request = sizer.decide()
        if day >= machine.first_day + FIRST_JUDGED and request is not None and len(values):
            decisions.append(Decision(day, request, sizer.confidence, values))
        sizer.close(day, values)
    return decisions


def outcome(decisions: Sequence[Decision]) -> Outcome:
    """Judge our decisions."""
    return judge((one.request, one.values) for one in decisions)


def fixed(machine: Machine, rule: Callable[[Floats], float]) -> Outcome:
    """Walk a rule on the last 14 days."""

    def decide(past: Sequence[tuple[int, Floats]]) -> float:
        recent = [values for _, values in past[-WINDOW:]]
        return rule(np.concatenate(recent if any(len(one) for one in recent) else [values for _, values in past]))

    return judge(walk(machine.days, decide))


def percentile(share: float) -> Callable[[Floats], float]:
    """Make the rule that takes that percentile (0..100)."""
    return lambda values: float(np.percentile(values, share))


def vpa(machine: Machine, targets: Sequence[float] = VPA_TARGETS, buckets: Buckets = CPU_BUCKETS) -> dict[float, Outcome]:
    """Walk VPA's recommender, once for all target percentiles; 0.9 is what it ships with.

    Without the pod minimum of 25 millicores, which would only harm it on machines as idle as these. Sample weights are equal, as
    they are with a request that does not change.
    """
    speed = machine.capacity / machine.cores
    state = Vpa(Rules(least_millicores=0), cpu_buckets=buckets)
    pairs: dict[float, list[tuple[float, Floats]]] = {target: [] for target in targets}
    times = machine.usage.times
    for day, values in machine.days:
        if day >= machine.first_day + FIRST_JUDGED and state.samples and len(values):
            for target in targets:
                state.rules = Rules(target=target, least_millicores=0)
                pairs[target].append((state.recommend_cpu().target / 1000 * speed, values))
        first = int(np.searchsorted(times, day * DAY, side="right"))
        for time, value in zip(times[first : first + len(values)], values, strict=True):
            state.add_cpu(float(time), float(value) / speed)
    return {target: judge(days) for target, days in pairs.items()}


def at_shortage(points: Sequence[tuple[float, float]], shortage: float) -> float | None:
    """Read a frontier of (shortage, slack) at a shortage, straight between neighbours; None outside of it."""
    known = sorted(points)
    if not known or not known[0][0] <= shortage <= known[-1][0]:
        return None
    return float(np.interp(shortage, [one[0] for one in known], [one[1] for one in known]))
