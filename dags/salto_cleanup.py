"""The DAG salto_cleanup__<name> of each integration file: outdated Hector_ groups go, also while Hector is away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, CronTriggerTimetable, TriggerRule, get_current_context, task

from runs import alerting, applying, bookkeeping, history, opening, planning, reporting
from runs.failures import told_to
from runs.folder import RunFolder
from runs.parsing import integrations_of
from runs.reporting import Ending
from salto.operators import SaltoApplyOperator

if TYPE_CHECKING:
    from include.integrations.integration import Integration

STEPS = ("plan", "apply")
DAILY = "30 3 * * *"

DOC = """
### Outdated access groups of {site} are removed

**What it does.** Deletes the access groups `Hector_...` whose window is over, and folders of runs past retention. It needs
Salto KS only (connection `{salto}`); Hector may be switched off. Groups without an end date are never touched.

**When it is red**, the task `report` names each group that is still there and why.
"""


def cleanup_dag(name: str, integration: Integration) -> DAG:
    """One integration's DAG: plan, apply, report."""
    with DAG(
        dag_id=f"salto_cleanup__{name}",
        description=f"Outdated access groups of {integration.site_id} are removed",
        doc_md=DOC.format(site=integration.site_id, salto=integration.salto_conn_id),
        schedule=CronTriggerTimetable(DAILY, timezone=integration.timezone) if integration.schedule else None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        tags=["salto", "cleanup"],
        default_args={"retries": 1, "retry_delay": timedelta(seconds=10), "execution_timeout": timedelta(minutes=30)},
    ) as dag:

        @task(retries=0)
        def begin() -> str:
            run = get_current_context()["dag_run"]
            return str(
                opening.begin(
                    name,
                    run.run_id,
                    dict(run.conf or {}),
                    datetime.now(UTC),
                    by=run.triggering_user_name,
                    kind="cleanup",
                )
            )

        @task
        def plan(folder: str) -> dict[str, int | str]:
            with told_to(RunFolder(folder), "plan"):
                return planning.plan_cleanup(integration, RunFolder(folder))

        @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
        def report(folder: str | None) -> str:
            run_folder = opening.begun(folder)
            again = (
                (lambda: planning.look_for_outdated(integration, run_folder))
                if applying.sent_anything(run_folder)
                else None
            )
            reporting.report(run_folder, Ending(integration, STEPS, again, "no outdated access group is left"))
            opening.remove_outdated_folders(name, run_folder)
            history.remove_outdated(name, datetime.now(UTC))
            bookkeeping.remove_outdated(name, datetime.now(UTC))
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
            with_hector=False,
        )
        reported = report(folder)
        plan(folder) >> apply >> reported >> alert(folder, reported).as_teardown()
    return dag


for _name, _integration in integrations_of("cleanup").items():
    globals()[f"salto_cleanup__{_name}"] = cleanup_dag(_name, _integration)
