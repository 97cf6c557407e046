"""A booking made at the door opens it, in a real Airflow; while nothing happens, little is asked.

How long it takes is measured by ``make bench ONLY=walk_up``.
"""

from __future__ import annotations

import datetime as dt
import time

import pytest

from sandbox import Sandbox, empty, openings
from tests.slow.airflow_server import airflow_server

NOW = dt.datetime.now(dt.UTC)
QUIET = 15.0  # seconds
pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]
CAMPUS = """
hector_conn_id: hector_campus
salto_conn_id: salto_campus
site_id: DE4520000000
schedule: null
"""


@pytest.fixture
def campus():
    with Sandbox(empty()) as sandbox:
        sandbox.salto.enrol_tag("04A2B3C4")
        sandbox.salto.add_lock("Studio 204")
        sandbox.ana = sandbox.hector.add_user(email="ana@campus.example", unique_code="04A2B3C4")
        sandbox.studio = sandbox.hector.add_place("Studio 204", lock="Studio 204")
        yield sandbox


@pytest.fixture
def airflow(campus, tmp_path):
    folder = tmp_path / "integrations"
    folder.mkdir()
    (folder / "campus.yaml").write_text(CAMPUS, encoding="utf-8")
    with airflow_server(tmp_path / "airflow", folder, campus.connections("campus")) as server:
        server.ask("POST", "/pools", {"name": "salto_site_de4520000000", "slots": 1}).raise_for_status()
        yield server


def is_open(sandbox, reference):
    now = dt.datetime.now(dt.UTC)
    found = openings(sandbox.salto, now - dt.timedelta(1), now + dt.timedelta(1))
    return any(one.group_name == f"Hector_{reference}" and one.begin <= now < one.end for one in found)


def book(sandbox, reference):
    """A booking for in ten minutes, whose grace period has begun."""
    now = dt.datetime.now(dt.UTC)
    begin = now + dt.timedelta(minutes=10)
    sandbox.hector.add_loaner(
        sandbox.ana, sandbox.studio, begin, begin + dt.timedelta(hours=1), reference=reference, updated_at=now
    )


def test_walk_up_bookings_open_their_doors_without_anybody_pressing_anything(campus, airflow):
    """One after another: a watch that starts one sync and no second opens one door."""
    assert airflow.wait_for_end("salto_sync__campus", airflow.trigger("salto_sync__campus")) == "success"
    airflow.ask("PATCH", "/dags/salto_watch__campus", {"is_paused": False}).raise_for_status()
    airflow.until(lambda: [row for row in campus.log.rows() if "updated_since" in row.path], "its first question")

    campus.log.clear()
    time.sleep(QUIET)
    asked = [row.path for row in campus.log.rows()]
    assert len(asked) <= QUIET / 5 + 1, asked

    for reference in ("first", "second"):
        book(campus, reference)
        airflow.until(lambda reference=reference: is_open(campus, reference), f"the open door of {reference}")
    runs = [run for run in airflow.runs("salto_sync__campus") if run["run_type"] == "operator_triggered"]
    assert [run["conf"] for run in runs] == [{"references": ["first"]}, {"references": ["second"]}]
