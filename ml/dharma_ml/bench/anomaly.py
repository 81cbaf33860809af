"""The benchmark of the anomaly detector: ours beside the simple ones on labelled streams, in one run.

Numbers may be chosen on the tune files only, which `tuned` tells; every table has the rest apart.
"""

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dharma_ml.anomaly.detector import Scored
from dharma_ml.anomaly.model import AnomalyModel, rating
from dharma_ml.anomaly.settings import SETTINGS
from dharma_ml.bench import nab, ranges
from dharma_ml.bench.anomaly_baselines import BASELINES, marked
from dharma_ml.bench.anomaly_data import Labelled, asd
from dharma_ml.bench.anomaly_data import nab as read_nab
from dharma_ml.bench.anomaly_tables import ablation, calibration, fleet, severities
from dharma_ml.bench.tables import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """One method on one stream: a score for ranking, a score of marks, processor microseconds a point."""

    level: Floats
    marks: Floats
    cost: float
    size: int = 0
    scored: Scored | None = None


def tuned(streams: list[Labelled]) -> set[str]:
    """Name the streams on which parameters were chosen: artificial groups whole, of the other groups and the servers each second one."""
    names: set[str] = set()
    for group in {stream.group for stream in streams}:
        members = [stream.name for stream in streams if stream.group == group]
        names |= set(members if group.startswith("artificial") else members[::2])
    return names


def ours(stream: Labelled) -> Outcome:
    """Walk our detector through a stream, in the order of its rows."""
    model = AnomalyModel(stream.name)
    begin = time.process_time()
    scored = model.observe(stream.times, stream.values)
    cost = (time.process_time() - begin) / len(stream.times) * 1e6
    marks = rating(scored)
    return Outcome(marks, marks, cost, len(model.to_bytes()), scored)


def _level(outcome: Outcome) -> Floats:
    return outcome.scored.level if outcome.scored is not None else outcome.level


def simple(method: Callable[[Labelled], Floats], stream: Labelled) -> Outcome:
    """Run a simple detector; its marks for NAB come from the same shaping as ours."""
    begin = time.process_time()
    scores = method(stream)
    cost = (time.process_time() - begin) / len(stream.times) * 1e6
    return Outcome(scores, marked(scores), cost)


def run(data: Path, *, scores: Path | None = None, pictures: Path | None = None) -> list[Table]:
    """Measure on `data/nab` and `data/asd`, whichever is there. Raises `FileNotFoundError` when neither is."""
    series = read_nab(data / "nab") if (data / "nab" / "labels.json").is_file() else []
    servers = asd(data / "asd") if (data / "asd").is_dir() else []
    streams = series + servers
    if not streams:
        raise FileNotFoundError(f"neither nab/labels.json nor asd/*.npz in {data}")
    results = {"ours": {stream.name: ours(stream) for stream in streams}}
    results["ours, the level alone"] = {name: replace(found, level=_level(found)) for name, found in results["ours"].items()}
    for name, method in BASELINES.items():
        results[name] = {stream.name: simple(method, stream) for stream in streams}
    tune = tuned(streams)
    tables = [_nab_table(series, results, tune)] if series else []
    tables += [_range_table("ASD", servers, results, tune)] if servers else []
    operations = [
        stream for stream in series if stream.group in {"realAWSCloudwatch", "realKnownCause"} and stream.labels[stream.start :].any()
    ]
    tables += [_range_table("NAB operations series", operations, results, tune)] if operations else []
    own = {name: outcome.scored for name, outcome in results["ours"].items() if outcome.scored is not None}
    tables += [
        _alarm_table(streams, own, tune),
        calibration(streams, own, tune),
        severities(streams, own),
        ablation(series, servers, own, tune),
    ]
    tables.append(fleet(max((outcome.size for outcome in results["ours"].values()), default=0)))
    if scores is not None:
        for stream in streams:
            _write(scores, stream, results["ours"][stream.name].marks)
    if pictures is not None:
        from dharma_ml.bench.anomaly_picture import draw  # noqa: PLC0415 - matplotlib is for pictures only

        draw(pictures, streams, own)
    return tables


def _parts(streams: list[Labelled], tune: set[str]) -> list[tuple[str, list[Labelled]]]:
    chosen = [stream for stream in streams if stream.name in tune]
    rest = [stream for stream in streams if stream.name not in tune]
    return [("all", streams), ("tune", chosen), ("rest", rest)]


def _nab_table(series: list[Labelled], results: dict[str, dict[str, Outcome]], tune: set[str]) -> Table:
    rows: list[tuple[str | float | int | None, ...]] = []
    fixed = 0.5 + 0.5 * SETTINGS.alarm / (1.0 + SETTINGS.alarm)
    for method, outcomes in results.items():
        if method == "ours, the level alone":
            continue  # NAB counts marks
        for part, members in _parts(series, tune):
            if not any(stream.windows for stream in members):
                continue
            corpus = [nab.Scored(outcomes[stream.name].marks, stream.windows) for stream in members]
            best = [round(nab.corpus_score(corpus, profile).score, 1) for profile in nab.PROFILES]
            shipped = round(nab.fixed_score(corpus, nab.STANDARD, fixed), 1) if method == "ours" else None
            cost = round(float(np.mean([outcomes[stream.name].cost for stream in members])), 1)
            rows.append((method, part, len(members), *best, shipped, cost))
    columns = ("method", "part", "series", "standard", "low-FP", "low-FN", "standard at the shipped threshold", "µs/point")
    notes = (
        "standard, low-FP, low-FN: NAB's rule, one threshold for the corpus, chosen on its labels",
        "every method's score goes through the same shaping into marks",
        "tune: parameters were chosen on these; rest: only reported",
    )
    return Table("NAB", columns, tuple(rows), notes)


def _range_table(title: str, streams: list[Labelled], results: dict[str, dict[str, Outcome]], tune: set[str]) -> Table:
    rows: list[tuple[str | float | int | None, ...]] = []
    for method, outcomes in results.items():
        figures = {stream.name: _figures(stream, outcomes[stream.name].level) for stream in streams}
        for part, members in _parts(streams, tune):
            if members:
                mean = np.mean([figures[stream.name] for stream in members], axis=0)
                cost = round(float(np.mean([outcomes[stream.name].cost for stream in members])), 1)
                rows.append((method, part, len(members), *(round(float(value), 3) for value in mean), cost))
    columns = ("method", "part", "streams", "VUS-PR", "event-F1", "AUC-PR", "µs/point")
    notes = ("VUS-PR with window 100; event-F1 at the best threshold of each stream that flags at most 30 % of the points",)
    return Table(title, columns, tuple(rows), notes)


def _figures(stream: Labelled, scores: Floats) -> tuple[float, float, float]:
    labels, judged = stream.labels[stream.judged], scores[stream.judged]
    return ranges.vus_pr(labels, judged), ranges.best_event_f1(labels, judged).f1, ranges.average_precision(labels, judged)


def _alarm_table(streams: list[Labelled], own: dict[str, Scored], tune: set[str]) -> Table:
    rows: list[tuple[str | float | int | None, ...]] = []
    groups = [("NAB, no anomaly labelled", [s for s in streams if s.group != "asd" and not s.windows])]
    groups += [("NAB", [s for s in streams if s.group != "asd"]), ("ASD", [s for s in streams if s.group == "asd"])]
    for title, members in groups:
        for part, chosen in _parts(members, tune):
            if not chosen:
                continue
            found = events = alarms = false = 0
            weeks = 0.0
            for stream in chosen:
                begin = stream.times[stream.start]
                raised = [alarm for alarm in own[stream.name].alarms if alarm.start >= begin]
                spans = [(stream.times[first], stream.times[last]) for first, last in ranges.segments(stream.labels)]
                hit = [any(a.start <= last and (a.end or np.inf) >= first for a in raised) for first, last in spans]
                wrong = [a for a in raised if not any(a.start <= last and (a.end or np.inf) >= first for first, last in spans)]
                found, events, alarms, false = found + sum(hit), events + len(spans), alarms + len(raised), false + len(wrong)
                weeks += float(stream.times[-1] - begin) / 604_800.0
            recall = round(found / events, 2) if events else None
            rows.append((title, part, len(chosen), round(weeks, 1), events, alarms, recall, round(false / weeks, 2)))
    columns = ("set", "part", "streams", "weeks", "events", "alarms", "event recall", "false alarms a stream-week")
    return Table("Alarms at the shipped threshold", columns, tuple(rows), ("the threshold was set without labels",))


def _write(folder: Path, stream: Labelled, marks: Floats) -> None:
    path = folder / ("nab" if stream.group != "asd" else "asd") / (stream.name.removesuffix(".csv") + ".csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as lines:
        out = csv.writer(lines)
        out.writerow(("timestamp", "score"))
        for moment, score in zip(stream.times.tolist(), marks.tolist(), strict=True):
            out.writerow((datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S"), f"{score:.6f}"))
