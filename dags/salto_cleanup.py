"""The DAG salto_cleanup__<name> of each integration file: outdated Hector_ groups go, also while Hector is away."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param, TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from hector_salto.workflow import alerting, plan_application, planning, reporting, retention, run_start, starting
from hector_salto.workflow.failures import record_step
from hector_salto.workflow.parsing import dags_of, next_times
from hector_salto.workflow.reporting import ReportSpec
from hector_salto.workflow.run_folder import RunFolder
from salto.operators import SaltoApplyOperator

if TYPE_CHECKING:
    from hector_salto.integration import Integration

STEPS = ("plan", "apply", "remove_outdated")
DAILY = "30 3 * * *"

DOC = """
### Outdated access groups of {site} are removed

**What it does.** Deletes the access groups `Hector_...` whose window is over, and folders and ledger rows of runs past
retention. It runs daily, also when the sync has no schedule. It needs Salto KS only (connection `{salto}`); Hector may be
switched off. Groups without an end date are never touched.

**Trigger it with** `plan_only` to see which groups would be deleted; nothing is deleted then.

**When it is red**, the task `report` names each group that is still there and why.
"""

PARAMS = {
    "plan_only": Param(
        False, type="boolean", title="Plan only", description="Show what would be deleted; delete nothing."
    ),
}


def cleanup_dag(name: str, integration: Integration) -> DAG:
    """One integration's DAG: plan, apply, remove_outdated, report."""
    with DAG(
        auto_register=False,  # dags_of gives it to Airflow
        dag_id=f"salto_cleanup__{name}",
        description=f"Outdated access groups of {integration.site_id} are removed",
        doc_md=DOC.format(site=integration.site_id, salto=integration.salto_conn_id),
        schedule=next_times(DAILY, integration.timezone),  # also when syncs are only triggered
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        tags=["salto", "cleanup"],
        default_args={"retries": 1, "retry_delay": timedelta(seconds=10), "execution_timeout": timedelta(minutes=30)},
    ) as dag:

        @task(retries=0)
        def begin() -> str:
            run = get_current_context()["dag_run"]
            return str(starting.begin(name, run, datetime.now(UTC), kind="cleanup"))

        @task
        def plan(folder: str) -> dict[str, int | str]:
            with record_step(RunFolder(folder), "plan"):
                run_start.refuse_outdated(RunFolder(folder), datetime.now(UTC))
                return planning.plan_cleanup(integration, RunFolder(folder))

        @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
        def remove_outdated(folder: str | None) -> None:
            """Also when nothing else works: what is removed here may be what the disk has no room for."""
            if get_current_context()["params"]["plan_only"]:
                raise AirflowSkipException("plan_only: nothing is removed")
            with record_step(RunFolder(folder), "remove_outdated") if folder else nullcontext():
                retention.remove_outdated(name, datetime.now(UTC))

        @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
        def report(folder: str | None) -> str:
            run_folder = run_start.require_started(folder)
            again = (
                (lambda: planning.look_for_outdated(integration, run_folder))
                if plan_application.has_sent(run_folder)
                else None
            )
            reporting.report(run_folder, ReportSpec(integration, STEPS, again, "no outdated access group is left"))
            return "green"

        @task(trigger_rule=TriggerRule.ALL_DONE)
        def alert(folder: str | None, reported: str | None) -> int:
            ended = alerting.Ended(RunFolder(folder) if folder else None, STEPS, reported is not None)
            return alerting.after_cleanup(name, integration, ended)

        folder = begin()
        apply = SaltoApplyOperator(
            task_id="apply",
            integration=integration,
            folder=folder,
            fingerprint="{{ ti.xcom_pull(task_ids='plan')['fingerprint'] }}",
            plan_only="{{ params.plan_only }}",
            with_hector=False,
        )
        reported = report(folder)
        plan(folder) >> apply >> remove_outdated(folder) >> reported >> alert(folder, reported).as_teardown()
    return dag


globals().update(dags_of("cleanup", cleanup_dag))
