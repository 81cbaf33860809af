"""Small generated sets in the formats of the public ones, so that every benchmark runs anywhere.

Only the formats are alike. A figure measured on these sets says that the code runs, not how good a model is.
"""

import csv
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY: Final = 288
"""Points of five minutes in a day."""
START: Final = datetime(2024, 1, 1, tzinfo=UTC)
SEED: Final = 20240101

PRICES: Final = {
    "CPU": 0.031611, "spotCPU": 0.006655, "RAM": 0.004237, "spotRAM": 0.000892, "GPU": 0.95, "storage": 5.479452e-05,
    "zoneNetworkEgress": 0.01, "regionNetworkEgress": 0.01, "internetNetworkEgress": 0.12,
}  # fmt: skip
"""The default prices of OpenCost (Apache-2.0), USD per core hour, GiB hour, GiB."""


def write(folder: Path) -> None:
    """Write all sets under that folder: nab, asd, bitbrains, cost, prices. The same bytes at every call."""
    write_nab(folder / "nab")
    write_asd(folder / "asd")
    write_bitbrains(folder / "bitbrains")
    write_cost(folder / "cost")
    write_prices(folder / "prices")


def write_nab(folder: Path) -> None:
    """Write eight labelled streams of two weeks, 5 min apart: daily shape, noise, and in six of them two anomalies each."""
    random = np.random.default_rng(SEED)
    labels: dict[str, list[list[str]]] = {}
    for index in range(8):
        group = "artificialNoAnomaly" if index < 2 else "artificialWithAnomaly" if index < 5 else "realAWSCloudwatch"
        values = _daily(14 * DAY, 40.0, 15.0, random) + random.normal(0.0, 2.0, 14 * DAY)
        windows: list[list[str]] = []
        if index >= 2:
            for day, shape in ((6, index % 3), (11, (index + 1) % 3)):
                at = day * DAY + int(random.integers(0, DAY // 2))
                _disturb(values, at, shape)
                windows.append([_stamp(at - 60), _stamp(at + 120)])
        name = f"{group}/generated_{index}.csv"
        labels[name] = windows
        _csv(folder / "data" / name, ("timestamp", "value"), [(_stamp(i), f"{value:.4f}") for i, value in enumerate(values)])
    (folder / "labels.json").write_text(json.dumps(labels, indent=1) + "\n")


def write_asd(folder: Path) -> None:
    """Write two servers of 19 channels driven by three hidden daily loads; 7 days to train, 4 to test, four anomalies each."""
    folder.mkdir(parents=True, exist_ok=True)
    for server in (1, 2):
        random = np.random.default_rng(SEED + server)
        length = 11 * DAY
        hidden = np.stack([_daily(length, 0.5, 0.25, random) for _ in range(3)], axis=1)
        mix = random.dirichlet(np.ones(3), 19).T
        values = hidden @ mix + random.normal(0.0, 0.02, (length, 19))
        label = np.zeros(4 * DAY, dtype=np.uint8)
        for day in range(4):
            at = 7 * DAY + day * DAY + int(random.integers(20, DAY - 60))
            channels = random.choice(19, size=5, replace=False)
            values[at : at + 24, channels] += random.choice([-0.3, 0.3], size=5)
            label[at - 7 * DAY : at - 7 * DAY + 24] = 1
        scaled = np.clip(values, 0.0, 1.0).astype(np.float32)
        np.savez_compressed(folder / f"omi-generated-{server}.npz", train=scaled[: 7 * DAY], test=scaled[7 * DAY :], label=label)


def write_bitbrains(folder: Path) -> None:
    """Write the CPU demand of six machines over twelve days: daily, flat, bursting, growing; equal neighbours are merged."""
    random = np.random.default_rng(SEED)
    rows: list[tuple[str, ...]] = []
    for machine in range(6):
        length = 12 * DAY
        cores = 2 ** (machine % 3)
        capacity = 2600.0 * cores
        share: Floats = np.abs(_daily(length, 0.2, 0.05 * (machine % 4), random) + random.normal(0.0, 0.02, length))
        if machine % 2:
            share[random.random(length) < 0.02] += 0.3
        if machine == 5:
            share += np.linspace(0.0, 0.4, length)
        usage = np.asarray(np.round(np.clip(share, 0.0, 1.05) * capacity / 13.0) * 13.0, dtype=np.float64)
        rows.extend(_merged(f"g{machine}", usage, cores, capacity))
    header = ("vm", "timestamp", "duration_s", "cpu_count", "cpu_usage_mhz", "cpu_capacity_mhz")
    _csv(folder / "cpu.csv.gz", header, rows)


def write_cost(folder: Path) -> None:
    """Write 30 days of hourly usage with the shape of days and weeks, growing slowly."""
    random = np.random.default_rng(SEED)
    hour = np.arange(720)
    week = np.where((hour // 24) % 7 >= 5, 0.85, 1.0)
    shape = 1.0 + 0.08 * np.sin(2 * np.pi * (hour % 24) / 24)
    cpu = 6.0e6 * week * shape * (1 + hour / 20000) * (1 + random.normal(0.0, 0.015, 720))
    memory = 2.0e6 * np.sqrt(week * shape) * (1 + random.normal(0.0, 0.005, 720))
    rows = [(str(h), f"{c:.3f}", f"{m:.3f}", "12") for h, c, m in zip(hour, cpu, memory, strict=True)]
    _csv(folder / "azure_v2.csv.gz", ("hour", "cpu", "memory", "samples"), rows)


def write_prices(folder: Path) -> None:
    """Write the default prices in the shape of the public file."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"origin": "opencost/opencost, configs/default.json", "licence": "Apache-2.0", "currency": "USD", "prices": PRICES}
    (folder / "opencost_default.json").write_text(json.dumps(content, indent=1) + "\n")


def _daily(length: int, level: float, swing: float, random: np.random.Generator) -> Floats:
    phase = random.uniform(0.0, 2 * np.pi)
    wave = np.sin(2 * np.pi * np.arange(length) / DAY + phase)
    drift = np.cumsum(random.normal(0.0, 0.002 * abs(level), length))
    return np.asarray(level + swing * wave + 0.2 * drift, dtype=np.float64)


def _disturb(values: Floats, at: int, shape: int) -> None:
    """Put in a spike (0), a shift for half a day (1) or a flat hour (2)."""
    if shape == 0:
        values[at : at + 6] += 60.0
    elif shape == 1:
        values[at : at + DAY // 2] += 30.0
    else:
        values[at : at + 24] = values[at]


def _merged(name: str, usage: Floats, cores: int, capacity: float) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    begun = 0
    for i in range(1, len(usage) + 1):
        if i == len(usage) or usage[i] != usage[begun]:
            end = (START + timedelta(minutes=5 * i)).strftime("%Y-%m-%dT%H:%M:%SZ")
            rows.append((name, end, str(300 * (i - begun)), str(cores), f"{usage[begun]:.3f}", f"{capacity:.1f}"))
            begun = i
    return rows


def _stamp(index: int) -> str:
    return (START + timedelta(minutes=5 * index)).strftime("%Y-%m-%d %H:%M:%S")


def _csv(path: Path, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        # A fixed time in the gzip header keeps the bytes the same.
        with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed:
            packed.write(("\n".join(",".join(row) for row in (header, *rows)) + "\n").encode())
        return
    with path.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows((header, *rows))
