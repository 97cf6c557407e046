"""What an unpaused DAG runs: the run that was asked for, and no scheduled time that was missed while it was paused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import time_machine

from hector_salto.workflow.parsing import next_times
from tests.dags.test_dag_integrity import serialization

pytestmark = pytest.mark.airflow
DAG_ID = "salto_sync__unpaused"
FIRST, NEWEST = datetime(2026, 3, 2, 21, tzinfo=UTC), datetime(2026, 3, 6, 21, tzinfo=UTC)
PRESSED, NEXT = datetime(2026, 3, 7, 10, tzinfo=UTC), datetime(2026, 3, 7, 21, tzinfo=UTC)


@pytest.fixture
def paused(airflow_db, monkeypatch):
    """A paused DAG that runs at 21:00, as Airflow knows it."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbag import DBDagBag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with DAG(DAG_ID, schedule=next_times("0 21 * * *", "UTC"), catchup=False) as dag:
        pass
    known = serialization().from_dict(serialization().to_dict(dag))
    monkeypatch.setattr(DBDagBag, "get_latest_version_of_dag", lambda *_, **__: known)
    with create_session() as session:
        session.merge(DagBundleModel(name="dags"))
        session.flush()
        session.add(DagModel(dag_id=DAG_ID, is_paused=True, is_stale=False, bundle_name="dags", fileloc="x"))
    yield SimpleNamespace(model=lambda session: session.get(DagModel, DAG_ID))
    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id == DAG_ID))
        session.execute(delete(DagModel).where(DagModel.dag_id == DAG_ID))


def add_run(at, run_type="scheduled"):
    from airflow.models.dagrun import DagRun
    from airflow.timetables.base import DataInterval
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from pendulum import instance

    with create_session() as session:
        session.add(
            DagRun(
                dag_id=DAG_ID,
                run_id=f"{run_type}__{at.isoformat()}",
                run_type=DagRunType(run_type),
                logical_date=at,
                run_after=at,
                data_interval=DataInterval(instance(at), instance(at)),
                state="success",
                triggered_by=DagRunTriggeredByType.TIMETABLE,
            )
        )


def missed(now=PRESSED):
    """What is missed, and when Airflow has the DAG run next."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    from hector_salto.ui.missed_times import find_missed_time

    with time_machine.travel(now, tick=False), create_session() as session:
        found = find_missed_time(session, session.get(DagModel, DAG_ID), datetime.now(UTC))
    with create_session() as session:
        return found, session.get(DagModel, DAG_ID).next_dagrun_create_after


@pytest.mark.parametrize("paused_for", [timedelta(hours=13), timedelta(days=4, hours=13)])
def test_the_last_time_that_a_paused_dag_missed_is_found_also_after_days(paused, paused_for):
    """Airflow runs it as soon as the DAG is unpaused, unless its date has a run."""
    add_run(PRESSED - paused_for - timedelta(days=1))

    assert missed() == (NEWEST, NEWEST)


def test_a_date_that_has_a_run_is_not_missed(paused):
    """The run that took it is enough: a DAG that is paused and unpaused again runs what is asked for, no more."""
    add_run(FIRST)
    add_run(NEWEST, "manual")

    assert missed() == (None, NEWEST)


def test_a_new_dag_and_one_that_missed_nothing_wait_for_their_next_time(paused):
    new = missed()
    add_run(NEWEST)

    assert new == (None, NEXT)
    assert missed() == (None, NEXT)


def test_a_time_that_has_just_come_to_a_new_dag_is_taken_too(paused):
    """The DAG processor keeps it for a minute."""
    assert missed(NEXT + timedelta(seconds=20)) == (NEXT, NEXT)
    assert missed(NEXT + timedelta(seconds=90))[0] is None


def test_the_run_that_unpauses_takes_the_missed_time(paused, monkeypatch):
    from airflow.utils.session import create_session

    from hector_salto.ui import dag_runs

    given = []
    monkeypatch.setattr(dag_runs, "trigger_dag", lambda **about: given.append(about) or SimpleNamespace(run_id="r"))
    add_run(FIRST)
    visitor = SimpleNamespace(name="ops")
    with time_machine.travel(PRESSED, tick=False):
        dag_runs.start("unpaused", {"plan_only": True}, visitor, unpause=True)
        dag_runs.start("unpaused", {}, visitor, unpause=True)  # unpaused already: nothing is missed

    assert [one["logical_date"] for one in given] == [NEWEST, None]
    with create_session() as session:
        assert not paused.model(session).is_paused
