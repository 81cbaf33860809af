"""What a stream sends, made fit for models: in order, once each, finite; cumulative counters as rates.

What becomes of bad input is defined here, for all models:

| input | result |
|---|---|
| time is NaN or infinite, or later than the tick by over `FUTURE` | the sample is dropped and counted |
| same time as one before, or earlier than the last one taken | dropped and counted; within one tick, samples are first put in order |
| NaN or infinite value, or one over `LARGEST` | that channel is absent; a sample left with no channel is kept: it says that time passed |
| counter goes down | a reset: it began anew at zero, as Prometheus' `rate` sees it |
| first reading of a counter, or of one that was away | no rate yet: the channel is absent |
| gap | nothing is filled in; a counter's rate is the mean over the gap |
| the tick's own clock is back by over `BACK` | `restart`: all that was learned about time is void |
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from dharma_ml.findings import Sample

FUTURE: Final = 300.0
"""Seconds that a sample may be ahead of the tick: clocks of nodes differ by less where NTP runs."""
BACK: Final = 3600.0
"""Seconds that the tick may lie before the newest sample; more means that the clock was wrong before."""

LARGEST: Final = 1e30
"""Larger values are taken for broken ones: no meter counts so far, and their squares would leave the range of numbers."""


@dataclass(frozen=True, slots=True)
class Clean:
    """Samples fit for models, and how many were not."""

    samples: tuple[Sample, ...]
    dropped: int
    restart: bool
    """The clock went back: whatever was learned is void."""


@dataclass(slots=True)
class Intake:
    """Remembers where a stream stands. `last`: newest time taken, seconds since 1970; `readings`: of counters, (time, value)."""

    last: float = -math.inf
    readings: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def take(self, samples: Sequence[Sample], counters: frozenset[str], now: float) -> Clean:
        """Clean the samples of one tick. `counters`: channels that only grow, in units; they come out as units a second."""
        restart = self.last > now + BACK
        if restart:
            self.last, self.readings = -math.inf, {}
        taken: list[Sample] = []
        usable = [sample for sample in samples if math.isfinite(sample.time) and sample.time <= now + FUTURE]
        for sample in sorted(usable, key=lambda sample: sample.time):
            if sample.time > self.last:
                taken.append(Sample(sample.time, self._values(sample, counters)))
                self.last = sample.time
        return Clean(tuple(taken), len(samples) - len(taken), restart)

    def save(self) -> bytes:
        """Give the state as bytes."""
        return json.dumps([self.last if math.isfinite(self.last) else None, self.readings]).encode()

    @classmethod
    def restore(cls, state: bytes) -> "Intake":
        """Read what `save` gave. Raises ValueError for anything else."""
        try:
            last, readings = json.loads(state)
            return cls(-math.inf if last is None else float(last), {name: (float(t), float(v)) for name, (t, v) in readings.items()})
        except (TypeError, AttributeError) as error:
            raise ValueError("this is no state of an intake") from error

    def _values(self, sample: Sample, counters: frozenset[str]) -> dict[str, float]:
        values: dict[str, float] = {}
        for channel, value in sample.values.items():
            if not abs(value) <= LARGEST:  # NaN is in no relation
                continue
            if channel not in counters:
                values[channel] = float(value)
                continue
            before = self.readings.get(channel)
            self.readings[channel] = (sample.time, float(value))
            if before is not None:
                grown = value - before[1] if value >= before[1] else value
                rate = grown / (sample.time - before[0])
                if math.isfinite(rate):  # a huge value over a tiny time is no number any more
                    values[channel] = rate
        return values
