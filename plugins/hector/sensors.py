"""The sensor that waits for changes of reservations in Hector."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

import pandas as pd
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from hector.hook import HectorHook
from hector.triggers import HectorChangeTrigger, add_due_retries, event_payload, poll_changes, watched_hook
from hector_salto.access.texts import few
from hector_salto.access.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

LOG = logging.getLogger(__name__)
POLL_INTERVAL = 5.0  # seconds: twelve requests a minute, and half of it is what a person at the door waits for it
REPORTS_POLL_INTERVAL = 60.0  # seconds: files come by the hour, and a mail server is spared logins
MAX_DEFERRAL = timedelta(hours=6)  # then a new run begins, so that logs and settings do not grow old


class Position(TypedDict):
    """Where a watch goes on.

    Attributes:
        mark: how far Hector's changes were seen (``Watermark.as_json``).
        retries: when to report a reference again, although it has not changed (aware, ISO); "": all of them.
    """

    mark: dict[str, Any]
    retries: dict[str, str]


def position_now(_context: Context) -> Position:
    """Begin with changes from now on."""
    return {"mark": Watermark(pd.Timestamp(datetime.now(UTC))).as_json(), "retries": {}}


def poll_interval(reports: object) -> float:
    """Return the seconds between two questions: to Hector's API, or to where its reports are."""
    return POLL_INTERVAL if reports is None else REPORTS_POLL_INTERVAL


class HectorChangeSensor(BaseSensorOperator):
    """Waits until reservations change in Hector; returns their references and the new watermark.

    The XCom value is ``{"references": [...], "everything": bool, "mark": {...}}``: ``everything`` when too many have
    changed to name. When nothing changes before the timeout, a deferred task is skipped.

    :param hector_conn_id: the connection.
    :param position: called with the context, says where to begin; default: changes from now on.
    :param reports: the block hector_reports of an integration file; None: the connection is one of Hector's API.
    :param deferrable: wait in the triggerer, without a worker.
    """

    def __init__(
        self,
        *,
        hector_conn_id: str = HectorHook.default_conn_name,
        position: Callable[[Context], Position] = position_now,
        reports: dict[str, Any] | None = None,
        deferrable: bool = True,
        **kwargs: Any,  # noqa: ANN401 - Airflow's own arguments
    ) -> None:
        super().__init__(**{"poke_interval": poll_interval(reports), "timeout": MAX_DEFERRAL.total_seconds(), **kwargs})
        if self.reschedule:
            raise ValueError("mode='reschedule' forgets which changes were seen; use deferrable=True")
        self.hector_conn_id = hector_conn_id
        self.position = position
        self.reports = reports
        self.deferrable = deferrable
        self._mark: Watermark | None = None
        self._retries: dict[str, str] = {}

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - what Airflow's sensor returns
        position = self.position(context)
        self._mark, self._retries = Watermark.from_json(position["mark"]), position["retries"]
        self.log.info("waiting for changes in Hector since %s", self._mark.since)
        if not self.deferrable:
            return super().execute(context)
        trigger = change_trigger(
            self.hector_conn_id, position, self.reports, every=self.poke_interval, patience=self.timeout
        )
        return self.defer(trigger=trigger, method_name="execute_complete")

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Ask Hector once."""
        if self._mark is None:  # pragma: no cover - execute sets it
            raise AirflowFailException("the sensor was asked before it was started")
        found, self._mark = poll_changes(watched_hook(self.hector_conn_id, self.reports), self._mark)
        found = add_due_retries(found, self._retries, datetime.now(UTC))
        return PokeReturnValue(is_done=bool(found), xcom_value=event_payload(found, self._mark))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Return what is due.

        Raises:
            AirflowFailException: Hector did not answer for minutes.
            AirflowSkipException: nothing has changed.
        """
        return require_due(event)


def change_trigger(
    hector_conn_id: str,
    position: Position,
    reports: dict[str, Any] | None,
    *,
    every: float | None = None,
    patience: float | None = None,
) -> HectorChangeTrigger:
    """Return the trigger that waits for changes.

    Args:
        hector_conn_id: the connection.
        position: where to begin.
        reports: the block hector_reports of an integration file; None: the connection is one of Hector's API.
        every: seconds between two questions; None: as ``poll_interval`` says.
        patience: seconds after which it ends without news; None: MAX_DEFERRAL.
    """
    until = datetime.now(UTC) + (MAX_DEFERRAL if patience is None else timedelta(seconds=patience))
    interval = poll_interval(reports) if every is None else every
    return HectorChangeTrigger(
        hector_conn_id, position["mark"], interval, until.isoformat(), position["retries"], reports
    )


def require_due(event: dict[str, Any]) -> dict[str, Any]:
    """Return what a trigger's event says is due.

    Raises:
        AirflowFailException: Hector did not answer for minutes.
        AirflowSkipException: nothing has changed.
    """
    if "error" in event:
        raise AirflowFailException(f"Hector's changes cannot be read: {event['error']}")
    if not event["references"] and not event["everything"]:
        raise AirflowSkipException("nothing has changed in Hector")
    LOG.info("due: %s", "a sync of all reservations" if event["everything"] else few(event["references"]))
    return event
