"""One run of a DAG through `airflow dags test`: progress on the terminal while it works, everything in a log file."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from commands.dag_process import EVENTS
from commands.settings import ROOT, environment, home, set_airflow_home
from hector_salto.reports.summary import DID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from io import TextIOBase

    from rich.console import Console

ALERTS_LOGGER = "hector_salto.workflow.alerting"
APPROVAL_TASKS = "^ask_for_approval$"
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
    """Run a DAG to its end. What Airflow prints goes to a log file; our records also to the terminal, in short."""
    log = home() / "logs" / "commands" / f"{dag_id}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    began, started = time.monotonic(), datetime.now(UTC)
    # No page runs here, so no question is asked: the terminal prints what approves a held set.
    arguments = [
        *("dags", "test", dag_id),
        *("--conf", json.dumps(dict(conf)), "--mark-success-pattern", APPROVAL_TASKS),
    ]
    with log.open("w", encoding="utf-8") as file, _dag_process(arguments, connections, file) as (process, events):
        _show_events(events, console)
    folder = _folder_of(dag_id, started)
    causes = read_causes(folder) if folder else _import_errors(connections)
    if process.returncode and not causes:
        causes = (f"Airflow ended with status {process.returncode}: {_last_line(log)}",)
    return DagRun(process.returncode or int(not folder), folder, log, time.monotonic() - began, causes)


def dag_process_command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "commands.dag_process", *arguments]


@contextmanager
def _dag_process(
    arguments: list[str], connections: Mapping[str, str], output: IO[str] | int
) -> Iterator[tuple[subprocess.Popen[bytes], TextIOBase]]:
    """Start `commands.dag_process` and give what it reports; it has ended when the block has."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            dag_process_command(arguments),
            env={**environment(), **connections, EVENTS: str(writing)},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(*_LOCK_FILES, writing),
        )
    finally:
        os.close(writing)
    with process, os.fdopen(reading, encoding="utf-8", errors="replace") as events:
        yield process, events


def _show_events(events: Iterable[str], console: Console) -> None:
    """Print our records below the name of their task, while the run goes on."""
    shown = None
    for line in events:
        event = json.loads(line)
        if event["task"] and event["task"] != shown:
            shown = event["task"]
            console.print(f"[bold]{shown}[/bold]", highlight=False)
        if event["task"]:
            _print_event(event["event"], event, console)


def _print_event(event: str, record: Mapping[str, Any], console: Console) -> None:
    done = record["level"] == "info" and event.split(" ", maxsplit=1)[0] in DID  # counted when the run is over
    if (
        done
        or event.startswith(SHOWN_AS_TABLES)
        or (record["level"] == "warning" and record["logger"] == ALERTS_LOGGER)
    ):
        return  # what is new is among the problems
    console.print(f"  {event}", style=STYLES.get(record["level"]), highlight=False, markup=False)


def _folder_of(dag_id: str, started: datetime) -> str | None:
    """Return the folder of the run that this process started, null when the run did not get as far as making one.

    The site's lock is held: no other run of a terminal makes one meanwhile.
    """
    set_airflow_home()  # Airflow makes its home as it is imported
    from hector_salto.workflow.run_folder import folders_since  # noqa: PLC0415 - imports Airflow

    dag, _, integration = dag_id.partition("__")
    found = folders_since(integration, dag.removeprefix("salto_"), started)
    return found[-1] if found else None


def read_causes(folder: str) -> tuple[str, ...]:
    """Return why a run is red, as it wrote it into its folder."""
    set_airflow_home()
    from hector_salto.workflow.run_folder import RunFolder  # noqa: PLC0415 - imports Airflow

    try:
        return tuple((RunFolder(folder).read_json("causes") or {"causes": ()})["causes"])
    except ValueError as error:  # cut off
        return (str(error),)


def _import_errors(connections: Mapping[str, str]) -> tuple[str, ...]:
    """Return which DAG files Airflow cannot import and why, a line each."""
    with _dag_process(["import-errors"], connections, subprocess.DEVNULL) as (_process, events):
        text = events.read()
    errors = json.loads(text) if text else {}
    return tuple(f"{Path(file).name} cannot be imported: {_reason(error)}" for file, error in sorted(errors.items()))


def _reason(traceback: str) -> str:
    """Return the message at the end of a traceback: all lines after its last indented one."""
    lines = traceback.strip().splitlines()
    last = max((number for number, line in enumerate(lines) if line.startswith(" ")), default=-1)
    return " ".join(lines[last + 1 :] or lines[-1:])


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
