"""What a benchmark found: a table for people, JSON for comparing, and where and with what it was measured."""

import dataclasses
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from dharma_operator import __version__

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Report:
    """The result of one benchmark."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Mapping[str, Any]
    """The same in numbers, seconds and bytes unless the name says otherwise, with every single measurement."""
    notes: Sequence[str] = field(default=())
    """How to read the table."""

    def text(self) -> str:
        """Lay the table out."""
        table = [list(self.columns), *(list(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in table) for column in range(len(self.columns))]
        lines = [_line(line, widths) for line in table]
        return "\n".join(
            [f"## {self.title}", "", lines[0], "─" * len(lines[0].rstrip()), *lines[1:], *(f"  {note}" for note in self.notes), ""]
        )

    def save(self, machine: Mapping[str, Any]) -> Path:
        """Write `results/<name>.json`."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        content = {
            "benchmark": self.name,
            "title": self.title,
            **machine,
            "table": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "notes": list(self.notes),
            "figures": _plain(self.figures),
        }
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
        return path


def _plain(value: object) -> object:
    """Return the same with keys that JSON has: a pair becomes `patch 200`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {
            " ".join(map(str, cast("tuple[object, ...]", key))) if isinstance(key, tuple) else key: _plain(inner) for key, inner in pairs
        }
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast("Sequence[object]", value)]
    return value


def machine(kubernetes: str) -> dict[str, Any]:
    """Say where and with what it is measured. The load at the start tells whether the machine had other work."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"operator": __version__, "commit": _commit(), "kubernetes": kubernetes, "python": platform.python_version()},
        "machine": {
            "cores": os.cpu_count(),
            "processor": _processor(),
            "memory_gib": round(pages * page / 2**30, 1),
            "kernel": platform.release(),
            "load_before": round(os.getloadavg()[0], 2),
        },
    }


def spread(values: Sequence[float], unit: str = "s", digits: int = 2) -> str:
    """Write median, least and most: `7.90 s (7.60 to 8.40)`."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f} {unit}"
    return f"{statistics.median(values):.{digits}f} {unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def ratio(one: float, other: float) -> str:
    """Write how many times `other` the first is: `1.08x`."""
    return f"{one / other:.2f}x" if other else "n/a"


def mebibytes(amount: float) -> str:
    """Write bytes in MiB."""
    return f"{amount / 2**20:.0f} MiB"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])


def _commit() -> str:
    root = RESULTS.parent.parent
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
