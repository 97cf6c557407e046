"""Server time of each view of the page: a year of runs with 3,000 reservations a week, beside an empty ledger.

make bench                      SQLite
make bench LEDGER=postgresql    a throw-away PostgreSQL server
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.year import NOTHING, Size, fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

TIMES, LIMIT_MS = 15, 300
FILE = "hector_conn_id: h\nsalto_conn_id: s\nsite_id: DE1\nschedule: null\n"
EMPTY, FULL = "empty", "year"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", choices=["sqlite", "postgresql"], default="sqlite")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hector-salto-bench-")))
        visit = _page(home)
        urls = {name: stack.enter_context(_ledger(arguments.ledger, home, name)) for name in (EMPTY, FULL)}
        now = datetime.now(UTC)
        rows = _measured(visit, urls, now)
    _print(rows, arguments.ledger)
    return 0


def _page(home: Path) -> TestClient:
    """The page's application in an Airflow of its own, as its api-server runs it; somebody who may everything visits."""
    folder = home / "integrations"
    folder.mkdir()
    for name in (EMPTY, FULL):
        (folder / f"{name}.yaml").write_text(FILE, encoding="utf-8")
    os.environ |= {"AIRFLOW_HOME": str(home / "airflow"), "HECTOR_SALTO_INTEGRATIONS": str(folder)}
    os.environ |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    from airflow.api_fastapi.app import init_auth_manager  # noqa: PLC0415 - after its home is set
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: PLC0415
    from airflow.api_fastapi.core_api.security import get_user  # noqa: PLC0415
    from airflow.utils.db import initdb  # noqa: PLC0415
    from fastapi import FastAPI  # noqa: PLC0415
    from fastapi.testclient import TestClient  # noqa: PLC0415

    from doors.app import app  # noqa: PLC0415

    initdb()
    init_auth_manager(FastAPI())
    app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="admin", role="admin")
    return TestClient(app, root_path="/doors")


@contextlib.contextmanager
def _ledger(kind: str, home: Path, name: str) -> Iterator[str]:
    """Fill a ledger; gives the JSON of its Airflow connection."""
    from include.ledger.ledger import Ledger  # noqa: PLC0415 - with the page

    size = NOTHING if name == EMPTY else Size()
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            path = home / f"{name}.db"
            url, connection = f"sqlite:///{path}", {"conn_type": "sqlite", "host": str(path)}
        else:
            from tests.ledger import postgres  # noqa: PLC0415 - starts a server, which only this one needs

            url = stack.enter_context(postgres.server(postgres.programs()))
            connection = {"conn_type": "postgres", **_parts(url)}
        began = time.perf_counter()
        fill(Ledger.open(url), name, datetime.now(UTC), size)
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


def _views(now: datetime, size: Size) -> dict[str, str]:
    last = size.a_week * size.weeks - 1
    return {
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
        "run": f"/runs/{size.runs}?",
    }


def _measured(visit: TestClient, ledgers: dict[str, str], now: datetime) -> list[tuple[str, float, float, int]]:
    """Median milliseconds of each view with the empty and the full ledger, visited in turns, and kilobytes of the full one."""
    found = []
    os.environ["HECTOR_SALTO_LEDGER"] = "ledger_of_bench"
    for view, path in _views(now, Size()).items():
        taken: dict[str, list[float]] = {EMPTY: [], FULL: []}
        length = 0
        for _ in range(TIMES):
            for name, connection in ledgers.items():
                os.environ["AIRFLOW_CONN_LEDGER_OF_BENCH"] = connection
                began = time.perf_counter()
                answer = visit.get(f"{path}integration={name}")
                taken[name].append((time.perf_counter() - began) * 1000)
                if name == FULL:
                    answer.raise_for_status()
                    length = len(answer.content)
        found.append((view, statistics.median(taken[EMPTY]), statistics.median(taken[FULL]), length // 1000))
    return found


def _title(size: Size, kind: str) -> str:
    there = f"{size.a_week} reservations a week, {size.weeks} weeks, {size.runs} runs, {size.doors} doors"
    return f"{there}, {kind}, Python {platform.python_version()}, median of {TIMES}"


def _print(rows: list[tuple[str, float, float, int]], kind: str) -> None:
    size = Size()
    out = [
        _title(size, kind),
        f"{'view':24} {'empty ms':>9} {'year ms':>9} {'ratio':>6} {'kB':>6}",
    ]
    out += [f"{view:24} {empty:9.0f} {full:9.0f} {full / empty:6.1f} {length:6}" for view, empty, full, length in rows]
    slow = [view for view, _, full, _ in rows if full > LIMIT_MS]
    out.append(f"over {LIMIT_MS} ms: {', '.join(slow) or 'none'}")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    sys.exit(main())
