"""The DAG salto_sync__<name> of each integration file: Hector's reservations open the doors of a Salto KS site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param, TriggerRule

from hector_salto.workflow import tasks
from hector_salto.workflow.alerting import sync_deadline
from hector_salto.workflow.approval_operator import AskForApprovalOperator
from hector_salto.workflow.assets import LEDGER, access_alias
from hector_salto.workflow.naming import derived_run_id
from hector_salto.workflow.parsing import dags_of, next_times

if TYPE_CHECKING:
    from hector_salto.integration import Integration

DOC = """
### Hector's reservations open the doors of {site}

**What it does.** Reads users, places and reservations from Hector (connection `{hector}`), works out who may open which
door when, compares that with Salto KS (connection `{salto}`), and applies the difference: take away, windows, people, arm.
A manual run is Hector's *reload*. Running it twice changes nothing the second time.

**Trigger it with** `plan_only` to see what would change; `references` to bring only these reservations in step
(up to 25 of them all in the task `start_run`, within seconds); `verify` to read every access group in detail, as the first run
of a day does;
`approve` with the digest of a held plan, to let exactly that set of removals through (the DAG `salto_approval__{name}`
asks for that approval by itself).

**When a door stayed shut**, search the log of the task `plan` (of `start_run` in a run of given references) for the reservation's
reference: it says what was decided and why. The task `report` lists every problem with its next step, and why a run is red.

| | |
|---|---|
| grace period | {before} minutes before, {after} minutes after |
| horizon | {horizon} days |
| delete users | {delete} |
| settings | `include/integrations/{name}.yaml` |
"""

PARAMS = {
    "plan_only": Param(
        False, type="boolean", title="Plan only", description="Show what would change; send nothing but reads."
    ),
    "references": Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        title="Only these reservations",
        description="References, one a line, such as 10452. Empty: all reservations of the horizon.",
    ),
    "verify": Param(
        False,
        type="boolean",
        title="Full verification",
        description="Read every access group in detail, as the first run of a day does: finds what was changed by hand.",
    ),
    "approve": Param(
        None,
        type=["null", "string"],
        title="Approve a held plan",
        description="The digest that a run printed when it held removals back; lets exactly that set through once.",
    ),
}


def sync_dag(name: str, integration: Integration) -> DAG:
    """Build one integration's DAG: extract, plan, apply, report; a few given reservations in the first task at once."""
    with DAG(
        auto_register=False,  # dags_of gives it to Airflow, so that one that fails halfway is never registered
        dag_id=f"salto_sync__{name}",
        description=f"Hector's reservations open the doors of {integration.site_id}",
        doc_md=_doc(name, integration),
        schedule=next_times(integration.schedule, integration.timezone),
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        deadline=sync_deadline(name, integration),
        tags=["salto", "hector", "sync", f"site:{name}"],
        render_template_as_native_obj=True,
        user_defined_macros={"derived_run_id": derived_run_id},
        default_args={**tasks.DEFAULT_ARGS, "owner": integration.owner},
    ) as dag:
        folder = tasks.start_run(name)
        planned = tasks.plan(name, folder)
        applied = tasks.apply.override(pool=integration.pool)(name, folder, planned)
        reported = tasks.report.override(outlets=[access_alias(name), LEDGER])(name, folder)
        ask = AskForApprovalOperator(
            task_id=tasks.ASK,
            folder=folder,
            trigger_dag_id=f"salto_approval__{name}",
            trigger_run_id="{{ derived_run_id('held', run_id) }}",
            logical_date=None,
            openlineage_inject_parent_info=False,
            trigger_rule=TriggerRule.ALL_DONE,
        )
        tasks.extract(name, folder) >> planned >> applied >> [reported, ask]
        # A teardown does not decide how the run ended: a red run stays red, and a mailbox that is away reddens none.
        reported >> tasks.alert(name, folder, reported).as_teardown()
    return dag


def _doc(name: str, integration: Integration) -> str:
    return DOC.format(
        name=name,
        site=integration.site_id,
        hector=integration.hector_conn_id,
        salto=integration.salto_conn_id,
        before=integration.grace_period.before,
        after=integration.grace_period.after,
        horizon=integration.horizon_days,
        delete="yes" if integration.delete_users else "no",
    )


globals().update(dags_of("sync", sync_dag))
