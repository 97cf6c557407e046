"""The watch as a DAG: what it starts, what it remembers, and what it does when nothing happens."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.timetables.base import TimeRestriction

from hector import sensors
from hector.triggers import HectorChangeTrigger
from hector_salto.workflow import run_history, watch_state
from sandbox import faults
from tests.dags.conftest import serialization
from tests.dags.test_runs import START, campus  # noqa: F401 - a fixture


@pytest.fixture
def quick(monkeypatch):
    """It gives up waiting after a moment."""
    monkeypatch.setattr(sensors, "MAX_DEFERRAL", dt.timedelta(seconds=2))


def test_it_has_the_parts_that_were_meant(dag_bag, integrations):
    integrations("campus", "hector_conn_id: h\nsalto_conn_id: s\nsite_id: x\n")
    dag = dag_bag().dags["salto_watch__campus"]

    assert type(dag.timetable).__name__ == "ContinuousTimetable"
    assert (dag.max_active_runs, dag.is_paused_upon_creation) == (1, True)
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        "watch": ["advance_watermark", "schedule_retry"],
        "advance_watermark": [],
        "schedule_retry": [],
    }
    assert dag.get_task("watch").trigger_dag_id == "salto_sync__campus"


def test_a_run_follows_the_one_before(dag_bag, integrations):
    """Airflow makes no run whose logical date another one has."""
    integrations("campus", "hector_conn_id: h\nsalto_conn_id: s\nsite_id: x\n")
    dag = dag_bag().dags["salto_watch__campus"]
    known = serialization().from_dict(serialization().to_dict(dag))
    restriction = TimeRestriction(earliest=known.start_date, latest=None, catchup=False)

    dates, last = [], None
    for _ in range(3):
        found = known.timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        dates.append(found.logical_date)
        last = found.data_interval
    assert sorted(set(dates)) == dates


def test_nothing_new_ends_skipped(campus, run_in_airflow, quick):  # noqa: F811
    ended = run_in_airflow("watch", "campus", sandbox=campus)

    assert (ended.state, ended.tasks["watch"]) == ("success", "skipped")
    assert ended.tasks["advance_watermark"] == "skipped"


def test_a_change_is_due_by_its_reference_and_remembered_once_its_sync_was_started(
    campus,  # noqa: F811
    run_in_airflow,
    quick,
    monkeypatch,
):
    assert run_in_airflow("sync", "campus", sandbox=campus).state == "success"
    now = book(campus, "new")
    asked = []
    monkeypatch.setattr(TriggerDagRunOperator, "execute", lambda operator, context: asked.append(operator.conf))
    ended = run_in_airflow("watch", "campus", sandbox=campus)

    assert asked == [{"references": ["new"]}], "what Airflow's own rendering makes of it"
    assert ended.tasks == {
        "watch": "success",
        "advance_watermark": "success",
        "schedule_retry": "skipped",
    }
    assert "due: new" in ended.log
    kept = json.loads((ended.folder.parent / "history" / watch_state.WATCHED).read_text())
    assert dt.datetime.fromisoformat(kept["mark"]["since"]) == now
    assert kept["retries"] == {}
    assert run_in_airflow("watch", "campus", sandbox=campus).tasks["watch"] == "skipped"


def test_what_is_due_is_tried_again_when_its_sync_has_ended_red(
    campus,  # noqa: F811
    run_in_airflow,
    quick,
    monkeypatch,
):
    def ended_red(operator, context):
        operator.execute_complete(context, ("", {"run_ids": ["watch__1"], "watch__1": "failed"}))

    run_in_airflow("sync", "campus", sandbox=campus)
    now = book(campus, "new")
    monkeypatch.setattr(TriggerDagRunOperator, "execute", ended_red)
    ended = run_in_airflow("watch", "campus", sandbox=campus)

    assert (ended.state, ended.tasks["watch"], ended.tasks["schedule_retry"]) == ("failed", "failed", "success")
    retry = watch_state.last_watch("campus", now).retries["new"]
    assert dt.timedelta(seconds=20) < retry.not_before - now < dt.timedelta(seconds=60)


def test_a_sync_that_ended_red_is_not_waited_for_again(dag_bag, integrations):
    integrations("campus", "hector_conn_id: h\nsalto_conn_id: s\nsite_id: x\n")
    watch = dag_bag().dags["salto_watch__campus"].get_task("watch")

    watch.execute_complete({}, ("", {"run_ids": ["watch__1"], "watch__1": "success"}))
    with pytest.raises(AirflowFailException):
        watch.execute_complete({}, ("", {"run_ids": ["watch__1"], "watch__1": "failed"}))


def book(sandbox, reference):
    """Return when Hector shows a new reservation."""
    now, who = dt.datetime.now(dt.UTC), (next(iter(sandbox.hector.users)), next(iter(sandbox.hector.places)))
    sandbox.hector.add_loaner(*who, START, START + dt.timedelta(hours=1), reference=reference, updated_at=now)
    return now


def test_a_hector_that_refuses_ends_red_and_says_why(campus, run_dag, quick, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sensors, "MAX_DEFERRAL", dt.timedelta(minutes=1))
    for name in ("SILENCE_TIMEOUT", "MAX_POLL_INTERVAL"):
        monkeypatch.setattr(f"hector.triggers.{name}", 0.1)
    campus.hector_faults.on("GET", ".*/loaners", faults.status(401, "x"))

    ended = run_dag("watch", "campus", sandbox=campus)

    assert ended.state == "failed"
    assert "Hector's changes cannot be read" in ended.log
    assert "hector_campus" in ended.log


NOON = dt.datetime(2026, 1, 14, 12, 0, tzinfo=dt.UTC)
MARK = {"since": "2026-01-14T11:00:00+00:00", "seen": [["l_1", "x"]]}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())
    return tmp_path


def test_it_goes_on_where_the_last_watch_ended_else_at_the_last_good_sync_of_all(runs):
    assert watch_state.last_watch("campus", NOON).mark.since == NOON

    good = {"as_of": "2026-01-14T11:50:00+00:00", "all_as_of": "2026-01-14T02:00:00+00:00"}
    run_history.keep("campus", run_history.GOOD, good | {"users": 1, "reservations": 1})
    assert watch_state.last_watch("campus", NOON).mark.since == NOON - dt.timedelta(hours=10)

    watch_state.keep_done("campus", due("7"), NOON)
    assert watch_state.last_watch("campus", NOON).mark.seen == {("l_1", "x")}


def due(*references, everything=False):
    """What a watch found to be due."""
    return {"mark": MARK, "references": list(references), "everything": everything}


@pytest.mark.parametrize("found", [due("7"), due(everything=True)])
def test_what_is_due_is_tried_again_ever_later_and_then_left(runs, found):
    """Four times in all; then it is left to the next sync of all."""
    waits = []
    while watch_state.keep_due("campus", found, NOON):
        (retry,) = watch_state.last_watch("campus", NOON).retries.values()
        waits.append((retry.not_before - NOON).total_seconds())

    assert waits == [30, 60, 120]
    assert watch_state.last_watch("campus", NOON).retries == {}
    assert watch_state.last_watch("campus", NOON).mark.as_json() == MARK


def test_only_what_ended_red_waits(runs):
    """Its mark moves on, so other bookings are news; a green sync ends the waiting of what it was about."""
    watch_state.keep_due("campus", due("7", "8"), NOON)
    assert watch_state.last_watch("campus", NOON).mark.as_json() == MARK

    watch_state.keep_done("campus", due("8", "9"), NOON)
    assert set(watch_state.last_watch("campus", NOON).retries) == {"7"}
    watch_state.keep_done("campus", due(everything=True), NOON)
    assert watch_state.last_watch("campus", NOON).retries == {}


@pytest.mark.parametrize("text", ["no json", "{}", '{"mark": {"since": "x"}, "tries": 1}'])
def test_a_mark_that_cannot_be_read_does_not_keep_doors_shut(runs, text):
    watch_state.keep_done("campus", due("7"), NOON)
    (runs / "campus" / "history" / watch_state.WATCHED).write_text(text)

    assert watch_state.last_watch("campus", NOON).mark.since == NOON


def test_a_mark_of_the_future_is_pulled_back(runs):
    future = {"since": "2027-01-01T00:00:00+00:00", "seen": []}
    watch_state.keep_done("campus", due("7") | {"mark": future}, NOON)

    assert watch_state.last_watch("campus", NOON).mark.since == NOON


def test_the_trigger_survives_a_restart_of_the_triggerer():
    kind, fields = HectorChangeTrigger("hector_campus", {"since": "x", "seen": []}, 10.0, "y", "z").serialize()

    module, _, name = kind.rpartition(".")
    assert getattr(__import__(module, fromlist=[name]), name)(**fields).serialize() == (kind, fields)
