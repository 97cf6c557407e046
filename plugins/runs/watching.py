"""How far the watch of an integration has seen Hector's changes, kept beside its runs as ``history/watched.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from include.access.changes import Mark
from runs import history

if TYPE_CHECKING:
    from datetime import datetime

WATCHED = "watched.json"


def mark(name: str, now: datetime) -> Mark:
    """Where to go on: where the last watch ended, else where the last good sync began, else now.

    Raises:
        HistoryError: when the file cannot be read.
    """
    kept = history.kept(name, WATCHED)
    if kept is not None:
        return Mark.from_json(kept)
    good = history.kept(name, history.GOOD)
    return Mark(pd.Timestamp(good["as_of"] if good else now))


def keep_mark(name: str, value: dict[str, Any]) -> None:
    """After a sync of what was due has been started."""
    history.keep(name, WATCHED, Mark.from_json(value).as_json())
