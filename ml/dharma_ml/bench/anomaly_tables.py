"""Tables about our detector alone: calibration, severities, what each member is for, and what a fleet costs."""

import time
from typing import Final

import numpy as np

from dharma_ml.anomaly.alarms import Peaks, severity, strengths
from dharma_ml.anomaly.detector import Scored
from dharma_ml.anomaly.model import AnomalyModel, rating
from dharma_ml.anomaly.settings import LASTING, MEMBERS, SETTINGS
from dharma_ml.bench import nab, ranges
from dharma_ml.bench.anomaly_data import Labelled
from dharma_ml.bench.tables import Table
from dharma_ml.findings import Sample, Severity

NOMINAL: Final = (0.05, 0.01, 0.005, 0.001)


def calibration(streams: list[Labelled], own: dict[str, Scored], tune: set[str]) -> Table:
    """Compare how often the level's tail probability falls below a nominal value on points outside labels, after learning."""
    rows: list[tuple[str | float | int | None, ...]] = []
    for title in ("NAB", "ASD"):
        members = [stream for stream in streams if (stream.group == "asd") == (title == "ASD")]
        for part, chosen in (("all", members), ("rest", [stream for stream in members if stream.name not in tune])):
            proof = [own[s.name].evidence[SETTINGS.refit * 2 :][~_near(s)[SETTINGS.refit * 2 :]] for s in chosen]
            if proof:
                joined = np.concatenate(proof)
                rates = [float((joined >= -np.log10(nominal)).mean()) for nominal in NOMINAL]
                rows.append((title, part, len(joined), *(float(f"{rate:.2g}") for rate in rates)))
    notes = ("normal points: outside labelled windows and the 288 points after them, where what was learned still holds the anomaly",)
    return Table(
        "Calibration on normal points",
        ("set", "part", "points", *(f"share at nominal {nominal:g}" for nominal in NOMINAL)),
        tuple(rows),
        notes,
    )


def _near(stream: Labelled) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    near = stream.labels.copy()
    for _, last in ranges.segments(stream.labels):
        near[last : last + 288] = True
    return near


def severities(streams: list[Labelled], own: dict[str, Scored]) -> Table:
    """Count alarms by severity."""
    rows: list[tuple[str | float | int | None, ...]] = []
    for title in ("NAB", "ASD"):
        alarms = [alarm for stream in streams if (stream.group == "asd") == (title == "ASD") for alarm in own[stream.name].alarms]
        levels = [severity(alarm) for alarm in alarms]
        rows.append((title, *(levels.count(level) for level in Severity)))
    return Table("Alarms by severity", ("set", *(level.value for level in Severity)), tuple(rows))


def ablation(series: list[Labelled], servers: list[Labelled], own: dict[str, Scored], tune: set[str]) -> Table:
    """Fuse anew without each member; the alarms' shaping stays."""
    rows: list[tuple[str | float | int | None, ...]] = []
    for left_out in (None, *MEMBERS):
        kept = [index for index, name in enumerate(MEMBERS) if name != left_out]
        marks = {stream.name: _fused_again(own[stream.name], kept) for stream in series + servers}
        figures: list[float | None] = []
        for part in ([s for s in series if s.name in tune], [s for s in series if s.name not in tune]):
            corpus = [nab.Scored(marks[s.name], s.windows) for s in part]
            figures.append(round(nab.corpus_score(corpus, nab.STANDARD).score, 1) if any(s.windows for s in part) else None)
        for part in ([s for s in servers if s.name in tune], [s for s in servers if s.name not in tune]):
            volumes = [ranges.vus_pr(s.labels[s.judged], marks[s.name][s.judged], thresholds=60) for s in part]
            figures.append(round(float(np.mean(volumes)), 3) if volumes else None)
        rows.append((left_out or "none", *figures))
    notes = ("VUS-PR here with 60 thresholds",)
    return Table("Without one member", ("left out", "NAB tune", "NAB rest", "ASD VUS-PR tune", "ASD VUS-PR rest"), tuple(rows), notes)


def _fused_again(scored: Scored, kept: list[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    fused = scored.members[:, kept].mean(axis=1)
    level = np.empty(len(fused))
    now, weight = 0.0, 2.0 / (SETTINGS.smooth + 1.0)
    lasting = [index for index in LASTING if index in kept]
    for index, value in enumerate(scored.members[:, lasting].mean(axis=1).tolist()):
        now += weight * (value - now)
        level[index] = now
    strength = strengths(fused, np.zeros(0), 0, Peaks(), SETTINGS)
    return rating(Scored(fused, level, level, strength, scored.members, []))


def fleet(largest: int, streams: int = 200) -> Table:
    """Time one tick of a fleet, a reading a stream with five channels, the state read from bytes and written back, after four weeks."""
    names = ("cpu", "memory", "network", "disk", "errors")
    chance = np.random.default_rng(SETTINGS.seed)
    count = 2 * SETTINGS.history
    times = 1.7e9 + 300.0 * np.arange(count, dtype=np.float64)
    model = AnomalyModel("fleet")
    begin = time.process_time()
    model.observe(times, chance.normal(size=(count, len(names))) + np.sin(times / 86_400 * 2 * np.pi)[:, None], names)
    replay = (time.process_time() - begin) / count * 1e6
    blob = model.to_bytes()
    begin = time.process_time()
    for index in range(streams):
        restored = AnomalyModel.from_bytes("fleet", blob)
        restored.update([Sample(float(times[-1] + 300.0), dict.fromkeys(names, 0.01 * index))])
        restored.to_bytes()
    tick = (time.process_time() - begin) / streams
    rows = (
        ("replay, five channels", round(replay, 1), "µs a point"),
        ("tick of 1,000 streams, one core", round(tick * 1000, 2), "s"),
        ("state of a stream with five channels", round(len(blob) / 1e6, 3), "MB"),
        ("100 such streams", round(len(blob) / 1e4, 1), "MB"),
        ("largest state in this benchmark", round(largest / 1e6, 3), "MB"),
    )
    return Table("Cost", ("what", "measured", "unit"), rows, (f"the tick is measured on {streams} streams; processor time",))
