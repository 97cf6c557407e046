"""Airflow's own DAG processor on dags/ with many integration files: seconds until all DAGs are there, and what its time-out does.

The processor parses each file in a process of its own, serializes the DAGs of it and writes them; ours are four a site.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.result_section import Ratio, Section, Table
from commands.settings import ROOT

SITES = (1, 50, 200, 400)
SHORT = 0.25  # of the time that the longest file took: a time-out that bites
PATIENCE = 600.0  # seconds
FILE = "hector_conn_id: hector_{0}\nsalto_conn_id: salto_{0}\nsite_id: DE{0:010}\n"
SYNCS = "dag_id like 'salto_sync__%'"


@dataclass(frozen=True)
class Parsing:
    """One start of the processor with an empty database.

    Attributes:
        sites: integration files.
        seconds: until it ended, each file read once.
        cpu: seconds of CPU of it and its children.
        slowest: seconds of the file that took longest, as the processor itself says.
        dags: of each sync in the database.
        errors: import errors that the page would show.
        kilobytes: of all serialized DAGs.
    """

    sites: int
    seconds: float
    cpu: float
    slowest: float
    dags: int
    errors: int
    kilobytes: float


def parse(sites: int, timeout: float = PATIENCE) -> tuple[Parsing, str]:
    """Let the processor read dags/ once; return what came of it, and its log."""
    with tempfile.TemporaryDirectory(prefix="hector-salto-parse-") as name:
        home = Path(name)
        for number in range(sites):
            (home / "integrations").mkdir(exist_ok=True)
            (home / "integrations" / f"site_{number:03}.yaml").write_text(FILE.format(number), encoding="utf-8")
        settings = _settings(home, timeout)
        _airflow(settings, "db", "migrate")
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        log = _airflow(settings, "dag-processor", "--num-runs", "1")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = time.monotonic() - began
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return _found(home / "airflow.db", sites, seconds, cpu), log


def _settings(home: Path, timeout: float) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "HECTOR_SALTO"))}
    return kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": str(PATIENCE),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": str(max(1, round(timeout))),
        "HECTOR_SALTO_INTEGRATIONS": str(home / "integrations"),
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("", "include", "plugins")),
    }


def _airflow(settings: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "airflow", *arguments]
    ended = subprocess.run(
        command, env=settings, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return ended.stdout + ended.stderr


def _found(path: Path, sites: int, seconds: float, cpu: float) -> Parsing:
    database = sqlite3.connect(path)
    try:
        (slowest,) = database.execute("select max(last_parse_duration) from dag").fetchone()
        (dags,) = database.execute(f"select count(*) from dag where not is_stale and {SYNCS}").fetchone()  # noqa: S608 - a constant
        (errors,) = database.execute("select count(*) from import_error").fetchone()
        (size,) = database.execute("select sum(length(coalesce(data_compressed, data))) from serialized_dag").fetchone()
    finally:
        database.close()
    return Parsing(sites, seconds, cpu, slowest or 0.0, dags, errors, (size or 0) / 1000)


def _said_of_the_cut(cut: Parsing, killed: list[str], limit: float) -> str:
    named = "the processor's log names the file" if killed else "no log names the file"
    return (
        f"With dag_file_processor_timeout = {max(1, round(limit))} s and {cut.sites} sites, {cut.dags} of {cut.sites} sync DAGs are "
        f"there, and {cut.errors} import errors: {named}."
    )


def section() -> Section:
    runs = [parse(sites)[0] for sites in SITES]
    many = next(run for run in runs if run.sites == 200)  # noqa: PLR2004 - the size that docs/scale.md names
    limit = max(1.0, many.slowest * SHORT)
    cut, log = parse(many.sites, limit)
    killed = [line for line in log.splitlines() if "salto_sync.py" in line and "exceeding the timeout" in line]
    per_site = (many.slowest - runs[0].slowest) / (many.sites - 1)
    rows = [(run.sites, run.seconds, run.cpu, run.slowest, run.dags, run.errors, run.kilobytes) for run in runs]
    header = (
        "sites",
        "seconds",
        "CPU seconds",
        "slowest file, seconds",
        "sync DAGs there",
        "import errors",
        "serialized, kB",
    )
    return Section(
        name="dag_processor",
        title="Airflow's DAG processor",
        command='make bench ONLY="dag_processor"',
        about=(
            "`airflow dag-processor --num-runs 1` on an empty SQLite database: each file of dags/ is read once, four DAGs a "
            "site. The slowest file is salto_sync.py"
        ),
        tables=[Table(header, rows)],
        notes=[
            f"A site more costs {per_site * 1000:.0f} ms of the slowest file.",
            _said_of_the_cut(cut, killed, limit),
        ],
        ratios=[
            Ratio(f"slowest file with {many.sites} sites against the default time-out of 50 s", many.slowest / 50, 0.5)
        ],
    )
