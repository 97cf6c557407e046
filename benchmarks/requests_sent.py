"""How many requests everyday runs send: each is a whole run of the DAG, from the first extract to the report.

Yardstick: what the contract makes anybody send who reads lists of a hundred rows (users, tags, groups, locks) and three
lists for each group. Counted in the sandbox, token requests apart (in production each task that speaks to Salto gets
one token). The runs follow each other on one site: nothing known, nothing changed, one new booking, everything verified,
one reservation reloaded after it moved.
"""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.result_section import Chart, Ratio, Section, Table
from benchmarks.sample_site import SampleSize, add_reservation, move_reservation, site_in_step
from benchmarks.server import Requests, server
from commands.dag_run import run_dag
from commands.settings import migrate_database

if TYPE_CHECKING:
    from benchmarks.server import Server

SCHOOL = SampleSize(people=2_000, bookings=1_000, doors=200)
PAGE = 100
NAME = "bench"
FILE = "hector_conn_id: hector_bench\nsalto_conn_id: salto_bench\nsite_id: DE4520000000\nschedule: null\n"
FIRST, CONVERGED, BOOKING, VERIFY, RELOAD = (
    "first run",
    "nothing changed",
    "one new booking",
    "full verification",
    "reload",
)
GOALS = {BOOKING: 45, RELOAD: 15}


@dataclass(frozen=True)
class MeasuredRun:
    """One run of the DAG."""

    what: str
    green: bool
    seconds: float
    hector: Requests
    salto: Requests

    @property
    def to_salto(self) -> int:
        """Without tokens."""
        return self.salto.reads + self.salto.writes


def section() -> Section:
    return build_section(measure())


def build_section(found: list[MeasuredRun]) -> Section:
    rows = [
        [one.what, "green" if one.green else "RED", one.hector.reads, one.salto.reads, one.salto.writes,
         one.salto.tokens, GOALS.get(one.what, "-"), one.seconds]
        for one in found
    ]  # fmt: skip
    header = ["run", "ended", "Hector reads", "Salto reads", "Salto writes", "tokens", "goal, Salto", "s"]
    least = naive_requests(SCHOOL)
    return Section(
        name="requests_sent",
        title="Requests of everyday runs",
        command='make bench ONLY="requests_sent"',
        about=(
            f"[requests_sent.py](requests_sent.py): runs of the whole DAG (`airflow dags test`) after one another on one site: "
            f"{SCHOOL.people:,} users with a tag each, {SCHOOL.bookings:,} access groups, {SCHOOL.doors} locks, pages of {PAGE} "
            f"rows. Reading such a site in full takes {least:,} requests to Salto. Seconds are those of the command, Airflow's "
            "own start among them, without latency."
        ),
        tables=[Table(header, rows)],
        ratios=[
            Ratio(f"requests to Salto: {one.what} / its goal", one.to_salto / GOALS[one.what], 1.0)
            for one in found
            if one.what in GOALS
        ]
        + [Ratio(f"requests to Salto: {one.what} / a full read", one.to_salto / least) for one in found],
        charts=[
            Chart(
                "Requests of a run",
                "",
                "requests",
                {
                    "to Salto": [(one.what.replace(" ", "\n"), one.to_salto) for one in found],
                    "to Hector": [(one.what.replace(" ", "\n"), one.hector.all) for one in found],
                },
                logarithmic=True,
            )
        ],
    )


def naive_requests(school: SampleSize) -> int:
    """Lists in pages, and three lists for each group."""
    lists = (school.people, school.people, school.bookings, school.doors)
    return sum(math.ceil(rows / PAGE) for rows in lists) + 3 * school.bookings


def measure(school: SampleSize = SCHOOL) -> list[MeasuredRun]:
    """The runs, in an Airflow of their own (AIRFLOW_HOME)."""
    home = Path(os.environ["AIRFLOW_HOME"])
    folder = home / "integrations"
    folder.mkdir()
    (folder / f"{NAME}.yaml").write_text(FILE, encoding="utf-8")
    os.environ |= {"HECTOR_SALTO_INTEGRATIONS": str(folder), "HECTOR_SALTO_RUNS": (home / "runs").as_uri()}
    migrate_database()
    with server(site_in_step, school) as both:
        found = [_measure_run(both, FIRST), _measure_run(both, CONVERGED)]
        reference = both.ask(add_reservation)
        found += [_measure_run(both, BOOKING), _measure_run(both, VERIFY, verify=True)]
        both.ask(move_reservation, reference)
        return [*found, _measure_run(both, RELOAD, references=[reference])]


def _measure_run(both: Server, what: str, **conf: Any) -> MeasuredRun:  # noqa: ANN401 - the parameters of a run
    both.reset_counts()
    ended = run_dag(f"salto_sync__{NAME}", conf, both.variables, Console(file=io.StringIO()))
    return MeasuredRun(what, ended.status == 0, ended.seconds, both.requests("hector"), both.requests("salto"))
