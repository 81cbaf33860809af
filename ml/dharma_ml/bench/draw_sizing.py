"""Draws the sizing frontier."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def frontier(path: Path, curves: Mapping[str, Sequence[tuple[float, float]]], marks: Mapping[str, tuple[float, float]]) -> None:
    """Draw slack over shortage: curves of methods with a knob, marks of those without. Written as SVG."""
    import matplotlib as mpl  # noqa: PLC0415 - only a picture needs it

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "dharma"  # the same picture at each run
    from matplotlib import pyplot as plt  # noqa: PLC0415

    plot: Any = plt
    figure, axes = plot.subplots(figsize=(8, 5))
    styles = {"ours": ("tab:blue", "o-"), "VPA": ("tab:red", "s--"), "fixed percentile": ("tab:grey", "^:")}
    for name, points in curves.items():
        colour, style = styles.get(name, ("black", "-"))
        known = sorted(one for one in points if one[0] > 0)
        axes.plot([100 * one[0] for one in known], [one[1] for one in known], style, color=colour, label=name, markersize=4)
    for name, (shortage, slack) in marks.items():
        axes.plot([100 * shortage], [slack], "k*", markersize=8)
        axes.annotate(name, (100 * shortage, slack), textcoords="offset points", xytext=(6, 4), fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("points short of CPU, % (log)")
    axes.set_ylabel("slack: share of the request not used")
    axes.set_title("CPU requests, walk-forward: lower left is better")
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plot.close(figure)
