import numpy as np
import pytest

from dharma_ml.anomaly import forest as forests
from dharma_ml.anomaly import stored
from dharma_ml.anomaly.maker import AnomalyMaker
from dharma_ml.anomaly.model import AnomalyModel
from dharma_ml.anomaly.settings import MEMBERS, SETTINGS
from dharma_ml.anomaly.stored import StoredForests, loss, name_of, read
from dharma_ml.models.card import ArtefactError
from dharma_ml.models.challenge import rollback
from dharma_ml.models.formats import Served
from dharma_ml.models.store import FolderStore

STEP = 300.0
WEEK = 2016


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


def readings(count, seed=0):
    random = np.random.default_rng(seed)
    times = 1.7e9 + STEP * np.arange(count)
    return times, (np.sin(times / 86400 * 2 * np.pi) + random.normal(0, 0.1, count))[:, None]


def features(count, seed=0):
    return np.random.default_rng(seed).gamma(2.0, 0.5, (count, len(MEMBERS) - 1))


def test_what_is_read_from_the_artefact_scores_as_onnx_does(store):
    _, forest = StoredForests(store, "web").renew(STEP * np.arange(1000), features(1000), SETTINGS)
    card, files = store.get(name_of("web"), store.roles(name_of("web")).champion)
    rows = features(10_000, 1).astype(np.float32).astype(np.float64)
    # ONNX has the decision function, which is one half less the paper's score.
    assert np.allclose(0.5 - forests.score(forest, rows), Served(files["model.onnx"]).predict(rows), atol=1e-5)
    assert card.features == MEMBERS[:-1]


def test_the_same_past_gives_the_same_artefact(store, tmp_path):
    given = (STEP * np.arange(1000), features(1000), SETTINGS)
    assert StoredForests(store, "web").renew(*given)[0] == StoredForests(FolderStore(tmp_path / "other"), "web").renew(*given)[0]


def test_a_new_forest_is_served_only_when_it_is_not_worse(store, monkeypatch):
    own = StoredForests(store, "web")
    first, _ = own.renew(STEP * np.arange(1000), features(1000), SETTINGS)
    losses = [1.0, 2.0]  # the champion is asked first
    monkeypatch.setattr(stored, "loss", lambda *given: np.full(len(given[1]) - given[2], losses.pop(0)))
    assert own.renew(STEP * np.arange(1000), features(1000, 1), SETTINGS)[0] == first
    roles = store.roles(own.name)
    assert (roles.champion, roles.shadow.champion_loss, roles.shadow.challenger_loss) == (first, 1.0, 2.0)
    losses += [1.0, 1.0]
    second, _ = own.renew(STEP * np.arange(1000), features(1000, 2), SETTINGS)
    assert second != first
    assert store.roles(own.name).former == (first,)


def test_loss_is_what_is_held_against_usual_points():
    usual = features(2000)
    strange = np.concatenate([usual[:1200], usual[1200:] + 3.0])
    forest = forests.fit(usual[:1200], 25, 64, 0)
    assert loss(forest, usual, 1200, SETTINGS).mean() < 1.0 < loss(forest, strange, 1200, SETTINGS).mean()


def test_a_detector_serves_its_champion_and_a_rollback_reaches_it(store):
    times, values = readings(2 * WEEK + 144)
    model = AnomalyModel("shop/web", stored=StoredForests(store, "shop/web"))
    model.observe(times, values)
    name = name_of("shop/web")
    roles = store.roles(name)
    assert len(store.idents(name)) == 3
    assert model._memory.artefact == roles.champion
    before = AnomalyMaker(store).restore("shop/web", model.to_bytes())._model
    assert before._memory.artefact == roles.champion
    assert roles.former, "on this stream the forest of two weeks is no worse than that of a day"
    rollback(store, name)
    after = AnomalyMaker(store).restore("shop/web", model.to_bytes())._model
    assert after._memory.artefact == roles.former[-1]
    assert not np.array_equal(after._memory.fit.forest.threshold, before._memory.fit.forest.threshold)


def test_a_tampered_artefact_is_refused_and_said_once(store, tmp_path):
    times, values = readings(400)
    maker = AnomalyMaker(store)
    model = maker.create("web")
    model._model.observe(times, values)
    state = model.save()
    name = name_of("web")
    (model_file,) = (tmp_path / "store" / name).glob("*/model.onnx")
    model_file.write_bytes(model_file.read_bytes()[:-1] + b"x")
    other = AnomalyMaker(store).restore("web", state)
    assert other.observe([], None) == [], "its own copy is the champion: the store is not read"
    model._model._memory.artefact = ""
    other = AnomalyMaker(store).restore("web", model.save())
    (found,) = other.observe([], None)
    assert found.kind == "ModelRefused"
    assert "checksum" in found.message
    assert other.observe([], None) == []
    assert other._model._memory.fit.forest is not None


def test_a_store_that_fails_leaves_the_stream_its_own_forest(tmp_path):
    (tmp_path / "file").write_text("no folder")
    times, values = readings(400)
    model = AnomalyModel("web", stored=StoredForests(FolderStore(tmp_path / "file" / "store"), "web"))
    model.observe(times, values)
    assert model._memory.fit.forest is not None
    assert [one.kind for one in model.update([])] == ["ModelRefused"]


def test_foreign_models_are_refused(store):
    with pytest.raises(ArtefactError, match="no single ensemble"):
        read(b"", 64)
    names = {name_of(stream) for stream in ("a/b", "a-b", "A b", "", "ü")}
    assert len(names) == 5
    for name in names:
        assert store.roles(name).champion is None
