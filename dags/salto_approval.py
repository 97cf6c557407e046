"""The DAG salto_approval__<name> of each integration file: asks a person about removals that a sync holds back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import TYPE_CHECKING

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param

from hector_salto.workflow import tasks
from hector_salto.workflow.approval import ANSWER_WITHIN
from hector_salto.workflow.naming import derived_run_id
from hector_salto.workflow.parsing import dags_of

if TYPE_CHECKING:
    from hector_salto.integration import Integration

# Older versions of the standard provider have one name for both times.
RESPONSE_TIMEOUT = (
    "response_timeout" if "response_timeout" in signature(HITLOperator).parameters else "execution_timeout"
)

DOC = """
### Removals at {site} that need an approval

**What it does.** A sync that holds removals back starts this DAG. It waits under *Required actions* until exactly that
set is approved or rejected. *Approve* starts `salto_sync__{name}` with the set's digest, which lets it through once;
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
    """Build one integration's DAG: describe, approve, record_approval, start_sync."""
    with DAG(
        auto_register=False,  # dags_of gives it to Airflow, so that one that fails halfway is never registered
        dag_id=f"salto_approval__{name}",
        description=f"Asks about removals that a sync of {integration.site_id} holds back",
        doc_md=DOC.format(site=integration.site_id, name=name, hours=int(ANSWER_WITHIN / timedelta(hours=1))),
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        is_paused_upon_creation=False,  # it runs only when a sync asks; paused, the question would never be seen
        params=PARAMS,
        tags=["salto", "approval", f"site:{name}"],
        render_template_as_native_obj=True,
        user_defined_macros={"derived_run_id": derived_run_id},
        default_args={"retries": 1, "retry_delay": timedelta(seconds=10), "owner": integration.owner},
    ) as dag:
        described = tasks.describe(name)
        approve = ApprovalOperator(
            task_id="approve",
            subject="{{ ti.xcom_pull(task_ids='describe')['subject'] }}",  # the operator takes text only
            body="{{ ti.xcom_pull(task_ids='describe')['body'] }}",
            **{RESPONSE_TIMEOUT: ANSWER_WITHIN},
            defaults=ApprovalOperator.REJECT,
            retries=0,
        )
        TriggerDagRunOperator(
            task_id="start_sync",
            trigger_dag_id=f"salto_sync__{name}",
            trigger_run_id="{{ derived_run_id('approved', run_id) }}",
            # One object, not a text with a digest in it: Airflow would read 12e4567 as a number.
            conf=tasks.record_approval(name, approve.output),
            logical_date=None,
            openlineage_inject_parent_info=False,
        )
        described >> approve
    return dag


globals().update(dags_of("approval", approval_dag))
