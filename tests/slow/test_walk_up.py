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
QUIET = 40.0
pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]
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


def is_open(sandbox):
    now = dt.datetime.now(dt.UTC)
    return any(
        one.begin <= now < one.end for one in openings(sandbox.salto, now - dt.timedelta(1), now + dt.timedelta(1))
    )


def test_a_walk_up_booking_opens_its_door_without_anybody_pressing_anything(campus, airflow):
    assert airflow.wait_for_end("salto_sync__campus", airflow.trigger("salto_sync__campus")) == "success"
    airflow.ask("PATCH", "/dags/salto_watch__campus", {"is_paused": False}).raise_for_status()
    airflow.until(
        lambda: [run for run in airflow.runs("salto_watch__campus") if run["state"] == "running"], "the watch"
    )
    airflow.until(lambda: [row for row in campus.log.rows() if "updated_since" in row.path], "its first question")

    campus.log.clear()
    time.sleep(QUIET)
    asked = len(campus.log.rows())
    assert asked * 60 / QUIET <= 13.5, [row.path for row in campus.log.rows()]

    begin = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    campus.hector.add_loaner(
        campus.ana,
        campus.studio,
        begin,
        begin + dt.timedelta(hours=1),
        reference="walk-up",
        updated_at=dt.datetime.now(dt.UTC),
    )
    airflow.until(lambda: is_open(campus), "the open door")
    started = airflow.runs("salto_sync__campus")[-1]
    assert (started["conf"], started["run_type"]) == ({"references": ["walk-up"]}, "operator_triggered")
