"""Runs one benchmark: tables on the terminal, the same as JSON with date and versions."""

import json
import platform
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from rich.console import Console
from rich.table import Table as RichTable

from dharma_ml.bench.tables import Table

BENCHMARKS: Final = ("anomaly", "rightsizing", "cost", "drift", "lifecycle")
LIBRARIES: Final = ("numpy", "scipy", "scikit-learn", "onnx", "skl2onnx", "onnxruntime", "skops")


class BenchmarkError(Exception):
    """A benchmark cannot run; the message says why in one sentence."""


def run(
    name: str,
    data: Path,
    *,
    out: Path | None = None,
    scores: Path | None = None,
    pictures: Path | None = None,
    console: Console | None = None,
) -> list[Table]:
    """Run one benchmark, print its tables, write them to `out` as JSON. Raises BenchmarkError with a sentence for people."""
    if not data.is_dir():
        raise BenchmarkError(f"There is no folder {data}; it should hold sets in the formats of the data's README.")
    tables = _call(_module(name), name, data, scores, pictures)
    show(tables, console or Console())
    if out is not None:
        save(name, data, tables, out)
    return tables


def show(tables: list[Table], console: Console) -> None:
    """Print tables; numbers right-aligned, nothing for None."""
    for table in tables:
        drawn = RichTable(title=table.title, title_justify="left", title_style="bold")
        for index, column in enumerate(table.columns):
            numeric = any(isinstance(row[index], int | float) for row in table.rows)
            drawn.add_column(column, justify="right" if numeric else "left")
        for row in table.rows:
            drawn.add_row(*(_cell(value) for value in row))
        console.print(drawn)
        for note in table.notes:
            console.print(f"  {note}", style="dim", markup=False)
        console.print()


def save(name: str, data: Path, tables: list[Table], out: Path) -> None:
    """Write tables as JSON, with the date, the library versions and the data's folder name."""
    content: dict[str, Any] = {
        "benchmark": f"ml-{name}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": data.resolve().name,
        "versions": versions(),
        "tables": [
            {"title": table.title, "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows], "notes": list(table.notes)}
            for table in tables
        ],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Tell the versions of Python, of this project and of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for library in ("iac-dharma", *LIBRARIES):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _module(name: str) -> ModuleType:
    if name not in BENCHMARKS:
        raise BenchmarkError(f"There is no benchmark {name}; there are {', '.join(BENCHMARKS)}.")
    try:
        return import_module(f"dharma_ml.bench.{name}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("dharma_ml"):
            raise BenchmarkError(f"The benchmark {name} is not part of this build: {error.name} is missing.") from error
        raise BenchmarkError(f"The benchmark {name} needs the package {error.name}: install the extra `ml` and the group `dev`.") from error


def _call(module: ModuleType, name: str, data: Path, scores: Path | None, pictures: Path | None) -> list[Table]:
    try:
        return list(module.run(data, scores=scores, pictures=pictures))
    except FileNotFoundError as error:
        raise BenchmarkError(f"The benchmark {name} needs {error.filename}, which is not in {data}.") from error


def _cell(value: str | float | None) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
