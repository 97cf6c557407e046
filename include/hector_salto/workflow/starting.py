"""How Airflow's run becomes one of ours: what started it, and which person is behind it."""

from __future__ import annotations

import getpass
import logging
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf as airflow_options
from airflow.sdk import get_current_context

from hector_salto.access.release import Trigger
from hector_salto.ledger.ledger import RESTART
from hector_salto.settings import PREFIX, setting
from hector_salto.workflow import approval, run_history, run_start, unfinished
from hector_salto.workflow.failures import RunError
from hector_salto.workflow.recorder import ledger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow.sdk.types import DagRunProtocol

    from hector_salto.workflow.run_folder import RunFolder

LOG = logging.getLogger(__name__)
TERMINAL = "dag_test"  # the name Airflow gives a run of `airflow dags test`, which is how a terminal runs a DAG


def begin(name: str, run: DagRunProtocol, now: datetime, *, kind: str = "sync") -> RunFolder:
    """Make our run of Airflow's; see ``opening.begin``."""
    conf = dict(run.conf or {})
    if run.triggering_user_name != TERMINAL:
        require_shared_storage()
    trigger = trigger_of(run.run_type.value, run.run_id, conf)
    by = _person(name, trigger, run, conf)
    folder = run_start.start_run(name, run.run_id, conf, now, by=by, kind=kind, trigger=trigger, asked_at=run.run_after)
    _note_approval(name, conf, by, now)
    unfinished.close_ended(ledger(RESTART), name, _state_in_airflow, now)
    return folder


def require_shared_storage() -> None:
    """Refuse a ledger or a runs' folder of one machine where tasks run on several.

    Raises:
        RunError: naming the setting.
    """
    executor = str(airflow_options.get("core", "executor", fallback=""))
    if not any(name in executor for name in ("Celery", "Kubernetes")):
        return
    for option, what in (("ledger", "the ledger is a SQLite file"), ("runs", "the runs' folder is AIRFLOW_HOME/runs")):
        if not setting(option):
            raise RunError(
                f"the {executor} runs tasks on several machines, but {what} of one of them: set {PREFIX}{option.upper()} "
                "(docs/deploy.md, settings)"
            )


def _note_approval(name: str, conf: Mapping[str, Any], by: str | None, now: datetime) -> None:
    """Keep who approved, when a person gave the digest as a run parameter; under Required Actions it is kept already."""
    digest = str(conf.get("approve") or "").strip()
    if by and run_history.is_digest(digest) and run_history.approval_of(name, digest) is None:
        approval.note(name, digest, by, now)


def _state_in_airflow(dag_id: str, run_id: str) -> str | None:
    """Ask Airflow for the state of a run; one that it does not know, or will not tell, is left as it is."""
    try:
        return str(get_current_context()["ti"].get_dagrun_state(dag_id=dag_id, run_id=run_id))
    except Exception as error:  # noqa: BLE001 - whatever keeps Airflow from answering must not stop this run
        LOG.info("state of run %s of %s not known: %s", run_id, dag_id, type(error).__name__)
        return "unknown"


def _person(name: str, trigger: Trigger, run: DagRunProtocol, conf: Mapping[str, Any]) -> str | None:
    """Return the person behind a run. One that another DAG starts inherits a name in Airflow that says nothing about it."""
    if trigger is Trigger.APPROVAL:
        given = run_history.approval_of(name, str(conf["approve"]).strip())
        return str(given["by"]) if given else None
    if trigger is not Trigger.PERSON:
        return None
    return f"{getpass.getuser()} (terminal)" if run.triggering_user_name == TERMINAL else run.triggering_user_name


def trigger_of(run_type: str, run_id: str, conf: Mapping[str, Any]) -> Trigger:
    """Return what started a run, by what Airflow says of it. Runs that a person starts on the page, in Airflow or in a terminal are manual ones."""
    if run_type == "manual":
        return Trigger.PERSON
    if run_type == "backfill":
        return Trigger.BACKFILL
    if run_type == "scheduled":
        return Trigger.SCHEDULE
    if conf.get("approve"):
        return Trigger.APPROVAL
    return Trigger.WATCH if run_id.startswith("watch__") else Trigger.DAG
