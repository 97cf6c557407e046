"""One benchmark's part of RESULTS.md: what was measured, by which command, on what, the figures, and the ratios."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "RESULTS.md"
BUSY_LOAD = 0.5  # of the cores, before we begin: figures of such a run say less


@dataclass(frozen=True)
class Ratio:
    """One figure that is comparable between machines; ``goal``: what it should be at most."""

    what: str
    value: float
    goal: float | None = None

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.value <= self.goal

    def text_line(self) -> str:
        goal = "" if self.goal is None else f"   goal <= {self.goal:g}{'' if self.is_met else ': MISSED'}"
        return f"{self.what:78} {self.value:8.2f}{goal}"


@dataclass(frozen=True)
class Chart:
    """Lines or bars of a picture. ``lines``: by name, points of x and y; an x that is a text makes bars."""

    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float | str, float]]]
    logarithmic: bool = False
    goal: float | None = None


@dataclass(frozen=True)
class Table:
    """Cells as they are shown."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]

    def markdown(self) -> str:
        lines = [self.header, ["---"] * len(self.header), *([_format_cell(cell) for cell in row] for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True)
class Section:
    """What stands in RESULTS.md between two markers of its ``name``."""

    name: str
    title: str
    command: str
    about: str
    tables: Sequence[Table]
    notes: Sequence[str] = ()
    ratios: Sequence[Ratio] = ()
    charts: Sequence[Chart] = ()
    machine: str = ""

    @property
    def picture(self) -> Path:
        return FOLDER / f"{self.name}.png"

    def markdown(self) -> str:
        shown = [f"![{self.title}]({self.picture.name})"] if self.charts else []
        missed = [
            f"Missed: {one.what} is {one.value:.2f}, the goal {one.goal:g}." for one in self.ratios if not one.is_met
        ]
        notes = "\n".join(f"- {note}" for note in [*missed, *self.notes])
        parts = [f"## {self.title}", f"`{self.command}`. {self.about}", f"{self.machine}."]
        tables = [table.markdown() for table in self.tables]
        return "\n\n".join([*parts, *tables, *shown, *filter(None, [notes])])


def machine() -> str:
    """What the figures depend on; taken before the measurement."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    busy = ", of the benchmark before it or of other work beside it" if load > BUSY_LOAD * cores else ""
    facts = f"{platform.system()}, {cores} cores, Python {platform.python_version()}"
    return f"Measured {datetime.now(UTC):%Y-%m-%d} on {facts}; load {load:.1f} when it began{busy}"


def write(section: Section, path: Path = RESULTS) -> None:
    """Replace the section of this name, or add it at the end."""
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {section.name} -->", f"<!-- end of {section.name} -->"
    new = f"{begin}\n{section.markdown()}\n{end}"
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text = found.sub(lambda _: new, text) if found.search(text) else f"{text.rstrip()}\n\n{new}\n"
    path.write_text(text, encoding="utf-8")


def _format_cell(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.2f}"  # noqa: PLR2004 - digits that mean something
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
