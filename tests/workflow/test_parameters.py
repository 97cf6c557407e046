"""Run parameters: what a DAG does not read is refused before anything is read."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from hector.sensors import HectorChangeSensor
from hector_salto.workflow import parameters, run_start, tasks
from hector_salto.workflow.parameters import ParameterError

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize("kind", parameters.OF_KIND)
def test_known_keys_pass(kind):
    """Every key that a DAG reads, and no conf at all."""
    parameters.check(kind, dict.fromkeys(parameters.OF_KIND[kind]))
    parameters.check(kind, None)


@pytest.mark.parametrize(
    ("kind", "conf", "sentence"),
    [
        ("sync", {"plan_onyl": 1}, "'plan_onyl' of salto_sync: allowed are approve, plan_only, references, verify"),
        ("cleanup", {"references": []}, "'references' of salto_cleanup: allowed are plan_only"),
        ("approval", {"folder": "/x", "digest": "a"}, "'folder' of salto_approval: allowed are digest"),
        ("watch", {"plan_only": True}, "'plan_only' of salto_watch: it has no run parameters"),
        ("watch", {"b": 1, "a": 2}, "parameters 'a', 'b' of salto_watch"),
    ],
)
def test_unknown_keys_are_refused(kind, conf, sentence):
    """The sentence names the key and those that exist."""
    with pytest.raises(ParameterError) as caught:
        parameters.check(kind, conf)

    assert sentence in str(caught.value)


@pytest.mark.parametrize("kind", ["sync", "cleanup"])
def test_a_refused_run_leaves_nothing(kind, tmp_path, monkeypatch):
    """No folder and no row in the ledger: the refusal comes first."""
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())

    with pytest.raises(ParameterError):
        run_start.start_run("campus", "manual", {"dry_run": True}, NOW, kind=kind)

    assert [path.name for path in tmp_path.iterdir() if path.name != "ledger"] == []


def test_the_watch_refuses_a_conf():
    """Before it asks Hector anything."""
    sensor = HectorChangeSensor(task_id="watch", hector_conn_id="none", position=tasks.watch_position("campus"))

    with pytest.raises(AirflowFailException, match="'references' of salto_watch: it has no run parameters"):
        sensor.execute({"dag_run": SimpleNamespace(conf={"references": ["7"]})})


@pytest.mark.parametrize("given", [[""], ["", " "], [",", "Hector_"]])
def test_references_without_a_name(given):
    """Neither all reservations nor none, green."""
    with pytest.raises(ParameterError, match="references names no reservation"):
        parameters.check("sync", {"references": given})
    parameters.check("sync", {"references": [*given, "7"]})
    parameters.check("sync", {"references": []})
