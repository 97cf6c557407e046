"""What started a run, who is behind it, and what the runs before it have left open."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.operations import HELD, operations
from hector_salto.access.release import Trigger
from hector_salto.ledger.ledger import RunStart
from hector_salto.ledger.run_queries import last_runs
from hector_salto.workflow import run_history, starting, unfinished
from hector_salto.workflow.recorder import ledger

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
ASKED = NOW - timedelta(hours=1)


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())
    monkeypatch.setattr(starting, "_state_in_airflow", lambda dag_id, run_id: "running")


def start(run_type, run_id="r", user="admin", **conf):
    """The ledger's row of a run that Airflow has started."""
    kind = SimpleNamespace(value=run_type)
    run = SimpleNamespace(run_id=run_id, conf=conf, run_type=kind, triggering_user_name=user, run_after=ASKED)
    starting.begin("campus", run, NOW)
    return last_runs(ledger(), "campus", limit=1)[0]


@pytest.mark.parametrize(
    ("run_type", "run_id", "trigger", "words"),
    [
        ("manual", "manual__1", Trigger.PERSON, "admin"),
        ("scheduled", "scheduled__1", Trigger.SCHEDULE, "its schedule"),
        ("backfill", "backfill__1", Trigger.BACKFILL, "a backfill"),
        ("operator_triggered", "watch__1", Trigger.WATCH, "the watch"),
        ("operator_triggered", "mine__1", Trigger.DAG, "another DAG"),
        ("of tomorrow", "x", Trigger.DAG, "another DAG"),
    ],
)
def test_only_a_manual_run_has_a_person_behind_it(run_type, run_id, trigger, words):
    """Airflow hands the name of whoever started one DAG on to the DAGs that it starts."""
    found = start(run_type, run_id)

    assert (found.trigger, found.started_by) == (trigger, words)


def test_a_run_keeps_when_it_was_asked_for(tmp_path):
    """It may have waited in a paused DAG; a person may have asked for plans only meanwhile."""
    start("manual")

    (note,) = tmp_path.glob("campus/*/run.json")
    assert datetime.fromisoformat(json.loads(note.read_text())["asked_at"]) == ASKED


@pytest.fixture
def held():
    """A sync that holds a set."""
    table = pd.DataFrame({"group_id": ["g"], "group_name": ["Hector_1"]})
    plan = operations("group_delete", table, cause="withdrawn", reason="cancelled", unit="reservation 1")
    book = ledger()
    run = book.begin_run(RunStart("campus", "sync", "scheduled__0", "f", NOW))
    book.plan(run, plan.assign(state=HELD), schemas.frame(schemas.PROBLEMS, []), digest="ab12", planned_at=NOW)
    book.end_run(run, ended_at=NOW, causes=["1 operation is held"])
    return run


def approver(run):
    (found,) = [one for one in last_runs(ledger(), "campus", limit=9) if one.id == run]
    return found.approved_by


def test_an_approved_sync_is_started_by_who_approved_it(held):
    run_history.note_approved("campus", "ab12", "desk", NOW.isoformat())

    assert start("operator_triggered", "approved__1", approve="ab12").started_by == "the approval of desk"


def test_a_digest_that_a_person_gives_as_a_run_parameter_is_an_approval(held):
    start("manual", approve="ab12")

    assert approver(held) == "admin"
    assert run_history.approval_of("campus", "ab12")["by"] == "admin"
    start("manual", "again", "desk", approve="ab12")
    assert approver(held) == "admin"


@pytest.mark.parametrize(
    ("state", "age", "left"),
    [("failed", 0, 0), ("success", 0, 0), ("running", 9, 1), ("queued", 0, 1), (None, 0, 1), (None, 2, 0)],
)
def test_what_airflow_has_ended_is_ended_in_the_ledger(state, age, left):
    book = ledger()
    run = book.begin_run(RunStart("campus", "sync", "manual__1", "f", NOW))
    asked = []

    def state_of(dag_id, run_id):
        asked.append((dag_id, run_id))
        return state

    unfinished.close_ended(book, "campus", state_of, NOW + timedelta(days=age))

    assert asked == [("salto_sync__campus", "manual__1")]
    assert len(book.unfinished("campus")) == left
    (found,) = last_runs(book, "campus", limit=1)
    assert (found.id, found.state, bool(found.causes)) == (run, "running" if left else "red", not left)


def test_a_run_that_has_told_its_end_keeps_it():
    book = ledger()
    run = book.begin_run(RunStart("campus", "sync", "manual__1", "f", NOW))
    book.end_run(run, ended_at=NOW, causes=[])
    book.close_run(run, NOW, "cut off")

    assert last_runs(book, "campus", limit=1)[0].state == "green"
