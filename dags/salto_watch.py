"""The DAG salto_watch__<name> of each integration file: a booking made a moment ago opens its door within a minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, TriggerRule, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.utils.state import DagRunState

from hector.sensors import MAX_DEFERRAL, POLL_INTERVAL, HectorChangeSensor
from hector_salto.workflow import watch_state
from hector_salto.workflow.naming import derived_run_id
from hector_salto.workflow.parsing import dags_of

if TYPE_CHECKING:
    from hector_salto.integration import Integration

DOC = """
### Walk-up bookings of {site}

**What it does.** Asks Hector (connection `{hector}`) every {every} seconds which reservations have changed, without holding a
worker, and starts `salto_sync__{name}` for just those: what is booked at 10:05 for 10:15 opens its door within a minute.
A run ends when something has changed; the next begins at once. Skipped runs have seen nothing for hours.

**It needs** a sync that has been run once, `salto_sync__{name}` unpaused, and a triggerer. It starts paused: unpause it for
walk-ups; while it is paused, new bookings wait for the schedule of the sync. Paused, its last run goes on asking Hector for up
to six hours, and starts nothing; mark that run as failed to end it.

**When it is red**, Hector has not answered for five minutes, or the sync it started has ended red: then those
reservations are started again after 30, 60 and 120 seconds, and left to the next sync of all after that. Hector goes on being
asked meanwhile, so that no other reservation waits.
"""


def watch_dag(name: str, integration: Integration) -> DAG:
    """One integration's DAG: watch, start_sync, keep."""
    with DAG(
        auto_register=False,  # dags_of gives it to Airflow
        dag_id=f"salto_watch__{name}",
        description=f"Changes in Hector open the doors of {integration.site_id} within a minute",
        doc_md=DOC.format(
            site=integration.site_id, name=name, hector=integration.hector_conn_id, every=int(POLL_INTERVAL)
        ),
        schedule="@continuous",
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,  # a choice of its own: whoever wants doors to follow at once unpauses it
        tags=["salto", "hector", "watch"],
        render_template_as_native_obj=True,
        user_defined_macros={"derived_run_id": derived_run_id},
        dagrun_timeout=MAX_DEFERRAL
        + timedelta(hours=1),  # a sync that was started may never end: somebody has deleted its run
        # Its runs follow each other at once, so whatever fails must fail slowly.
        default_args={
            "retries": 4,
            "retry_delay": timedelta(seconds=30),
            "retry_exponential_backoff": 2.0,
        },
    ) as dag:

        @task
        def keep(due: dict[str, Any]) -> None:
            watch_state.keep_done(name, due, datetime.now(UTC))

        @task(trigger_rule=TriggerRule.ONE_FAILED)
        def try_again(due: dict[str, Any] | None) -> None:
            if due is None:
                raise AirflowSkipException("Hector was not read, so nothing is due")
            if not watch_state.keep_due(name, due, datetime.now(UTC)):
                raise AirflowFailException("the sync ended red each time; what is due is left to the next sync of all")

        watch = HectorChangeSensor(task_id="watch", integration_name=name, hector_conn_id=integration.hector_conn_id)
        start_sync = TriggerDagRunOperator(
            task_id="start_sync",
            trigger_dag_id=f"salto_sync__{name}",
            trigger_run_id="{{ derived_run_id('watch', run_id) }}",
            conf="{{ dict(references=ti.xcom_pull(task_ids='watch')['references']) }}",
            logical_date=None,
            # Until it has ended: what changes meanwhile is one sync more, not one each.
            wait_for_completion=True,
            deferrable=True,
            poke_interval=5,
            allowed_states=[DagRunState.SUCCESS],
            failed_states=[DagRunState.FAILED],
            retries=0,  # what is due is tried again by the runs that follow
            openlineage_inject_parent_info=False,
        )
        watch >> start_sync >> [keep(watch.output), try_again(watch.output)]
    return dag


globals().update(dags_of("watch", watch_dag))
