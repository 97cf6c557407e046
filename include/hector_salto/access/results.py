"""What became of each operation of a plan, and when to stop giving because too much fails (design, section 5)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from hector_salto.access import schemas

if TYPE_CHECKING:
    import pandas as pd

DONE = "done"
NO_SEAT = "no_seat"  # the user exists, but suspended: their tag opens nothing
FAILED = "failed"
UNKNOWN = "unknown"  # sent, but whether it happened could not be learnt
NOT_SENT = "not_sent"  # what it builds on failed, or the run stopped giving
HELD = "held"


class FailureCause(StrEnum):
    """Why an operation failed, as the client decided from status and code."""

    OUTAGE = "outage"  # time-out, connection, 429, 5xx, an answer that cannot be read: the service is not well
    ACCOUNT = "account"  # 401 or 403 of the account itself: nothing else can work either
    CONTENT = "content"  # the service understood and refused these data, or no longer has the thing
    MISMATCH = "mismatch"  # what was written reads back as something else


STOPPING = frozenset({FailureCause.OUTAGE, FailureCause.ACCOUNT})  # others say nothing about the next operation


@dataclass
class CircuitBreaker:
    """Stops grants after 5 failures in a row, or when over 40 % of 20 or more operations failed.

    Only failures of the service or the account count (``STOPPING``): one user's bad data stops no other user.
    """

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
