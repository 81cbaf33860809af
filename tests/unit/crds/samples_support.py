"""The committed samples: objects of each kind, as users wrote them once. Any later schema must still take them."""

import json
from pathlib import Path
from typing import Any

import yaml

from dharma_crds.duration import parse_duration
from dharma_crds.kinds import KINDS, Kind

FOLDER = Path(__file__).parent / "samples"
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def load(name: str) -> dict[str, Any]:
    """One sample by file name without suffix. References in the YAML are expanded: the parts share nothing."""
    document: dict[str, Any] = json.loads(json.dumps(yaml.safe_load((FOLDER / f"{name}.yaml").read_text())))
    return document


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def kind_of(sample: dict[str, Any]) -> Kind:
    return KINDS[sample["kind"]]


def lost(written: object, read: object, path: str = "") -> list[str]:
    """Paths of `written` that `read` lacks or has otherwise. Numbers may have become text, and durations be spelt in another way."""
    if isinstance(written, dict) and isinstance(read, dict):
        return [problem for key, value in written.items() for problem in lost(value, read.get(key), f"{path}.{key}")]
    if isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        return [problem for index, value in enumerate(written) for problem in lost(value, read[index], f"{path}[{index}]")]
    return [] if written == read or str(written) == read or _same_duration(written, read) else [f"{path}: {written!r} became {read!r}"]


def _same_duration(one: object, other: object) -> bool:
    try:
        return parse_duration(str(one)) == parse_duration(str(other))
    except ValueError:
        return False
