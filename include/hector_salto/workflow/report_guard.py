"""Holds report files against the last ones used: an older file, or one that shows much less, ends the run unwritten.

``history/reports.json`` keeps name, time and rows of the files from which a plan was last applied, by kind of report.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from hector.report_errors import ReportMissingError, ReportShrunkError, file_info
from hector.reports import KINDS, HectorReportsReader, UsedReport
from hector_salto.workflow import run_history
from hector_salto.workflow.failures import HistoryError

if TYPE_CHECKING:
    from hector.client import HectorReader
    from hector_salto.integration import Integration
    from hector_salto.workflow.run_folder import RunFolder

USED = "reports.json"
FEWEST_ROWS = 5  # a loss of fewer rows is everyday life


def check_reports(reader: HectorReader | HectorReportsReader, integration: Integration, folder: RunFolder) -> None:
    """Check the files that were read, and keep in the run's folder which they were; Hector's API has none.

    Raises:
        ReportMissingError: a file is older than the last one used.
        ReportShrunkError: a file shows fewer rows than the last one by more than ``shrink`` percent.
        HistoryError: what is known of the last ones cannot be read.
    """
    if not isinstance(reader, HectorReportsReader) or integration.hector_reports is None:
        return
    last = _last_used(run_history.name_of(folder))
    for used in reader.used:
        if (before := last.get(used.kind)) is not None:
            _refuse_older(used, before, integration.hector_conn_id)
            _refuse_shrunk(used, before, integration.hector_conn_id, integration.hector_reports.shrink)
        folder.write_json(_note(used.kind), _as_json(used))


def remember_reports(folder: RunFolder) -> None:
    """Make the files of a run whose plan is applied the ones that later files are held against."""
    used = {kind: found for kind in KINDS if (found := folder.read_json(_note(kind))) is not None}
    if used:
        run_history.keep(run_history.name_of(folder), USED, used)


def _refuse_older(used: UsedReport, before: UsedReport, connection: str) -> None:
    if used.at < before.at:
        what = (
            f"is of {used.at:%Y-%m-%d %H:%M} UTC, older than {before.file} of {before.at:%Y-%m-%d %H:%M} UTC, used last"
        )
        step = "put the newest report where it is looked for, then run again"
        raise ReportMissingError(file_info(connection, used.file), what, step)


def _refuse_shrunk(used: UsedReport, before: UsedReport, connection: str, shrink: int) -> None:
    fell = before.rows - used.rows
    if fell >= FEWEST_ROWS and fell * 100 > shrink * before.rows:
        what = f"shows {used.rows} rows, {before.rows} last time; limit: {shrink} % fewer (shrink)"
        raise ReportShrunkError(file_info(connection, used.file), what)


def _last_used(name: str) -> dict[str, UsedReport]:
    kept = run_history.read_file(name, USED) or {}
    try:
        return {kind: _from_json(kind, found) for kind, found in kept.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HistoryError(f"{USED} of {name} is damaged (fields are missing): {run_history.REMOVE}") from error


def _note(kind: str) -> str:
    return f"report_{kind}"


def _as_json(used: UsedReport) -> dict[str, Any]:
    return {"file": used.file, "at": used.at.isoformat(), "rows": used.rows}


def _from_json(kind: str, found: dict[str, Any]) -> UsedReport:
    return UsedReport(kind, str(found["file"]), datetime.fromisoformat(found["at"]), int(found["rows"]))
