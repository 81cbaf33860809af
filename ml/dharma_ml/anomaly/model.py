"""The anomaly detector of one stream: readings in, findings out, the state as bytes.

A pure function of the readings and the state: no clock, no chance but a fixed seed, no look ahead. Bad readings have defined results: a
reading that is not newer than
the last is left out (after 24 of them in a row the clock was set back, and learning starts anew); a value that is missing, not a number
or infinite is left
out and the channel's last one stands in without counting; a gap of 28 days starts learning anew; a channel that appears counts after a
day of points.
"""

from collections.abc import Sequence
from typing import Self, SupportsFloat

import numpy as np

from dharma_ml.anomaly import alarms, detector, members
from dharma_ml.anomaly.alarms import Alarm
from dharma_ml.anomaly.detector import DAY, Scored
from dharma_ml.anomaly.forest import Forest
from dharma_ml.anomaly.members import Bools, Floats
from dharma_ml.anomaly.memory import Memory, dump, load
from dharma_ml.anomaly.settings import MEMBERS, SETTINGS, Settings
from dharma_ml.anomaly.stored import StoredForests
from dharma_ml.findings import Finding, Sample, Severity
from dharma_ml.models.card import ArtefactError

_LARGEST = 1e30
"""Larger values are taken for broken ones: their squares would leave the range of numbers."""


class AnomalyModel:
    """Watches one stream."""

    def __init__(self, stream: str, settings: Settings = SETTINGS, stored: StoredForests | None = None) -> None:
        self.stream = stream
        self.settings = settings
        self._stored = stored
        self._refused = ""
        self._memory = Memory()

    @classmethod
    def from_bytes(cls, stream: str, blob: bytes, settings: Settings = SETTINGS, stored: StoredForests | None = None) -> Self:
        """Go on from a saved state, with the forest that is champion in the store now. Raises `ValueError` when the bytes are no state."""
        model = cls(stream, settings, stored)
        model._memory = load(blob)
        model._serve_champion()
        return model

    def to_bytes(self) -> bytes:
        """Save the state; `from_bytes` goes on exactly where this one stands."""
        return dump(self._memory)

    @property
    def learning(self) -> bool:
        """Whether the stream is too new for alarms."""
        return detector.learning(self._memory, self.settings)

    @property
    def points(self) -> int:
        """Points taken since learning began."""
        return self._memory.count

    def update(self, samples: Sequence[Sample]) -> list[Finding]:
        """Take new readings; tell each alarm that was open meanwhile, or that the stream is still being learned."""
        if not samples:
            return self._refusal()
        names = list(dict.fromkeys(name for sample in samples for name in sample.values))
        times = np.array([_number(sample.time) for sample in samples])
        values = np.array([[_number(sample.values.get(name, np.nan)) for name in names] for sample in samples]).reshape(
            len(samples), len(names)
        )
        found = self.observe(times, values, tuple(names)).alarms
        findings = [self._finding(alarm) for alarm in found]
        if self.learning and self._memory.count:
            findings.append(self._still_learning())
        return findings + self._refusal()

    def observe(self, times: Floats, values: Floats, channels: tuple[str, ...] | None = None) -> Scored:
        """Take rows (n, c) at times (n,), in seconds; give scores for every row, 0 for those left out.

        `channels` names the columns (by default by number). The alarms are those that were open at any of the rows.
        """
        names = channels if channels is not None else tuple(f"channel-{index}" for index in range(values.shape[1]))
        whole = _nothing(len(times))
        position = 0
        while position < len(times):
            rows, position, afresh = self._newer(times, position)
            if rows.size:
                scored, kept = self._take(times[rows], values[rows], names)
                for name in ("fused", "level", "evidence", "strength", "members"):
                    getattr(whole, name)[rows[kept]] = getattr(scored, name)
                whole.alarms += [alarm for alarm in scored.alarms if all(alarm is not other for other in whole.alarms)]
            if afresh:
                self._memory = Memory()
        return whole

    def _newer(self, times: Floats, start: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], int, bool]:
        """List the rows from `start` that follow in time; stop, and tell so, where learning must start anew."""
        memory = self._memory
        taken: list[int] = []
        last, backward = memory.last, memory.backward
        limit = self.settings.jump_days * DAY
        for index, time in enumerate(times[start:].tolist(), start):
            if not np.isfinite(time):
                continue
            if time <= last:
                backward += time < last
                if backward >= self.settings.backward:
                    return np.array(taken, dtype=np.int64), index, True
                continue
            if time - last > limit and np.isfinite(last):
                return np.array(taken, dtype=np.int64), index, True
            taken.append(index)
            last, backward = time, 0
        memory.backward = backward
        return np.array(taken, dtype=np.int64), len(times), False

    def _take(self, times: Floats, values: Floats, names: tuple[str, ...]) -> tuple[Scored, Bools]:
        """Order the columns, fill what is missing, score; tells which of the rows had any value."""
        memory = self._memory
        valid: Bools = np.isfinite(values) & (np.abs(np.where(np.isfinite(values), values, 0.0)) < _LARGEST)
        kept: Bools = np.asarray(valid.any(axis=1))
        if not kept.any():
            return detector.walk(
                memory, times[:0], np.zeros((0, len(memory.channels))), np.zeros((0, len(memory.channels)), dtype=bool), self.settings
            ), kept
        times, values, valid = times[kept], values[kept], valid[kept]
        self._meet([name for name, seen in zip(names, np.asarray(valid.any(axis=0)).tolist(), strict=True) if seen], values, valid, names)
        place = {name: index for index, name in enumerate(names)}
        rows = np.full((len(times), len(memory.channels)), np.nan)
        for column, channel in enumerate(memory.channels):
            if channel in place:
                rows[:, column] = np.where(valid[:, place[channel]], values[:, place[channel]], np.nan)
        usable = np.isfinite(rows)
        # What is remembered has single precision: a step must not depend on how points were cut into calls.
        rows = _filled(rows, memory.values).astype(np.float32).astype(np.float64)
        memory.values = rows[-1].copy()
        born = np.array(memory.born)
        since = memory.count + np.arange(len(times))[:, None] - born[None, :]
        usable &= (born == 0)[None, :] | (since >= self.settings.refit)
        if not memory.count:
            memory.first = float(times[0])
        scored = detector.walk(memory, times, rows, usable, self.settings, self._renew if self._stored is not None else None)
        memory.last = float(times[-1])
        return scored, kept

    def _renew(self, memory: Memory, scores: Floats) -> Forest | None:
        """Have a forest trained into the store; None when the store fails, and then the stream goes on with one of its own."""
        if self._stored is None:
            return None
        # Times of the rows that are kept for fitting span about the same past as the scores.
        times = np.linspace(memory.first + float(memory.times[0]), memory.first + float(memory.times[-1]), len(scores))
        try:
            memory.artefact, forest = self._stored.renew(times, members.forest_features(scores), self.settings)
        except (ArtefactError, OSError, ValueError) as error:
            self._refused, memory.artefact = str(error), ""
            return None
        return forest

    def _serve_champion(self) -> None:
        """Take the store's champion, where it is another one than what the state holds: somebody promoted or took back."""
        if self._stored is None or self._memory.fit is None or self._memory.fit.forest is None:
            return
        try:
            found = self._stored.champion(other_than=self._memory.artefact)
        except (ArtefactError, OSError, ValueError) as error:
            self._refused = str(error)
            return
        if found is not None:
            self._memory.artefact = found[0]
            detector.serve(self._memory, found[1])

    def _refusal(self) -> list[Finding]:
        """Tell once that the store's model was not taken."""
        reason, self._refused = self._refused, ""
        if not reason or not self._memory.count:
            return []
        message = f"The model store's forest is not used, the stream goes on with its own: {reason.rstrip('.')}."
        return [Finding(self.stream, "ModelRefused", Severity.MEDIUM, 1.0, message, self._memory.last)]

    def _meet(self, seen: list[str], values: Floats, valid: Bools, names: tuple[str, ...]) -> None:
        """Add channels that were not there before; their past is filled with their first value until they have one."""
        memory = self._memory
        fresh = [name for name in seen if name not in memory.channels][: self.settings.channels - len(memory.channels)]
        if not fresh:
            return
        first = [float(values[valid[:, names.index(name)], names.index(name)][0]) for name in fresh]
        memory.channels += fresh
        memory.born += [memory.count] * len(fresh)
        memory.values = np.concatenate([memory.values, first])
        memory.rows = _widened(memory.rows.astype(np.float64), first).astype(np.float32)
        memory.recent = _widened(memory.recent.astype(np.float64), first).astype(np.float32)
        memory.residuals = _widened(memory.residuals.astype(np.float64), [0.0] * len(fresh)).astype(np.float32)
        # The fit knows nothing of the new channels: members pause until the next block refits.
        memory.fit, memory.moving = None, None
        memory.residuals = memory.residuals[:0]

    def _finding(self, alarm: Alarm) -> Finding:
        level = alarms.severity(alarm)
        leading = sorted(alarm.shares.items(), key=lambda item: (-item[1], item[0]))[:3]
        confidence = 1.0 - 10.0 ** -min(alarm.evidence, 9.0)
        names = ", ".join(f"{name} {share:.0%}" for name, share in leading)
        state = f"for {alarm.points} points" if alarm.end is None else f"for {alarm.points} points, over"
        message = (
            f"unusual {state}: {alarm.deviation:.1f} robust standard deviations from the expected, "
            f"tail probability {10.0 ** -min(alarm.evidence, 9.0):.1e}; by {names}"
        )
        numbers = {
            "deviation_sigmas": alarm.deviation, "strength": alarm.strength, "fused_log10": alarm.fused, "tail_log10": alarm.evidence,
            "points": float(alarm.points), "start_seconds": alarm.start, "over": float(alarm.end is not None),
        }  # fmt: skip
        numbers |= {f"share:{name}": share for name, share in leading}
        return Finding(
            self.stream, "Anomaly", level, confidence, message, alarm.end if alarm.end is not None else self._memory.last, numbers
        )

    def _still_learning(self) -> Finding:
        memory, settings = self._memory, self.settings
        days = (memory.last - memory.first) / DAY
        done = min(memory.count / settings.learning_points, days / settings.learning_days, 1.0)
        points = f"{memory.count} of {settings.learning_points} points"
        message = f"learning: {points}, {days:.1f} of {settings.learning_days:g} days; no alarm until then"
        return Finding(
            self.stream, "Learning", Severity.LOW, max(done, 0.0), message, memory.last, {"points": float(memory.count), "days": days}
        )


def rating(scored: Scored, settings: Settings = SETTINGS) -> Floats:
    """Give one score a row in 0..1: above one half a peak that may begin an alarm, by its strength; below, the level of suspicion."""
    level = 0.5 * scored.level / (1.0 + scored.level)
    peak = 0.5 + 0.5 * scored.strength / (1.0 + scored.strength)
    return np.where(scored.strength >= settings.floor, peak, level)


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, SupportsFloat) else float("nan")
    except (OverflowError, TypeError, ValueError):
        return float("nan")


def _nothing(count: int) -> Scored:
    return Scored(np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count), np.zeros((count, len(MEMBERS))), [])


def _filled(rows: Floats, before: Floats) -> Floats:
    """Put each column's last valid value where there is none."""
    joined = np.concatenate([before[None, :], rows])
    index = np.where(np.isfinite(joined), np.arange(len(joined))[:, None], 0)
    return np.take_along_axis(joined, np.maximum.accumulate(index, axis=0), axis=0)[1:]


def _widened(rows: Floats, first: list[float]) -> Floats:
    return np.concatenate([rows, np.broadcast_to(np.array(first), (len(rows), len(first)))], axis=1)
