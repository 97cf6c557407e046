"""Server time of each view of the page: a year of runs with 3,000 reservations a week, or of 200 sites, beside an empty ledger.

Yardstick: the same view of an empty ledger, and 300 ms. ``make bench ONLY="page"`` measures SQLite, with
``LEDGER=postgresql`` a throw-away PostgreSQL server.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from benchmarks.one_year import NOTHING, YearSize, fill_ledger
from benchmarks.result_section import Ratio, Section, Table
from benchmarks.sites import FILE as SITE_FILE
from benchmarks.sites import add_runs
from hector_salto.ledger.ledger import refresh_statistics
from hector_salto.ledger.tables import SeenLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

    from hector_salto.ledger.ledger import Ledger

TIMES, LIMIT_MS = 15, 300
FILE = "hector_conn_id: h\nsalto_conn_id: s\nsite_id: DE1\nschedule: null\n"
EMPTY, FULL, MANY = "empty", "year", "many"
SITES, A_YEAR = 200, 365
OF_MANY = YearSize(doors=30, people=40, a_week=40, weeks=1, runs=0)  # what each of them has now; its runs are added
OFFLINE = 10  # every tenth of them has a lock that is offline
MANY_VIEWS = {"today": "/today?", "integrations": "/?", "integrations, filtered": "/?words=site1&"}
TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True)
class View:
    """Median milliseconds with an empty ledger and with a full one; kilobytes of the full one's answer."""

    view: str
    empty: float
    full: float
    kilobytes: int


def section(ledger: str = "sqlite") -> Section:
    return build_section(measure(ledger), ledger)


def build_section(found: list[View], ledger: str) -> Section:
    size = YearSize()
    rows = [[one.view, one.empty, one.full, one.full / one.empty, one.kilobytes] for one in found]
    chosen = "" if ledger == "sqlite" else f" LEDGER={ledger}"
    return Section(
        name=f"page_{ledger}",
        title=f"The page: server time of each view, {TITLES[ledger]}",
        command=f'make bench ONLY="page"{chosen}',
        about=(
            f"[page.py](page.py): a year of daily runs ({size.runs}, with {size.operations} operations and {size.problems} "
            f"problems each), {size.a_week:,} reservations a week for {size.weeks} weeks, {size.doors} doors, {size.people:,} "
            f"people, and then {SITES} sites with a year of runs and {OF_MANY.a_week} reservations a week each, beside an empty ledger, visited in turns; the median of {TIMES} visits in milliseconds, from the request "
            f"to the whole answer, in process. The promise is {LIMIT_MS} ms."
        ),
        tables=[Table(["view", "empty", "a year", "ratio", "kB"], rows)],
        notes=[
            (
                f"What a view costs is mostly what it shows: a week is {size.a_week:,} bars, before compression. The chain of *why* "
                "is many small steps on tables, whatever their size. The year itself costs little, because each view reads by "
                "index what it is about."
            )
        ],
        ratios=[Ratio(f"page, {one.view}: ms with a year / {LIMIT_MS}", one.full / LIMIT_MS, 1.0) for one in found],
    )


def measure(ledger: str = "sqlite", size: YearSize | None = None, times: int = TIMES, sites: int = SITES) -> list[View]:
    """Every view with both ledgers, in an Airflow of its own."""
    size = size or YearSize()
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hector-salto-bench-")))
        visit = _page(home)
        now = datetime.now(UTC)
        urls = {name: stack.enter_context(_ledger(ledger, home, name, size)) for name in (EMPTY, FULL)}
        found = _measure_views(visit, urls, _views(now, size), times)
        urls[FULL] = stack.enter_context(_ledger(ledger, home, MANY, size, sites))
        _add_sites(home / "many", sites)
        shown = {f"{view}, {sites} sites": path for view, path in MANY_VIEWS.items()}
        return found + _measure_views(visit, urls, shown, times)


def _add_sites(folder: Path, sites: int) -> None:
    """Write the files of many sites, and their DAGs into Airflow's database."""
    from airflow.models.dag import DagModel  # noqa: PLC0415 - after its home is set
    from airflow.models.dagbundle import DagBundleModel  # noqa: PLC0415 - after its home is set
    from airflow.utils.session import create_session  # noqa: PLC0415 - after its home is set

    folder.mkdir()
    for number, name in enumerate(_names(sites)):
        (folder / f"{name}.yaml").write_text(SITE_FILE.format(n=number), encoding="utf-8")
    os.environ["HECTOR_SALTO_INTEGRATIONS"] = str(folder)
    ids = [f"salto_{kind}__{name}" for name in _names(sites) for kind in ("sync", "cleanup", "watch", "approval")]
    with create_session() as session:
        session.merge(DagBundleModel(name="dags"))
        session.flush()
        session.add_all(DagModel(dag_id=one, is_stale=False, bundle_name="dags", fileloc="x") for one in ids)


def _names(sites: int) -> list[str]:
    return [f"site{number:03}" for number in range(sites)]


def _fill_sites(ledger: Ledger, sites: int, now: datetime) -> None:
    names = _names(sites)
    for number, name in enumerate(names):
        fill_ledger(ledger, name, now, OF_MANY, seed=number)
    add_runs(ledger, names, now, A_YEAR)
    well = SeenLock.integration.not_in(names[::OFFLINE])
    with ledger.transaction() as connection:
        connection.execute(update(SeenLock).where(well).values(online=True))
        refresh_statistics(connection)


def _page(home: Path) -> TestClient:
    """The page in an Airflow of its own, with two integrations."""
    folder = home / "integrations"
    folder.mkdir()
    for name in (EMPTY, FULL):
        (folder / f"{name}.yaml").write_text(FILE, encoding="utf-8")
    os.environ |= {"AIRFLOW_HOME": str(home / "airflow"), "HECTOR_SALTO_INTEGRATIONS": str(folder)}
    os.environ |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    return visitor()


def visitor() -> TestClient:
    """The page's application as Airflow's api-server runs it; somebody who may everything visits."""
    from airflow.api_fastapi.app import init_auth_manager  # noqa: PLC0415 - after its home is set
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: PLC0415
    from airflow.api_fastapi.core_api.security import get_user  # noqa: PLC0415
    from airflow.utils.db import initdb  # noqa: PLC0415
    from fastapi import FastAPI  # noqa: PLC0415
    from fastapi.testclient import TestClient  # noqa: PLC0415

    from hector_salto.ui.app import app  # noqa: PLC0415

    initdb()
    init_auth_manager(FastAPI())
    app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="admin", role="admin")
    return TestClient(app, root_path="/doors")


@contextlib.contextmanager
def _ledger(kind: str, home: Path, name: str, full: YearSize, sites: int = 0) -> Iterator[str]:
    """Fill a ledger, of one site or of many; gives the JSON of its Airflow connection."""
    from hector_salto.ledger.ledger import Ledger  # noqa: PLC0415 - with the page

    size = NOTHING if name == EMPTY else full
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            path = home / f"{name}.db"
            url, connection = f"sqlite:///{path}", {"conn_type": "sqlite", "host": str(path)}
        else:
            from tests.ledger import postgres  # noqa: PLC0415 - starts a server, which only this one needs

            url = stack.enter_context(postgres.server(postgres.programs())).url
            connection = {"conn_type": "postgres", **_parts(url)}
        began = time.perf_counter()
        if name == MANY:
            _fill_sites(Ledger.open(url), sites, datetime.now(UTC))
        else:
            fill_ledger(Ledger.open(url), name, datetime.now(UTC), size)
        sys.stderr.write(f"{name}: filled in {time.perf_counter() - began:.0f} s\n")
        yield json.dumps(connection)
        Ledger.forget_all()


def _parts(url: str) -> dict[str, Any]:
    from sqlalchemy import make_url  # noqa: PLC0415 - for this alone

    parts = make_url(url)
    host = parts.host or parts.query.get("host")
    return {
        "host": host,
        "port": parts.port,
        "login": parts.username,
        "password": parts.password,
        "schema": parts.database,
    }


def _views(now: datetime, size: YearSize) -> dict[str, str]:
    last = size.a_week * size.weeks - 1
    return {
        "today": "/today?",
        "integrations": "/?",
        "week": "/week?",
        "week, filtered": "/week?words=room+1&",
        "day": f"/week?days=1&day={now.date()}&",
        "week, half a year ago": f"/week?day={(now - timedelta(days=180)).date()}&",
        "why, reservation": f"/why?words={last}&",
        "why, person": "/why?words=person7@campus.example&",
        "why, door": "/why?words=Room+007&",
        "why, part of a name": "/why?words=person+1&",
        "people and doors": "/lists?",
        "runs": "/runs?",
        "trends": "/trends?",
        "run": f"/runs/{size.runs}?",
    }


def _measure_views(visit: TestClient, ledgers: dict[str, str], views: dict[str, str], times: int) -> list[View]:
    """Each view with the empty and the full ledger, visited in turns."""
    os.environ["HECTOR_SALTO_LEDGER"] = "ledger_of_bench"
    found = []
    for view, path in views.items():
        taken: dict[str, list[float]] = {EMPTY: [], FULL: []}
        length = 0
        for _ in range(times):
            for name, connection in ledgers.items():
                os.environ["AIRFLOW_CONN_LEDGER_OF_BENCH"] = connection
                began = time.perf_counter()
                answer = visit.get(f"{path}integration={name}")
                taken[name].append((time.perf_counter() - began) * 1000)
                if name == FULL:
                    answer.raise_for_status()
                    length = len(answer.content)
        found.append(View(view, statistics.median(taken[EMPTY]), statistics.median(taken[FULL]), length // 1000))
    return found
