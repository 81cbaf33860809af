"""The detector's walk through a stream: blocks between refits, scored as arrays, each from the past only."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dharma_ml.anomaly import alarms, members
from dharma_ml.anomaly.alarms import Alarm
from dharma_ml.anomaly.conformal import evidence
from dharma_ml.anomaly.forest import Forest
from dharma_ml.anomaly.members import Bools, Floats, Moving
from dharma_ml.anomaly.memory import Memory
from dharma_ml.anomaly.settings import LASTING, MEMBERS, Settings

DAY = 86_400.0
MOST_EXCESS = 4.0
"""A single point says no more about how over-dispersed evidence is, in powers of ten."""
_TALLEST = 6e4  # what a float16 holds


Renew = Callable[[Memory, Floats], Forest | None]
"""Makes a forest from the memory and its members' past scores (n, members); None when it cannot."""


@dataclass(slots=True)
class Scored:
    """What was found for each row (n,): fused evidence, level of suspicion, its evidence, strength as a peak; and the alarms met."""

    fused: Floats
    level: Floats
    evidence: Floats
    strength: Floats
    members: Floats
    """Evidence of each member (n, members)."""
    alarms: list[Alarm]


def learning(memory: Memory, settings: Settings) -> bool:
    """Tell whether the stream is still too new for alarms."""
    return memory.count < settings.learning_points or memory.last - memory.first < settings.learning_days * DAY


def walk(memory: Memory, times: Floats, rows: Floats, usable: Bools, settings: Settings, renew: Renew | None = None) -> Scored:
    """Score clean rows (n, c) with rising times (n,) and move the memory on. `renew` gives a forest from elsewhere when one is due."""
    parts: list[Scored] = []
    position = 0
    past = _Past(memory, settings)
    while position < len(times):
        room = settings.block - memory.count % settings.block
        piece = slice(position, position + room)
        parts.append(_block(memory, past, times[piece], rows[piece], usable[piece], settings))
        position += room
        if memory.count % settings.block == 0:
            _learn(memory, settings, renew)
            past = _Past(memory, settings)
    if not parts:
        empty = np.zeros(0)
        return Scored(empty, empty, empty, empty, np.zeros((0, len(MEMBERS))), [])
    found: list[Alarm] = []
    for part in parts:
        found += [alarm for alarm in part.alarms if all(alarm is not other for other in found)]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ("fused", "level", "evidence", "strength", "members")
    }
    return Scored(**joined, alarms=found)


class _Past:
    """The sorted past scores of the members and of the level, as they stood at the beginning of the block."""

    def __init__(self, memory: Memory, settings: Settings) -> None:
        begun = len(memory.scores) - (memory.count % settings.block if memory.fit is not None else 0)
        scores = memory.scores[: max(begun, 0)]
        # One row a member, each contiguous: sorting is most of the cost otherwise.
        self.scores = [np.sort(np.ascontiguousarray(scores[-horizon:].T, dtype=np.float32), axis=1) for horizon in settings.horizons]
        self.levels = np.sort(memory.levels[: max(begun, 0)][-settings.history :].astype(np.float64))


def _block(memory: Memory, past: _Past, times: Floats, rows: Floats, usable: Bools, settings: Settings) -> Scored:
    count = len(times)
    if memory.fit is None or memory.moving is None:
        _remember(memory, times, rows, settings)
        nothing = np.zeros(count)
        return Scored(nothing, nothing, nothing, nothing, np.zeros((count, len(MEMBERS))), [])
    raw = members.score(
        memory.fit, times, rows, usable, memory.recent.astype(np.float64), memory.residuals.astype(np.float64), memory.moving, settings
    )
    scores = np.minimum(raw.scores, _TALLEST).astype(np.float16).astype(np.float64)
    proof = _proof(scores, past, settings)
    ready = len(MEMBERS) - (memory.fit.forest is None)
    fused = proof[:, :ready].mean(axis=1)
    weight = 2.0 / (settings.smooth + 1.0)
    level = np.empty(count)
    for index, value in enumerate(proof[:, LASTING].mean(axis=1).tolist()):
        memory.level += weight * (value - memory.level)
        level[index] = memory.level
    level = level.astype(np.float32).astype(np.float64)
    tail = _tempered(memory, evidence(past.levels, level, settings.tail), settings)
    strength = alarms.strengths(fused, memory.fused, memory.count, memory.peaks, settings)
    met = _alarms(memory, times, Scored(fused, level, tail, strength, proof, []), raw, scores[:, 0], settings)
    kept = settings.history + settings.block
    memory.scores = np.concatenate([memory.scores, scores.astype(np.float16)])[-kept:]
    memory.levels = np.concatenate([memory.levels, level.astype(np.float16)])[-kept:]
    memory.fused = np.concatenate([memory.fused, fused])[-settings.refractory :]
    memory.residuals = np.concatenate([memory.residuals, raw.residuals.astype(np.float32)])[-settings.long :]
    _remember(memory, times, rows, settings)
    return Scored(fused, level, tail, strength, proof, met)


def _tempered(memory: Memory, proof: Floats, settings: Settings) -> Floats:
    """Correct evidence that was too strong before.

    Up to the edge evidence is a count of past levels and holds. Where the guessed tail beyond it holds, what exceeds the edge is
    exponential with the mean log10(e). A stream whose past evidence exceeds by more (it drifts, or its points hang together) has it
    shrunk in proportion.
    """
    edge, least, prior = settings.dispersion
    usual = float(np.log10(np.e))
    result = proof.copy()
    for index in np.flatnonzero(proof > edge):
        over = float(proof[index]) - edge
        mean = (usual * prior + memory.excess) / (prior + memory.exceeded)
        result[index] = edge + over * min(max(usual / mean, least), 1.0)
        memory.excess += min(over, MOST_EXCESS)
        memory.exceeded += 1
    return result


def _proof(scores: Floats, past: _Past, settings: Settings) -> Floats:
    total = np.zeros_like(scores)
    for column in range(scores.shape[1]):
        for known in past.scores:
            total[:, column] += np.minimum(evidence(known[column].astype(np.float64), scores[:, column], settings.tail), settings.cap)
    return total / len(past.scores)


def _alarms(memory: Memory, times: Floats, scored: Scored, raw: members.Raw, deviation: Floats, settings: Settings) -> list[Alarm]:
    """Open, follow and close alarms; gives those that were open at any of these points."""
    met: list[Alarm] = []
    starts = ((scored.strength >= settings.alarm) | (scored.evidence >= settings.alarm_level)).tolist()
    if memory.alarm is None and not any(starts):
        return met
    for index, begins in enumerate(starts):
        alarm = memory.alarm
        if alarm is None:
            enough = memory.count + index >= settings.learning_points and times[index] - memory.first >= settings.learning_days * DAY
            if not begins or not enough:
                continue
            alarm = memory.alarm = Alarm(float(times[index]), 0.0, 0.0, 0.0, 0.0, points=0)
        if not met or met[-1] is not alarm:
            met.append(alarm)
        alarm.strength = max(alarm.strength, float(scored.strength[index]))
        alarm.evidence = max(alarm.evidence, float(scored.evidence[index]))
        alarm.deviation = max(alarm.deviation, float(deviation[index]))
        if scored.fused[index] > alarm.fused:
            alarm.fused = float(scored.fused[index])
            alarm.shares = _shares(memory.channels, raw.shares[index])
        if alarms.usual_again(alarm, float(scored.evidence[index]), settings):
            alarm.end = float(times[index])
            memory.alarm = None
    return met


def _shares(channels: list[str], parts: Floats) -> dict[str, float]:
    total = float(parts.sum())
    return {name: float(part) / total if total > 0 else 1.0 / len(channels) for name, part in zip(channels, parts, strict=True)}


def _remember(memory: Memory, times: Floats, rows: Floats, settings: Settings) -> None:
    every = keep_every(len(memory.channels), settings)
    most = settings.history // every
    chosen = (memory.count + np.arange(len(times))) % every == 0
    memory.times = np.concatenate([memory.times, (times[chosen] - memory.first).astype(np.float32)])[-most:]
    memory.rows = np.concatenate([memory.rows, rows[chosen].astype(np.float32)])[-most:]
    memory.recent = np.concatenate([memory.recent, rows.astype(np.float32)])[-settings.refit :]
    memory.count += len(times)


def keep_every(channels: int, settings: Settings) -> int:
    """Tell of how many rows one is kept for fitting, so that a wide stream takes no more memory than a narrow one."""
    return max(1, -(-channels * settings.history // settings.history_values))


def _learn(memory: Memory, settings: Settings, renew: Renew | None) -> None:
    """Refit what is due at this count; the count alone decides, so that it does not matter how the points were cut into calls."""
    count = memory.count
    if count < settings.warm:
        return
    if memory.fit is None or count < 2 * settings.refit or count % settings.refit == 0:
        _fill_newborn(memory)
        every = keep_every(len(memory.channels), settings)
        lags = 1 if every > 1 else max(1, settings.lags // len(memory.channels))
        known = memory.fit.forest if memory.fit is not None else None
        memory.fit = members.fit(
            memory.times.astype(np.float64) + memory.first, memory.rows.astype(np.float64), memory.recent.astype(np.float64), lags, settings
        )
        memory.fit.forest = known
    else:
        members.refresh(memory.fit, memory.recent.astype(np.float64), settings)
    if memory.moving is None:
        recent = memory.recent.astype(np.float64)
        memory.moving = Moving(recent[-1], np.abs(np.diff(recent, axis=0)).mean(axis=0))
    if count == settings.refit or count % settings.forest_refit == 0:
        scores = memory.scores.astype(np.float64)
        forest = renew(memory, scores) if renew is not None else None
        serve(memory, forest if forest is not None else members.fit_forest(scores, settings))


def serve(memory: Memory, forest: Forest) -> None:
    """Score by that forest from now on. Past scores came from another one or none; ranks mean something only within one."""
    if memory.fit is not None:
        memory.fit.forest = forest
        memory.scores[:, -1] = members.isolation(forest, memory.scores.astype(np.float64))


def _fill_newborn(memory: Memory) -> None:
    """Give a channel that came later a past, made of what was seen of it since, so that its arrival is not its own anomaly for ever."""
    for index, born in enumerate(memory.born):
        since = memory.count - born
        if born == 0 or since >= memory.count or since <= 0:
            continue
        for rows in (memory.rows, memory.recent):
            every = max(1, round(memory.count / max(len(memory.rows), 1))) if rows is memory.rows else 1
            seen = min(since // every, len(rows))
            if 0 < seen < len(rows):
                rows[:-seen, index] = np.resize(rows[-seen:, index], len(rows) - seen)
