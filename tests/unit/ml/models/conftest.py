from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest

from dharma_ml.models.store import FolderStore
from dharma_ml.models.train import Trained, train


def forest(seed: int = 0) -> Trained:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(400, 3))
    return train(
        "anomaly.web",
        IsolationForest(n_estimators=10, random_state=0),
        ("cpu", "memory", "net"),
        np.arange(400.0) * 300,
        rows,
        original=True,
    )


def boosted(seed: int = 0, depth: int = 2) -> Trained:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(300, 2))
    estimator = GradientBoostingRegressor(n_estimators=10, max_depth=depth, random_state=0)
    return train(
        "forecast.web", estimator, ("lag_24", "lag_168"), np.arange(300.0) * 3600, rows, rows @ np.array([2.0, -1.0]), original=True
    )


@pytest.fixture(scope="session")
def isolation() -> Trained:
    return forest()


@pytest.fixture(scope="session")
def forecasts() -> list[Trained]:
    return [boosted(seed) for seed in range(3)]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")
