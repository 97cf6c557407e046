"""The scheduled time that a paused DAG has missed: Airflow would run it as soon as the DAG is unpaused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.utils.types import DagRunType
from pendulum import instance
from sqlalchemy import select

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.models.dag import DagModel
    from airflow.timetables.base import DagRunInfo
    from sqlalchemy.orm import Session

AUTOMATED = (DagRunType.SCHEDULED, DagRunType.BACKFILL_JOB)
NO_CATCHUP = TimeRestriction(earliest=None, latest=None, catchup=False)  # as our DAGs have it


def find_missed_time(session: Session, model: DagModel, now: datetime) -> datetime | None:
    """Return the logical date that Airflow would make up for when it unpauses a DAG now; None: nothing.

    A run that a person starts takes this date: one date has one run, so the scheduler finds it taken and goes on to the
    next time. What the DAG's row says of its next time is brought up to date, because it may be older than the last time
    that has passed.
    """
    found = _next_time(session, model.dag_id)
    if found is None or found.logical_date is None:
        return None
    model.next_dagrun = found.logical_date
    model.next_dagrun_data_interval = found.data_interval
    model.next_dagrun_create_after = found.run_after
    if found.run_after > now or _has_run(session, model.dag_id, found.logical_date):
        return None
    return found.logical_date


def _next_time(session: Session, dag_id: str) -> DagRunInfo | None:
    """Return what the DAG processor would write of a DAG now; None: only triggered runs."""
    dag = DBDagBag().get_latest_version_of_dag(dag_id, session=session)
    if dag is None:
        return None
    last = _last_automated(session, dag_id)
    return dag.timetable.next_dagrun_info(last_automated_data_interval=last, restriction=NO_CATCHUP)


def _last_automated(session: Session, dag_id: str) -> DataInterval | None:
    query = (
        select(DagRun.data_interval_start, DagRun.data_interval_end)
        .where(DagRun.dag_id == dag_id, DagRun.run_type.in_(AUTOMATED), DagRun.logical_date.is_not(None))
        .order_by(DagRun.logical_date.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    if row is None or row[0] is None or row[1] is None:
        return None
    return DataInterval(instance(row[0]), instance(row[1]))


def _has_run(session: Session, dag_id: str, logical_date: datetime) -> bool:
    query = select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.logical_date == logical_date)
    return session.execute(query.limit(1)).first() is not None
