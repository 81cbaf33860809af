"""Benchmark of the lifecycle: time and memory of retraining, equality and speed of the served copies. Needs no data set."""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest, RandomForestRegressor

from dharma_ml.bench.tables import Table
from dharma_ml.models.formats import Served, to_onnx
from dharma_ml.models.train import answer, difference

Floats = NDArray[np.float64]

ROWS: Final = 10_000
WORKLOADS: Final = 100
SINGLE: Final = 200


def run(data: Path, *, scores: Path | None = None, pictures: Path | None = None) -> list[Table]:  # noqa: ARG001
    """Measure. Nothing is read from `data`."""
    return [_retraining(), _serving()]


def _retraining() -> Table:
    rows: list[tuple[str | float | int | None, ...]] = []
    for title, workloads, options in (
        ("ONNX", WORKLOADS, []),
        ("ONNX and scikit-learn's own by skops", WORKLOADS // 5, ["--original"]),
    ):
        done = subprocess.run(  # noqa: S603 - this Python, this package
            [sys.executable, "-m", "dharma_ml.bench.retrain", str(workloads), *options], capture_output=True, text=True, check=True
        )
        figures: dict[str, Any] = json.loads(done.stdout)
        rows.append((
            title,
            workloads,
            figures["artefacts"],
            round(figures["seconds"], 1),
            round(figures["cpu_seconds"], 1),
            round(figures["peak_bytes"] / 2**20),
            round(figures["kept_bytes"] / 2**20, 1),
        ))  # fmt: skip
    return Table(
        "Retraining: an isolation forest (50 trees, 5 channels) and a boosted forecast (100 trees, 6 lags) a workload, two weeks of data",
        ("kept", "workloads", "artefacts", "seconds", "CPU seconds", "peak memory MiB", "kept MiB"),
        tuple(rows),
        ("Goal: 100 workloads in under 60 s and 400 MB. One thread; compared with scikit-learn, written with fsync, read back.",),
    )


def _serving() -> Table:
    random = np.random.default_rng(0)
    rows = random.normal(size=(ROWS, 5)).astype(np.float32).astype(np.float64)
    targets = rows @ np.arange(5.0) + random.normal(size=ROWS)
    found: list[tuple[str | float | int | None, ...]] = []
    estimators: tuple[Any, ...] = (
        IsolationForest(n_estimators=100, random_state=0),
        GradientBoostingRegressor(n_estimators=100, random_state=0),
        RandomForestRegressor(n_estimators=100, max_depth=12, random_state=0),
    )
    for estimator in estimators:
        estimator.fit(rows[: ROWS // 2], targets[: ROWS // 2])
        begun = time.perf_counter()
        content = to_onnx(estimator, 5)
        converted = time.perf_counter() - begun
        served = Served(content)
        found.append((
            type(estimator).__name__,
            difference(estimator, served, rows),
            round(converted * 1000),
            round(len(content) / 1024),
            _single(partial(answer, estimator), rows),
            _single(served.predict, rows),
        ))  # fmt: skip
    return Table(
        f"Served by ONNX against scikit-learn on {ROWS:,} rows of float32",
        ("model", "largest difference", "conversion ms", "ONNX KiB", "scikit-learn ms a row", "ONNX ms a row"),
        tuple(found),
        ("Difference relative to answers over 1; goal: at most 1e-5. Single rows: median of 200 calls.",),
    )


def _single(ask: Any, rows: Floats) -> float:
    taken: list[float] = []
    for index in range(SINGLE):
        begun = time.perf_counter()
        ask(rows[index : index + 1])
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken) * 1000)
