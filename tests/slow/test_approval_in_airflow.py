"""A real Airflow with its scheduler: removals are held, somebody approves them under Required Actions, the sync goes on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from sandbox import Sandbox, empty
from tests.slow.airflow_server import airflow_server

NOW = datetime.now(UTC)
START = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
FILE = """
hector_conn_id: hector_campus
salto_conn_id: salto_campus
site_id: DE4520000000
schedule: null
limits: {hold_above: 1, hold_above_percent: 0}
"""


@pytest.fixture
def campus():
    """Three reservations of one person."""
    with Sandbox(empty()) as sandbox:
        sandbox.salto.enrol_tag("04A2B3C4")
        sandbox.salto.add_lock("Studio 204")
        user = sandbox.hector.add_user(email="ana@campus.example", unique_code="04A2B3C4")
        place = sandbox.hector.add_place("Studio 204", lock="Studio 204")
        for number in range(3):
            begin = START + timedelta(hours=number)
            sandbox.hector.add_loaner(user, place, begin, begin + timedelta(minutes=20), reference=str(number))
        yield sandbox


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_what_is_held_waits_under_required_actions_and_goes_once_somebody_approves(campus, tmp_path):
    integrations = tmp_path / "integrations"
    integrations.mkdir()
    (integrations / "campus.yaml").write_text(FILE, encoding="utf-8")
    with airflow_server(tmp_path / "home", integrations, campus.connections("campus")) as airflow:
        airflow.until(lambda: airflow.ask("GET", "/dags/salto_sync__campus").ok, "the DAG")
        pool = {"name": "salto_site_de4520000000", "slots": 1, "include_deferred": False}
        assert airflow.ask("POST", "/pools", pool).ok
        assert airflow.wait_for_end("salto_sync__campus", airflow.trigger("salto_sync__campus")) == "success"
        for loaner in list(campus.hector.loaners)[:2]:
            campus.hector.set_status(loaner, "cancelled", at=NOW)

        held = airflow.trigger("salto_sync__campus")
        assert airflow.wait_for_end("salto_sync__campus", held) == "failed"
        (question,) = airflow.until(airflow.questions, "a required action")
        assert question["subject"] == "2 removals at DE4520000000 wait for approval"
        assert "**withdrawals**: 2 removals from 3 live groups; limits: hold\\_above 1" in question["body"]
        assert "group\\_delete Hector\\_0" in question["body"]
        assert airflow.answer(question, "Approve", as_="guest").status_code == 403
        assert airflow.answer(question, "Approve").ok

        approved = airflow.until(lambda: airflow.runs("salto_sync__campus")[2:], "the approved sync")[0]
        assert approved["conf"]["references"] == []
        assert airflow.wait_for_end("salto_sync__campus", approved["dag_run_id"]) == "success"
        assert [group.name for group in campus.salto.groups.values()] == ["Hector_2"]
        (kept,) = (tmp_path / "home" / "runs" / "campus" / "history").glob("*.approved.json")
        assert json.loads(kept.read_text())["by"] == "desk"
        assert kept.name == f"{approved['conf']['approve']}.approved.json"
        folders = (tmp_path / "home" / "runs" / "campus").glob("2*")
        assert json.loads((sorted(folders)[1] / "run.json").read_text())["triggered_by"] == "desk"
