"""What became of each operation of a plan, and when to stop giving because too much fails (design, section 5)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.access import schemas

if TYPE_CHECKING:
    import pandas as pd

DONE = "done"
NO_SEAT = "no_seat"  # the user exists, but suspended: their tag opens nothing
FAILED = "failed"
UNKNOWN = "unknown"  # sent, but whether it happened could not be learnt
NOT_SENT = "not_sent"  # what it builds on failed, or the run stopped giving
HELD = "held"


@dataclass
class FailureBrake:
    """Stops grants after 5 failures in a row, or when over 40 % of 20 or more operations failed."""

    in_a_row: int = 5
    of_at_least: int = 20
    percent: int = 40
    _row: int = 0
    _failed: int = 0
    _all: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    tripped: bool = False

    def note(self, *, failed: bool) -> None:
        with self._lock:
            self._all += 1
            self._failed += failed
            self._row = self._row + 1 if failed else 0
            many = self._all >= self.of_at_least and self._failed * 100 > self.percent * self._all
            self.tripped = self.tripped or self._row >= self.in_a_row or many


def as_table(states: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """Outcomes by operation key, as a table."""
    rows = [{"key": key, "state": state, "message": message} for key, (state, message) in states.items()]
    return schemas.frame(schemas.OUTCOMES, rows)
