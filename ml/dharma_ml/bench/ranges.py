"""Metrics for anomalies that last: volume under the precision-recall surface, and F1 over events.

`vus_pr` follows Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series Anomaly Detection", VLDB
2022, in
the variant of TSB-AD (NeurIPS 2024), which counts the softened part of a label only where it was predicted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Events:
    """Events found at one threshold."""

    f1: float
    precision: float
    recall: float
    false_alarms: int
    """Runs of alarms that touch no event."""
    flagged: float
    """Share of points that are alarms."""


def segments(flags: Bools) -> list[tuple[int, int]]:
    """List the runs of true values as `(first, last)`, both inclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(first), int(last) - 1) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def vus_pr(labels: Bools, scores: Floats, window: int = 100, thresholds: int = 250) -> float:
    """Average the range-based area under the precision-recall curve over all buffer lengths 0..`window`. NaN without a label.

    For a buffer length `l` a point at distance `d <= l // 2` of a labelled run counts as `sqrt(1 - d / l)` of an anomaly. With `T` the
    sum of
    these over the alarms, precision is `T / alarms`, recall `min(1, T / P)` times the share of runs that are touched at all, and
    `P` is the labelled points plus half of the softened ones that were predicted.
    """
    runs = segments(labels)
    if not runs:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    picks = np.linspace(0, len(scores) - 1, thresholds).astype(int)
    alarms = np.searchsorted(-ranked, -ranked[picks], side="right")  # ties are alarms together
    areas = [_area(labels, scores, runs, length, order, ranked[picks], alarms) for length in range(window + 1)]
    return float(np.mean(areas))


def _area(
    labels: Bools, scores: Floats, runs: list[tuple[int, int]], length: int, order: NDArray[np.intp], cuts: Floats, alarms: NDArray[np.intp]
) -> float:
    soft = _softened(labels, runs, length)
    hits = np.cumsum(soft[order])[alarms - 1]
    softened = np.cumsum(np.where(labels, 0.0, soft)[order])[alarms - 1]
    positives = labels.sum() + softened / 2.0
    peaks = np.array([scores[first : last + 1].max() for first, last in _merged(runs, length // 2, len(labels))])
    touched = (peaks[None, :] >= cuts[:, None]).mean(axis=1)
    recall = np.concatenate(([0.0], np.minimum(hits / positives, 1.0) * touched))
    return float(np.sum(np.diff(recall) * (hits / alarms)))


def _softened(labels: Bools, runs: list[tuple[int, int]], length: int) -> Floats:
    soft = labels.astype(np.float64)
    reach = length // 2
    for first, last in runs:
        after = np.arange(last + 1, min(last + reach + 1, len(soft)))
        soft[after] += np.sqrt(1.0 - (after - last) / max(length, 1))
        before = np.arange(max(first - reach, 0), first)
        soft[before] += np.sqrt(1.0 - (first - before) / max(length, 1))
    return np.minimum(soft, 1.0)


def _merged(runs: list[tuple[int, int]], reach: int, count: int) -> list[tuple[int, int]]:
    """Widen each run by `reach` on both sides and join those that meet."""
    wide: list[tuple[int, int]] = []
    for first, last in runs:
        low, high = max(first - reach, 0), min(last + reach, count - 1)
        if wide and low <= wide[-1][1]:
            wide[-1] = (wide[-1][0], high)
        else:
            wide.append((low, high))
    return wide


def events_at(labels: Bools, alarms: Bools) -> Events:
    """Judge alarms by events: any overlap finds an event, a run of alarms that touches none is one false alarm."""
    runs, raised = segments(labels), segments(alarms)
    found = sum(bool(alarms[first : last + 1].any()) for first, last in runs)
    false = sum(not labels[first : last + 1].any() for first, last in raised)
    recall = found / len(runs) if runs else float("nan")
    precision = found / (found + false) if found + false else 0.0
    f1 = 2 * precision * recall / (precision + recall) if found else 0.0
    return Events(f1, precision, recall, false, float(alarms.mean()) if alarms.size else 0.0)


def best_event_f1(labels: Bools, scores: Floats, cap: float = 0.3, thresholds: int = 400) -> Events:
    """Take the threshold with the best F1 over events among those that flag at most `cap` of the points.

    The cap is what keeps one endless alarm from being a perfect one. The threshold sees the labels: an upper bound, for comparing methods
    only.
    """
    best = Events(0.0, 0.0, 0.0, 0, 0.0)
    most = max(int(cap * len(scores)), 1)
    ranked = np.sort(scores)[::-1]
    cuts = np.unique(ranked[np.unique(np.geomspace(1, most, thresholds).astype(int)) - 1])
    for cut in cuts[::-1]:
        alarms = scores >= cut
        if alarms.mean() > cap:
            break
        events = events_at(labels, alarms)
        if events.f1 > best.f1:
            best = events
    return best


def average_precision(labels: Bools, scores: Floats) -> float:
    """Area under the precision-recall curve by points, without interpolation. NaN without a label."""
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(labels[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    precision = hits[ends] / (ends + 1)
    recall = hits[ends] / hits[-1]
    return float(np.sum(np.diff(np.concatenate(([0.0], recall))) * precision))
