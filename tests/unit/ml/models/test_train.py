import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest, RandomForestRegressor
from tests.unit.ml.models.conftest import boosted, forest

from dharma_ml.models import card as cards
from dharma_ml.models.formats import Served, from_skops, to_onnx
from dharma_ml.models.train import Trained, answer, difference, train
from dharma_ml.models.trees import average_path


def test_the_same_data_gives_the_same_id(isolation: Trained) -> None:
    again = forest()
    assert again.card.id == isolation.card.id
    assert again.card.checksums["model.onnx"] == isolation.card.checksums["model.onnx"]
    assert forest(seed=1).card.id != isolation.card.id


def test_parameters_code_and_data_all_enter_the_id() -> None:
    window = cards.Window(0.0, 1.0, 2, "d")
    base = cards.artefact_id("n", ("a",), window, "1", {"depth": 2})
    others = {
        cards.artefact_id("m", ("a",), window, "1", {"depth": 2}),
        cards.artefact_id("n", ("b",), window, "1", {"depth": 2}),
        cards.artefact_id("n", ("a",), cards.Window(0.0, 2.0, 2, "d"), "1", {"depth": 2}),
        cards.artefact_id("n", ("a",), cards.Window(0.0, 1.0, 2, "e"), "1", {"depth": 2}),
        cards.artefact_id("n", ("a",), window, "2", {"depth": 2}),
        cards.artefact_id("n", ("a",), window, "1", {"depth": 3}),
    }
    assert len(others | {base}) == 7
    assert base == cards.artefact_id("n", ["a"], window, "1", {"depth": 2})
    assert boosted(depth=2).card.id != boosted(depth=3).card.id


def test_data_digest_sees_every_value_and_no_more() -> None:
    values = np.array([[1.0, 0.0], [np.nan, 3.0]])
    digest = cards.data_digest(("a", "b"), values)
    assert cards.data_digest(("a", "b"), np.asfortranarray(np.array([[1.0, -0.0], [-np.nan, 3.0]]))) == digest
    assert cards.data_digest(("a", "b"), np.array([[1.0, 0.0], [2.0, 3.0]])) != digest
    assert cards.data_digest(("a", "c"), values) != digest
    assert cards.data_digest(("a", "b"), values.reshape(1, 4)) != digest


@pytest.mark.parametrize(
    "estimator",
    [
        IsolationForest(n_estimators=50, random_state=0),
        IsolationForest(n_estimators=20, max_samples=64, max_features=0.5, contamination=0.05, random_state=0),
        GradientBoostingRegressor(n_estimators=50, random_state=0),
        RandomForestRegressor(n_estimators=20, max_depth=8, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_onnx_equals_scikit_learn_on_ten_thousand_rows(estimator: object) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(10_000, 5)).astype(np.float32).astype(np.float64)
    estimator.fit(rows[:2000], rows[:2000] @ np.arange(5.0))
    assert difference(estimator, Served(to_onnx(estimator, 5)), rows) <= 1e-5


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=60))
def test_values_at_and_beside_the_thresholds_take_the_same_branch(values: list[float]) -> None:
    rows = np.array(values)[:, None]
    forest = IsolationForest(n_estimators=3, random_state=0).fit(rows)
    served = Served(to_onnx(forest, 1))
    cuts = np.concatenate([tree.tree_.threshold for tree in forest.estimators_]).astype(np.float32)
    near = np.concatenate([cuts, np.nextafter(cuts, np.float32(-np.inf)), np.nextafter(cuts, np.float32(np.inf))])[:, None]
    assert difference(forest, served, near.astype(np.float64)) <= 1e-5


def test_average_path_by_hand() -> None:
    # c(3) = 2 (ln 2 + 0.5772) - 4/3, the formula of the paper.
    by_hand = [0.0, 0.0, 1.0, 2 * (np.log(2) + 0.5772156649) - 4 / 3]
    assert average_path(np.array([0, 1, 2, 3])) == pytest.approx(by_hand)


def test_the_copy_for_retraining_answers_the_same(isolation: Trained, forecasts: list[Trained]) -> None:
    rows = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32).astype(np.float64)
    for trained, columns in ((isolation, 3), (forecasts[0], 2)):
        read = from_skops(trained.files["model.skops"])
        assert difference(read, Served(trained.files["model.onnx"]), rows[:, :columns]) <= 1e-5
        assert np.ptp(answer(read, rows[:, :columns])) > 0


def test_metrics_are_of_rows_that_were_not_trained_on(forecasts: list[Trained]) -> None:
    metrics = forecasts[0].card.metrics
    assert metrics["held_back_rows"] == 60
    assert metrics["mean_absolute_error"] > 0


@pytest.mark.parametrize("rows", [np.empty((0, 1)), np.zeros((1, 1)), np.full((10, 1), np.nan), np.full((10, 1), np.inf)])
def test_data_that_cannot_be_trained_on_is_said(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two rows at least"):
        train("x", IsolationForest(), ("a",), np.arange(len(rows) or 1, dtype=np.float64), rows)


def test_an_estimator_without_conversion_is_said() -> None:
    class Odd:
        pass

    with pytest.raises(cards.ArtefactError, match="Odd cannot be converted"):
        to_onnx(Odd(), 2)


def test_rows_that_do_not_fit_are_said(isolation: Trained) -> None:
    with pytest.raises(cards.ArtefactError, match="does not take these rows"):
        Served(isolation.files["model.onnx"]).predict(np.zeros((2, 7)))
