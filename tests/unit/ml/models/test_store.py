import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dharma_ml.cli import app
from dharma_ml.models.card import ArtefactError, Card
from dharma_ml.models.challenge import compare, enter, objection, promote, rollback
from dharma_ml.models.store import FolderStore
from dharma_ml.models.train import Trained

NAME = "forecast.web"
RUN = CliRunner()


@pytest.fixture
def filled(store: FolderStore, forecasts: list[Trained]) -> FolderStore:
    for trained in forecasts:
        store.put(trained.card, trained.files)
    return store


@pytest.fixture
def ids(forecasts: list[Trained]) -> list[str]:
    return [trained.card.id for trained in forecasts]


def shadowed(store: FolderStore, champion: float, challenger: float, hours: float = 24.0) -> None:
    compare(store, NAME, hours, np.full(30, champion), np.full(30, challenger))


def test_what_was_put_is_got(filled: FolderStore, forecasts: list[Trained]) -> None:
    assert filled.names() == [NAME]
    assert {card.id for card in filled.cards(NAME)} == {trained.card.id for trained in forecasts}
    card, files = filled.get(NAME, forecasts[0].card.id)
    assert card == forecasts[0].card
    assert files == forecasts[0].files
    assert Card.parse(card.text()) == card


def test_putting_again_changes_nothing(filled: FolderStore, forecasts: list[Trained], tmp_path: Path) -> None:
    path = tmp_path / "store" / NAME / forecasts[0].card.id / "card.json"
    before = path.stat().st_mtime_ns
    filled.put(forecasts[0].card, forecasts[0].files)
    assert path.stat().st_mtime_ns == before
    with pytest.raises(ArtefactError, match="not those that the card names"):
        filled.put(forecasts[0].card, forecasts[1].files)


def test_a_write_that_breaks_off_leaves_nothing(
    store: FolderStore, forecasts: list[Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        store.put(forecasts[0].card, forecasts[0].files)
    assert list((tmp_path / "store" / NAME).iterdir()) == []
    assert store.cards(NAME) == []


def test_the_first_is_champion_the_next_must_prove_itself(filled: FolderStore, ids: list[str]) -> None:
    assert enter(filled, NAME, ids[0]).champion == ids[0]
    assert enter(filled, NAME, ids[1]).challenger == ids[1]
    assert objection(filled.roles(NAME)) == "The challenger did not run in the shadow yet."
    shadowed(filled, 1.0, 0.9, hours=12)
    assert "24 h and 24 points are needed" in str(objection(filled.roles(NAME)))
    shadowed(filled, 1.0, 0.9, hours=12)
    roles = filled.roles(NAME)
    assert roles.shadow is not None
    assert (roles.shadow.points, roles.shadow.hours) == (60, 24)
    assert roles.shadow.challenger_loss == pytest.approx(0.9)
    promoted = promote(filled, NAME)
    assert (promoted.champion, promoted.challenger, promoted.former) == (ids[1], None, (ids[0],))
    assert filled.roles(NAME) == promoted


def test_a_worse_challenger_is_not_promoted(filled: FolderStore, ids: list[str]) -> None:
    enter(filled, NAME, ids[0])
    enter(filled, NAME, ids[1])
    shadowed(filled, 1.0, 1.02)
    with pytest.raises(ArtefactError, match=r"worse: a mean loss of 1\.02 against 1"):
        promote(filled, NAME)
    assert filled.roles(NAME).champion == ids[0]
    assert promote(filled, NAME, force=True).champion == ids[1]
    with pytest.raises(ArtefactError, match="no challenger"):
        promote(filled, NAME, force=True)


def test_points_that_one_could_not_answer_do_not_count(filled: FolderStore, ids: list[str]) -> None:
    enter(filled, NAME, ids[0])
    with pytest.raises(ArtefactError, match="no challenger"):
        shadowed(filled, 1.0, 1.0)
    enter(filled, NAME, ids[1])
    shadow = compare(filled, NAME, 1.0, np.array([1.0, np.nan, 3.0]), np.array([2.0, 5.0, np.inf])).shadow
    assert shadow is not None
    assert (shadow.points, shadow.champion_loss, shadow.challenger_loss) == (1, 1.0, 2.0)
    with pytest.raises(ValueError, match="same points"):
        compare(filled, NAME, 1.0, np.zeros(2), np.zeros(3))


def test_rollback_goes_back_step_by_step(filled: FolderStore, ids: list[str]) -> None:
    enter(filled, NAME, ids[0])
    for ident in ids[1:]:
        enter(filled, NAME, ident)
        promote(filled, NAME, force=True)
    assert rollback(filled, NAME).champion == ids[1]
    assert rollback(filled, NAME).champion == ids[0]
    with pytest.raises(ArtefactError, match="no champion before"):
        rollback(filled, NAME)


def test_rollback_to_a_damaged_artefact_is_refused(filled: FolderStore, ids: list[str], tmp_path: Path) -> None:
    enter(filled, NAME, ids[0])
    enter(filled, NAME, ids[1])
    promote(filled, NAME, force=True)
    (tmp_path / "store" / NAME / ids[0] / "model.onnx").write_bytes(b"gone")
    with pytest.raises(ArtefactError, match="checksum"):
        rollback(filled, NAME)
    assert filled.roles(NAME).champion == ids[1]


def test_command_line(filled: FolderStore, ids: list[str], tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    enter(filled, NAME, ids[0])
    enter(filled, NAME, ids[1])
    (tmp_path / "store" / NAME / ids[2] / "model.onnx").write_bytes(b"gone")
    listed = RUN.invoke(app, ["models", "list", "--store", store], env={"COLUMNS": "250"}).output
    assert all(ident in listed for ident in ids)
    assert "refused" in listed
    shown = RUN.invoke(app, ["models", "show", "--store", store, NAME])
    assert shown.exit_code == 0
    assert f'"id": "{ids[0]}"' in shown.output
    assert "did not run in the shadow" in shown.output
    refused = RUN.invoke(app, ["models", "promote", "--store", store, NAME])
    assert refused.exit_code == 1
    assert "did not run in the shadow" in refused.output
    assert RUN.invoke(app, ["models", "promote", "--store", store, NAME, "--force"]).exit_code == 0
    assert filled.roles(NAME).champion == ids[1]
    assert RUN.invoke(app, ["models", "rollback", "--store", store, NAME]).exit_code == 0
    assert filled.roles(NAME).champion == ids[0]
    assert RUN.invoke(app, ["models", "rollback", "--store", store, NAME]).exit_code == 1
    assert RUN.invoke(app, ["models", "show", "--store", store, "nothing"]).exit_code == 1
