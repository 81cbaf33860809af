"""What the detector remembers of a stream between two calls, and its form as bytes."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dharma_ml.anomaly.alarms import Alarm, Peaks
from dharma_ml.anomaly.baseline import Baseline
from dharma_ml.anomaly.codec import decode, encode
from dharma_ml.anomaly.forest import Forest
from dharma_ml.anomaly.members import Fit, Moving
from dharma_ml.anomaly.settings import MEMBERS
from dharma_ml.anomaly.subspace import Subspace

Floats = NDArray[np.float64]


def _rows(columns: int, kind: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    return np.zeros((0, columns), dtype=kind)


@dataclass(slots=True)
class Memory:
    """Everything about one stream; c channels."""

    channels: list[str] = field(default_factory=list[str])
    born: list[int] = field(default_factory=list[int])
    """The point at which each channel was first seen."""
    count: int = 0
    """Points taken so far."""
    first: float = 0.0
    last: float = -np.inf
    """Time of the first and the last point taken, seconds."""
    backward: int = 0
    """Readings in a row that were older than the last."""
    values: Floats = field(default_factory=lambda: np.zeros(0))
    """The last valid reading of each channel (c,)."""
    times: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    rows: NDArray[np.float32] = field(default_factory=lambda: _rows(0, np.float32))
    """Rows kept for fitting, with their times since `first`; single precision is for the size."""
    recent: NDArray[np.float32] = field(default_factory=lambda: _rows(0, np.float32))
    """The latest rows, without a gap."""
    residuals: NDArray[np.float32] = field(default_factory=lambda: _rows(0, np.float32))
    scores: NDArray[np.float16] = field(default_factory=lambda: _rows(len(MEMBERS), np.float16))
    """The members' past scores."""
    levels: NDArray[np.float16] = field(default_factory=lambda: np.zeros(0, dtype=np.float16))
    """The past levels of suspicion, of which only ranks are asked."""
    fused: Floats = field(default_factory=lambda: np.zeros(0))
    level: float = 0.0
    excess: float = 0.0
    exceeded: int = 0
    """Sum and number of past evidence of the level above the edge of `Settings.dispersion`."""
    moving: Moving | None = None
    fit: Fit | None = None
    artefact: str = ""
    """The forest's id in the model store, when it is from there."""
    peaks: Peaks = field(default_factory=Peaks)
    alarm: Alarm | None = None


_PLAIN = ("channels", "born", "count", "first", "backward", "level", "excess", "exceeded", "artefact")
_ARRAYS = ("values", "times", "rows", "recent", "residuals", "scores", "levels", "fused")
_FIT = ("spread", "residual_spread", "flat", "activity", "step")


def dump(memory: Memory) -> bytes:
    """Write a memory as bytes."""
    plain: dict[str, Any] = {name: getattr(memory, name) for name in _PLAIN}
    plain["last"] = memory.last if memory.count else None
    plain["peaks"] = asdict(memory.peaks)
    plain["alarm"] = asdict(memory.alarm) if memory.alarm is not None else None
    arrays: dict[str, NDArray[Any]] = {name: getattr(memory, name) for name in _ARRAYS}
    if memory.moving is not None:
        arrays |= {"moving.mean": memory.moving.mean, "moving.deviation": memory.moving.deviation}
    if memory.fit is not None:
        plain["lags"] = memory.fit.subspace.lags
        arrays |= _fit_arrays(memory.fit)
        if memory.fit.forest is not None:
            forest = memory.fit.forest
            plain["usual"] = forest.usual
            arrays |= {"forest.feature": forest.feature, "forest.threshold": forest.threshold, "forest.path": forest.path}
    return encode(plain, arrays)


def load(blob: bytes) -> Memory:
    """Read what `dump` wrote. Raises `ValueError` when it is anything else."""
    plain, arrays = decode(blob)
    try:
        parts: dict[str, Any] = {name: plain[name] for name in _PLAIN} | {name: arrays[name] for name in _ARRAYS}
        memory = Memory(**parts)
        memory.last = -np.inf if plain["last"] is None else float(plain["last"])
        memory.peaks = Peaks(**plain["peaks"])
        memory.alarm = Alarm(**plain["alarm"]) if plain["alarm"] is not None else None
        if "moving.mean" in arrays:
            memory.moving = Moving(arrays["moving.mean"], arrays["moving.deviation"])
        if "lags" in plain:
            memory.fit = _fit(plain, arrays)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the state lacks a part or has one too many: {error}") from error
    return memory


def _fit_arrays(fit: Fit) -> dict[str, NDArray[Any]]:
    base, space = fit.baseline, fit.subspace
    arrays: dict[str, NDArray[Any]] = {f"fit.{name}": getattr(fit, name) for name in _FIT}
    arrays |= {"base.flat": base.flat, "base.day": base.day, "base.week": base.week, "base.choice": base.choice}
    arrays |= {"space.centre": space.centre, "space.scale": space.scale, "space.mean": space.mean, "space.directions": space.directions}
    return arrays


def _fit(plain: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Fit:
    base = Baseline(arrays["base.flat"], arrays["base.day"], arrays["base.week"], arrays["base.choice"])
    space = Subspace(arrays["space.centre"], arrays["space.scale"], arrays["space.mean"], arrays["space.directions"], int(plain["lags"]))
    forest = None
    if "usual" in plain:
        forest = Forest(arrays["forest.feature"], arrays["forest.threshold"], arrays["forest.path"], float(plain["usual"]))
    fitted: dict[str, Any] = {name: arrays[f"fit.{name}"] for name in _FIT}
    return Fit(baseline=base, subspace=space, forest=forest, **fitted)
