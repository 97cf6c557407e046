"""Waits for changes in Hector without a worker: the light half of the watch."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from hector.hook import HectorHook
from hector.reports_hook import HectorReportsHook
from hector_salto.access.watermark import AHEAD, BACK, News, Watermark, news
from hector_salto.http_client.errors import RestError
from hector_salto.report_fields import ReportFields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

LOG = logging.getLogger(__name__)
MAX_POLL_INTERVAL = 120.0  # seconds between two questions while Hector does not answer
SILENCE_TIMEOUT = 300.0  # seconds without any answer, after which the run ends red
# Threads of the triggerer that ask: many, because each waits for its own Hector, and one that hangs must not keep the
# others from asking.
_POLL_THREADS = ThreadPoolExecutor(256, thread_name_prefix="hector-watch")


class HectorChangeTrigger(BaseTrigger):
    """Fires when reservations have changed in Hector, when it is time to begin anew, or when Hector stays silent.

    :param hector_conn_id: the connection.
    :param mark: how far changes were seen (``Watermark.as_json``).
    :param every: seconds between two questions.
    :param until: when to end without news (aware, ISO).
    :param retries: when to start again what a red sync was about (aware, ISO), by reference; "": a sync of all.
    :param reports: the block hector_reports of an integration file; None: the connection is one of Hector's API.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a trigger is made again of
        self,
        hector_conn_id: str,
        mark: dict[str, Any],
        every: float,
        until: str,
        retries: dict[str, str] | None = None,
        reports: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own
        self.hector_conn_id = hector_conn_id
        self.mark = mark
        self.every = every
        self.until = until
        self.retries = retries or {}
        self.reports = reports

    def serialize(self) -> tuple[str, dict[str, Any]]:
        fields = ("hector_conn_id", "mark", "every", "until", "retries", "reports")
        return "hector.triggers.HectorChangeTrigger", {name: getattr(self, name) for name in fields}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        hook, mark, silent = watched_hook(self.hector_conn_id, self.reports), Watermark.from_json(self.mark), 0.0
        while datetime.now(UTC) < datetime.fromisoformat(self.until):
            try:
                found, mark = await sync_to_async(poll_changes, thread_sensitive=False, executor=_POLL_THREADS)(
                    hook, mark
                )
            except RestError as error:
                LOG.warning("Hector was not asked for changes: %s", error)
                if silent >= SILENCE_TIMEOUT:
                    yield fire_event({"error": str(error)})
                    return
                wait = min(MAX_POLL_INTERVAL, max(self.every, silent))  # twice as long each time
                silent += wait
            else:
                found = add_due_retries(found, self.retries, datetime.now(UTC))
                if found:
                    yield fire_event(event_payload(found, mark))
                    return
                wait, silent = self.every, 0.0
            await asyncio.sleep(wait)
        yield fire_event(event_payload(News(()), mark))


def add_due_retries(found: News, retries: Mapping[str, str], now: datetime) -> News:
    """News, with whatever is to be started again by now."""
    late = {one for one, at in retries.items() if datetime.fromisoformat(at) <= now}
    if found.everything or "" in late:
        return News((), everything=True)
    return News(tuple(sorted({*found.references, *late})))


def event_payload(found: News, mark: Watermark) -> dict[str, Any]:
    return {"references": list(found.references), "everything": found.everything, "mark": mark.as_json()}


def fire_event(payload: dict[str, Any]) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]  # Airflow's own


def watched_hook(connection: str, reports: dict[str, Any] | None) -> HectorHook | HectorReportsHook:
    """Return the hook that is asked: of Hector's API, or of the reports that a block hector_reports describes."""
    if reports is None:
        return HectorHook(connection)
    return HectorReportsHook(connection, ReportFields.model_validate(reports))


def poll_changes(hook: HectorHook | HectorReportsHook, mark: Watermark) -> tuple[News, Watermark]:
    """One question: what has changed since the mark, and the mark after it.

    Raises:
        RestError: when Hector's answer is not complete.
    """
    now = pd.Timestamp(datetime.now(UTC))
    changed = hook.new_reader().loaners_changed_since(
        (now - BACK).to_pydatetime(), (now + AHEAD).to_pydatetime(), mark.query_start.to_pydatetime()
    )
    return news(changed, mark, now)
