"""Charts as geometry: bars that stand on each other, with a line for a limit. A template draws them as SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEFT, RIGHT, TOP, FLOOR = 48, 696, 22, 170  # where the picture itself begins and ends; what is left of it holds labels
GAP = 0.25  # of a column, between two
MOST_LABELS = 10


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing in a chart.

    Attributes:
        name: of it.
        look: the pattern of its bars, which differ in shape and not in hue alone.
        values: one a column; None: not known.
    """

    name: str
    look: str
    values: tuple[float | None, ...]

    @property
    def total(self) -> float:
        return sum(value or 0 for value in self.values)


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a column, in the units of the picture."""

    look: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a place in the picture."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A picture with the table behind it.

    Attributes:
        key: of it, for links to it.
        title: what it shows.
        says: the answer in one sentence; of an empty chart why it is.
        unit: of its figures.
        heading: what its columns are.
        columns: their labels.
        series: what stands in them.
        limit: what should not be exceeded; None: no limit.
        limit_name: what the limit is.
    note: what is measured exactly; empty: the title says it.
    """

    key: str
    title: str
    says: str
    unit: str
    heading: str
    columns: tuple[str, ...]
    series: tuple[Series, ...]
    limit: float | None = None
    limit_name: str = ""
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Nothing is to be drawn."""
        return not any(value for one in self.series for value in one.values)

    @property
    def ends_now(self) -> bool:
        """It has too many columns for a phone, which shows the latest first."""
        return len(self.columns) > MOST_LABELS

    @property
    def top(self) -> float:
        """Return the figure at the upper edge, a round one."""
        sums = [
            sum(value or 0 for value in column) for column in zip(*(one.values for one in self.series), strict=True)
        ]
        return round_up(max([*sums, self.limit or 0, 1]))

    @property
    def bars(self) -> list[Bar]:
        found = []
        for number in range(len(self.columns)):
            floor = 0.0
            for one in self.series:
                value = one.values[number]
                if value:
                    found.append(self._bar(one.look, number, floor, value))
                    floor += value
        return found

    def _bar(self, look: str, number: int, floor: float, value: float) -> Bar:
        above, below = self._y(floor + value), self._y(floor)
        left = LEFT + (number + GAP / 2) * self._step
        return Bar(look, round(left, 1), above, round(self._step * (1 - GAP), 1), round(max(below - above, 1), 1))

    @property
    def line(self) -> float | None:
        """Return the height of the limit."""
        return None if self.limit is None else self._y(self.limit)

    @property
    def marks(self) -> list[Label]:
        """Return the labels below, as many as there is room for."""
        every = math.ceil(len(self.columns) / MOST_LABELS)
        return [
            Label(round(LEFT + (number + 0.5) * self._step, 1), FLOOR + 18, name)
            for number, name in enumerate(self.columns)
            if number % every == 0
        ]

    @property
    def scale(self) -> list[Label]:
        return [Label(LEFT - 6, self._y(value), figure(value)) for value in (0, self.top / 2, self.top)]

    @property
    def _step(self) -> float:
        return (RIGHT - LEFT) / len(self.columns)

    def _y(self, value: float) -> float:
        return round(FLOOR - (FLOOR - TOP) * value / self.top, 1)


def round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 5, 8 or 10 times a power of ten: half of it is a figure to read, too."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value * (1 - 1e-9))


def figure(value: float | None) -> str:
    """Return a figure as a table shows it."""
    if value is None:
        return "not known"
    return f"{value:,.0f}" if value >= MOST_LABELS or value == int(value) else f"{value:.1f}"
