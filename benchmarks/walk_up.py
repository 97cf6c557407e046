"""How soon a booking made at the door opens it, and what waiting for it costs: a deferred watch against small runs.

Both in one real Airflow (`airflow standalone`, scheduler idle sleep 0.1 s) with one site. *Watch*: the DAG salto_watch, whose
trigger asks Hector every 10 s. *Small runs*: a DAG of one task that asks once and starts the sync when something has
changed, every 30 s, which no cron line can do better, because Airflow must start a process each time. From the instant at
which Hector shows the booking to the instant at which the oracle finds the door open (looked at every 0.2 s). Idle: CPU of
all Airflow's processes and requests to Hector while nothing happens.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.section import Chart, Ratio, Section, Table
from include.sandbox import Sandbox, empty, openings
from tests.prove.airflow_server import AirflowServer, airflow_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = 5
IDLE = 60.0  # seconds of doing nothing
SETTLED = 20.0  # seconds after the start that count for neither
GOAL_SECONDS, GOAL_REQUESTS = 60.0, 10.0
FILE = "hector_conn_id: hector_campus\nsalto_conn_id: salto_campus\nsite_id: DE4520000000\nschedule: null\n"
ENDED = frozenset({"success", "failed"})
POOL = "salto_site_de4520000000"
SYNC, WATCH, SMALL = "salto_sync__campus", "salto_watch__campus", "small_runs"
SMALL_RUNS = """
from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, DeltaTriggerTimetable, task
from airflow.sdk.exceptions import AirflowSkipException

from hector.hook import HectorHook
from hector.triggers import asked
from runs import watching

with DAG("small_runs", schedule=DeltaTriggerTimetable(timedelta(seconds=30)), start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
         catchup=False, max_active_runs=1, is_paused_upon_creation=True, render_template_as_native_obj=True):

    @task
    def ask():
        due, mark = asked(HectorHook("hector_campus"), watching.watched("campus", datetime.now(timezone.utc)).mark)
        watching.keep_mark("campus", mark.as_json())
        if not due:
            raise AirflowSkipException("nothing has changed")
        return list(due.references)

    ask() >> TriggerDagRunOperator(
        task_id="start_sync", trigger_dag_id="salto_sync__campus", logical_date=None, openlineage_inject_parent_info=False,
        conf="{{ dict(references=ti.xcom_pull(task_ids='ask')) }}")
"""


@dataclass(frozen=True)
class Waited:
    """One way of waiting. seconds: from shown to open, one a booking; per minute of idleness: requests to Hector, CPU seconds."""

    what: str
    seconds: list[float]
    requests: float
    cpu: float


def section() -> Section:
    found = measure()
    rows = [
        [one.what, min(one.seconds), statistics.median(one.seconds), max(one.seconds), one.requests, one.cpu]
        for one in found
    ]
    watch, small = found
    return Section(
        name="walk_up",
        title="Walk-up bookings",
        command='make bench ONLY="walk_up"',
        about=(
            "[walk_up.py](walk_up.py): from the instant at which Hector shows a booking for now to the instant at which its door "
            f"opens, {SAMPLES} bookings one after another in a real Airflow (`airflow standalone`); and what waiting costs while "
            "nothing happens."
        ),
        tables=[
            Table(
                [
                    "way",
                    "fastest, s",
                    "median, s",
                    "slowest, s",
                    "requests to Hector a minute, idle",
                    "CPU s a minute, idle",
                ],
                rows,
            )
        ],
        ratios=[
            Ratio("slowest walk-up / a minute", max(watch.seconds) / GOAL_SECONDS, 1.0),
            Ratio("idle requests a minute / 10", watch.requests / GOAL_REQUESTS, 1.0),
            Ratio(
                "median walk-up, watch / small runs",
                statistics.median(watch.seconds) / statistics.median(small.seconds),
            ),
            Ratio("idle CPU, watch / small runs", watch.cpu / small.cpu),
        ],
        charts=[
            Chart(
                "From shown in Hector to an open door",
                "booking",
                "seconds",
                {
                    one.what: [(float(number), seconds) for number, seconds in enumerate(one.seconds, 1)]
                    for one in found
                },
                goal=GOAL_SECONDS,
            )
        ],
        notes=["Idle CPU is that of all Airflow's processes with one site: most of it is theirs, whatever waits."],
    )


def measure(samples: int = SAMPLES, idle: float = IDLE) -> list[Waited]:
    with (
        tempfile.TemporaryDirectory(prefix="hector-salto-walk-up-") as folder,
        _campus() as campus,
        _airflow(Path(folder), campus) as server,
    ):
        server.ask("POST", "/pools", {"name": POOL, "slots": 1}).raise_for_status()
        first = server.ended(SYNC, server.trigger(SYNC))
        if first != "success":
            raise RuntimeError(f"the first sync ended {first}")
        ways = (("watch", WATCH), ("small runs", SMALL))
        return [_waited(what, dag_id, server, campus, samples, idle) for what, dag_id in ways]


@contextlib.contextmanager
def _campus() -> Iterator[Sandbox]:
    with Sandbox(empty()) as sandbox:
        sandbox.salto.enrol_tag("04A2B3C4")
        sandbox.salto.add_lock("Studio 204")
        sandbox.hector.add_user(email="ana@campus.example", unique_code="04A2B3C4")
        sandbox.hector.add_place("Studio 204", lock="Studio 204")
        yield sandbox


@contextlib.contextmanager
def _airflow(folder: Path, campus: Sandbox) -> Iterator[AirflowServer]:
    dags, integrations = folder / "dags", folder / "integrations"
    dags.mkdir()
    integrations.mkdir()
    for file in (ROOT / "dags").glob("*.py"):
        (dags / file.name).symlink_to(file)
    (dags / "small_runs.py").write_text(SMALL_RUNS, encoding="utf-8")
    (integrations / "campus.yaml").write_text(FILE, encoding="utf-8")
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)}
    with airflow_server(folder / "airflow", integrations, campus.connections("campus") | settings) as server:
        yield server


def _waited(  # noqa: PLR0913, PLR0917 - one measurement, each part named
    what: str, dag_id: str, server: AirflowServer, campus: Sandbox, samples: int, idle: float
) -> Waited:
    server.until(lambda: server.ask("GET", f"/dags/{dag_id}").ok, f"the DAG {dag_id}")
    server.ask("PATCH", f"/dags/{dag_id}", {"is_paused": False}).raise_for_status()
    campus.log.clear()
    server.until(lambda: [row for row in campus.log.rows() if "updated_since" in row.path], "its first question")
    time.sleep(SETTLED)
    campus.log.clear()
    began = _cpu()
    time.sleep(idle)
    requests, cpu = len(campus.log.rows()) * 60 / idle, (_cpu() - began) * 60 / idle
    seconds = []
    for number in range(samples):
        seconds.append(_walk_up(f"{what}-{number}".replace(" ", "-"), server, campus))
        time.sleep(8 + 1.7 * number)  # the next comes at no fixed moment between two questions
    server.ask("PATCH", f"/dags/{dag_id}", {"is_paused": True}).raise_for_status()
    for run in server.runs(dag_id):  # a run that waits goes on asking, paused or not
        if run["state"] not in ENDED:
            server.ask("PATCH", f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}", {"state": "failed"}).raise_for_status()
    return Waited(what, seconds, requests, cpu)


def _walk_up(reference: str, server: AirflowServer, campus: Sandbox) -> float:
    now = datetime.now(UTC)
    who, where = next(iter(campus.hector.users)), next(iter(campus.hector.places))
    begin = now + timedelta(minutes=10)
    campus.hector.add_loaner(who, where, begin, begin + timedelta(hours=1), reference=reference, updated_at=now)
    shown = time.monotonic()
    _until(lambda: _is_open(campus, reference), "the open door")
    seconds = time.monotonic() - shown
    server.until(lambda: all(run["state"] in ENDED for run in server.runs(SYNC)), "the end of its sync")
    return seconds


def _until(look: Callable[[], bool], what: str, patience: float = 180.0) -> None:
    end = time.monotonic() + patience
    while not look():
        if time.monotonic() > end:
            raise TimeoutError(f"no sign of {what}")
        time.sleep(0.2)


def _is_open(campus: Sandbox, reference: str) -> bool:
    now = datetime.now(UTC)
    found = openings(campus.salto, now - timedelta(1), now + timedelta(1))
    return any(one.group_name == f"Hector_{reference}" and one.begin <= now < one.end for one in found)


def _cpu() -> float:
    """CPU seconds of every process below this one, of those that have ended too."""
    total = 0.0
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total
