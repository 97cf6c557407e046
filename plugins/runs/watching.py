"""How far the watch of an integration has seen Hector's changes, kept beside its runs as ``history/watched.json``."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from include.access.changes import Mark
from runs import history
from runs.failures import HistoryError

LOG = logging.getLogger(__name__)
WATCHED = "watched.json"
TRIES, FIRST_WAIT = 4, timedelta(seconds=30)  # of a sync that ended red: at once, then after 30, 60 and 120 seconds


@dataclass(frozen=True)
class Watched:
    """Where a watch goes on.

    tries: how often what is due was started and ended red; not_before: when to ask again, aware; None: at once.
    """

    mark: Mark
    tries: int = 0
    not_before: datetime | None = None


def watched(name: str, now: datetime) -> Watched:
    """Where the last watch ended, else where the last good sync of all reservations began, else now.

    A file that cannot be read is passed over: a watch that does not begin would open no door at all.
    """
    kept = _kept(name, WATCHED)
    try:
        if kept is not None:
            not_before = None if kept.get("not_before") is None else datetime.fromisoformat(kept["not_before"])
            found = Watched(Mark.from_json(kept["mark"]), int(kept["tries"]), not_before)
            return replace(found, mark=replace(found.mark, since=min(found.mark.since, pd.Timestamp(now))))
    except (KeyError, TypeError, ValueError) as error:
        LOG.warning("%s of %s cannot be read (%s): beginning anew", WATCHED, name, type(error).__name__)
    good = (_kept(name, history.GOOD) or {}).get("all_as_of")
    return Watched(Mark(pd.Timestamp(good or now)))


def keep_mark(name: str, mark: dict[str, Any]) -> None:
    """After a sync of what was due has ended well."""
    _keep(name, Watched(Mark.from_json(mark)))


def keep_due(name: str, mark: dict[str, Any], now: datetime) -> bool:
    """After it ended red: the same is due again, a few times, ever later; whether it will be tried again.

    After the last time it is left to the next sync of all.
    """
    last = watched(name, now)
    if last.tries + 1 >= TRIES:
        keep_mark(name, mark)
        return False
    _keep(name, replace(last, tries=last.tries + 1, not_before=now.astimezone(UTC) + FIRST_WAIT * 2**last.tries))
    return True


def _keep(name: str, found: Watched) -> None:
    not_before = None if found.not_before is None else found.not_before.isoformat()
    history.keep(name, WATCHED, {"mark": found.mark.as_json(), "tries": found.tries, "not_before": not_before})


def _kept(name: str, file: str) -> dict[str, Any] | None:
    try:
        return history.kept(name, file)
    except HistoryError as error:
        LOG.warning("%s", error)
        return None
