"""The DAG salto_approval__<name> of each integration file: asks a person about removals that a sync holds back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, get_current_context, task

from hector_salto.workflow import approval, parameters
from hector_salto.workflow.naming import derived_run_id
from hector_salto.workflow.parsing import dags_of

if TYPE_CHECKING:
    from hector_salto.integration import Integration

DOC = """
### Removals at {site} that somebody must look at

**What it does.** A sync that holds removals back starts this DAG. It waits under *Required actions* for somebody to approve
or reject exactly that set. *Approve* starts `salto_sync__{name}` with the set's digest, which lets it through once;
who approved is kept. *Reject*, or no answer within {hours} hours, leaves everything as it is; a later sync that still holds
the set asks again.

Triggered manually, it needs the `digest` that a held run printed; a digest that no sync of this integration holds is refused.
"""

PARAMS = {
    "digest": Param(
        "",
        type="string",
        title="Digest of the held set",
        description="Everything else that is shown is looked up from it.",
    ),
}


def approval_dag(name: str, integration: Integration) -> DAG:
    """One integration's DAG: describe, approve, keep, start_sync."""
    with DAG(
        auto_register=False,  # dags_of gives it to Airflow
        dag_id=f"salto_approval__{name}",
        description=f"Asks about removals that a sync of {integration.site_id} holds back",
        doc_md=DOC.format(site=integration.site_id, name=name, hours=int(approval.ANSWER_WITHIN / timedelta(hours=1))),
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        is_paused_upon_creation=False,  # it runs only when a sync asks; paused, the question would never be seen
        params=PARAMS,
        tags=["salto", "approval"],
        render_template_as_native_obj=True,
        user_defined_macros={"derived_run_id": derived_run_id},
        default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
    ) as dag:

        @task(retries=0, show_return_value_in_logs=False)  # it names users
        def describe() -> dict[str, str]:
            context = get_current_context()
            parameters.check("approval", context["dag_run"].conf)
            return approval.text(integration, name, context["params"]["digest"])

        @task
        def keep(answer: dict[str, Any] | None) -> dict[str, Any]:
            digest = get_current_context()["params"]["digest"]
            conf = approval.approval_conf(name, digest)
            approval.keep(name, digest, answer, datetime.now(UTC))
            return conf

        asked = describe()
        approve = ApprovalOperator(
            task_id="approve",
            subject="{{ ti.xcom_pull(task_ids='describe')['subject'] }}",
            body="{{ ti.xcom_pull(task_ids='describe')['body'] }}",
            response_timeout=approval.ANSWER_WITHIN,
            defaults=ApprovalOperator.REJECT,
            retries=0,
        )
        start_sync = TriggerDagRunOperator(
            task_id="start_sync",
            trigger_dag_id=f"salto_sync__{name}",
            trigger_run_id="{{ derived_run_id('approved', run_id) }}",
            # One object, not a text with a digest in it: Airflow would read 12e4567 as a number.
            conf="{{ ti.xcom_pull(task_ids='keep') }}",
            logical_date=None,
            openlineage_inject_parent_info=False,
        )
        asked >> approve
        keep(approve.output) >> start_sync
    return dag


globals().update(dags_of("approval", approval_dag))
