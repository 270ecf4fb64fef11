"""Plots the figures of a run: `python -m bench.plots RESULTS.json DIRECTORY`, with the peers' interpreter."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

ATHENA, PEER, FLOOR = "#0f62fe", "#8d8d8d", "#198038"
WIDE = 30
"""If the largest value exceeds the smallest by more than this factor, the scale is logarithmic."""

Bar = dict[str, Any]


def main(results: Path, directory: Path) -> None:
    told = json.loads(results.read_text())
    machine = told["machine"]
    footnote = f"{machine['date'][:10]}, {machine['cores']} cores, loopback, median of {machine['rounds']} rounds"
    footnote += " with the least and the most"
    measured = [figure for figure in told["figures"] if "missing" not in figure]
    pictures = (
        ("burst", "burst", "clients ×", "deliveries a second", "200 changes in one commit to 1,000 clients"),
        ("memory", "memory", "an idle client", "KB of the server's memory a client", "An idle client's memory"),
        ("one", "one change", "the last one has it", "ms until the last client has it", "One change to 10,000 clients"),
        ("connects", "connects", "clients", "connects a second", "10,000 clients connect"),
    )
    for name, group, part, unit, title in pictures:
        bars = [
            figure
            for figure in measured
            if figure["group"] == group and part in figure["name"] and figure["unit"] != "×"
        ]
        bars = [figure for figure in bars if "CPU" not in figure["name"]]
        if bars:
            path = directory / f"bench-{name}.png"
            _bars(bars, title, unit, footnote, path)
            print(f"Drawn: {path}")


def _bars(figures: list[Bar], title: str, unit: str, footnote: str, path: Path) -> None:
    """One bar per server, the longest at the top, with a line from the minimum to the maximum."""
    figures = sorted(figures, key=lambda figure: float(figure["median"]))
    names = [figure["name"].rsplit(", ", 1)[1] for figure in figures]
    medians = [figure["median"] for figure in figures]
    spread = [[f["median"] - f["min"] for f in figures], [f["max"] - f["median"] for f in figures]]
    colours = [ATHENA if name == "Athena" else FLOOR if name.startswith("C loop") else PEER for name in names]
    picture, axes = plt.subplots(figsize=(8, 1.4 + 0.38 * len(figures)), facecolor="white", layout="constrained")
    axes.barh(names, medians, xerr=spread, color=colours, height=0.68, ecolor="#161616", capsize=2.5)
    wide = max(medians) > WIDE * min(medians)
    if wide:
        axes.set_xscale("log")
        axes.set_xlim(min(medians) / 2, max(medians) * 4)
    else:
        axes.set_xlim(0, max(figure["max"] for figure in figures) * 1.2)
    room = 1.12 if wide else 1.02
    for row, figure in enumerate(figures):
        axes.text(figure["max"] * room, row, _number(figure["median"]), va="center", fontsize=9)
    axes.set_xlabel(f"{unit}{' (logarithmic)' if wide else ''}\n{footnote}", fontsize=9)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(axis="x", which="major", color="#e0e0e0")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    picture.savefig(path, dpi=140)
    plt.close(picture)


def _number(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
