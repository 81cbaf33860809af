"""What is written beside each trained model, and the id that follows from what it was trained on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

FORMAT: Final = 1
Format = Literal["onnx", "skops"]
FILES: Final[Mapping[str, Format]] = {"model.onnx": "onnx", "model.skops": "skops"}
"""All that an artefact may hold beside its card: the served copy, the copy for retraining and explaining."""


class ArtefactError(Exception):
    """An artefact is damaged, foreign or not there; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Window:
    """The data that a model was trained on."""

    start: float
    """Seconds since 1970, UTC, of the first row."""
    end: float
    """Of the last row."""
    rows: int
    digest: str
    """SHA-256 of the features' names and values, from `data_digest`."""


@dataclass(frozen=True, slots=True)
class Card:
    """Describes one artefact."""

    id: str
    name: str
    """Of the model: what it does, for which workload, such as `forecast.acme-shop.web`."""
    kind: str
    """The estimator's class, such as `GradientBoostingRegressor`."""
    features: tuple[str, ...]
    """Names of the input's columns, in their order."""
    window: Window
    code: str
    """The version of the code that makes the features and trains."""
    parameters: Mapping[str, float | int | str | bool | None]
    metrics: Mapping[str, float]
    """Measured on held-back rows of the window."""
    versions: Mapping[str, str]
    """Of the libraries it was trained with."""
    created: str
    """When, ISO 8601 UTC; no part of the id."""
    checksums: Mapping[str, str]
    """SHA-256 of each file."""
    format: int = FORMAT

    def text(self) -> str:
        """Give the card as JSON, the same for equal cards."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def digest(self) -> str:
        """Tell the SHA-256 of the card, and so of all that belongs to it: what a status can keep to recognise it."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    @classmethod
    def parse(cls, text: str) -> "Card":
        """Read a card. Raises ArtefactError for anything that `text` did not give, and when the id is not that of its content."""
        try:
            content: dict[str, Any] = json.loads(text)
            if content.get("format") != FORMAT:
                raise ArtefactError(f"the card has format {content.get('format')!r}, this version reads {FORMAT}")
            if unknown := set(content) - {item.name for item in fields(cls)}:
                raise ArtefactError(f"the card has unknown entries: {', '.join(sorted(unknown))}")
            window = Window(**content.pop("window"))
            card = cls(window=window, features=tuple(content.pop("features")), **content)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ArtefactError(f"the card cannot be read: {error}") from error
        _check(card)
        return card


def artefact_id(name: str, features: Sequence[str], window: Window, code: str, parameters: Mapping[str, Any]) -> str:
    """Derive the id: 16 hex digits of the SHA-256 of what went in. The same data, code and parameters give the same id."""
    content = {"name": name, "features": list(features), "window": asdict(window), "code": code, "parameters": dict(parameters)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


def data_digest(features: Sequence[str], *arrays: NDArray[np.float64]) -> str:
    """Hash names, shapes and values; every NaN counts as the same one, and -0.0 as 0.0."""
    digest = hashlib.sha256(json.dumps(list(features)).encode())
    for array in arrays:
        values = np.ascontiguousarray(array, dtype="<f8") + 0.0
        values[np.isnan(values)] = np.nan
        digest.update(repr(values.shape).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def checksum(content: bytes) -> str:
    """Tell the SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def _check(card: Card) -> None:
    try:
        expected = artefact_id(card.name, card.features, card.window, card.code, card.parameters)
    except (ValueError, TypeError) as error:
        raise ArtefactError(f"the card cannot be read: {error}") from error
    if card.id != expected:
        raise ArtefactError(f"the card calls itself {card.id}, but what it says it was trained on gives {expected}")
    held = set(card.checksums) if isinstance(card.checksums, dict) else set[str]()
    if not held or held - set(FILES):
        named = ", ".join(sorted(held - set(FILES))) or "none"
        raise ArtefactError(f"an artefact holds {' and '.join(FILES)}, not {named}")
