"""Tampered and foreign artefacts are refused, and none of them runs code."""

import io
import json
import pickle
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import skops.io
from sklearn.ensemble import IsolationForest

from dharma_ml.models.card import ArtefactError, Card, checksum
from dharma_ml.models.formats import Served, from_skops, verify
from dharma_ml.models.store import FolderStore
from dharma_ml.models.train import Trained


class Malicious:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.trace,))


@pytest.fixture
def folder(store: FolderStore, isolation: Trained, tmp_path: Path) -> Path:
    store.put(isolation.card, isolation.files)
    return tmp_path / "store" / isolation.card.name / isolation.card.id


def refused(store: FolderStore, trained: Trained, match: str) -> None:
    with pytest.raises(ArtefactError, match=match):
        store.get(trained.card.name, trained.card.id)


def test_a_malicious_pickle_is_refused_and_does_not_run(store: FolderStore, isolation: Trained, folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "it-ran"
    payload = pickle.dumps(Malicious(trace))
    pickle.loads(payload)
    assert trace.exists(), "the payload works where it is loaded"
    trace.unlink()
    for file, reason in (("model.onnx", "no ONNX model"), ("model.skops", "no skops file")):
        with pytest.raises(ArtefactError, match=reason):
            verify(file, payload)
        # Also when the checksum in the card was changed with it.
        card = replace(isolation.card, checksums={**isolation.card.checksums, file: checksum(payload)})
        (folder / file).write_bytes(payload)
        (folder / "card.json").write_text(card.text())
        refused(store, isolation, reason)
        with pytest.raises(ArtefactError, match=reason):
            store.put(card, {**isolation.files, file: payload})
        (folder / file).write_bytes(isolation.files[file])
        (folder / "card.json").write_text(isolation.card.text())
    with pytest.raises(ArtefactError, match="no ONNX model"):
        Served(payload)
    with pytest.raises(ArtefactError, match="no skops file"):
        from_skops(payload)
    assert not trace.exists()


def test_a_pickle_within_a_skops_file_is_refused(isolation: Trained) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(isolation.files["model.skops"])) as good, zipfile.ZipFile(content, "w") as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name))
        bad.writestr("extra.pkl", pickle.dumps(Malicious(Path("/nowhere"))))
    with pytest.raises(ArtefactError, match="other things than a schema and arrays"):
        from_skops(content.getvalue())


class Foreign(IsolationForest):
    pass


def test_a_type_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(ArtefactError, match=r"not allowed: .*Foreign"):
        from_skops(skops.io.dumps(Foreign()))
    with pytest.raises(ArtefactError, match=r"not allowed: .*system"):
        from_skops(skops.io.dumps({"call": __import__("os").system}))


def test_a_wrong_checksum_is_refused(store: FolderStore, isolation: Trained, folder: Path) -> None:
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    refused(store, isolation, "its checksum is another")


def test_an_unknown_type_is_refused(store: FolderStore, isolation: Trained, folder: Path) -> None:
    with pytest.raises(ArtefactError, match="no known sort of model"):
        verify("model.joblib", b"x")
    (folder / "model.pkl").write_bytes(b"x")
    refused(store, isolation, "holds what no artefact has: model.pkl")
    card = replace(isolation.card, checksums={"model.pkl": checksum(b"x")})
    with pytest.raises(ArtefactError, match=r"not model\.pkl"):
        store.put(card, {"model.pkl": b"x"})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 9}, "format 9"),
        ({"more": 1}, "unknown entries: more"),
        ({"code": "0"}, "what it says it was trained on gives"),
        ({"parameters": {}}, "what it says it was trained on gives"),
        ({"window": None}, "cannot be read"),
        ({"features": 3}, "cannot be read"),
        ({"checksums": {}}, "not none"),
        ({"checksums": {"../../x": "0"}}, "not ../../x"),
    ],
)
def test_a_changed_card_is_refused(store: FolderStore, isolation: Trained, folder: Path, change: dict[str, object], reason: str) -> None:
    (folder / "card.json").write_text(json.dumps({**json.loads(isolation.card.text()), **change}))
    refused(store, isolation, reason)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "1" * 30])
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(ArtefactError):
        Card.parse(text)


def test_another_artefact_in_its_place_is_noticed(store: FolderStore, isolation: Trained, forecasts: list[Trained], folder: Path) -> None:
    one, other = forecasts[:2]
    store.put(one.card, one.files)
    store.put(other.card, other.files)
    assert store.get(one.card.name, one.card.id, one.card.digest)[0] == one.card
    with pytest.raises(ArtefactError, match="not the artefact"):
        store.get(one.card.name, one.card.id, other.card.digest)
    places = folder.parent.parent / one.card.name
    shutil.rmtree(places / one.card.id)
    shutil.copytree(places / other.card.id, places / one.card.id)
    refused(store, one, "is that of")


def test_files_outside_the_store_are_not_read(store: FolderStore, isolation: Trained, folder: Path, tmp_path: Path) -> None:
    for name in ("../x", "a/b", "", "A", ".", "a..b"):
        with pytest.raises(ArtefactError, match="no name of a model"):
            store.get(name, isolation.card.id)
    with pytest.raises(ArtefactError, match="no id"):
        store.get(isolation.card.name, "../../etc")
    (tmp_path / "elsewhere").write_bytes(isolation.files["model.onnx"])
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere")
    refused(store, isolation, "not there")


def test_onnx_with_foreign_operators_or_other_files_is_refused(isolation: Trained) -> None:
    model = onnx.load_from_string(isolation.files["model.onnx"])
    model.opset_import.append(onnx.helper.make_opsetid("com.elsewhere", 1))
    with pytest.raises(ArtefactError, match=r"not of the standard: com\.elsewhere"):
        Served(model.SerializeToString())
    model = onnx.load_from_string(isolation.files["model.onnx"])
    tensor = model.graph.initializer.add(name="away", data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ArtefactError):
        Served(model.SerializeToString())
