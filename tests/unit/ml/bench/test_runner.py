import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from dharma_ml.bench import generated, main
from dharma_ml.bench.tables import Table
from dharma_ml.cli import app

TABLE = Table("Title", ("method", "score", "points"), (("ours", 0.5, 1200), ("naive", None, 3)), ("a note",))


def test_tables_are_printed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, Path | None]] = []

    def run(data: Path, *, scores: Path | None, pictures: Path | None) -> list[Table]:
        asked.append((data, scores))
        return [TABLE]

    monkeypatch.setattr(main, "import_module", lambda _: SimpleNamespace(run=run))
    console = Console(record=True, width=100)
    out = tmp_path / "deep" / "ml-drift.json"
    main.run("drift", tmp_path, out=out, scores=tmp_path / "s", console=console)
    text = console.export_text()
    assert "ours" in text
    assert "1,200" in text
    assert "a note" in text
    assert asked == [(tmp_path, tmp_path / "s")]
    written = json.loads(out.read_text())
    assert written["tables"][0]["rows"] == [
        {"method": "ours", "score": 0.5, "points": 1200},
        {"method": "naive", "score": None, "points": 3},
    ]
    assert {"python", "numpy"} <= set(written["versions"])
    assert written["date"].endswith("+00:00")


def test_what_is_missing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name, name=name)

    monkeypatch.setattr(main, "import_module", absent)
    with pytest.raises(main.BenchmarkError, match=r"^The benchmark cost is not part of this build"):
        main.run("cost", tmp_path)
    result = CliRunner().invoke(app, ["bench", "cost", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "The benchmark cost is not part of this build" in result.output
    result = CliRunner().invoke(app, ["bench", "cost", "--data", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "There is no folder" in result.output


def test_generated_sets_have_the_public_formats(tmp_path: Path) -> None:
    generated.write(tmp_path)
    labels = json.loads((tmp_path / "nab" / "labels.json").read_text())
    for name, windows in labels.items():
        header, *rows = (tmp_path / "nab" / "data" / name).read_text().splitlines()
        assert header == "timestamp,value"
        stamps = {row.split(",")[0] for row in rows}
        assert all(edge in stamps for window in windows for edge in window)
    with np.load(tmp_path / "asd" / "omi-generated-1.npz", allow_pickle=False) as arrays:
        assert arrays["train"].dtype == np.float32
        assert arrays["train"].shape[1] == arrays["test"].shape[1] == 19
        assert arrays["label"].shape == (len(arrays["test"]),)
        assert 0.01 < arrays["label"].mean() < 0.11


def test_generated_sets_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generated.write(tmp_path / name)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) == 14
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in files)
