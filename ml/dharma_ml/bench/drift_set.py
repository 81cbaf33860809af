"""The drift benchmark's set: objects, and episodes of labelled changes to them.

`python -m dharma_ml.bench.drift_set` writes the published file. Format: `objects`: manifests as they should be; `episodes`: each a list of
changes with `kind`, `name`, `path`, `before`, `after`, `manager`, `time`, `reach`, what a ranker gets, and `label` and `mutation`, what it
does not get; `counts`: the changed object in twelve numbers.
"""

# pyright: basic
# Manifests are what JSON can hold; naming that at each step would hide what is done.

import copy
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from dharma_ml.bench.drift_benign import BENIGN
from dharma_ml.bench.drift_mutations import AVAILABILITY, COSMETIC, COST, PERSON, REMOVE, SECURITY, Mutation
from dharma_ml.bench.drift_objects import fleet

Manifest = dict[str, Any]

PUBLISHED: Final = Path(__file__).with_name("drift.json.gz")
GOLDEN: Final = Path(__file__).resolve().parents[3] / "tests" / "unit" / "blueprint" / "golden"
EPISODES: Final = 40
SEED: Final = 20261124
MIX: Final = ((SECURITY, 3), (AVAILABILITY, 3), (COST, 2), (COSMETIC, 2), (BENIGN, 8))
"""How many of which an episode has: most of what a naive comparison reports is no drift."""
COUNTED: Final = ("containers", "env", "ports", "volumes", "volumeMounts", "rules", "subjects", "labels", "annotations", "args")
_STEP: Final = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


def build(objects: list[Manifest], seed: int = SEED, episodes: int = EPISODES) -> dict[str, Any]:
    """Make the set: each kind of change in turn, on an object drawn by chance among those that it fits."""
    random = np.random.default_rng(seed)
    decks = [_deck(rows, random) for rows, _ in MIX]
    made: list[list[dict[str, Any]]] = []
    for _ in range(episodes):
        changes = [_change(deck, objects, random) for deck, (_, count) in zip(decks, MIX, strict=True) for _ in range(count)]
        made.append([changes[index] for index in random.permutation(len(changes))])
    return {"objects": objects, "episodes": made}


def read(path: Path) -> dict[str, Any]:
    """Read a set, gzipped or not."""
    content = path.read_bytes()
    loaded: dict[str, Any] = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    return loaded


def packed(content: dict[str, Any]) -> bytes:
    """Write a set, the same bytes for the same set."""
    return gzip.compress(json.dumps(content, separators=(",", ":"), sort_keys=True).encode(), mtime=0)


def golden() -> list[Manifest]:
    """Read what the operator renders for two Blueprints, from its golden files; none outside a checkout."""
    import yaml  # noqa: PLC0415 - only for building the set

    files = sorted(GOLDEN.glob("*.yaml"))
    found = [item for index, path in enumerate(files) for item in _named(yaml.safe_load_all(path.read_text()), index)]
    return [item for item in found if item["kind"] != "Secret"]


def counts(manifest: Manifest) -> list[float]:
    """Describe an object by twelve numbers: how many of what it holds, replicas, all values."""
    found: dict[str, float] = {name: 0.0 for name in COUNTED}  # noqa: C420 - fromkeys would give literal keys
    leaves = _count(manifest, found)
    spec = manifest.get("spec")
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else 0
    return [*found.values(), float(replicas or 0), leaves]


def _named(documents: Iterator[Any], index: int) -> Iterator[Manifest]:
    for item in documents:
        if isinstance(item, dict) and "kind" in item:
            item["metadata"]["name"] += f"-{index}"
            yield item


def _count(node: Any, found: dict[str, float]) -> float:
    if not isinstance(node, dict | list):
        return 1.0
    total = 0.0
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key in found and isinstance(value, dict | list):
            found[str(key)] += len(value)
        total += _count(value, found)
    return total


def _deck(rows: tuple[Mutation, ...], random: np.random.Generator) -> Iterator[Mutation]:
    while True:
        for index in random.permutation(len(rows)):
            yield rows[index]


def _change(deck: Iterator[Mutation], objects: list[Manifest], random: np.random.Generator) -> dict[str, Any]:
    while True:
        mutation = next(deck)
        fitting = [item for item in objects if item["kind"] in mutation.kinds.split()]
        for index in random.permutation(len(fitting)):
            made = apply(mutation, fitting[index], random)
            if made is not None:
                return made


def apply(mutation: Mutation, manifest: Manifest, random: np.random.Generator) -> dict[str, Any] | None:
    """Change one object; None when that changes nothing in it, such as removing what is not there."""
    path = _resolve(mutation.path, manifest)
    if path is None:
        return None
    before = _get(manifest, path)
    if mutation.label == "benign" and "." in path and not isinstance(_get(manifest, _parent(path)), dict | list):
        return None  # nothing is filled into what is not there
    if mutation.value is REMOVE:
        after = None
    else:
        try:
            after = mutation.value(copy.deepcopy(before)) if callable(mutation.value) else mutation.value
        except (TypeError, ValueError, KeyError, IndexError):
            return None
    if json.dumps(before) == json.dumps(after) or (callable(mutation.value) and after is None):
        return None
    altered = copy.deepcopy(manifest)
    if path and not _put(altered, path, after):
        return None
    return {
        "kind": manifest["kind"],
        "name": "/".join(filter(None, (manifest["metadata"].get("namespace"), manifest["metadata"]["name"]))),
        "path": path,
        "before": before,
        "after": after,
        "manager": mutation.manager or str(random.choice(PERSON)),
        "time": 1_760_000_000 + int(random.integers(0, 30 * 86400)),
        "reach": int(random.choice([1, 3, 10, 50])),
        "label": mutation.label,
        "mutation": mutation.name,
        "counts": counts(altered if path else {}),
    }


def _resolve(path: str, manifest: Manifest) -> str | None:
    template = "spec.jobTemplate.spec.template" if manifest["kind"] == "CronJob" else "spec.template"
    if "{c}" in path:
        containers = _get(manifest, f"{template}.spec.containers")
        if not containers:
            return None
        path = path.replace("{c}", containers[0]["name"])
    return path.replace("{pod}", f"{template}.spec").replace("{tpl}", template)


def _steps(path: str) -> list[str]:
    return [inner or plain for inner, plain in _STEP.findall(path)]


def _parent(path: str) -> str:
    return re.sub(r"(\[[^\]]*\]|\.[^.\[\]]+)$", "", path)


def _item(node: list[Any], step: str) -> int | None:
    return next((i for i, item in enumerate(node) if isinstance(item, dict) and step in {item.get("name"), item.get("mountPath")}), None)


def _get(node: Any, path: str) -> Any:
    for step in _steps(path):
        if isinstance(node, list):
            index = _item(node, step)
            node = node[index] if index is not None else None
        else:
            node = node.get(step) if isinstance(node, dict) else None
    return copy.deepcopy(node)


def _put(node: Any, path: str, value: Any) -> bool:
    *steps, last = _steps(path)
    for step in steps:
        if isinstance(node, list):
            index = _item(node, step)
            if index is None:
                return False
            node = node[index]
        else:
            node = node.setdefault(step, [] if step in {"volumes", "containers", "env", "ports"} else {})
    if isinstance(node, list):
        index = _item(node, last)
        node[index if index is not None else len(node) :] = [
            *([] if value is None else [value]),
            *(node[index + 1 :] if index is not None else []),
        ]
    elif value is None:
        node.pop(last, None)
    else:
        node[last] = value
    return True


if __name__ == "__main__":
    PUBLISHED.write_bytes(packed(build([*fleet(), *golden()])))
