"""The picture of a section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from benchmarks.result_section import Chart, Section

WIDTH, HEIGHT, DPI = 5.2, 4.2, 110
CROWDED = 5  # bars whose names lie side by side
COLOURS = ("#1b6ca8", "#d1603d", "#4a8f5c", "#8a5a9e", "#8c8c8c")


def draw(section: Section) -> None:
    """Write the PNG beside RESULTS.md, when there is something to show."""
    if not section.charts:
        return
    figure, places = plt.subplots(
        1, len(section.charts), figsize=(WIDTH * len(section.charts), HEIGHT), squeeze=False, layout="constrained"
    )
    for place, chart in zip(places[0], section.charts, strict=True):
        _chart(place, chart)
    figure.savefig(section.picture, dpi=DPI, metadata={"Software": None})
    plt.close(figure)


def _chart(place: Any, chart: Chart) -> None:  # noqa: ANN401 - matplotlib's axes
    if any(isinstance(x, str) for points in chart.lines.values() for x, _ in points):
        _bars(place, chart)
    else:
        for (name, points), colour in zip(chart.lines.items(), COLOURS, strict=False):
            place.plot(*zip(*points, strict=True), marker="o", label=name, color=colour)
        if chart.logarithmic:
            place.set_xscale("log")
    if chart.logarithmic:
        place.set_yscale("log")
    else:
        place.set_ylim(bottom=0)
    if chart.goal is not None:
        place.axhline(chart.goal, color="black", linestyle="--", linewidth=1, label=f"goal {chart.goal:g}")
    place.set(title=chart.title, xlabel=chart.x, ylabel=chart.y)
    place.grid(axis="y", alpha=0.3)
    if len(chart.lines) > 1 or chart.goal is not None or chart.logarithmic:
        place.legend(fontsize="small", frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def _bars(place: Any, chart: Chart) -> None:  # noqa: ANN401 - matplotlib's axes
    names = list(dict.fromkeys(str(x) for points in chart.lines.values() for x, _ in points))
    width = 0.8 / len(chart.lines)
    for turn, ((name, points), colour) in enumerate(zip(chart.lines.items(), COLOURS, strict=False)):
        at = [names.index(str(x)) + (turn - (len(chart.lines) - 1) / 2) * width for x, _ in points]
        place.bar(at, [y for _, y in points], width=width, label=name, color=colour)
    crowded = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if len(names) > CROWDED else {}
    place.set_xticks(range(len(names)), names, fontsize="small", **crowded)
