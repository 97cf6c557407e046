"""A run of the DAG that finds nothing to do, against as many empty Airflow tasks with the same dependencies.

Yardstick: what Airflow itself takes to run tasks that do nothing, on the same executor, in the same session, in turns.
``dags test`` starts a process a run (its start is part of both); the executors run on servers that are warm.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.airflow_server import CELERY, LOCAL, MissingError, serving
from benchmarks.requests_sent import FILE, NAME
from benchmarks.result_section import Chart, Ratio, Section, Table
from benchmarks.sample_site import SampleSize, site_in_step
from benchmarks.server import server
from commands.settings import ROOT, airflow_command, environment, migrate_database

if TYPE_CHECKING:
    from collections.abc import Callable

SCHOOL = SampleSize(people=50, bookings=30, doors=10)
Pair = tuple[tuple[float, ...], tuple[float, ...]]
COMMAND = "dags test"
OURS, EMPTY = f"salto_sync__{NAME}", "empty"
TIMES = {COMMAND: 3, LOCAL: 5, CELERY: 5}
EMPTY_DAG = '''"""As many tasks as the sync has, with the same dependencies; they do nothing."""
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import DownstreamTasksSkipped

SHAPE = {shape!r}


def nothing():
    pass


def skip():
    raise DownstreamTasksSkipped(tasks=["ask_for_approval"])  # as in the sync


with DAG("empty", schedule=None, catchup=False):
    tasks = {{
        name: PythonOperator(task_id=name, python_callable=skip if name == "apply" else nothing, trigger_rule=rule)
        for name, (_, rule) in SHAPE.items()
    }}
    for name, (after, _) in SHAPE.items():
        for later in after:
            tasks[name] >> tasks[later]
'''


@dataclass(frozen=True)
class Overhead:
    """Seconds of each run, ours and the empty one's, in turns."""

    executor: str
    tasks: int
    ours: tuple[float, ...]
    empty: tuple[float, ...]

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.ours), statistics.median(self.empty)

    @property
    def ratio(self) -> float:
        ours, empty = self.medians
        return ours / empty


def section() -> Section:
    return build_section(*measure())


def build_section(found: list[Overhead], missing: list[str]) -> Section:
    rows = [
        [one.executor, one.tasks, len(one.ours), *one.medians, one.ratio, one.medians[0] - one.medians[1]]
        for one in found
    ]
    return Section(
        name="airflow_overhead",
        title="The DAG against as many empty tasks",
        command='make bench ONLY="airflow_overhead"',
        about=(
            f"[airflow_overhead.py](airflow_overhead.py): a sync that finds nothing to do ({SCHOOL.people} people, "
            f"{SCHOOL.bookings} bookings, no latency) and a DAG of the same shape whose tasks do nothing, in turns in one "
            f"session; medians, in seconds, from the queue to the end of the run (`{COMMAND}`: of the command). Executors run on "
            "PostgreSQL, Celery with Redis and compose's setting by which a worker imports once; the scheduler's idle sleep is 0.1 s."
        ),
        tables=[Table(["executor", "tasks", "runs", "the DAG", "empty tasks", "ratio", "difference"], rows)],
        notes=missing,
        ratios=[Ratio(f"a run of the DAG / as many empty tasks: {one.executor}", one.ratio) for one in found],
        charts=[
            Chart(
                "A run that finds nothing to do", "", "s",
                {
                    "the DAG": [(one.executor, one.medians[0]) for one in found],
                    "empty tasks": [(one.executor, one.medians[1]) for one in found],
                },
            )
        ],
    )  # fmt: skip


def measure(times: dict[str, int] | None = None, school: SampleSize = SCHOOL) -> tuple[list[Overhead], list[str]]:
    """Every way that this machine has the programs for, and why the others are missing."""
    found, missing = [], []
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hector-salto-bench-")))
        both = stack.enter_context(server(site_in_step, school))
        settings = both.variables | _folders(home)
        os.environ |= settings
        tasks = _write_dags(home / "dags")
        for way, count in (times or TIMES).items():
            run = _command if way == COMMAND else _executor
            try:
                found.append(Overhead(way, tasks, *run(way, home, settings, count)))
            except MissingError as error:
                missing.append(f"{way}: {error}")
    return found, missing


def _folders(home: Path) -> dict[str, str]:
    for name in ("integrations", "dags"):
        (home / name).mkdir()
    (home / "integrations" / f"{NAME}.yaml").write_text(FILE, encoding="utf-8")
    return {"HECTOR_SALTO_INTEGRATIONS": str(home / "integrations"), "HECTOR_SALTO_RUNS": (home / "runs").as_uri()}


def _write_dags(folder: Path) -> int:
    """Ours and the empty one; gives the number of tasks."""
    (folder / "salto_sync.py").symlink_to(ROOT / "dags" / "salto_sync.py")
    shape = _sync_shape()
    (folder / "empty.py").write_text(EMPTY_DAG.format(shape=shape), encoding="utf-8")
    return len(shape)


def _sync_shape() -> dict[str, tuple[list[str], str]]:
    """Of the sync: what comes after each task, and its trigger rule."""
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - after its home is set

    dag: Any = DagBag(str(ROOT / "dags" / "salto_sync.py")).dags[OURS]
    return {task.task_id: (sorted(task.downstream_task_ids), task.trigger_rule.value) for task in dag.tasks}


def _in_turns(run: Callable[[str], float], count: int) -> Pair:
    """After one of each that does not count."""
    pairs = [(run(OURS), run(EMPTY)) for _ in range(count + 1)][1:]
    return tuple(ours for ours, _ in pairs), tuple(empty for _, empty in pairs)


def _command(_way: str, home: Path, _settings: dict[str, str], count: int) -> Pair:
    os.environ["AIRFLOW_HOME"] = str(home / "command")
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(home / "dags")
    migrate_database()

    def run(dag_id: str) -> float:
        began = time.perf_counter()
        done = subprocess.run(
            airflow_command("dags", "test", dag_id), env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{dag_id}: {done.stdout[-2000:]}")
        return time.perf_counter() - began

    return _in_turns(run, count)


def _executor(way: str, home: Path, settings: dict[str, str], count: int) -> Pair:
    own = home / way
    own.mkdir()
    with serving(way, own, home / "dags", settings) as running:
        for dag_id in (OURS, EMPTY):
            running.wait_for_dag(dag_id)
        running.make_pool("salto_site_de4520000000")
        return _in_turns(running.run, count)
