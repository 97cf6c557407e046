"""The tasks that our DAGs are wired of: each gathers what a step needs, calls it, and hands on ids and counts.

``name`` is the integration's; ``folder`` is the path of the run's folder, which the first task returns.
"""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, DownstreamTasksSkipped
from airflow.sdk import TriggerRule, get_current_context, task

from hector_salto.access.texts import few
from hector_salto.integration_files import load_integration
from hector_salto.workflow import (
    alerting,
    approval,
    assets,
    parameters,
    plan_application,
    planning,
    release,
    reporting,
    retention,
    run_history,
    run_start,
    starting,
    sync_steps,
    watch_state,
)
from hector_salto.workflow.failures import record_step
from hector_salto.workflow.parameters import ParameterError
from hector_salto.workflow.reporting import ReportSpec
from hector_salto.workflow.run_folder import RunFolder
from hector_salto.workflow.sync_steps import SyncScope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from hector.sensors import Position
    from hector_salto.integration import Integration

DEFAULT_ARGS: dict[str, Any] = {
    "retries": 1,
    "retry_delay": timedelta(seconds=10),
    "execution_timeout": timedelta(minutes=30),
}
SYNC_STEPS = ("extract_users", "extract_places", "extract_loaners", "plan", "apply")
ASK = "ask_for_approval"
STEP_TASKS = ("extract", "plan", "apply")  # what one task takes at once for a few reservations
CLEANUP_STEPS = ("plan", "apply", "remove_outdated")


def _integration(name: str) -> Integration:
    return load_integration(name)


def _now() -> datetime:
    return datetime.now(UTC)


def _scope() -> SyncScope:
    return SyncScope.of(get_current_context()["params"])


def _keep_value(value: object) -> None:
    """Keep a task's value now: it is needed also when the task fails, or ends by skipping others."""
    get_current_context()["ti"].xcom_push(key="return_value", value=value)


def _skip(skipped: Sequence[str]) -> NoReturn:
    """End a task, and skip tasks after it that have nothing to do: none of them costs a process."""
    raise DownstreamTasksSkipped(tasks=list(skipped))  # type: ignore[no-untyped-call]  # Airflow's own


@task(retries=0)
def start_run(name: str, kind: str = "sync") -> str:
    """Make the run's folder and its row in the ledger; of a few reservations, take the steps of the sync at once."""
    folder = starting.begin(name, get_current_context()["dag_run"], _now(), kind=kind)
    if kind == "sync" and (scope := _scope()).at_once:
        _keep_value(str(folder))
        if sync_steps.sync_at_once(_integration(name), folder, scope):
            asks = () if approval.holds(folder) else (ASK,)
            _skip((*STEP_TASKS, *asks))
    return str(folder)


# --- the sync ------------------------------------------------------------------------------------------------------


@task
def extract(name: str, folder: str) -> None:
    """Read Hector's users, places and reservations of the horizon."""
    sync_steps.extract(_integration(name), RunFolder(folder))


@task(multiple_outputs=False)
def plan(name: str, folder: str) -> dict[str, int | str]:
    """Decide what should exist in Salto, read Salto, and plan what must change."""
    return sync_steps.plan(_integration(name), RunFolder(folder), _scope())


@task(retries=0, multiple_outputs=False)
def apply(name: str, folder: str, planned: Mapping[str, Any], *, with_hector: bool = True) -> dict[str, int]:
    """Send the plan, once: a second try would need a second plan. Return how many operations ended how.

    Single operations that fail do not fail the task; the report turns the run red.
    """
    run_folder = RunFolder(folder)
    if release.plans_only(run_folder):
        raise AirflowSkipException("plan only: nothing is sent")
    ended = sync_steps.apply(_integration(name), run_folder, planned, with_hector=with_hector)
    if with_hector and not approval.holds(run_folder):
        _keep_value(ended)
        _skip([ASK])
    return ended


@task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
def report(name: str, folder: str | None) -> str:
    """Verify what was applied, write the report, and raise RunError when the run is red."""
    integration, run_folder = _integration(name), run_start.require_started(folder)
    scope = _scope()
    verify = (
        (lambda: planning.verify_sync(integration, run_folder, references=scope.only, approve=scope.approve))
        if plan_application.has_sent(run_folder)
        else None
    )
    only = few(scope.references)
    green = f"{only} in step; no other reservation was looked at" if only else "Salto holds what Hector says"
    reporting.report(run_folder, ReportSpec(integration, SYNC_STEPS, verify, green))
    run_history.remember_good(run_folder)
    assets.record_access_change(name, run_folder, get_current_context()["outlet_events"])
    return "green"


@task(trigger_rule=TriggerRule.ALL_DONE)
def alert(name: str, folder: str | None, reported: str | None) -> int:
    """Send what has changed of the integration's conditions; return how many alerts were sent."""
    ended = alerting.Ended(RunFolder(folder) if folder else None, SYNC_STEPS, reported is not None)
    return alerting.after_sync(name, _integration(name), ended)


# --- the cleanup ---------------------------------------------------------------------------------------------------


@task(multiple_outputs=False)
def plan_cleanup(name: str, folder: str) -> dict[str, int | str]:
    """Plan the removal of outdated groups; Hector is not needed."""
    with record_step(RunFolder(folder), "plan"):
        run_start.refuse_outdated(RunFolder(folder), _now())
        return planning.plan_cleanup(_integration(name), RunFolder(folder))


@task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
def remove_outdated(name: str, folder: str | None) -> None:
    """Remove old runs, also when nothing else works: they may be what the disk has no room for."""
    if get_current_context()["params"]["plan_only"]:
        raise AirflowSkipException("plan_only: nothing is removed")
    with record_step(RunFolder(folder), "remove_outdated") if folder else nullcontext():
        retention.remove_outdated(name, _now())


@task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
def report_cleanup(name: str, folder: str | None) -> str:
    """Verify that outdated groups are gone, write the report, and raise RunError when the run is red."""
    integration, run_folder = _integration(name), run_start.require_started(folder)
    verify = (
        (lambda: planning.look_for_outdated(integration, run_folder)) if plan_application.has_sent(run_folder) else None
    )
    reporting.report(run_folder, ReportSpec(integration, CLEANUP_STEPS, verify, "no outdated access group is left"))
    return "green"


@task(trigger_rule=TriggerRule.ALL_DONE)
def alert_cleanup(name: str, folder: str | None, reported: str | None) -> int:
    """Send what has changed of the conditions that the cleanup sees."""
    ended = alerting.Ended(RunFolder(folder) if folder else None, CLEANUP_STEPS, reported is not None)
    return alerting.after_cleanup(name, _integration(name), ended)


# --- approval ------------------------------------------------------------------------------------------------------


@task(retries=0, multiple_outputs=False, show_return_value_in_logs=False)  # it names users
def describe(name: str) -> dict[str, str]:
    """Return subject and body of the question about a held set."""
    context = get_current_context()
    parameters.check("approval", context["dag_run"].conf)
    return approval.text(_integration(name), name, context["params"]["digest"])


@task(multiple_outputs=False)
def record_approval(name: str, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Record who approved; return the run parameters of the sync that lets the set through."""
    digest = get_current_context()["params"]["digest"]
    conf = approval.approval_conf(name, digest)
    approval.keep(name, digest, answer, _now())
    return conf


# --- the watch -----------------------------------------------------------------------------------------------------


def watch_position(name: str) -> Callable[[Context], Position]:
    """Return what tells the sensor where the last watch of an integration ended."""

    def position(context: Context) -> Position:
        try:
            parameters.check("watch", context["dag_run"].conf)
        except ParameterError as error:
            raise AirflowFailException(str(error)) from None
        last = watch_state.last_watch(name, _now())
        retries = {one: retry.not_before.isoformat() for one, retry in last.retries.items()}
        return {"mark": last.mark.as_json(), "retries": retries}

    return position


@task
def advance_watermark(name: str, due: Mapping[str, Any]) -> None:
    """Record that a sync of what was due has ended green."""
    watch_state.keep_done(name, due, _now())


@task(trigger_rule=TriggerRule.ONE_FAILED)
def schedule_retry(name: str, due: Mapping[str, Any] | None) -> None:
    """Record that it has ended red; fail when it was tried often enough."""
    if due is None:
        raise AirflowSkipException("Hector was not read, so nothing is due")
    if not watch_state.keep_due(name, due, _now()):
        raise AirflowFailException("the sync ended red each time; what is due is left to the next sync of all")
