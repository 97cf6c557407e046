from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from commands import dag_process
from hector_salto.workflow import starting
from hector_salto.workflow.starting import trigger_of
from sandbox import Sandbox, empty

LINES = """
hector_conn_id: hector_{name}
salto_conn_id: salto_{name}
site_id: {site}
schedule: {schedule}
"""


@dataclass
class FinishedRun:
    """How a DAG run ended."""

    state: str
    folder: Path
    log: str
    tasks: dict[str, str]
    triggered: dict[str, dict]  # run parameters of the runs asked for, by DAG id; only of light runs

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")

    @property
    def report(self) -> str:
        return self.log


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.airflow)


@pytest.fixture
def sandbox():
    with Sandbox(empty()) as running:
        yield running


@pytest.fixture
def run_dag(runner):
    """Run a DAG of one integration to its end, as it is wired, without Airflow's own machinery (``light_run``)."""
    return runner(lightly)


@pytest.fixture
def run_in_airflow(airflow_db, runner):
    """Run a DAG of one integration to its end, in this process, as `airflow dags test` does."""
    return runner(in_airflow)


def in_airflow(dag, conf, run_type, done, monkeypatch):
    for task in dag.tasks:
        task.retries = 0  # a second try of a task would only repeat the first, ten seconds later
    with monkeypatch.context() as patch:  # `dags test` makes manual runs only
        patch.setattr(starting, "trigger_of", lambda _, run_id, given: trigger_of(run_type, run_id, given))
        ended = dag.test(run_conf=conf, mark_success_pattern=done)
    return str(ended.state), {ti.task_id: str(ti.state) for ti in ended.get_task_instances()}, {}


def lightly(dag, conf, run_type, done, monkeypatch):
    from tests.dags.light_run import LightRun

    run = LightRun(dag, conf, re.compile(done))
    return run.run(run_type), run.states, run.triggered


@pytest.fixture
def runner(integrations, tmp_path, monkeypatch, caplog, capfd):
    return lambda way: _runner(way, integrations, tmp_path, monkeypatch, caplog, capfd)


def _runner(way, integrations, tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", (tmp_path / "runs").as_uri())

    def run(
        kind: str,
        name: str,
        *,
        sandbox: Sandbox | None = None,
        conf=None,
        lines="",
        site="DE4520000000",
        schedule="null",
        done="^$",
        run_type="manual",
    ) -> FinishedRun:
        integrations(name, LINES.format(name=name, site=site, schedule=schedule) + lines)
        for variable, value in (sandbox.connections(name) if sandbox else {}).items():
            monkeypatch.setenv(variable, value)
        caplog.clear()
        caplog.set_level(logging.INFO)
        dag = dag_process.dag_bag().dags[f"salto_{kind}__{name}"]
        state, tasks, triggered = way(dag, conf or {}, run_type, done, monkeypatch)
        with caplog.at_level(logging.INFO):
            captured = capfd.readouterr()
        folders = sorted((tmp_path / "runs" / name).glob("2*"), key=os.path.getmtime)
        return FinishedRun(
            state=state,
            folder=folders[-1] if folders else tmp_path,
            log=captured.out + captured.err + caplog.text,
            tasks=tasks,
            triggered=triggered,
        )

    return run


def serialization():
    """What Airflow keeps DAGs with: to_dict, from_dict."""
    from airflow.serialization import serialized_objects

    return getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG  # Airflow 3.1


@pytest.fixture
def dag_bag(airflow_db):
    return dag_process.dag_bag


def connections_with(sandbox: Sandbox, name: str, service: str, **changes: object) -> dict[str, str]:
    """The connections of a sandbox with fields of one of them changed (extra fields through `extra`)."""
    connections = sandbox.connections(name)
    variable = f"AIRFLOW_CONN_{service.upper()}_{name.upper()}"
    fields = json.loads(connections[variable])
    fields["extra"] = {**fields.get("extra", {}), **changes.pop("extra", {})}
    connections[variable] = json.dumps({**fields, **changes})
    return connections


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Requests are tried again, and Salto is read again, without pauses."""
    from hector_salto.http_client.timing import SYSTEM_CLOCK
    from hector_salto.workflow import reporting

    pause = SYSTEM_CLOCK.sleep
    object.__setattr__(SYSTEM_CLOCK, "sleep", lambda seconds: pause(min(seconds, 0.01)))
    monkeypatch.setattr(reporting, "SETTLING", (0.0, 0.0))
    yield
    object.__setattr__(SYSTEM_CLOCK, "sleep", pause)
