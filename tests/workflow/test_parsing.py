"""A task builds the DAG it belongs to; whoever lists DAGs builds all."""

from __future__ import annotations

import pytest

from hector_salto.workflow.parsing import integrations_of

LINES = "hector_conn_id: h\nsalto_conn_id: s\nsite_id: DE{}\n"


@pytest.fixture
def three(integrations):
    for number, name in enumerate(("campus", "annex", "sync__campus")):
        integrations(name, LINES.format(number))


def test_whoever_lists_dags_builds_all(three):
    assert {"campus", "annex", "sync__campus"} <= set(integrations_of("sync"))


@pytest.mark.parametrize(("kind", "found"), [("sync", {"campus"}), ("cleanup", set())])
def test_a_task_builds_its_own(three, monkeypatch, kind, found):
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "salto_sync__campus")

    assert set(integrations_of(kind)) == found
