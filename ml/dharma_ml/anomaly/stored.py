"""Forests of detectors in the model store: each is an artefact with its card, the champion is served, a new one must not be worse.

Stored and checked as ONNX, scored by the detector's own arrays, which are read from it: a runtime session for each of a thousand streams
would take more memory than all else.
"""

import hashlib
import re
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dharma_ml.anomaly import forest as forests
from dharma_ml.anomaly.conformal import evidence
from dharma_ml.anomaly.forest import Forest
from dharma_ml.anomaly.settings import MEMBERS, Settings
from dharma_ml.models.card import ArtefactError
from dharma_ml.models.challenge import compare, enter, objection, promote
from dharma_ml.models.store import Store
from dharma_ml.models.train import train

Floats = NDArray[np.float64]

HELD_BACK: Final = 0.4
"""Share of the past on which a challenger is compared with the champion: over a day of it, also for streams of one reading a minute."""


class StoredForests:
    """The forests of one stream."""

    def __init__(self, store: Store, stream: str) -> None:
        self._store = store
        self.name = name_of(stream)

    def champion(self, other_than: str = "") -> tuple[str, Forest] | None:
        """Give the artefact's id and the forest that is to be served; None when there is none yet, or it is the one that is known.

        Raises ArtefactError when it is damaged or foreign, OSError when the store cannot be read.
        """
        ident = self._store.roles(self.name).champion
        if ident is None or ident == other_than:
            return None
        card, files = self._store.get(self.name, ident)
        if card.kind != "IsolationForest" or card.features != MEMBERS[:-1]:
            raise ArtefactError(f"{self.name}/{ident} is no forest on the members of this version")
        return ident, read(files["model.onnx"], int(card.parameters["max_samples"] or 0))

    def renew(self, times: Floats, features: Floats, settings: Settings) -> tuple[str, Forest]:
        """Train on past features (n, members) at `times` (n,), let the new one compete, give who is champion then.

        Raises what `champion` does.
        """
        estimator: Any = import_module("sklearn.ensemble").IsolationForest
        size = forests.sample_of(len(features) - int(len(features) * HELD_BACK), settings.sample)
        fresh = train(
            self.name,
            estimator(n_estimators=settings.trees, max_samples=size, random_state=settings.seed, n_jobs=1),
            MEMBERS[:-1],
            times,
            features,
            held_back=HELD_BACK,
        )
        self._store.put(fresh.card, fresh.files)
        roles = enter(self._store, self.name, fresh.card.id)
        if roles.challenger == fresh.card.id and (standing := self.champion()) is not None:
            known = len(features) - int(len(features) * HELD_BACK)
            hours = float(times[-1] - times[known]) / 3600.0
            losses = (loss(forest, features, known, settings) for forest in (standing[1], read(fresh.files["model.onnx"], size)))
            if objection(compare(self._store, self.name, hours, *losses)) is None:
                promote(self._store, self.name)
        served = self.champion()
        if served is None:
            raise ArtefactError(f"{self.name} has no champion")
        return served


def loss(forest: Forest, features: Floats, known: int, settings: Settings) -> Floats:
    """Give the evidence that a forest holds against each point after the first `known` ones, most of which are usual: less is better."""
    scores = forests.score(forest, features)
    return np.minimum(evidence(np.sort(scores[:known]), scores[known:], settings.tail), settings.cap)


def name_of(stream: str) -> str:
    """Make the model's name from the stream's: readable, fit for a folder, and another one for each stream."""
    readable = re.sub(r"[^a-z0-9]+", "-", stream.lower()).strip("-")[:80] or "stream"
    return f"anomaly.{readable}.{hashlib.sha256(stream.encode()).hexdigest()[:8]}"


def read(content: bytes, size: int) -> Forest:
    """Read the tests and path lengths of an ONNX tree ensemble. Raises ArtefactError when it is none of depth 6 at most."""
    model: Any = import_module("onnx").load_from_string(content)
    helper: Any = import_module("onnx.helper")
    found = [node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor"]
    if len(found) != 1:
        raise ArtefactError("the model is no single ensemble of trees")
    parts = {attribute.name: helper.get_attribute_value(attribute) for attribute in found[0].attribute}
    owners = np.asarray(parts["nodes_treeids"])
    count = int(owners.max()) + 1
    feature = np.zeros((count, 2**forests.DEPTH - 1), dtype=np.uint8)
    threshold = np.full((count, 2**forests.DEPTH - 1), np.inf, dtype=np.float32)
    path = np.zeros((count, 2**forests.DEPTH), dtype=np.float32)
    leaves = dict(zip(zip(parts["target_treeids"], parts["target_nodeids"], strict=True), parts["target_weights"], strict=True))
    rows = zip(
        parts["nodes_treeids"], parts["nodes_nodeids"], parts["nodes_featureids"], parts["nodes_values"],
        parts["nodes_truenodeids"], parts["nodes_falsenodeids"], strict=True,
    )  # fmt: skip
    nodes = {(tree, node): (column, value, left, right) for tree, node, column, value, left, right in rows}
    for tree in range(count):
        pending = [(0, 0, 0)]
        while pending:
            node, slot, depth = pending.pop()
            if (tree, node) in leaves:
                start, width = forests.leaves_below(slot, depth)
                path[tree, start : start + width] = leaves[tree, node]
                continue
            if depth == forests.DEPTH:
                raise ArtefactError(f"a tree of the model is deeper than {forests.DEPTH}")
            feature[tree, slot], threshold[tree, slot], left, right = nodes[tree, node]
            pending += [(left, 2 * slot + 1, depth + 1), (right, 2 * slot + 2, depth + 1)]
    return Forest(feature, threshold, path, forests.usual_path(size))
