"""Writes a run into the ledger as it goes: how it began, its plan, each call before and after, what was seen, its end."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook
from sqlalchemy import URL

from hector_salto.access.current import bare_groups
from hector_salto.access.plan import LastState
from hector_salto.http_client.errors import NotRecordedError, RequestInfo
from hector_salto.ledger.ledger import RESTART, VERSION, Ledger, LedgerError, RunStart, SiteLostError
from hector_salto.ledger.site_claims import site_key
from hector_salto.ledger.tables import writable
from hector_salto.settings import setting
from hector_salto.workflow.failures import StalePlanError
from hector_salto.workflow.ledger_connection import ledger_url
from hector_salto.workflow.run_folder import airflow_home, days_kept, retention_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hector_salto.access.current import Current
    from hector_salto.access.plan import Plan
    from hector_salto.access.snapshot import Snapshot
    from hector_salto.workflow.run_folder import RunFolder

LOG = logging.getLogger(__name__)
RETENTION_DAYS = 730


def ledger(patience: float = 0.0) -> Ledger:
    """The ledger that the settings name.

    Args:
        patience: seconds to wait for its database while that restarts.

    Raises:
        LedgerError: when it cannot be opened.
    """
    migrates = setting("ledger_migrations") != "refuse"
    return Ledger.open(_url().render_as_string(hide_password=False), patience, migrates=migrates)


def upgrade_ledger() -> str:
    """Bring the ledger to the installed version, whatever the settings say; return what to tell.

    Raises:
        LedgerError: when it cannot be opened, or was made by a newer version.
    """
    Ledger.open(_url().render_as_string(hide_password=False), RESTART)
    return f"the ledger has version {VERSION}"


def check_ledger(upgrade: str) -> tuple[bool, str]:
    """Return whether the ledger has the version that this code needs, and what to tell.

    Args:
        upgrade: the command that would upgrade it.

    Raises:
        LedgerError: when it cannot be opened.
    """
    found = Ledger(_url().render_as_string(hide_password=False)).found_version()
    if found == VERSION:
        return True, f"the ledger has version {found}, as this code needs it"
    return False, f"the ledger has version {found or 'none'}, and this code needs {VERSION}: {upgrade}"


def _url() -> URL:
    conn_id = setting("ledger")
    if not conn_id:
        return URL.create("sqlite", database=str(airflow_home() / "ledger" / "ledger.db"))
    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise LedgerError(
            f"the ledger's connection {conn_id} cannot be found in Airflow: make it, of type postgres or sqlite"
        ) from None
    return ledger_url(found)


class Book:
    """One run in the ledger.

    :param integration: name of the integration.
    :param run_id: of the row in ``runs``.
    """

    def __init__(self, integration: str, run_id: int) -> None:
        self.ledger = ledger(RESTART)
        self.integration = integration
        self.run_id = run_id

    @classmethod
    def begin(cls, begun: RunStart) -> Book:
        return cls(begun.integration, ledger(RESTART).begin_run(begun))

    @classmethod
    def of(cls, folder: RunFolder) -> Book:
        """The book of the run that has this folder."""
        run = folder.require_json("run")
        return cls(str(run["integration"]), int(run["ledger_run"]))

    def observe(
        self,
        looked: Snapshot,
        *,
        read_at: datetime,
        again_at: datetime | None = None,
        names: Iterable[str] | None = None,
        still_read: datetime | None = None,
    ) -> None:
        """What was seen just now.

        Args:
            looked: what.
            read_at: when reading Salto began.
            again_at: when reading again what this run had changed began; None: it was not.
            names: of the tables that were looked at, None: all.
            still_read: see ``Ledger.observe``.
        """
        tables = looked.tables()
        chosen = {name: tables[name] for name in (names or tables)}
        self.ledger.observe(
            self.run_id,
            self.integration,
            chosen,
            datetime.now(UTC),
            read_at=read_at,
            again_at=again_at,
            still_read=still_read,
        )

    def with_former_schedules(self, current: Current) -> Current:
        """The site with the schedules that groups without any were last seen with: Salto may have removed them."""
        bare = bare_groups(current.groups)
        if not bare:
            return current
        return replace(current, former_schedules=self.ledger.last_schedules(self.integration, bare))

    def refuse_another_plan(self) -> None:
        """Refuse to replace the record of a plan that was applied.

        Raises:
            StalePlanError: when it was.
        """
        if self.ledger.has_applied(self.run_id):
            raise StalePlanError("this run has sent its plan already; start a new run")

    def previous(self, moment: datetime, site_id: str) -> LastState:
        """What was known of a site when a run began."""
        accounts, unsure = self.ledger.accounts(self.integration, moment, site_key(site_id))
        return LastState(accounts, unsure, self.ledger.left(self.integration, moment))

    def journal(self, holder: str) -> AuditLog:
        return AuditLog(self.ledger, self.run_id, holder)


class AuditLog:
    """Intent and answer of each request that changes something, and the outcome of each operation.

    It is the transport's ``Journal`` and the application's ``Diary`` at once, so that a request is known by the
    operations it carries.

    :param holder: the process that has reserved the site: without the site nothing is sent.
    """

    def __init__(self, ledger_: Ledger, run_id: int, holder: str) -> None:
        self._ledger = ledger_
        self._run_id = run_id
        self._holder = holder
        self._ids = ledger_.operation_ids(run_id)
        self._thread = threading.local()

    @contextmanager
    def attribute_calls(self, keys: Iterable[str]) -> Iterator[None]:
        self._thread.operations = [self._ids[writable(key)] for key in keys]
        try:
            yield
        finally:
            self._thread.operations = []

    def record_call(self, exchange: RequestInfo) -> object:
        carried = getattr(self._thread, "operations", [])
        request = (exchange.service, exchange.method, exchange.path)
        try:
            return self._ledger.send(self._run_id, carried, request, datetime.now(UTC), self._holder)
        except SiteLostError as error:
            raise NotRecordedError(exchange, f"is not asked, because {error}", "start a new run") from error
        except LedgerError as error:
            raise NotRecordedError(exchange, f"is not asked, because {error}") from error

    def record_result(self, call: object, status: int | None, error: str | None) -> None:
        try:
            self._ledger.answer(int(str(call)), datetime.now(UTC), status, error)
        except LedgerError as lost:
            LOG.error("call %s was answered (%s), but that could not be written down: %s", call, status, lost)  # noqa: TRY400 - the sentence says all

    def record_outcome(self, key: str, state: str, message: str) -> None:
        try:
            self._ledger.settle(self._ids[writable(key)], datetime.now(UTC), state, message)
        except LedgerError as lost:
            LOG.error("%s is %s, but that could not be written down: %s", key, state, lost)  # noqa: TRY400 - the sentence says all


def record_plan(folder: RunFolder, made: Plan, **facts: object) -> None:
    """The plan, and what it was made from (columns of ``runs``)."""
    book = Book.of(folder)
    held = {"holds": [f"{hold.guard}: {hold.why}" for hold in made.holds] or None, "digest": made.digest}
    book.ledger.plan(
        book.run_id, made.operations, made.problems, made.left, planned_at=datetime.now(UTC), **held, **facts
    )


def check_retention() -> None:
    """Before a cleanup begins: what its end would remove is known to be meant.

    Raises:
        RetentionError: when a setting is no number of days.
    """
    days_kept("ledger_days", RETENTION_DAYS)
    retention_start(datetime.now(UTC))


def remove_outdated(name: str, now: datetime) -> None:
    """Rows past retention."""
    days = days_kept("ledger_days", RETENTION_DAYS)
    removed = ledger(RESTART).remove_before(name, now.astimezone(UTC) - timedelta(days=days))
    if any(removed.values()):
        counts = ", ".join(f"{count} of {table}" for table, count in removed.items() if count)
        LOG.info("ledger: rows older than %d days removed: %s", days, counts)
