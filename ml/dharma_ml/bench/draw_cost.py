"""Draws a forecast with its interval."""

from pathlib import Path
from typing import Any

import numpy as np

from dharma_ml.cost.forecast import Forecast
from dharma_ml.cost.series import Floats


def forecast_picture(path: Path, series: Floats, origin: int, found: Forecast) -> None:
    """Draw a week of past, the forecast from `origin` (hour) with its interval, and what came. Written as SVG."""
    import matplotlib as mpl  # noqa: PLC0415 - only a picture needs it

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "dharma"  # the same picture at each run
    from matplotlib import pyplot as plt  # noqa: PLC0415

    plot: Any = plt
    figure, axes = plot.subplots(figsize=(9, 4))
    ahead = np.arange(origin, origin + len(found.values))
    shown = np.arange(max(origin - 168, 0), min(origin + len(ahead), len(series)))
    axes.fill_between(ahead / 24, found.low, found.high, color="tab:blue", alpha=0.2, label="95 % interval")
    axes.plot(shown / 24, series[shown], color="black", linewidth=1, label="usage")
    axes.plot(ahead / 24, found.values, color="tab:blue", label=f"forecast ({found.method})")
    axes.axvline(origin / 24, color="tab:grey", linestyle=":")
    axes.set_xlabel("day")
    axes.set_ylabel("usage")
    axes.set_title("Usage forecast at midnight, seven days ahead")
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plot.close(figure)
