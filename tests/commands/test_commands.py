"""The commands as `make` starts them, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Sandbox, empty

ROOT = Path(__file__).resolve().parents[2]
INTEGRATION = "hector_conn_id: hector_{0}\nsalto_conn_id: salto_{0}\nsite_id: DE4520000000\nschedule: null\n"


@pytest.fixture
def command(tmp_path, integrations):
    """Run `python -m commands ...` in an Airflow home of its own; exit status and everything it printed."""

    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "HECTOR_SALTO"))}
        made = {
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "include"), str(ROOT / "plugins")]),
            "HECTOR_SALTO_INTEGRATIONS": str(integrations.folder),
        }
        ended = subprocess.run(
            [sys.executable, "-m", "commands", *arguments],
            env={**kept, **made, **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return ended.returncode, " ".join((ended.stdout + ended.stderr).split())

    return run


def test_an_unknown_integration_is_one_sentence_that_names_the_known_ones(command, integrations):
    integrations("campus", INTEGRATION.format("campus"))

    status, said = command("sync", "--integration", "campsu")

    assert status == 2
    assert "there is no integration 'campsu': no file campsu.yaml" in said
    assert "known: campus" in said


def test_a_broken_integration_file_is_one_sentence(command, integrations):
    integrations("campus", INTEGRATION.format("campus") + "schedul: x\n")

    status, said = command("plan", "--integration", "campus")

    assert status == 2
    assert "campus.yaml: schedul: unknown key" in said


@pytest.mark.parametrize("conf", ["{", "[]", '"x"'])
def test_run_parameters_that_are_no_json_object_are_refused_with_an_example(command, integrations, conf):
    integrations("campus", INTEGRATION.format("campus"))

    status, said = command("sync", "--integration", "campus", CONF=conf)

    assert status == 2
    assert """CONF='{"references": ["10452"]}'""" in said


@pytest.mark.airflow
@pytest.mark.timeout(280)
def test_a_site_of_ones_own_plan_then_sync_then_nothing_to_do(command, integrations):
    """The steps of docs/connect.md: a file, two connections in the environment, plan, sync."""
    scenario = empty()
    scenario.salto.add_lock("Studio 204")
    scenario.hector.add_user(email="ana@campus.example")
    integrations("campus", INTEGRATION.format("campus"))
    with Sandbox(scenario) as sandbox:
        connections = sandbox.connections("campus")

        status, said = command("plan", "--integration", "campus", **connections)
        assert status == 0
        assert "1 user made" in said
        assert sandbox.writes == []

        status, said = command("sync", "--integration", "campus", **connections)
        assert status == 0
        assert "applied: 1 done" in said
        assert "The run ended green" in said

        spoilt = json.loads(connections["AIRFLOW_CONN_HECTOR_CAMPUS"]) | {"password": "wrong"}
        status, said = command(
            "sync", "--integration", "campus", **connections | {"AIRFLOW_CONN_HECTOR_CAMPUS": json.dumps(spoilt)}
        )
        assert status == 1
        assert "hector_campus" in said
        assert "The run ended RED" in said


def test_a_dag_file_that_cannot_be_imported_is_named_and_ends_the_command_red(command, integrations, tmp_path):
    """Read from Airflow's own list of import errors, not out of its logs."""
    integrations("campus", INTEGRATION.format("campus"))
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "salto_sync.py").write_text('from airflow.sdk import DAG\nraise ValueError("no such name")\n')

    status, said = command("plan", "--integration", "campus", AIRFLOW__CORE__DAGS_FOLDER=str(tmp_path / "dags"))

    assert status == 1
    assert "The run ended RED" in said
    assert "salto_sync.py cannot be imported: ValueError: no such name" in said


def test_the_ledger_is_checked_and_upgraded_by_command(command):
    assert command("ledger", "check")[0] == 1
    assert command("ledger", "upgrade")[0] == 0
    status, said = command("ledger", "check")

    assert status == 0
    assert "as this code needs it" in said


def test_a_run_refuses_a_ledger_that_only_the_command_may_migrate(command, integrations):
    integrations("campus", INTEGRATION.format("campus"))

    status, said = command(
        "why", "--integration", "campus", "--reference", "1", HECTOR_SALTO_LEDGER_MIGRATIONS="refuse"
    )

    assert status == 2
    assert "has version none, and this code needs" in said
    assert "ledger upgrade" in said
