"""A sync that does not come to its end is told by a mail, in a real Airflow: its deadline passes in the triggerer."""

from __future__ import annotations

import pytest

from sandbox import Sandbox, empty
from tests.mail_server import mail_server
from tests.slow.airflow_server import airflow_server

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]
# Every minute: the deadline is two minutes after a run was queued, and so is the age at which a success is too old.
CAMPUS = """
hector_conn_id: hector_campus
salto_conn_id: salto_campus
site_id: DE4520000000
schedule: "* * * * *"
alerts:
  email: [ops@campus.example]
"""


@pytest.fixture
def campus():
    with Sandbox(empty()) as sandbox:
        yield sandbox


def test_a_sync_that_waits_for_ever_is_told_by_its_deadline(campus, tmp_path):
    folder = tmp_path / "integrations"
    folder.mkdir()
    (folder / "campus.yaml").write_text(CAMPUS, encoding="utf-8")
    with (
        mail_server() as (smtp, mails),
        airflow_server(
            tmp_path / "airflow", folder, campus.connections("campus") | {"AIRFLOW_CONN_SMTP_DEFAULT": smtp}
        ) as airflow,
    ):
        pool = "salto_site_de4520000000"
        airflow.ask("POST", "/pools", {"name": pool, "slots": 1}).raise_for_status()
        assert airflow.wait_for_end("salto_sync__campus", airflow.trigger("salto_sync__campus")) == "success"
        # Nothing is red: a task whose pool is missing waits without a word.
        airflow.ask("DELETE", f"/pools/{pool}").raise_for_status()

        airflow.patience = 400.0
        airflow.until(lambda: mails, "a mail")
        assert mails[0]["Subject"] == "Salto sync campus: new: stale"
        states = {run["state"] for run in airflow.runs("salto_sync__campus")}
        assert "success" in states
        assert "failed" not in states
