"""The picture of the anomaly page: a stream, what was expected, the level of suspicion, the alarms."""

from pathlib import Path
from typing import Any

import numpy as np

from dharma_ml.anomaly.detector import Scored
from dharma_ml.anomaly.settings import SETTINGS
from dharma_ml.bench.anomaly_data import Labelled


def draw(folder: Path, streams: list[Labelled], own: dict[str, Scored]) -> None:
    """Write `anomaly.svg`: the third week of the taxi series' end, or of the first labelled stream where it is not there."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "dharma"
    from matplotlib import pyplot as plt  # noqa: PLC0415

    plot: Any = plt
    labelled = [stream for stream in streams if stream.windows]
    if not labelled:
        return
    stream = next((s for s in labelled if s.name.endswith("nyc_taxi.csv")), labelled[0])
    scored = own[stream.name]
    middle = stream.windows[0][0]
    part = slice(max(middle - 600, 0), middle + 900)
    days = (stream.times[part] - stream.times[part][0]) / 86_400
    figure, (upper, lower) = plot.subplots(2, 1, figsize=(9, 4), sharex=True, height_ratios=(2, 1))
    upper.plot(days, stream.values[part, 0], linewidth=0.7, color="#1f4e79")
    upper.set_ylabel(stream.name.rsplit("/", maxsplit=1)[-1].removesuffix(".csv"))
    lower.plot(days, scored.evidence[part], linewidth=0.7, color="#a33")
    lower.axhline(3.0, linewidth=0.6, linestyle=":", color="#555")
    lower.set_ylabel("-log10 p")
    lower.set_xlabel("days")
    for first, last in stream.windows:
        for axes in (upper, lower):
            axes.axvspan(
                (stream.times[first] - stream.times[part][0]) / 86_400,
                (stream.times[last] - stream.times[part][0]) / 86_400,
                color="#fd8",
                alpha=0.4,
            )
    for index in np.flatnonzero(scored.strength[part] >= SETTINGS.alarm):
        upper.axvline(days[index], color="#a33", linewidth=1.0)
    upper.set_xlim(days[0], days[-1])
    upper.set_title("yellow: labelled; red line: an alarm may begin", fontsize=9)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "anomaly.svg", metadata={"Date": None}, bbox_inches="tight")
    plot.close(figure)
