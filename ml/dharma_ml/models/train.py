"""Training in a way that gives the same artefact for the same data: fit, measure on held-back rows, convert, compare, write the card."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dharma_ml.models.card import ArtefactError, Card, Window, artefact_id, checksum, data_digest
from dharma_ml.models.formats import Served, to_onnx, to_skops

Floats = NDArray[np.float64]

CODE: Final = "1"
"""Version of features and training: raised whenever the same data would give another model."""
EQUAL: Final = 1e-5
"""How far the served copy may be from scikit-learn's own answer, relative to answers over 1: as float32 allows."""
COMPARED: Final = 10_000
"""Rows on which that is checked at most."""


Estimator = Any
"""An estimator of scikit-learn: they share no type that says what is used here, `fit`, `get_params`, `predict` or `decision_function`."""


@dataclass(frozen=True, slots=True)
class Trained:
    """An artefact, ready to be put into a store."""

    card: Card
    files: Mapping[str, bytes]


def train(
    name: str,
    estimator: Estimator,
    features: tuple[str, ...],
    times: Floats,
    rows: Floats,
    targets: Floats | None = None,
    *,
    held_back: float = 0.2,
    original: bool = False,
) -> Trained:
    """Train and measure. `times` of shape (n,), ascending, seconds since 1970; `rows` (n, features); `targets` (n,) or None.

    Rows are taken as float32, which is what is served. The last `held_back` share of the rows is not trained on but measured on.
    `original`: keep scikit-learn's own model as well, by skops, to explain it; it is ten times as large as the served one.
    Raises ArtefactError when the served copy answers differently, ValueError when there are too few rows or some are not finite.
    """
    single = np.asarray(rows, dtype=np.float32).astype(np.float64)
    kept = len(single) - int(len(single) * held_back)
    if kept < 2 or not np.isfinite(single).all() or (targets is not None and not np.isfinite(targets).all()):
        raise ValueError("training needs two rows at least, all of them finite")
    arrays = (times, single) if targets is None else (times, single, targets)
    window = Window(float(times[0]), float(times[-1]), len(single), data_digest(features, *arrays))
    estimator.fit(single[:kept], None if targets is None else targets[:kept])
    onnx = to_onnx(estimator, len(features))
    worst = difference(estimator, Served(onnx), single[-COMPARED:])
    if worst > EQUAL:
        raise ArtefactError(f"the served copy of {name} differs from its original by {worst:.2g}")
    metrics = {**_measure(estimator, single[kept:], None if targets is None else targets[kept:]), "onnx_difference": worst}
    files = {"model.onnx": onnx, **({"model.skops": to_skops(estimator)} if original else {})}
    parameters = {key: _plain(value) for key, value in sorted({**estimator.get_params(), "held_back": held_back}.items())}
    card = Card(
        id=artefact_id(name, features, window, CODE, parameters),
        name=name,
        kind=type(estimator).__name__,
        features=features,
        window=window,
        code=CODE,
        parameters=parameters,
        metrics=metrics,
        versions={library: version(library) for library in ("numpy", "scikit-learn", "skl2onnx", "onnx", "skops")},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        checksums={file: checksum(content) for file, content in files.items()},
    )
    return Trained(card, files)


def difference(estimator: Estimator, served: Served, rows: Floats) -> float:
    """Tell the largest difference between the served copy and the estimator, relative to answers over 1."""
    original = answer(estimator, rows)
    return float(np.max(np.abs(served.predict(rows) - original) / np.maximum(1.0, np.abs(original)), initial=0.0))


def answer(estimator: Estimator, rows: Floats) -> Floats:
    """Ask the estimator itself: its decision function where it has one, else its prediction. Shape (n,)."""
    ask = getattr(estimator, "decision_function", None) or estimator.predict
    return np.asarray(ask(rows), dtype=np.float64).reshape(len(rows))


def _measure(estimator: Estimator, rows: Floats, targets: Floats | None) -> dict[str, float]:
    if len(rows) == 0:
        return {}
    given = answer(estimator, rows)
    if targets is None:
        return {"held_back_rows": float(len(rows)), "strange_share": float(np.mean(given < 0))}
    errors = np.abs(given - targets)
    return {"held_back_rows": float(len(rows)), "mean_absolute_error": float(errors.mean()), "mean_target": float(np.mean(targets))}


def _plain(value: object) -> float | int | str | bool | None:
    return value if isinstance(value, float | int | str | bool | None) else repr(value)
