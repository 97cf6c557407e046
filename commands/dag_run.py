"""One run of a DAG through `airflow dags test`: progress on the terminal while it works, everything in a log file."""

from __future__ import annotations

import fcntl
import json
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.settings import ROOT, airflow_command, environment, home
from hector_salto.reports.summary import DID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import TextIOBase
    from pathlib import Path

    from rich.console import Console

OUR_LOGGERS = ("hector_salto", "salto", "hector")
STARTING_PREFIX, FOLDER_PREFIX = "[DAG TEST] starting task_id=", "run folder: "
REPORT_LOGGER = "hector_salto.workflow.reporting"
PARSING_LOGGER = "hector_salto.workflow.parsing"  # its errors are DAGs that could not be built
ALERTS_LOGGER = "hector_salto.workflow.alerting"
APPROVAL_TASKS = "^(find_held_removals|ask_for_approval)$"
_LOCK_FILES: set[int] = set()  # file descriptors of the locks that this process holds
SHOWN_AS_TABLES = ("plan ", "reservation ", "problem ", "withdrawn: ")  # shown as tables when the run is over
STYLES = {"error": "red", "critical": "red", "warning": "yellow"}


@dataclass(frozen=True)
class DagRun:
    """How a run ended: exit status of Airflow, its folder (null when it never came so far), its log, causes."""

    status: int
    folder: str | None
    log: Path
    seconds: float
    causes: tuple[str, ...]


@contextmanager
def lock_site(pool: str, console: Console) -> Iterator[None]:
    """One run at a time writes to a site, also between terminals: what Airflow's pool does on a server.

    The run that is started meanwhile holds the lock too (``run_dag``): it goes on writing when this process is killed.
    """
    path = home() / "locks" / f"{pool}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("another run writes to this site; waiting for it to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        _LOCK_FILES.add(file.fileno())
        try:
            yield
        finally:
            _LOCK_FILES.discard(file.fileno())


def is_site_locked(pool: str) -> bool:
    """Tell whether a terminal's run writes to a site just now."""
    path = home() / "locks" / f"{pool}.lock"
    if not path.exists():
        return False
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def run_dag(dag_id: str, conf: Mapping[str, Any], connections: Mapping[str, str], console: Console) -> DagRun:
    """Run a DAG to its end. Its records go to a log file; ours also to the terminal, in short."""
    log = home() / "logs" / "commands" / f"{dag_id}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    # No page runs here, so no question is asked: the terminal prints what approves a held set.
    command = airflow_command(
        "dags", "test", dag_id, "--conf", json.dumps(dict(conf)), "--mark-success-pattern", APPROVAL_TASKS
    )
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            env={**environment(), **connections},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            pass_fds=tuple(_LOCK_FILES),
        ) as process,
    ):
        folder, causes = _follow(process, file, console)
    return DagRun(process.returncode, folder, log, time.monotonic() - began, causes)


def _follow(process: subprocess.Popen[str], file: TextIOBase, console: Console) -> tuple[str | None, tuple[str, ...]]:
    folder, told, causes, unbuilt = None, False, [], []
    for line in process.stdout or ():
        record = _record(line)
        event = str(record.get("event", line)).rstrip("\n")
        file.write(f"{record.get('timestamp', '')} {record.get('level', '')} {event}\n{_traceback(record)}")
        if event.startswith(FOLDER_PREFIX):
            folder = event.removeprefix(FOLDER_PREFIX)
        # What we have said about a failure is not said again in Airflow's words.
        told = (told or (_is_ours(record) and record.get("level") == "error")) and not event.startswith(STARTING_PREFIX)
        if not (told and _exceptions_of(record) and not _is_ours(record)):
            _print_event(event, record, console)
        if record.get("level") == "error":
            causes += [event] if record.get("logger") == REPORT_LOGGER else []
            unbuilt += [event] if record.get("logger") == PARSING_LOGGER else []
    # A DAG that ran was built: what could not be built is then another integration's.
    return folder, tuple(dict.fromkeys(causes if folder else causes or unbuilt))


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _traceback(record: dict[str, Any]) -> str:
    detail = _exceptions_of(record)
    return json.dumps(detail, indent=1) + "\n" if detail else ""


def _exceptions_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The exceptions of a record, as Airflow writes them."""
    detail = record.get("error_detail") or record.get("exception")
    return [one for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []


def _is_ours(record: dict[str, Any]) -> bool:
    return str(record.get("logger", "")).split(".")[0] in OUR_LOGGERS


def _print_event(event: str, record: dict[str, Any], console: Console) -> None:
    if event.startswith(STARTING_PREFIX):
        console.print(f"[bold]{event.removeprefix(STARTING_PREFIX).split()[0]}[/bold]", highlight=False)
    elif _exceptions_of(record) and not _is_ours(record):
        told = str(_exceptions_of(record)[0].get("exc_value") or event).partition("\n")[0]
        console.print(f"  {told}", style="red", highlight=False, markup=False)
    elif _is_ours(record) and not event.startswith(SHOWN_AS_TABLES):
        level = str(record.get("level", "info"))
        done = level == "info" and event.split(" ", maxsplit=1)[0] in DID  # counted when the run is over
        if done or (level == "warning" and record["logger"] == ALERTS_LOGGER):
            return  # what is new is among the problems
        console.print(f"  {event}", style=STYLES.get(level), highlight=False, markup=False)
