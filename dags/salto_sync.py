"""The DAG salto_sync__<name> of each integration file: Hector's reservations open the doors of a Salto KS site."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import (
    DAG,
    AsyncCallback,
    DeadlineAlert,
    DeadlineReference,
    Param,
    TriggerRule,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException

from hector_salto.access.texts import few
from hector_salto.workflow import (
    alerting,
    approval,
    extraction,
    plan_application,
    planning,
    reporting,
    run_history,
    run_start,
    starting,
)
from hector_salto.workflow.failures import record_step
from hector_salto.workflow.naming import derived_run_id
from hector_salto.workflow.parsing import dags_of, next_times
from hector_salto.workflow.reporting import ReportSpec
from hector_salto.workflow.run_folder import RunFolder
from salto.operators import SaltoApplyOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from hector_salto.integration import Integration

DEADLINES_SETTING = "HECTOR_SALTO_DEADLINES"  # "off": `airflow dags test` of Airflow 3.3 cannot run a DAG that has any
STEPS = ("extract_users", "extract_places", "extract_loaners", "build_desired", "plan", "apply")

DOC = """
### Hector's reservations open the doors of {site}

**What it does.** Reads users, places and reservations from Hector (connection `{hector}`), works out who may open which
door when, compares that with Salto KS (connection `{salto}`), and applies the difference: take away, windows, people, arm.
A manual run is Hector's *reload*. Running it twice changes nothing the second time.

**Trigger it with** `plan_only` to see what would change; `references` to bring only these reservations in step; `verify` to read every access group in detail, as the first run
of a day does;
`approve` with the digest of a held plan, to let exactly that set of removals through (the DAG `salto_approval__{name}`
asks somebody for that by itself).

**When a door stayed shut**, search the log of the task `plan` for the reservation's reference: it says what was decided
and why. The task `report` lists every problem with its next step, and why a run is red.

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
    """One integration's DAG: extract, build the desired state, plan, apply, report."""
    with DAG(
        auto_register=False,  # dags_of gives it to Airflow
        dag_id=f"salto_sync__{name}",
        description=f"Hector's reservations open the doors of {integration.site_id}",
        doc_md=_doc(name, integration),
        schedule=next_times(integration.schedule, integration.timezone),
        catchup=False,
        max_active_runs=1,
        params=PARAMS,
        deadline=_deadline(name, integration),
        tags=["salto", "hector", "sync"],
        render_template_as_native_obj=True,
        user_defined_macros={"derived_run_id": derived_run_id},
        default_args={"retries": 1, "retry_delay": timedelta(seconds=10), "execution_timeout": timedelta(minutes=30)},
    ) as dag:

        @task(retries=0)
        def begin() -> str:
            return str(starting.begin(name, get_current_context()["dag_run"], datetime.now(UTC)))

        @task
        def extract_users(folder: str) -> None:
            with record_step(RunFolder(folder), "extract_users"):
                extraction.extract_people(integration, RunFolder(folder))

        @task
        def extract_places(folder: str) -> None:
            with record_step(RunFolder(folder), "extract_places"):
                extraction.extract_places(integration, RunFolder(folder))

        @task
        def extract_loaners(folder: str) -> None:
            with record_step(RunFolder(folder), "extract_loaners"):
                extraction.extract_loaners(integration, RunFolder(folder))

        @task
        def build_desired(folder: str) -> None:
            with record_step(RunFolder(folder), "build_desired"):
                run_start.refuse_outdated(RunFolder(folder), datetime.now(UTC))
                extraction.build_desired(integration, RunFolder(folder))

        @task
        def plan(folder: str) -> dict[str, int | str]:
            with record_step(RunFolder(folder), "plan"):
                run_start.refuse_outdated(RunFolder(folder), datetime.now(UTC))
                verify = bool(get_current_context()["params"]["verify"])
                return planning.plan(integration, RunFolder(folder), **_scope(), verify=verify)

        @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
        def report(folder: str | None) -> str:
            run_folder = run_start.require_started(folder)
            again = (
                (lambda: planning.verify_sync(integration, run_folder, **_scope()))
                if plan_application.has_sent(run_folder)
                else None
            )
            only = few(_scope()["references"] or ())
            told = f"{only} in step; no other reservation was looked at" if only else "Salto holds what Hector says"
            reporting.report(run_folder, ReportSpec(integration, STEPS, again, told))
            run_history.remember_good(run_folder)
            return "green"

        @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
        def look_for_held(folder: str | None) -> dict[str, Any]:
            question = approval.question(RunFolder(folder), datetime.now(UTC)) if folder else None
            if question is None:
                raise AirflowSkipException("there is nothing to ask about")
            return question

        folder = begin()
        extracts = [extract_users(folder), extract_places(folder), extract_loaners(folder)]
        planned = plan(folder)
        apply = SaltoApplyOperator(
            task_id="apply",
            integration=integration,
            folder=folder,
            fingerprint="{{ ti.xcom_pull(task_ids='plan')['fingerprint'] }}",
            plan_only="{{ params.plan_only }}",
        )
        ask_for_approval = TriggerDagRunOperator(
            task_id="ask_for_approval",
            trigger_dag_id=f"salto_approval__{name}",
            trigger_run_id="{{ derived_run_id('held', run_id) }}",
            conf="{{ ti.xcom_pull(task_ids='look_for_held') }}",
            logical_date=None,
            openlineage_inject_parent_info=False,
        )
        reported = report(folder)
        extracts >> build_desired(folder) >> planned >> apply >> [reported, held := look_for_held(folder)]
        held >> ask_for_approval
        # A teardown does not decide how the run ended: a red run stays red, and a mailbox that is away reddens none.
        reported >> _alert(name, integration)(folder, reported).as_teardown()
    return dag


def _alert(name: str, integration: Integration) -> Callable[[Any], Any]:
    @task(trigger_rule=TriggerRule.ALL_DONE)
    def alert(folder: str | None, reported: str | None) -> int:
        ended = alerting.Ended(RunFolder(folder) if folder else None, STEPS, reported is not None)
        return alerting.after_sync(name, integration, ended)

    return alert


def _deadline(name: str, integration: Integration) -> DeadlineAlert | None:
    """Somebody is told when no sync has succeeded for twice its interval, also when nothing runs any more."""
    interval = integration.interval()
    if interval is None or os.environ.get(DEADLINES_SETTING) == "off":
        return None
    callback = AsyncCallback(alerting.deadline_passed, kwargs={"name": name})
    return DeadlineAlert(reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=2 * interval, callback=callback)


def _scope() -> dict[str, Any]:
    params = get_current_context()["params"]
    return {"references": params["references"] or None, "approve": params["approve"]}


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
