"""What many sites cost, measured in a process of its own: ``python -m benchmarks.sites 200`` prints one JSON object."""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import insert

from benchmarks.one_year import ZONE
from hector_salto.ledger.tables import Run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hector_salto.ledger.ledger import Ledger

ROOT = Path(__file__).resolve().parent.parent
FILE = "hector_conn_id: h{n}\nsalto_conn_id: s{n}\nsite_id: DE{n}\nschedule: '0 21 * * *'\n"
RUNS, TIMES, MIB = 30, 5, 2**20
SYNC = "salto_sync.py"


@dataclass(frozen=True)
class SiteMeasurements:
    """Of so many integration files.

    parse: seconds to fill the bag of dags/, as the dag-processor does, by file; bag_mib: what the process grew by;
    task_start: seconds of each task's start in which Airflow parses the file of its DAG again; start_view_ms: server time
    of the page's first view.
    """

    sites: int
    dags: int
    parse: dict[str, float]
    bag_mib: float
    task_start: float
    start_view_ms: float
    start_view_kb: int

    @property
    def parse_all(self) -> float:
        return sum(self.parse.values())


def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        json.dump(asdict(measure_sites(int(sys.argv[1]), Path(home))), sys.stdout)
    return 0


def measure_sites(sites: int, home: Path) -> SiteMeasurements:
    names = [f"site{number:03}" for number in range(sites)]
    folder = home / "integrations"
    folder.mkdir()
    for number, name in enumerate(names):
        (folder / f"{name}.yaml").write_text(FILE.format(n=number), encoding="utf-8")
    os.environ |= {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "HECTOR_SALTO_INTEGRATIONS": str(folder),
    }
    parse, dags, grown = _bag()
    task_start = _task_start(f"salto_sync__{names[-1]}")
    view, length = _start_view(home, names)
    return SiteMeasurements(sites, dags, parse, grown, task_start, view, length)


def _bag() -> tuple[dict[str, float], int, float]:
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - after its home is set
    from airflow.utils.db import initdb  # noqa: PLC0415 - after its home is set

    initdb()
    first = DagBag(str(ROOT / "dags"))  # what a file imports is imported once, whatever the number of sites
    before = _resident_memory()
    bag = DagBag(str(ROOT / "dags"))
    if first.import_errors or bag.import_errors:
        raise RuntimeError(f"{bag.import_errors}")
    parse = {Path(stat.file).name: stat.duration.total_seconds() for stat in bag.dagbag_stats}
    return parse, len(bag.dags), (_resident_memory() - before) / MIB


def _resident_memory() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # no Linux: the high-water mark
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _task_start(dag_id: str) -> float:
    """As the process of a task does it (airflow.sdk.execution_time.task_runner.parse), the imports left out."""
    from airflow.dag_processing.dagbag import BundleDagBag  # noqa: PLC0415 - after its home is set
    from airflow.sdk.definitions._internal.dag_parsing_context import (  # noqa: PLC0415 - after its home is set
        _airflow_parsing_context_manager,
    )

    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        with _airflow_parsing_context_manager(dag_id=dag_id, task_id="plan"):
            bag = BundleDagBag(
                dag_folder=str(ROOT / "dags" / SYNC), safe_mode=False, load_op_links=False, bundle_path=ROOT / "dags"
            )
        taken.append(time.perf_counter() - began)
        if dag_id not in bag.dags:
            raise RuntimeError(f"{dag_id} is not in its file")
    return statistics.median(taken)


def _start_view(home: Path, names: list[str]) -> tuple[float, int]:
    from benchmarks.page import visitor  # noqa: PLC0415 - after its home is set
    from hector_salto.ledger.ledger import Ledger  # noqa: PLC0415 - after its home is set

    path = home / "ledger.db"
    add_runs(Ledger.open(f"sqlite:///{path}"), names, datetime.now(UTC))
    os.environ["HECTOR_SALTO_LEDGER"] = "ledger_of_bench"
    os.environ["AIRFLOW_CONN_LEDGER_OF_BENCH"] = json.dumps({"conn_type": "sqlite", "host": str(path)})
    visit, taken, length = visitor(), [], 0
    for _ in range(2 * TIMES):
        began = time.perf_counter()
        answer = visit.get("/today")
        taken.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
        length = len(answer.content)
    return statistics.median(taken), length // 1000


def add_runs(ledger: Ledger, names: Iterable[str], now: datetime, runs: int = RUNS) -> None:
    """So many days of green runs of each integration, a month of them unless another number is given."""
    with ledger.transaction() as connection:
        for name in names:
            connection.execute(insert(Run), [_run(name, number, now, runs) for number in range(runs)])


def _run(name: str, number: int, now: datetime, runs: int) -> dict[str, object]:
    at = now - timedelta(days=runs - number)
    return {
        "integration": name, "kind": "sync", "airflow_run_id": f"{name}_{number}", "folder": f"{name}_{number}",
        "began_at": at, "plan_only": False, "whole": True, "planned_at": at, "observed_at": at, "ended_at": at,
        "state": "green", "operations": 60, "held": 0, "site_name": f"Campus {name}", "site_zone": ZONE,
        "seats": 3_000, "seats_used": 2_000, "seconds": 60.0, "requests_hector": 40, "requests_salto": 900,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
