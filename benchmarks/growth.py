"""How time and memory grow: from 1,000 to 100,000 reservations of one site, and from 1 to 200 sites.

Yardstick: the same figure per row (per site) at the size before. What grows faster than what there is of it shows as a
ratio above 1, whatever the machine. *Reservations*: as many users, a hundredth as many doors, in memory and on this
disk, no requests: the rules (``desired_state``, ``make_plan``), what the ledger keeps of them (the plan; a first look;
the same look again, as every run that finds nothing new), and the tables of the run's folder as Parquet. *Sites*: see
``benchmarks/sites.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from benchmarks.result_section import Chart, Ratio, Section, Table
from benchmarks.sites import ROOT, SiteMeasurements
from benchmarks.synthetic_site import AS_OF, RULES, Size, build_site
from hector_salto.access.desired import Desired, build_desired_state
from hector_salto.access.plan import Plan, make_plan
from hector_salto.access.snapshot import Snapshot, take_snapshot
from hector_salto.ledger.ledger import Ledger, RunStart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.synthetic_site import SyntheticSite

T = TypeVar("T")
STEPS, SITES = (1_000, 10_000, 100_000), (1, 10, 50, 200)
DOORS = 100  # reservations of each
NAME, MB = "bench", 1_000_000
GOAL = 1.25  # linear, and what one measurement is off by
LOOKS = {"first_look": 5.0, "same_look": 1.0}  # seconds of processor time that a look of the largest size may take


@dataclass(frozen=True)
class GrowthRow:
    """Seconds of processor time at so many reservations, and megabytes of the folder and the ledger."""

    reservations: int
    rules: float
    plan: float
    plan_written: float
    first_look: float
    same_look: float
    tables_written: float
    tables_read: float
    folder_mb: float
    ledger_mb: float


TIMES = ("rules", "plan", "plan_written", "first_look", "same_look", "tables_written", "tables_read")


def section() -> Section:
    return build_section(measure(), measure_sites())


def build_section(grown: list[GrowthRow], sites: list[SiteMeasurements]) -> Section:
    return Section(
        name="growth",
        title="How it grows",
        command='make bench ONLY="growth"',
        about=(
            "[growth.py](growth.py): seconds of processor time, without requests, of one site's run in memory and on disk: the desired state, the "
            "plan, the plan into the ledger (SQLite), a first look into the ledger, the same look again, the tables of a run "
            "written and read as Parquet. Below: what many integration files cost ([sites.py](sites.py)): parsing dags/ as "
            "the dag-processor does, what the bag of DAGs takes in memory, the part of each task's start in which Airflow "
            "parses the file of its DAG again, and the server time of the page's first view."
        ),
        tables=[
            Table([name.replace("_", " ") for name in asdict(grown[0])], [list(asdict(one).values()) for one in grown]),
            Table(
                ["sites", "DAGs", "parse, s", "of which salto_sync.py", "bag, MiB", "each task's start, s", "view, ms", "kB"],
                [
                    [one.sites, one.dags, one.parse_all, one.parse["salto_sync.py"], one.bag_mib, one.task_start,
                     one.start_view_ms, one.start_view_kb]
                    for one in sites
                ],
            ),
        ],
        notes=[f"Faster than linear, by more than a measurement is off: {', '.join(steepest_or_none(grown)) or 'nothing'}."],
        ratios=[*_ratios(grown), *_site_ratios(sites)],
        charts=[
            Chart("Reservations of one site", "reservations", "s", _lines(grown), logarithmic=True),
            Chart("Sites", "integration files", "s", _site_lines(sites), logarithmic=True),
        ],
    )  # fmt: skip


def steepness(grown: Sequence[GrowthRow], name: str) -> float:
    """Seconds per reservation at the largest size, as a multiple of those at the size before."""
    before, last = grown[-2], grown[-1]
    return float(getattr(last, name) / last.reservations / (getattr(before, name) / before.reservations))


def steepest_or_none(grown: Sequence[GrowthRow]) -> list[str]:
    return [name.replace("_", " ") for name in TIMES if steepness(grown, name) > GOAL]


def _ratios(grown: Sequence[GrowthRow]) -> list[Ratio]:
    sizes = f"{grown[-1].reservations:,} / {grown[-2].reservations:,} reservations"
    steep = [
        Ratio(f"seconds a reservation, {sizes}: {name.replace('_', ' ')}", steepness(grown, name), GOAL)
        for name in TIMES
    ]
    looks = [
        Ratio(f"{name.replace('_', ' ')}: s / {most:g} s", getattr(grown[-1], name) / most, 1.0)
        for name, most in LOOKS.items()
    ]
    return [*steep, *looks]


def _site_ratios(sites: Sequence[SiteMeasurements]) -> list[Ratio]:
    one, many = sites[0], sites[-1]
    pairs = {
        "seconds to parse dags/": (one.parse_all, many.parse_all),
        "seconds of parsing at each task's start": (one.task_start, many.task_start),
        "ms of the page's first view": (one.start_view_ms, many.start_view_ms),
    }
    return [Ratio(f"{what}: {many.sites} sites / one", last / first) for what, (first, last) in pairs.items()]


def _lines(grown: Sequence[GrowthRow]) -> dict[str, list[tuple[float | str, float]]]:
    shown = ("rules", "plan", "plan_written", "first_look", "same_look")
    return {name.replace("_", " "): [(one.reservations, getattr(one, name)) for one in grown] for name in shown}


def _site_lines(sites: Sequence[SiteMeasurements]) -> dict[str, list[tuple[float | str, float]]]:
    return {
        "parse dags/": [(one.sites, one.parse_all) for one in sites],
        "at each task's start": [(one.sites, one.task_start) for one in sites],
        "the page's first view": [(one.sites, one.start_view_ms / 1000) for one in sites],
    }


# --- reservations -----------------------------------------------------------------------------------------------------


def measure(steps: Sequence[int] = STEPS) -> list[GrowthRow]:
    """The smallest size twice: the first time is everything's first time."""
    with tempfile.TemporaryDirectory() as home:
        _measure_size(steps[0], Path(home) / "warm")
        return [_measure_size(step, Path(home) / str(step)) for step in steps]


def _measure_size(reservations: int, folder: Path) -> GrowthRow:
    folder.mkdir()
    both = build_site(Size(users=reservations, reservations=reservations, doors=max(reservations // DOORS, 10)))
    rules, desired = cpu_seconds(
        lambda: build_desired_state(both.people, both.places, both.loaners, RULES, as_of=AS_OF)
    )
    plan, made = cpu_seconds(lambda: make_plan(desired, both.current, RULES, as_of=AS_OF))
    looked = _snapshot(both, desired, made)
    ledger = Ledger.open(f"sqlite:///{folder / 'ledger.db'}")
    first, again = (_run(ledger, folder, number) for number in (1, 2))
    plan_written, _ = cpu_seconds(
        lambda: ledger.plan(first, made.operations, made.problems, made.left, planned_at=_now())
    )
    first_look, _ = cpu_seconds(lambda: ledger.observe(first, NAME, looked.tables(), _now(), still_read=AS_OF))
    same_look, _ = cpu_seconds(lambda: ledger.observe(again, NAME, looked.tables(), _now(), still_read=AS_OF))
    tables = both.tables() | {"operations": made.operations, "problems": made.problems} | desired.tables()
    written, _ = cpu_seconds(lambda: [table.to_parquet(folder / f"{name}.parquet") for name, table in tables.items()])
    read, _ = cpu_seconds(lambda: [pd.read_parquet(folder / f"{name}.parquet") for name in tables])
    Ledger.forget_all()
    return GrowthRow(
        reservations, rules, plan, plan_written, first_look, same_look, written, read,
        folder_mb=_megabytes(folder, "*.parquet"), ledger_mb=_megabytes(folder, "ledger.db*"),
    )  # fmt: skip


def cpu_seconds(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of processor time: another process beside it does not count."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def _snapshot(both: SyntheticSite, desired: Desired, made: Plan) -> Snapshot:
    return take_snapshot(
        both.people, both.places, both.loaners, both.current, decisions=desired.decisions, matches=made.matches
    )


def _run(ledger: Ledger, folder: Path, number: int) -> int:
    return ledger.begin_run(RunStart(NAME, "sync", f"run {number}", folder.name, _now()))


def _now() -> datetime:
    return datetime.now(UTC)


def _megabytes(folder: Path, pattern: str) -> float:
    return sum(path.stat().st_size for path in folder.glob(pattern)) / MB


# --- sites ------------------------------------------------------------------------------------------------------------


def measure_sites(counts: Sequence[int] = SITES) -> list[SiteMeasurements]:
    """Each number of sites in a process of its own."""
    return [_sites(count) for count in counts]


def _sites(count: int) -> SiteMeasurements:
    command = [sys.executable, "-m", "benchmarks.sites", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return SiteMeasurements(**json.loads(done.stdout.splitlines()[-1]))
