"""How a run begins: its folder, its parameters, its clock; and how old folders end."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from hector_salto.access.release import Trigger
from hector_salto.ledger.ledger import RunStart
from hector_salto.workflow import parameters
from hector_salto.workflow.failures import RunError, StalePlanError
from hector_salto.workflow.recorder import Book
from hector_salto.workflow.run_folder import STAMP, RunFolder, instance_id, list_outdated, remove
from hector_salto.workflow.storage import StorageError, UnreadableFileError

LOG = logging.getLogger(__name__)
OLDEST_PLAN = timedelta(minutes=15)


def start_run(  # noqa: PLR0913 - what a run is known by, each named
    name: str,
    run_id: str,
    conf: dict[str, Any],
    now: datetime,
    *,
    by: str | None = None,
    kind: str = "sync",
    trigger: Trigger = Trigger.PERSON,
    asked_at: datetime | None = None,
) -> RunFolder:
    """Make the run's folder. ``as_of`` is the moment the run starts reading, never the logical date.

    Args:
        by: the person who started it, or who approved what it lets through; null: no person did.
        kind: sync or cleanup.
        trigger: what started it.
        asked_at: when it was started, aware; null: now.

    Raises:
        ParameterError: for a run parameter that nothing reads.
        LedgerError: when the ledger cannot be opened; nothing is read or written then.
        StorageError: when the run's folder cannot be written.
    """
    parameters.check(kind, conf)
    folder = RunFolder.create(name, run_id, now)
    instance_id()  # made before any run asks for its site
    book = Book.begin(
        RunStart(
            integration=name,
            kind=kind,
            airflow_run_id=run_id,
            folder=folder.path.name,
            began_at=now.astimezone(UTC),
            triggered_by=by,
            plan_only=bool(conf.get("plan_only")),
            chosen_references=conf.get("references") or None,
            approve=conf.get("approve"),
            trigger=trigger.value,
        )
    )
    started = {"integration": name, "run_id": run_id, "as_of": now.astimezone(UTC).isoformat(), "conf": conf}
    about = {"triggered_by": by, "trigger": trigger.value, "ledger_run": book.run_id, "kind": kind}
    about |= {"asked_at": (asked_at or now).astimezone(UTC).isoformat()}
    try:
        folder.write_json("run", started | about)
    except StorageError as error:
        book.ledger.end_run(book.run_id, ended_at=datetime.now(UTC), causes=[f"start_run: {error}"])
        raise
    LOG.info("run folder: %s", folder)
    return folder


def require_started(folder: str | None) -> RunFolder:
    """The folder of a run that got as far as having one.

    Raises:
        RunError: when it did not.
    """
    if folder is None:
        raise RunError("the run did not begin, and nothing was written; see the log of the task start_run")
    return RunFolder(folder)


def as_of(folder: RunFolder) -> pd.Timestamp:
    return pd.Timestamp(folder.require_json("run")["as_of"])


def run_note(folder: RunFolder) -> dict[str, Any]:
    """How a run began; when that cannot be read, what the folder's name says, so that a report can still be written."""
    try:
        return folder.require_json("run")
    except UnreadableFileError:
        began = datetime.strptime(folder.path.name.partition("_")[0], STAMP).replace(tzinfo=UTC)
        return {"integration": folder.path.parent.name, "run_id": folder.path.name, "as_of": began.isoformat()}


def refuse_outdated(folder: RunFolder, now: datetime) -> None:
    """Raise an error when what a run read is too old to plan with: a task of an old run may have been cleared.

    Raises:
        StalePlanError: naming age and limit.
    """
    age = now - as_of(folder)
    if age > OLDEST_PLAN:
        minutes = age // timedelta(minutes=1)
        raise StalePlanError(f"what this run read is {minutes} minutes old, the limit is 15; start a new run")


def seconds_left(folder: RunFolder, now: datetime) -> float:
    """Return the seconds until what a run read is too old."""
    return float((OLDEST_PLAN - (now - as_of(folder))).total_seconds())


def remove_outdated_folders(name: str, now: datetime) -> int:
    """Remove the folders of runs past retention; return how many there were."""
    paths = list(list_outdated(name, as_of=now))
    for path in paths:
        remove(path)
    return len(paths)
