"""The DAG salto_cleanup__<name> of each integration file: outdated Hector_ groups go, also while Hector is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param

from hector_salto.workflow import tasks
from hector_salto.workflow.parsing import dags_of, next_times, nightly

if TYPE_CHECKING:
    from hector_salto.integration import Integration

DOC = """
### Outdated access groups of {site} are removed

**What it does.** Deletes the access groups `Hector_...` whose window is over, and folders and ledger rows of runs past
retention. It runs every night between 02:00 and 04:59, also when the sync has no schedule. It needs Salto KS only (connection `{salto}`); Hector may be
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
    """Build one integration's DAG: plan, apply, remove_outdated, report."""
    with DAG(
        auto_register=False,  # dags_of gives it to Airflow, so that one that fails halfway is never registered
        dag_id=f"salto_cleanup__{name}",
        description=f"Outdated access groups of {integration.site_id} are removed",
        doc_md=DOC.format(site=integration.site_id, salto=integration.salto_conn_id),
        schedule=next_times(nightly(name), integration.timezone),  # also when syncs are only triggered
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        tags=["salto", "cleanup", f"site:{name}"],
        default_args={**tasks.DEFAULT_ARGS, "owner": integration.owner},
    ) as dag:
        folder = tasks.start_run(name, kind="cleanup")
        planned = tasks.plan_cleanup.override(task_id="plan")(name, folder)
        applied = tasks.apply.override(pool=integration.pool)(name, folder, planned, with_hector=False)
        reported = tasks.report_cleanup.override(task_id="report")(name, folder)
        applied >> tasks.remove_outdated(name, folder) >> reported
        reported >> tasks.alert_cleanup.override(task_id="alert")(name, folder, reported).as_teardown()
    return dag


globals().update(dags_of("cleanup", cleanup_dag))
