"""The DAG salto_watch__<name> of each integration file: a booking made a moment ago opens its door within seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG
from airflow.utils.state import DagRunState

from hector.sensors import MAX_DEFERRAL, poll_interval
from hector_salto.workflow import tasks
from hector_salto.workflow.naming import derived_run_id
from hector_salto.workflow.parsing import dags_of
from hector_salto.workflow.watch_operator import SyncChangesOperator

if TYPE_CHECKING:
    from hector_salto.integration import Integration

DOC = """
### Walk-up bookings of {site}

**What it does.** Asks Hector (connection `{hector}`) every {every} seconds which reservations have changed, without holding a
worker, and starts `salto_sync__{name}` for just those: what is booked at 10:05 for 10:15 opens its door within seconds.
Where Hector is read from reports, it looks for new files instead, and starts a sync of everything a minute or two after they came.
A run ends when something has changed; the next begins at once. Skipped runs have seen nothing for hours.

**It needs** a sync that has been run once, `salto_sync__{name}` unpaused, and a triggerer. It starts paused: unpause it for
walk-ups; while it is paused, new bookings wait for the schedule of the sync. Paused, its last run goes on asking Hector for up
to six hours, and starts nothing; mark that run as failed to end it.

**When it is red**, Hector has not answered for five minutes, or the sync it started has ended red: then those
reservations are started again after 30, 60 and 120 seconds, and left to the next sync of all after that. Hector goes on being
asked meanwhile, so that no other reservation waits.
"""


def _doc(name: str, integration: Integration) -> str:
    every = int(poll_interval(integration.hector_reports))
    return DOC.format(site=integration.site_id, name=name, hector=integration.hector_conn_id, every=every)


def watch_dag(name: str, integration: Integration) -> DAG:
    """Build one integration's DAG: watch and start the sync; what was due is done or tried again."""
    with DAG(
        auto_register=False,  # dags_of gives it to Airflow, so that one that fails halfway is never registered
        dag_id=f"salto_watch__{name}",
        description=f"Changes in Hector open the doors of {integration.site_id} within seconds",
        doc_md=_doc(name, integration),
        schedule="@continuous",
        # Without one the first run has an interval of no length, and Airflow takes the second for the same run: it makes none.
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=True,  # a choice of its own: unpaused where doors are to follow at once
        tags=["salto", "hector", "watch", f"site:{name}"],
        render_template_as_native_obj=True,
        user_defined_macros={"derived_run_id": derived_run_id},
        # A sync that was started may never end, when its run was deleted.
        dagrun_timeout=MAX_DEFERRAL + timedelta(hours=1),
        # Its runs follow each other at once, so whatever fails must fail slowly.
        default_args={"retries": 15, "retry_delay": timedelta(seconds=30), "owner": integration.owner},
    ) as dag:
        watch = SyncChangesOperator(
            task_id="watch",
            hector_conn_id=integration.hector_conn_id,
            reports=integration.hector_reports and integration.hector_reports.model_dump(exclude_none=True),
            position=tasks.watch_position(name),
            trigger_dag_id=f"salto_sync__{name}",
            trigger_run_id="{{ derived_run_id('watch', run_id) }}",
            logical_date=None,
            poke_interval=2,  # until the sync has ended: what changes meanwhile is one sync more, not one each
            allowed_states=[DagRunState.SUCCESS],
            failed_states=[DagRunState.FAILED],
            openlineage_inject_parent_info=False,
        )
        watch >> [tasks.advance_watermark(name, watch.output), tasks.schedule_retry(name, watch.output)]
    return dag


globals().update(dags_of("watch", watch_dag))
