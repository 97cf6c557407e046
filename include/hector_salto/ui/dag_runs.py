"""What Airflow itself knows of our DAGs: paused, next run, runs under way, questions that wait; and how to start one."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
from airflow.exceptions import DagNotFound
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.hitl import HITLDetail
from airflow.models.log import Log
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.providers.common.compat.sdk import AirflowException
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType
from fastapi import HTTPException, status
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from hector_salto.integration import site_pools
from hector_salto.ledger.overview import under_way
from hector_salto.ui.missed_times import find_missed_time
from hector_salto.workflow import unfinished
from hector_salto.workflow.approval import ANSWER_WITHIN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hector_salto.integration import Integration
    from hector_salto.ledger.ledger import Ledger
    from hector_salto.ui.permissions import Visitor

UNDER_WAY = (DagRunState.QUEUED, DagRunState.RUNNING)
APPROVE = "Approve"
BROKEN = "broken_integrations.py"  # raises what is wrong with integration files
ANSWERS = 50  # the last ones of an integration
BESIDE = ("cleanup", "watch", "approval")  # the DAGs of an integration beside its sync
STEPS = {  # of a sync, as its card shows them
    "Start": "start_run",
    "Read Hector": "extract",
    "Read Salto and plan": "plan",
    "Send the plan": "apply",
    "Report": "report",
}
STEPS_AT_ONCE = {"Read, plan and send at once": "start_run", "Report": "report"}  # of a few given reservations
LEFT_OUT = frozenset({TaskInstanceState.SKIPPED, TaskInstanceState.UPSTREAM_FAILED})
NOT_BEGUN = frozenset({"", TaskInstanceState.SCHEDULED, TaskInstanceState.QUEUED})

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DagTimes:
    """The DAGs of one integration.

    Attributes:
        known: Airflow has the sync.
        paused: the sync is paused.
        next_at: when it runs next, aware; None: only when triggered.
        under_way: queued | running; None: no run is under way.
        run_id: of the run under way, the running one before those that wait; empty: none is.
        paused_beside: which of its other DAGs are paused, of BESIDE.
    """

    known: bool
    paused: bool = False
    next_at: datetime | None = None
    under_way: str | None = None
    run_id: str = ""
    paused_beside: frozenset[str] = frozenset()


class StepState(StrEnum):
    """How far a step of a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left-out"


@dataclass(frozen=True)
class RunProgress:
    """A sync step by step.

    Attributes:
        run_id: as Airflow names it.
        state: Airflow's state of the run.
        steps: each title with its state, in order.
    """

    run_id: str
    state: str
    steps: list[tuple[str, StepState]]

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def now(self) -> str:
        """Return the step that is running; empty: none is."""
        return next((title for title, state in self.steps if state is StepState.RUNNING), "")


@dataclass(frozen=True)
class ApprovalAnswer:
    """Who approved a held set, and when."""

    by: str
    at: datetime


@dataclass(frozen=True)
class Waiting:
    """A question under Required Actions: the run of the approval DAG, and its task."""

    run_id: str
    task_id: str


def sync_dag(name: str) -> str:
    return f"salto_sync__{name}"


def approval_dag(name: str) -> str:
    return f"salto_approval__{name}"


def schedules(names: list[str]) -> dict[str, DagTimes]:
    """Return what Airflow knows of the DAGs of each integration."""
    ids = {f"salto_{kind}__{name}": (kind, name) for name in names for kind in ("sync", *BESIDE)}
    syncs = [sync_dag(name) for name in names]
    with create_session() as session:
        models = session.execute(
            select(DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after).where(
                DagModel.dag_id.in_(ids), ~DagModel.is_stale
            )
        ).all()
        running = session.execute(
            select(DagRun.dag_id, DagRun.state, DagRun.run_id)
            .where(DagRun.dag_id.in_(syncs), DagRun.state.in_(UNDER_WAY))
            .order_by(DagRun.state.desc(), DagRun.id)  # running before queued
        ).all()
    runs: dict[str, tuple[str, str]] = {}
    for dag_id, state, run_id in running:
        runs.setdefault(ids[dag_id][1], (str(state), str(run_id)))
    paused = {ids[dag_id] for dag_id, is_paused, _ in models if is_paused}
    next_times = {ids[dag_id][1]: at for dag_id, _, at in models if ids[dag_id][0] == "sync"}
    return {name: _times(name, paused, next_times, runs) if name in next_times else DagTimes(False) for name in names}


def _times(
    name: str,
    paused: Collection[tuple[str, str]],
    next_times: Mapping[str, datetime | None],
    runs: Mapping[str, tuple[str, str]],
) -> DagTimes:
    under_way, run_id = runs.get(name, (None, ""))
    beside = frozenset(kind for kind in BESIDE if (kind, name) in paused)
    return DagTimes(True, ("sync", name) in paused, next_times[name], under_way, run_id, beside)


def run_progress(name: str, run_id: str) -> RunProgress | None:
    """Return how far a sync is; None: Airflow does not know it."""
    dag_id = sync_dag(name)
    with create_session() as session:
        state = session.scalar(select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        query = select(TaskInstance.task_id, TaskInstance.state).where(
            TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id
        )
        tasks = {str(task_id): str(found or "") for task_id, found in session.execute(query)}
    if state is None:
        return None
    steps = STEPS_AT_ONCE if tasks.get("extract") == TaskInstanceState.SKIPPED else STEPS
    return RunProgress(
        run_id, str(state), [(title, step_state(tasks.get(task_id, ""))) for title, task_id in steps.items()]
    )


def step_state(task: str) -> StepState:
    """Return how far a step is whose task has this state."""
    if task == TaskInstanceState.FAILED:
        return StepState.FAILED
    if task in LEFT_OUT:
        return StepState.LEFT_OUT
    if task == TaskInstanceState.SUCCESS:
        return StepState.DONE
    return StepState.WAITING if task in NOT_BEGUN else StepState.RUNNING


def missing_pools(integrations: Mapping[str, Integration]) -> frozenset[str]:
    """Make the pools that are missing, of one slot each; return those that Airflow does not let us make.

    A task whose pool is missing stays queued, and Airflow logs nothing.
    """
    wanted = site_pools(integrations)
    with create_session() as session:
        missing = frozenset(wanted) - set(session.scalars(select(Pool.pool).where(Pool.pool.in_(wanted))))
    try:
        for name in sorted(missing):
            Pool.create_or_update_pool(name, **wanted[name])
            LOG.info("pool %s made, 1 slot", name)
    except (SQLAlchemyError, AirflowException) as error:
        LOG.warning("pool cannot be made: %s", error)
        return missing
    return frozenset()


def start(name: str, conf: dict[str, Any], visitor: Visitor, *, unpause: bool = False) -> str:
    """Start a sync as this person; the run's id. Airflow's audit log says who pressed what.

    When it unpauses the DAG, this is the one run: it takes the place of a scheduled time that was missed meanwhile.

    Raises:
        HTTPException: 404, while Airflow has not read the DAG.
    """
    dag_id = sync_dag(name)
    with create_session() as session:
        model = session.get(DagModel, dag_id)
        is_unpaused = unpause and model is not None and model.is_paused
        missed = find_missed_time(session, model, datetime.now(UTC)) if model is not None and is_unpaused else None
    try:
        run = trigger_dag(
            dag_id=dag_id,
            conf=conf,
            logical_date=missed,
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=visitor.name,
        )
    except DagNotFound:
        raise HTTPException(
            status.HTTP_404_NOT_FOUND, f"Airflow has not read {dag_id} yet: try again shortly"
        ) from None
    with create_session() as session:
        model = session.get(DagModel, dag_id)
        if unpause and model is not None and model.is_paused:
            model.is_paused = False
            session.add(Log(event="doors_unpause", dag_id=dag_id, owner=visitor.name))
        session.add(Log(event="doors_start", dag_id=dag_id, owner=visitor.name, extra=json.dumps(conf)))
    return str(run.run_id) if run is not None else ""


def waiting_for(name: str, digest: str) -> Waiting | None:
    """The open question about just this held set, None when it is answered."""
    asked = (one for one in _open_questions([name]) if one.digest == digest)
    return next((Waiting(one.run_id, one.task_id) for one in asked), None)


def deadlines(names: Iterable[str]) -> dict[str, datetime]:
    """Return until when each open question about a held set waits for its answer, by the set's digest."""
    return {one.digest: one.begin + ANSWER_WITHIN for one in _open_questions(names) if one.begin is not None}


@dataclass(frozen=True)
class _OpenQuestion:
    """A question under Required Actions that has no answer yet; ``begin`` None: its task has not begun."""

    run_id: str
    task_id: str
    begin: datetime | None
    digest: str


def _open_questions(names: Iterable[str]) -> list[_OpenQuestion]:
    dags = [approval_dag(name) for name in names]
    if not dags:
        return []
    query = (
        select(TaskInstance.run_id, TaskInstance.task_id, TaskInstance.start_date, DagRun.conf)
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
        .where(TaskInstance.dag_id.in_(dags), HITLDetail.responded_at.is_(None), DagRun.state.in_(UNDER_WAY))
    )
    with create_session() as session:
        return [
            _OpenQuestion(str(run_id), str(task_id), begin, str((conf or {}).get("digest")))
            for run_id, task_id, begin, conf in session.execute(query)
        ]


def find_approval(name: str, digest: str) -> ApprovalAnswer | None:
    """Return who approved just this held set under Required Actions; None: no one has."""
    query = (
        select(HITLDetail.responded_by, HITLDetail.responded_at, HITLDetail.chosen_options, DagRun.conf)
        .join(TaskInstance, HITLDetail.ti_id == TaskInstance.id)
        .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
        .where(TaskInstance.dag_id == approval_dag(name), HITLDetail.responded_at.is_not(None))
        .order_by(HITLDetail.responded_at.desc())
        .limit(ANSWERS)
    )
    with create_session() as session:
        for by, at, chosen, conf in session.execute(query):
            if (conf or {}).get("digest") == digest and APPROVE in (chosen or ()) and by:
                return ApprovalAnswer(str(by.get("name") or by.get("id")), at)
    return None


def states(dag_runs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the state of runs, by DAG and run id; those that Airflow does not know are left out."""
    wanted = set(dag_runs)
    if not wanted:
        return {}
    query = select(DagRun.dag_id, DagRun.run_id, DagRun.state).where(
        DagRun.dag_id.in_({dag_id for dag_id, _ in wanted}), DagRun.run_id.in_({run_id for _, run_id in wanted})
    )
    with create_session() as session:
        return {(dag_id, run_id): str(state) for dag_id, run_id, state in session.execute(query)}


def import_error() -> str:
    """Return Airflow's import error about integration files, "" when there is none."""
    query = select(ParseImportError.stacktrace).where(ParseImportError.filename.endswith(BROKEN))
    with create_session() as session:
        return str(session.execute(query.order_by(ParseImportError.id.desc())).scalars().first() or "")


def close_ended(kept: Ledger, names: Iterable[str], now: datetime) -> None:
    """End in the ledger what Airflow has ended."""
    for name in under_way(kept, list(names)):
        known = states((run.dag_id(name), run.airflow_run_id) for run in kept.unfinished(name))
        unfinished.close_ended(kept, name, partial(_state_in, known), now)


def _state_in(known: Mapping[tuple[str, str], str], dag_id: str, run_id: str) -> str | None:
    return known.get((dag_id, run_id))


def answer(name: str, waiting: Waiting, visitor: Visitor) -> None:
    """Approve as this person, just as under Required Actions: the approval DAG then starts the sync."""
    payload = UpdateHITLDetailPayload(chosen_options=[APPROVE], params_input={})
    with create_session() as session:
        update_hitl_detail(
            dag_id=approval_dag(name),
            dag_run_id=waiting.run_id,
            task_id=waiting.task_id,
            update_hitl_detail_payload=payload,
            user=visitor.user,
            session=session,
        )
        about = json.dumps({"run_id": waiting.run_id})
        session.add(Log(event="doors_approve", dag_id=approval_dag(name), owner=visitor.name, extra=about))
