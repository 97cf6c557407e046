"""How far the watch of an integration has seen Hector's changes, kept beside its runs as ``history/watched.json``."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from hector_salto.access.watermark import Watermark
from hector_salto.workflow import run_history
from hector_salto.workflow.failures import HistoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOG = logging.getLogger(__name__)
WATCHED = "watched.json"
TRIES, FIRST_WAIT = 4, timedelta(seconds=30)  # of a sync that ended red: at once, then after 30, 60 and 120 seconds
EVERYTHING = ""  # stands for a sync of all reservations among what is tried again; no reference is blank


@dataclass(frozen=True)
class Retry:
    """What is tried again after a red sync.

    Attributes:
        tries: how often it was started and ended red.
        not_before: when to start it next, aware.
    """

    tries: int
    not_before: datetime


@dataclass(frozen=True)
class Watched:
    """Where a watch goes on.

    Attributes:
        mark: how far Hector's changes were seen.
        retries: what is tried again, by reference; EVERYTHING: a sync of all.
    """

    mark: Watermark
    retries: Mapping[str, Retry] = field(default_factory=dict)


def last_watch(name: str, now: datetime) -> Watched:
    """Where the last watch ended, else where the last good sync of all reservations began, else now.

    A file that cannot be read is passed over: a watch that does not begin would open no door at all.
    """
    kept = _read_file(name, WATCHED)
    try:
        if kept is not None:
            mark = Watermark.from_json(kept["mark"])
            return Watched(replace(mark, since=min(mark.since, pd.Timestamp(now))), _retries(kept.get("retries", {})))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        LOG.warning("%s of %s cannot be read (%s): beginning anew", WATCHED, name, type(error).__name__)
    good = (_read_file(name, run_history.GOOD) or {}).get("all_as_of")
    return Watched(Watermark(pd.Timestamp(good or now)))


def keep_done(name: str, due: Mapping[str, Any], now: datetime) -> None:
    """Note that a sync of what was due has ended green."""
    retries = last_watch(name, now).retries
    done = set(retries) if due["everything"] else set(due["references"])
    _keep(name, Watched(Watermark.from_json(due["mark"]), {one: retries[one] for one in retries if one not in done}))


def keep_due(name: str, due: Mapping[str, Any], now: datetime) -> bool:
    """Note that it has ended red: only what it was about is tried again, a few times, ever later.

    Hector goes on being asked meanwhile, so that no other booking waits.

    Returns:
        Whether anything will be tried again; what was tried often enough is left to the next sync of all.
    """
    retries = dict(last_watch(name, now).retries)
    for one in [EVERYTHING] if due["everything"] else due["references"]:
        tries = retries[one].tries + 1 if one in retries else 1
        retries[one] = Retry(tries, now.astimezone(UTC) + FIRST_WAIT * 2 ** (tries - 1))
    left = {one: retry for one, retry in retries.items() if retry.tries < TRIES}
    _keep(name, Watched(Watermark.from_json(due["mark"]), left))
    return bool(left)


def _retries(kept: Mapping[str, Any]) -> dict[str, Retry]:
    return {one: Retry(int(retry["tries"]), datetime.fromisoformat(retry["not_before"])) for one, retry in kept.items()}


def _keep(name: str, found: Watched) -> None:
    retries = {
        one: {"tries": retry.tries, "not_before": retry.not_before.isoformat()} for one, retry in found.retries.items()
    }
    run_history.keep(name, WATCHED, {"mark": found.mark.as_json(), "retries": retries})


def _read_file(name: str, file: str) -> dict[str, Any] | None:
    try:
        return run_history.read_file(name, file)
    except HistoryError as error:
        LOG.warning("%s", error)
        return None
