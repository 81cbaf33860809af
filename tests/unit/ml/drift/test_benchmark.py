import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from dharma_ml.bench import drift, drift_set
from dharma_ml.bench.drift_benign import BENIGN
from dharma_ml.bench.drift_mutations import AVAILABILITY, COSMETIC, COST, SECURITY
from dharma_ml.bench.drift_objects import fleet
from dharma_ml.drift.rank import judge
from dharma_ml.drift.values import FleetValues


@pytest.fixture(scope="module")
def published() -> dict[str, list]:
    return drift_set.read(drift_set.PUBLISHED)


def test_ndcg_by_hand() -> None:
    # Relevance 0, 2, 1 in that order: gains 0, 3, 1; the best order has 3, 1, 0.
    got = 3 / math.log2(3) + 1 / 2
    best = 3 + 1 / math.log2(3)
    assert drift.ndcg(np.array([0.0, 2.0, 1.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(got / best)
    assert drift.ndcg(np.array([0.0, 2.0]), np.array([1.0, 1.0])) == pytest.approx((1.5 + 1.5 / math.log2(3)) / 3), "ties share"
    assert drift.ndcg(np.zeros(3), np.arange(3.0)) == 1.0
    assert drift.ndcg(np.array([1.0, 1.0]), np.array([1.0, 0.0]), at=1) == 1.0


def test_average_precision_by_hand() -> None:
    # Found at places 1 and 3: (1/1 + 2/3) / 2.
    assert drift.auc_pr(np.array([True, False, True]), np.array([3.0, 2.0, 1.0])) == pytest.approx((1 + 2 / 3) / 2)
    assert drift.auc_pr(np.array([True, False]), np.array([1.0, 1.0])) == 0.5
    assert math.isnan(drift.auc_pr(np.array([False]), np.array([1.0])))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=2, max_size=25))
def test_metrics_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    relevance, scores = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    if relevance.any():
        assert drift.ndcg(relevance, scores) == pytest.approx(ndcg_score([2**relevance - 1], [scores], k=10))
        assert drift.auc_pr(relevance > 0, scores) == pytest.approx(average_precision_score(relevance > 0, scores))


def test_the_published_set_is_what_the_generator_makes() -> None:
    made = drift_set.build([*fleet(), *drift_set.golden()])
    assert drift_set.packed(made) == drift_set.PUBLISHED.read_bytes(), "run python -m dharma_ml.bench.drift_set and measure again"


def test_every_kind_of_change_is_in_the_set(published: dict[str, list]) -> None:
    used = {(entry["label"], entry["mutation"]) for episode in published["episodes"] for entry in episode}
    rows = [*SECURITY, *AVAILABILITY, *COST, *COSMETIC, *BENIGN]
    assert used == {(row.label, row.name) for row in rows}
    assert len(used) == len(rows)
    assert sum(row.label != "benign" for row in rows) >= 40
    assert len(BENIGN) >= 20


def test_the_goals_are_met(published: dict[str, list]) -> None:
    values = FleetValues()
    for item in published["objects"]:
        values.learn(item["kind"], item)
    entries = [entry for episode in published["episodes"] for entry in episode]
    judged = [[judge(drift.change(entry), values) for entry in episode] for episode in published["episodes"]]
    gains = [
        drift.ndcg(
            np.array([drift.RELEVANCE[entry["label"]] for entry in episode], dtype=np.float64), np.array([one.score for one in ranked])
        )
        for episode, ranked in zip(published["episodes"], judged, strict=True)
    ]
    assert np.mean(gains) >= 0.90
    security = np.array([one.security for ranked in judged for one in ranked])
    assert drift.auc_pr(np.array([entry["label"] == "security" for entry in entries]), security) >= 0.95
