"""Benchmark of the drift ranking: NDCG@10 of episodes, AUC-PR of the security class, beside simple rankings.

The set is `drift/drift.json` (or `.json.gz`) in the data folder where there is one, else the one published with this package.
"""

import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from dharma_ml.bench import drift_set
from dharma_ml.bench.tables import Table
from dharma_ml.drift.changes import Change
from dharma_ml.drift.rank import RankParameters, judge
from dharma_ml.drift.rules import Category
from dharma_ml.drift.values import FleetValues

Floats = NDArray[np.float64]
Entry = dict[str, Any]

Ranking = Callable[[Sequence[Entry]], tuple[Floats, Floats]]
"""Gives two scores an entry: how serious it is, and how much it is about security. Simple rankings give the same one twice."""

RELEVANCE: Final = {"benign": 0, "cosmetic": 1, "cost": 2, "availability": 3, "security": 4}
WORDS: Final = re.compile(r"privileged|host|secret|token|auth|tls|role|rule|security|capabilit|user|root|policy|image|passw", re.IGNORECASE)
PRIOR_ONLY: Final = RankParameters(blast=0.0, rarity=0.0, machine=0.0)


def run(data: Path, *, scores: Path | None = None, pictures: Path | None = None) -> list[Table]:  # noqa: ARG001
    """Measure all rankings on one set."""
    path = next((path for path in (data / "drift" / "drift.json", data / "drift" / "drift.json.gz") if path.exists()), drift_set.PUBLISHED)
    content = drift_set.read(path)
    episodes: list[list[Entry]] = content["episodes"]
    fleet = FleetValues()
    for item in content["objects"]:
        fleet.learn(item["kind"], item)
    rankings: dict[str, Ranking] = {
        "ours": lambda entries: _ours(entries, fleet, RankParameters()),
        "ours, rule prior alone": lambda entries: _ours(entries, fleet, PRIOR_ONLY),
        "rarity in the fleet alone": _one(lambda entries: _rarity(entries, fleet)),
        "words such as host, secret, role": _one(_words),
        "isolation forest on counts": _one(_forest(content["objects"])),
        "order of time, newest first": _one(lambda entries: np.array([entry["time"] for entry in entries], dtype=np.float64)),
        "by chance": _one(_chance),
    }
    return [_compare(rankings, episodes, path), _halves(rankings, episodes), _classes(episodes, fleet)]


def ndcg(relevance: Floats, scores: Floats, at: int = 10) -> float:
    """Normalised discounted cumulative gain: gain 2^relevance - 1, discount log2(rank + 1); ties share the mean gain of their places.

    Source: Järvelin, Kekäläinen 2002; Burges et al. 2005 for the gain; McSherry, Najork 2008 for ties. 1.0 when nothing is relevant.
    """
    gains = 2.0**relevance - 1
    discounts = np.where(np.arange(len(gains)) < at, 1.0 / np.log2(np.arange(2, len(gains) + 2)), 0.0)
    best = float(np.sort(gains)[::-1] @ discounts)
    if best == 0:
        return 1.0
    order = np.argsort(-scores, kind="stable")
    shared = gains[order].copy()
    _, begins, sizes = np.unique(-scores[order], return_index=True, return_counts=True)
    for begin, size in zip(begins, sizes, strict=True):
        shared[begin : begin + size] = shared[begin : begin + size].mean()
    return float(shared @ discounts) / best


def auc_pr(positive: NDArray[np.bool_], scores: Floats) -> float:
    """Average precision: the sum over thresholds of (recall gained) * precision; equal scores are one threshold. NaN without a positive."""
    total = int(positive.sum())
    if total == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision, recall = hits[last] / (last + 1), hits[last] / total
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def held_out(mutation: str) -> bool:
    """Tell whether a kind of change is of the half that rules were never corrected by: decided by its name's hash."""
    return hashlib.sha256(mutation.encode()).digest()[0] % 2 == 1


def _compare(rankings: dict[str, Ranking], episodes: list[list[Entry]], path: Path) -> Table:
    rows: list[tuple[str | float | int | None, ...]] = []
    for name, ranking in rankings.items():
        begun = time.process_time()
        given = [ranking(entries) for entries in episodes]
        taken = (time.process_time() - begun) / sum(map(len, episodes))
        rows.append((name, *_figures(episodes, given), round(taken * 1e6, 1)))
    kinds = {(entry["mutation"], entry["label"] == "benign") for entries in episodes for entry in entries}
    benign = sum(flag for _, flag in kinds)
    return Table(
        f"Drift ranking: {len(episodes)} episodes, {sum(map(len, episodes))} changes, "
        f"{len(kinds) - benign} kinds of drift, {benign} benign ({path.name})",
        ("ranking", "NDCG@10", "security AUC-PR by security score", "by severity score", "CPU µs a change"),
        tuple(rows),
        ("Goals: NDCG@10 at least 0.90, security AUC-PR at least 0.95. Relevance from security 4 to cosmetic 1, benign 0.",),
    )


def _figures(episodes: list[list[Entry]], given: list[tuple[Floats, Floats]]) -> tuple[float, float, float]:
    positive = np.array([entry["label"] == "security" for episode in episodes for entry in episode])
    gain = [ndcg(_relevance(episode), serious) for episode, (serious, _) in zip(episodes, given, strict=True)]
    serious, secure = (np.concatenate([one[index] for one in given]) for index in (0, 1))
    return round(float(np.mean(gain)), 4), round(auc_pr(positive, secure), 4), round(auc_pr(positive, serious), 4)


def _one(ranking: Callable[[Sequence[Entry]], Floats]) -> Ranking:
    def twice(entries: Sequence[Entry]) -> tuple[Floats, Floats]:
        given = ranking(entries)
        return given, given

    return twice


def _halves(rankings: dict[str, Ranking], episodes: list[list[Entry]]) -> Table:
    rows: list[tuple[str | float | int | None, ...]] = []
    for half in (False, True):
        kept = [[entry for entry in entries if held_out(entry["mutation"]) == half] for entries in episodes]
        kept = [entries for entries in kept if entries]
        for name, ranking in rankings.items():
            given = [ranking(entries) for entries in kept]
            rows.append(("held out" if half else "corrected by", name, *_figures(kept, given)))
    return Table(
        "The same by halves of the kinds of change (by the hash of their names)",
        ("half", "ranking", "NDCG@10", "security AUC-PR by security score", "by severity score"),
        tuple(rows),
        ("Rules came before the set; corrected by the first half and by one gap of the held-out half: see docs/ml/drift.md.",),
    )


def _classes(episodes: list[list[Entry]], fleet: FleetValues) -> Table:
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys((category.value for category in Category), 0))
    for entries in episodes:
        for entry in entries:
            found[entry["label"]][judge(change(entry), fleet).category.value] += 1
    names = [category.value for category in reversed(Category)]
    rows: list[tuple[str | float | int | None, ...]] = [
        (label, *(found[label][name] for name in names)) for label in names if label in found
    ]
    return Table("What is called what: labels by row, the ranking's category by column", ("label", *names), tuple(rows))


def change(entry: Entry) -> Change:
    """Take from an entry what a ranker may see."""
    return Change(**{key: entry[key] for key in ("kind", "name", "path", "before", "after", "manager", "time", "reach")})


def _relevance(entries: Sequence[Entry]) -> Floats:
    return np.array([RELEVANCE[entry["label"]] for entry in entries], dtype=np.float64)


def _ours(entries: Sequence[Entry], fleet: FleetValues, parameters: RankParameters) -> tuple[Floats, Floats]:
    judged = [judge(change(entry), fleet, parameters) for entry in entries]
    return np.array([one.score for one in judged]), np.array([one.security for one in judged])


def _rarity(entries: Sequence[Entry], fleet: FleetValues) -> Floats:
    return np.array([judge(change(entry), fleet, RankParameters(rarity=1.0)).rarity for entry in entries], dtype=np.float64)


def _words(entries: Sequence[Entry]) -> Floats:
    return np.array([len(WORDS.findall(f"{e['kind']} {e['path']} {e['before']} {e['after']}")) for e in entries], dtype=np.float64)


def _chance(entries: Sequence[Entry]) -> Floats:
    return np.random.default_rng(len(entries)).random(len(entries))


def _forest(objects: list[dict[str, Any]]) -> Callable[[Sequence[Entry]], Floats]:
    forest: Any = IsolationForest(n_estimators=200, random_state=0)
    forest.fit(np.array([drift_set.counts(item) for item in objects]))
    return lambda entries: -np.asarray(forest.score_samples(np.array([entry["counts"] for entry in entries])), dtype=np.float64)
