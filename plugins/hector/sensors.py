"""The operator that waits for changes in Hector."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from hector.triggers import HectorChangeTrigger
from hector_salto.access.texts import few
from hector_salto.workflow import parameters, watch_state
from hector_salto.workflow.parameters import ParameterError

if TYPE_CHECKING:
    from airflow.sdk import Context

POLL_INTERVAL = 10.0  # seconds: six requests a minute, and ten seconds of the minute within which a door is to open
MAX_DEFERRAL = timedelta(hours=6)  # then a new run begins, so that logs and settings do not grow old


class HectorChangeSensor(BaseOperator):
    """Waits, deferred, until reservations change in Hector; returns what is due as run parameters of the sync.

    :param integration_name: whose mark is read.
    :param hector_conn_id: the connection.
    :param every: seconds between two questions to Hector.
    """

    def __init__(
        self,
        *,
        integration_name: str,
        hector_conn_id: str,
        every: float = POLL_INTERVAL,
        **kwargs: Any,  # noqa: ANN401 - Airflow's own arguments
    ) -> None:
        super().__init__(**kwargs)
        self.integration_name = integration_name
        self.hector_conn_id = hector_conn_id
        self.every = every

    def execute(self, context: Context) -> None:
        try:
            parameters.check("watch", context["dag_run"].conf)
        except ParameterError as error:
            raise AirflowFailException(str(error)) from None
        now = datetime.now(UTC)
        last = watch_state.last_watch(self.integration_name, now)
        self.log.info("waiting for changes in Hector since %s", last.mark.since)
        until = (now + MAX_DEFERRAL).isoformat()
        retries = {one: retry.not_before.isoformat() for one, retry in last.retries.items()}
        self.defer(
            trigger=HectorChangeTrigger(self.hector_conn_id, last.mark.as_json(), self.every, until, retries),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """What is due.

        Raises:
            AirflowFailException: Hector did not answer for minutes.
            AirflowSkipException: nothing has changed.
        """
        if "error" in event:
            raise AirflowFailException(f"Hector's changes cannot be read: {event['error']}")
        if not event["references"] and not event["everything"]:
            raise AirflowSkipException("nothing has changed in Hector")
        due = "a sync of all reservations" if event["everything"] else few(event["references"])
        self.log.info("due: %s", due)
        return event
