"""The operator that waits for changes in Hector and starts a sync of them, in one task: a person waits at the door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

from hector.sensors import change_trigger, require_due

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from hector.sensors import Position


class SyncChangesOperator(TriggerDagRunOperator):
    """Waits in the triggerer for changes, starts the sync of just those, and waits for its end.

    Its value is what was due: ``{"references": [...], "everything": bool, "mark": {...}}``, also when the sync ends red.

    :param hector_conn_id: the connection.
    :param position: called with the context, says where to begin.
    :param reports: the block hector_reports of an integration file; None: the connection is one of Hector's API.
    """

    def __init__(
        self,
        *,
        hector_conn_id: str,
        position: Callable[[Context], Position],
        reports: dict[str, Any] | None,
        **kwargs: Any,  # noqa: ANN401 - Airflow's own arguments
    ) -> None:
        super().__init__(wait_for_completion=True, deferrable=True, **kwargs)
        self.hector_conn_id = hector_conn_id
        self.position = position
        self.reports = reports

    def execute(self, context: Context) -> None:
        """Wait for changes."""
        trigger = change_trigger(self.hector_conn_id, self.position(context), self.reports)
        self.log.info("waiting for changes in Hector since %s", trigger.mark["since"])
        self.defer(trigger=trigger, method_name="start_sync")

    def start_sync(self, context: Context, event: dict[str, Any]) -> None:
        """Start the sync of what has changed.

        Raises:
            AirflowFailException: Hector did not answer for minutes.
            AirflowSkipException: nothing has changed.
        """
        due = require_due(event)
        context["ti"].xcom_push(key="return_value", value=due)  # now: it is needed also when the sync ends red
        self.conf = {"references": due["references"]}
        super().execute(context)

    def execute_complete(self, context: Context, event: tuple[str, dict[str, Any]]) -> None:
        """End as the sync did.

        Raises:
            AirflowFailException: it ended red; what is due is tried again by the runs that follow, not by this task.
        """
        try:
            super().execute_complete(context, event)
        except AirflowException as error:
            raise AirflowFailException(str(error)) from error
