"""Readers of the labelled streams: `nab/` and `asd/` in the formats of the data folder's README."""

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ASD_STEP: Final = 300.0
ASD_START: Final = 1_577_836_800.0
"""The servers' dates were removed by the publisher; 2020-01-01 stands in for the start."""


@dataclass(frozen=True)
class Labelled:
    """One stream: `times` in seconds (n,), `values` (n, channels), `labels` (n,), and the index of the first point that is judged."""

    name: str
    group: str
    times: Floats
    values: Floats
    labels: Bools
    start: int
    windows: tuple[tuple[int, int], ...] = ()

    @property
    def judged(self) -> slice:
        """The points that count."""
        return slice(self.start, None)


def nab(folder: Path) -> list[Labelled]:
    """Read every labelled series of a NAB-like folder, `data/<group>/<file>.csv` and `labels.json`, in the order of their names."""
    labels = cast(dict[str, list[list[str]]], json.loads((folder / "labels.json").read_text()))
    return [_nab_series(folder / "data" / name, name, labels[name]) for name in sorted(labels) if (folder / "data" / name).is_file()]


def asd(folder: Path) -> list[Labelled]:
    """Read every `<server>.npz`: the training part comes first and is not judged."""
    found = sorted(folder.glob("*.npz"), key=lambda path: (len(path.stem), path.stem))
    return [_asd_server(path) for path in found]


def _nab_series(path: Path, name: str, stamps: list[list[str]]) -> Labelled:
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    times = np.array([_seconds(row["timestamp"]) for row in rows])
    values = np.array([[float(row["value"])] for row in rows])
    windows: list[tuple[int, int]] = []
    labels = np.zeros(len(times), dtype=bool)
    for first, last in stamps:
        inside = np.flatnonzero((times >= _seconds(first)) & (times <= _seconds(last)))
        if inside.size:
            windows.append((int(inside[0]), int(inside[-1])))
            labels[inside] = True
    return Labelled(name, name.split("/", maxsplit=1)[0], times, values, labels, min(int(0.15 * len(times)), 750), tuple(windows))


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()


def _asd_server(path: Path) -> Labelled:
    with np.load(path, allow_pickle=False) as arrays:
        loaded = cast(dict[str, NDArray[Any]], {key: arrays[key] for key in ("train", "test", "label")})
    values = np.concatenate([loaded["train"], loaded["test"]]).astype(np.float64)
    start = len(loaded["train"])
    labels = np.concatenate([np.zeros(start, dtype=bool), loaded["label"].astype(bool)])
    times = ASD_START + ASD_STEP * np.arange(len(values), dtype=np.float64)
    return Labelled(path.stem, "asd", times, values, labels, start)
