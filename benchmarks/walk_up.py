"""How soon a booking made at the door opens it, and what waiting for it costs: a deferred watch against small runs.

Both in one real Airflow (`airflow standalone` on PostgreSQL, scheduler idle sleep 0.1 s), with one site and with many. *Watch*: the DAG
salto_watch, whose trigger asks Hector every 5 s. *Small runs*: a DAG of one task for each site that asks once and starts the
sync when something has changed, every 30 s, which no cron line can do better, because Airflow must start a process each
time. From the instant at which Hector shows the booking to the instant at which the oracle finds the door open (looked at
every 0.2 s). Idle: CPU of all Airflow's processes and requests to Hector while nothing happens.
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

from benchmarks.airflow_server import MissingError
from benchmarks.result_section import Chart, Ratio, Section, Table
from sandbox import Sandbox, empty, openings
from tests.ledger import postgres
from tests.slow.airflow_server import AirflowServer, airflow_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = {1: 20, 20: 10}  # bookings, by number of sites
MAX_PARALLEL = 4  # first syncs
IDLE = 60.0  # seconds of doing nothing
SETTLE_SECONDS = 20.0  # seconds after the start that count for neither
GOAL_MEDIAN, GOAL_SLOWEST, GOAL_REQUESTS = {1: 8.0, 20: 12.0}, 15.0, 12.0
FILE = "hector_conn_id: hector_{name}\nsalto_conn_id: salto_{name}\nsite_id: {site}\nschedule: null\n"
ENDED = frozenset({"success", "failed"})
WATCH, SMALL = "watch", "small runs"
DAGS = {WATCH: "salto_watch__", SMALL: "small_runs__"}
SMALL_RUNS = """
from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, DeltaTriggerTimetable, task
from airflow.sdk.exceptions import AirflowSkipException

from hector.hook import HectorHook
from hector.triggers import poll_changes
from hector_salto.workflow import watch_state

NAMES = @@NAMES@@

for name in NAMES:
    with DAG(f"small_runs__{name}", schedule=DeltaTriggerTimetable(timedelta(seconds=30)), catchup=False, max_active_runs=1,
             start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), is_paused_upon_creation=True,
             render_template_as_native_obj=True):

        @task
        def ask(name=name):
            due, mark = poll_changes(HectorHook(f"hector_{name}"), watch_state.last_watch(name, datetime.now(timezone.utc)).mark)
            seen = {"mark": mark.as_json(), "references": [], "everything": False}
            watch_state.keep_done(name, seen, datetime.now(timezone.utc))
            if not due:
                raise AirflowSkipException("nothing has changed")
            return list(due.references)

        ask() >> TriggerDagRunOperator(
            task_id="start_sync", trigger_dag_id=f"salto_sync__{name}", logical_date=None,
            openlineage_inject_parent_info=False, conf="{{ dict(references=ti.xcom_pull(task_ids='ask')) }}")
"""


@dataclass(frozen=True)
class Campus:
    """A site of one door and one person."""

    name: str
    sandbox: Sandbox

    @property
    def site_id(self) -> str:
        return self.sandbox.salto.site.site_uid

    @property
    def sync(self) -> str:
        return f"salto_sync__{self.name}"


@dataclass(frozen=True)
class WaitResult:
    """One way of waiting. seconds: from shown to open, one a booking; idle, in a minute: requests to the Hector of one
    site, CPU seconds of all sites together.
    """

    what: str
    sites: int
    seconds: list[float]
    requests: float
    cpu: float

    @property
    def label(self) -> str:
        return f"{self.what}, {self.sites} site{'s' if self.sites > 1 else ''}"


def section() -> Section:
    return build_section([one for sites, samples in SAMPLES.items() for one in measure(sites, samples)])


def build_section(found: list[WaitResult]) -> Section:
    """``found``: for each number of sites, the watch and then the small runs."""
    rows = [
        [
            one.what,
            one.sites,
            min(one.seconds),
            statistics.median(one.seconds),
            max(one.seconds),
            one.requests,
            one.cpu,
        ]
        for one in found
    ]
    header = ["way", "sites", "fastest, s", "median, s", "slowest, s", "requests to a site's Hector a minute, idle"]
    return Section(
        name="walk_up",
        title="Walk-up bookings",
        command='make bench ONLY="walk_up"',
        about=(
            "[walk_up.py](walk_up.py): from the instant at which Hector shows a booking for now to the instant at which its door "
            "opens, bookings one after another in a real Airflow (`airflow standalone`, PostgreSQL); and what waiting costs while "
            "nothing happens."
        ),
        tables=[Table([*header, "CPU s a minute, idle"], rows)],
        ratios=[ratio for pair in zip(found[::2], found[1::2], strict=True) for ratio in _ratios(*pair)],
        charts=[
            Chart(
                "From shown in Hector to an open door",
                "booking",
                "seconds",
                {
                    one.label: [(float(number), seconds) for number, seconds in enumerate(one.seconds, 1)]
                    for one in found
                },
                goal=GOAL_SLOWEST,
            )
        ],
        notes=["Idle CPU is that of all Airflow's processes: with one site most of it is theirs, whatever waits."],
    )


def _ratios(watch: WaitResult, small: WaitResult) -> list[Ratio]:
    sites = f"{watch.sites} site{'s' if watch.sites > 1 else ''}"
    goal = GOAL_MEDIAN.get(watch.sites, max(GOAL_MEDIAN.values()))
    medians = statistics.median(watch.seconds) / statistics.median(small.seconds)
    return [
        Ratio(f"{sites}: median walk-up / {goal:g} s", statistics.median(watch.seconds) / goal, 1.0),
        Ratio(f"{sites}: slowest walk-up / {GOAL_SLOWEST:g} s", max(watch.seconds) / GOAL_SLOWEST, 1.0),
        Ratio(f"{sites}: idle requests a minute / {GOAL_REQUESTS:g}", watch.requests / GOAL_REQUESTS, 1.0),
        Ratio(f"{sites}: median walk-up, watch / small runs", medians),
        Ratio(f"{sites}: idle CPU, watch / small runs", watch.cpu / small.cpu),
    ]


def measure(sites: int, samples: int, idle: float = IDLE) -> list[WaitResult]:
    with (
        tempfile.TemporaryDirectory(prefix="hector-salto-walk-up-") as folder,
        contextlib.ExitStack() as servers,
    ):
        campuses = [servers.enter_context(_campus(number)) for number in range(1, sites + 1)]
        server = servers.enter_context(_airflow(Path(folder), campuses))
        _first_syncs(server, campuses)
        return [_measure_wait(what, server, campuses, samples, idle) for what in DAGS]


@contextlib.contextmanager
def _campus(number: int) -> Iterator[Campus]:
    scenario = empty(seed=number)
    scenario.salto.site.site_uid = f"DE45{number:08d}"
    with Sandbox(scenario) as sandbox:
        sandbox.salto.enrol_tag("04A2B3C4")
        sandbox.salto.add_lock("Studio 204")
        sandbox.hector.add_user(email="ana@campus.example", unique_code="04A2B3C4")
        sandbox.hector.add_place("Studio 204", lock="Studio 204")
        yield Campus(f"campus{number:02d}", sandbox)


@contextlib.contextmanager
def _airflow(folder: Path, campuses: list[Campus]) -> Iterator[AirflowServer]:
    dags, integrations = folder / "dags", folder / "integrations"
    dags.mkdir()
    integrations.mkdir()
    for file in (ROOT / "dags").glob("*.py"):
        (dags / file.name).symlink_to(file)
    names = [campus.name for campus in campuses]
    (dags / "small_runs.py").write_text(SMALL_RUNS.replace("@@NAMES@@", repr(names)), encoding="utf-8")
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)}
    for campus in campuses:
        text = FILE.format(name=campus.name, site=campus.site_id)
        (integrations / f"{campus.name}.yaml").write_text(text, encoding="utf-8")
        settings |= campus.sandbox.connections(campus.name)
    programs = postgres.programs()
    if programs is None:
        raise MissingError(postgres.MISSING)
    with (
        postgres.server(programs) as database,  # Airflow's: many tasks at once find SQLite locked
        airflow_server(
            folder / "airflow", integrations, settings | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url}
        ) as server,
    ):
        yield server


def _first_syncs(server: AirflowServer, campuses: list[Campus]) -> None:
    """The first sync of each, a few at a time."""
    for campus in campuses:
        server.ask("POST", "/pools", {"name": f"salto_site_{campus.site_id.lower()}", "slots": 1}).raise_for_status()
    for some in (campuses[at : at + MAX_PARALLEL] for at in range(0, len(campuses), MAX_PARALLEL)):
        runs = {campus.sync: server.trigger(campus.sync) for campus in some}
        ended = {dag_id: server.wait_for_end(dag_id, run) for dag_id, run in runs.items()}
        if set(ended.values()) != {"success"}:
            raise RuntimeError(f"first syncs ended {ended}")


def _measure_wait(what: str, server: AirflowServer, campuses: list[Campus], samples: int, idle: float) -> WaitResult:
    dags = [f"{DAGS[what]}{campus.name}" for campus in campuses]
    for campus, dag_id in zip(campuses, dags, strict=True):
        server.until(lambda dag_id=dag_id: server.ask("GET", f"/dags/{dag_id}").ok, f"the DAG {dag_id}")
        server.ask("PATCH", f"/dags/{dag_id}", {"is_paused": False}).raise_for_status()
        campus.sandbox.log.clear()
    for campus in campuses:
        server.until(lambda campus=campus: _hector_requests(campus), f"a question to {campus.name}")
    time.sleep(SETTLE_SECONDS)
    requests, cpu = _measure_idle(campuses, idle)
    seconds = []
    for number in range(samples):
        campus = campuses[number % len(campuses)]
        seconds.append(_walk_up(f"{what}-{number}".replace(" ", "-"), server, campus))
        time.sleep(8 + 1.7 * (number % 5))  # the next comes at no fixed moment between two questions
    for dag_id in dags:
        _stop(server, dag_id)
    return WaitResult(what, len(campuses), seconds, requests, cpu)


def _hector_requests(campus: Campus) -> int:
    return sum("updated_since" in row.path for row in campus.sandbox.log.rows())


def _measure_idle(campuses: list[Campus], idle: float) -> tuple[float, float]:
    """Requests to one site's Hector, and CPU seconds of all, a minute."""
    for campus in campuses:
        campus.sandbox.log.clear()
    began = _cpu()
    time.sleep(idle)
    cpu = _cpu() - began
    requests = statistics.mean(len(campus.sandbox.log.rows()) for campus in campuses)
    return requests * 60 / idle, cpu * 60 / idle


def _stop(server: AirflowServer, dag_id: str) -> None:
    server.ask("PATCH", f"/dags/{dag_id}", {"is_paused": True}).raise_for_status()
    for run in server.runs(dag_id):  # a run that waits goes on asking, paused or not
        if run["state"] not in ENDED:
            server.ask("PATCH", f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}", {"state": "failed"}).raise_for_status()


def _walk_up(reference: str, server: AirflowServer, campus: Campus) -> float:
    now, hector = datetime.now(UTC), campus.sandbox.hector
    who, where = next(iter(hector.users)), next(iter(hector.places))
    begin = now + timedelta(minutes=10)
    hector.add_loaner(who, where, begin, begin + timedelta(hours=1), reference=reference, updated_at=now)
    shown = time.monotonic()
    _wait_until(lambda: _is_open(campus.sandbox, reference), "the open door")
    seconds = time.monotonic() - shown
    server.until(lambda: all(run["state"] in ENDED for run in server.runs(campus.sync)), "the end of its sync")
    return seconds


def _wait_until(look: Callable[[], bool], what: str, patience: float = 180.0) -> None:
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
