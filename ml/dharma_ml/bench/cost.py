"""Benchmark of cost forecasts: hourly usage of `cost/`, walk-forward at daily origins, beside naive and statistical methods."""

import csv
import gzip
import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any, Final

import numpy as np

from dharma_ml.bench.draw_cost import forecast_picture
from dharma_ml.bench.tables import Table
from dharma_ml.cost.forecast import Forecast, forecast
from dharma_ml.cost.methods import DAY, NAIVE, WEEK, Method
from dharma_ml.cost.series import Floats

COLUMNS: Final = ("cpu", "memory")
COLUMNS_OF_ERRORS: Final = ("method", "WAPE %", "MASE", "bias %", "95 % interval covers %", "mean width %")
Row = tuple[str | float | int | None, ...]


def run(data: Path, *, scores: Path | None = None, pictures: Path | None = None) -> list[Table]:
    """Run on every `*.csv.gz` of the folder `cost`. Raises FileNotFoundError when there is none."""
    del scores  # for anomalies only
    files = sorted((data / "cost").glob("*.csv.gz"))
    if not files:
        raise FileNotFoundError(2, "no such file", str(data / "cost" / "*.csv.gz"))
    tables: list[Table] = []
    for path in files:
        for column, series in read(path).items():
            name = f"{path.name[:-7]} {column}"
            tables += [day_table(name, series), week_table(name, series), sum_table(name, series)]
            if pictures is not None and column == COLUMNS[0]:
                origin = origins(len(series))[-7]
                forecast_picture(pictures / "cost-forecast.svg", series, origin, forecast(series[:origin], WEEK))
    return tables


def read(path: Path) -> dict[str, Floats]:
    """Read hourly columns in the order of `hour`; hours that are missing are NaN and filled by the forecast."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    hours = np.array([int(row["hour"]) for row in rows])
    found: dict[str, Floats] = {}
    for column in COLUMNS:
        if rows and column in rows[0]:
            series = np.full(int(hours.max()) + 1, np.nan)
            series[hours] = [float(row[column]) for row in rows]
            found[column] = series
    return found


def origins(length: int, horizon: int = DAY) -> list[int]:
    """Give daily origins as the data's README sets them."""
    return list(range(max(72, length // 3), length - horizon, DAY))


def day_table(name: str, series: Floats) -> Table:
    """Compare all methods 24 h ahead."""
    starts = origins(len(series))
    began = process_time()
    ours = [forecast(series[:at], DAY) for at in starts]
    spent = (process_time() - began) / max(len(starts), 1)
    rows: list[Row] = [_scored("ours", series, starts, ours)]
    rows += [_plain(key, series, starts, method) for key, (_, method) in NAIVE.items()]
    missing: list[str] = []
    for key, method in statistical().items():
        try:
            rows.append(_plain(key, series, starts, method))
        except ModuleNotFoundError as error:
            missing.append(f"{key} was not run: the package {error.name} is not installed.")
    notes = (
        _compared(rows, ours),
        f"MASE: by the in-sample error of the day-naive forecast. Ours takes {1000 * spent:.0f} ms a forecast.",
        *missing,
    )
    return Table(f"{name}: 24 h ahead, walk-forward", COLUMNS_OF_ERRORS, tuple(rows), notes)


def _compared(rows: list[Row], ours: list[Forecast]) -> str:
    """Say in a sentence how ours did against the best naive, and which methods it took."""
    naive = {str(row[0]): float(row[1]) for row in rows if row[0] in NAIVE and isinstance(row[1], float)}
    best = min(naive, key=lambda name: naive[name])
    counts = ", ".join(f"{name} {sum(one.method == name for one in ours)}" for name in sorted({one.method for one in ours}))
    more = 100 * (float(rows[0][1] or math.nan) / naive[best] - 1)
    return f"{len(ours)} daily origins; ours against the best naive ({best}): {more:+.1f} % WAPE. Methods used: {counts}."


def week_table(name: str, series: Floats) -> Table:
    """Compare all 7 days ahead."""
    starts = origins(len(series), WEEK)
    ours = [forecast(series[:at], WEEK) for at in starts]
    rows: list[Row] = [_scored("ours", series, starts, ours, WEEK)] if starts else []
    rows += [_plain(key, series, starts, method, WEEK) for key, (_, method) in NAIVE.items()] if starts else []
    return Table(f"{name}: 7 days ahead, walk-forward", COLUMNS_OF_ERRORS, tuple(rows), (_compared(rows, ours),) if starts else ())


def sum_table(name: str, series: Floats) -> Table:
    """Judge the intervals of sums: of a day, of 7 days, and of what is left of the record, taken as a month."""
    rows: list[Row] = []
    for title, horizon in (("24 h", DAY), ("7 days", WEEK), ("to the end of the record", None)):
        found: list[tuple[float, float, float]] = []
        for at in origins(len(series), horizon or DAY):
            ahead = horizon or len(series) - at
            value, low, high = forecast(series[:at], ahead).total()
            true = float(np.nansum(series[at : at + ahead]))
            found.append((100 * abs(value - true) / true, 100 * (high - low) / true, 100.0 * (low <= true <= high)))
        if found:
            error, width, _ = (round(float(middle), 2) for middle in np.median(found, axis=0))
            rows.append((title, len(found), error, width, round(float(np.mean([one[2] for one in found])), 1)))
    columns = ("sum of", "origins", "median error %", "median width %", "95 % interval covers %")
    note = "Origins a day apart see nearly the same weeks: these are few independent cases."
    return Table(f"{name}: sums", columns, tuple(rows), (note,))


def statistical() -> Mapping[str, Method]:
    """Give the methods of statsforecast, which only this benchmark uses."""
    return {"AutoETS": partial(_statsforecast, "AutoETS"), "MSTL": partial(_statsforecast, "MSTL")}


def wape(true: Floats, guessed: Floats) -> float:
    """Sum of absolute errors by sum of truth, in %."""
    return 100 * float(np.abs(true - guessed).sum() / np.abs(true).sum())


def mase(true: Floats, guessed: Floats, past: Floats) -> float:
    """Mean absolute error by that of the day-naive forecast within the past (Hyndman and Koehler 2006)."""
    scale = float(np.mean(np.abs(past[DAY:] - past[:-DAY])))
    return float(np.mean(np.abs(true - guessed))) / scale if scale > 0 else math.nan


def _statsforecast(name: str, past: Floats, horizon: int) -> Floats:
    models: Any = import_module("statsforecast.models")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a bench-only library's own affairs
        period = [DAY, WEEK] if name == "MSTL" and len(past) >= 2 * WEEK else DAY
        model = getattr(models, name)(season_length=period)
        return np.asarray(model.forecast(y=past, h=horizon)["mean"], dtype=np.float64)


def _plain(name: str, series: Floats, starts: list[int], method: Callable[[Floats, int], Floats], horizon: int = DAY) -> Row:
    guesses = [method(series[:at], horizon) for at in starts]
    return (name, *_errors(series, starts, guesses, horizon), None, None)


def _scored(name: str, series: Floats, starts: list[int], found: list[Forecast], horizon: int = DAY) -> Row:
    inside = [
        np.mean((one.low <= series[at : at + horizon]) & (series[at : at + horizon] <= one.high))
        for at, one in zip(starts, found, strict=True)
    ]
    width = [np.mean((one.high - one.low) / series[at : at + horizon]) for at, one in zip(starts, found, strict=True)]
    errors = _errors(series, starts, [one.values for one in found], horizon)
    return (name, *errors, round(100 * float(np.mean(inside)), 1), round(100 * float(np.mean(width)), 2))


def _errors(series: Floats, starts: list[int], guesses: list[Floats], horizon: int) -> tuple[float, float, float]:
    true = np.concatenate([series[at : at + horizon] for at in starts])
    guessed = np.concatenate(guesses)
    scaled = [mase(series[at : at + horizon], guess, series[:at]) for at, guess in zip(starts, guesses, strict=True)]
    bias = 100 * float((guessed - true).sum() / np.abs(true).sum())
    return round(wape(true, guessed), 3), round(float(np.mean(scaled)), 3), round(bias, 3)
