"""Trains the models of many workloads into a store, in a process of its own so that its peak memory is its own.

`python -m dharma_ml.bench.retrain WORKLOADS [--original]` prints one line of JSON: seconds, peak memory in bytes, artefacts, their bytes.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest

from dharma_ml.models.challenge import enter
from dharma_ml.models.store import FolderStore
from dharma_ml.models.train import train

Floats = NDArray[np.float64]

DAYS: Final = 14
POINTS: Final = DAYS * 288
CHANNELS: Final = ("cpu", "memory", "network", "disk", "errors")
LAGS: Final = (24, 25, 48, 72, 144, 168)
"""Hours back; never less than the horizon of 24 hours."""


def workload(index: int) -> Floats:
    """Make two weeks of five channels every five minutes, shape (4032, 5): a daily wave, noise, and a few bursts."""
    random = np.random.default_rng(index)
    clock = 2 * np.pi * np.arange(POINTS)[:, None] / 288
    wave = 1 + random.uniform(0.1, 0.8, 5) * np.sin(clock + random.uniform(0, 2 * np.pi, 5))
    values = wave * random.lognormal(0, 1, 5) + random.normal(0, 0.05, (POINTS, 5))
    values[random.random(POINTS) < 0.002] *= 3
    return np.asarray(values, dtype=np.float64)


def retrain(index: int, store: FolderStore, *, original: bool = False) -> int:
    """Train an anomaly member (isolation forest on all rows) and a usage forecast (boosting on hourly lags); returns the bytes kept."""
    values = workload(index)
    times: Floats = np.arange(POINTS, dtype=np.float64) * 300.0
    hourly: Floats = values[:, 0].reshape(-1, 12).mean(axis=1)
    most = max(LAGS)
    lagged = np.stack([hourly[most - lag : len(hourly) - lag] for lag in LAGS], axis=1)
    made = (
        train(
            f"anomaly.w{index}",
            IsolationForest(n_estimators=50, random_state=0),
            CHANNELS,
            times,
            values,
            original=original,
        ),
        train(
            f"forecast.w{index}",
            GradientBoostingRegressor(n_estimators=100, max_depth=3, random_state=0),
            tuple(f"lag_{lag}" for lag in LAGS),
            times[::12][most:],
            lagged,
            hourly[most:],
            original=original,
        ),
    )
    for trained in made:
        store.put(trained.card, trained.files)
        enter(store, trained.card.name, trained.card.id)
    return sum(len(content) for trained in made for content in trained.files.values())


def main(workloads: int, *, original: bool) -> None:
    """Train and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        begun, used = time.perf_counter(), time.process_time()
        size = sum(retrain(index, store, original=original) for index in range(workloads))
        figures = {
            "workloads": workloads,
            "artefacts": len(store.names()),
            "seconds": time.perf_counter() - begun,
            "cpu_seconds": time.process_time() - used,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "kept_bytes": size,
        }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), original="--original" in sys.argv)
