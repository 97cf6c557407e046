"""How Airflow's run becomes one of ours: what started it, and which person is behind it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from include.access.release import Trigger
from runs import history, opening

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow.sdk.types import DagRunProtocol

    from runs.folder import RunFolder

TERMINAL = "dag_test"  # the name Airflow gives a run of `airflow dags test`, which is how a terminal runs a DAG


def begin(name: str, run: DagRunProtocol, now: datetime, *, kind: str = "sync") -> RunFolder:
    """Make our run of Airflow's; see ``opening.begin``."""
    conf = dict(run.conf or {})
    trigger = trigger_of(run.run_type.value, run.run_id, conf)
    return opening.begin(name, run.run_id, conf, now, by=_person(name, trigger, run, conf), kind=kind, trigger=trigger)


def _person(name: str, trigger: Trigger, run: DagRunProtocol, conf: Mapping[str, Any]) -> str | None:
    """Return the person behind a run. One that another DAG starts inherits a name in Airflow that says nothing about it."""
    if trigger is Trigger.APPROVAL:
        given = history.approved_by(name, str(conf["approve"]).strip())
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
