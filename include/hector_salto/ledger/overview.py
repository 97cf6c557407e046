"""What is so now at many integrations, in a few queries for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, select

from hector_salto.ledger.ledger import decision_of
from hector_salto.ledger.run_queries import RunSummary, summaries
from hector_salto.ledger.tables import ProblemRow, ReleaseRow, Run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select

    from hector_salto.access.release import ReleaseDecision
    from hector_salto.ledger.ledger import Ledger

GREEN = "green"


@dataclass(frozen=True, slots=True)
class OpenProblem:
    """One problem that the last run of an integration found."""

    integration: str
    run_id: int
    code: str
    who: str
    subject: str
    message: str
    next_step: str
    open_since: datetime


def current_runs(ledger: Ledger, names: Collection[str]) -> dict[str, list[RunSummary]]:
    """Return each integration's last sync of all reservations that has a plan, its syncs since then and its last cleanup, latest first."""
    planned = Run.planned_at.is_not(None)
    last = _newest(names, Run.kind == "sync", Run.whole.is_(True), Run.plan_only.is_(False), planned).subquery()
    cleanup = _newest(names, Run.kind == "cleanup")
    since = select(func.coalesce(last.c.id, 0)).where(last.c.integration == Run.integration).scalar_subquery()
    chosen = or_(
        and_(Run.kind == "sync", Run.id >= func.coalesce(since, 0)), Run.id.in_(select(cleanup.subquery().c.id))
    )
    found: dict[str, list[RunSummary]] = {name: [] for name in names}
    for name, run in summaries(ledger, Run.integration.in_(names), chosen):
        found[name].append(run)
    return found


def last_greens(ledger: Ledger, names: Collection[str]) -> dict[str, datetime]:
    """Return when the last sync of each that applied everything and ended green had begun."""
    good = (Run.whole.is_(True), Run.state == GREEN, Run.kind == "sync")
    return _moments(ledger, func.max(Run.began_at), Run.integration.in_(names), *good)


def first_runs(ledger: Ledger, names: Collection[str]) -> dict[str, datetime]:
    """Return when the first run of each that is kept began."""
    return _moments(ledger, func.min(Run.began_at), Run.integration.in_(names))


def last_releases(ledger: Ledger, names: Collection[str]) -> dict[str, ReleaseDecision]:
    """Return the last decision of a person about each integration that has one."""
    newest = select(func.max(ReleaseRow.id)).where(ReleaseRow.integration.in_(names)).group_by(ReleaseRow.integration)
    with ledger.reading() as connection:
        rows = connection.execute(select(ReleaseRow).where(ReleaseRow.id.in_(newest))).mappings().all()
    return {str(row["integration"]): decision_of(row) for row in rows}


def under_way(ledger: Ledger, names: Collection[str]) -> frozenset[str]:
    """Return the integrations with a run that has recorded no end."""
    query = select(Run.integration).where(Run.integration.in_(names), Run.state == "running").distinct()
    with ledger.reading() as connection:
        return frozenset(connection.execute(query).scalars())


def open_problems(ledger: Ledger, names: Collection[str]) -> list[OpenProblem]:
    """Return what the last sync of each that came as far as a plan found."""
    looked = _newest(names, Run.kind == "sync", Run.planned_at.is_not(None)).subquery()
    table = ProblemRow
    columns: list[Any] = [
        looked.c.integration, table.run_id, table.code, table.who, table.subject, table.message, table.next_step, table.open_since,
    ]  # fmt: skip
    query = select(*columns).join(looked, looked.c.id == table.run_id).order_by(looked.c.integration, table.id)
    with ledger.reading() as connection:
        return [OpenProblem(*row) for row in connection.execute(query)]


def _newest(names: Iterable[str], *which: ColumnElement[bool]) -> Select[Any]:
    """Return integration and id of the newest run of each that is so."""
    chosen = Run.integration.in_(list(names))
    columns: list[Any] = [Run.integration, func.max(Run.id).label("id")]
    return select(*columns).where(chosen, *which).group_by(Run.integration)


def _moments(ledger: Ledger, moment: Any, *which: ColumnElement[bool]) -> dict[str, datetime]:  # noqa: ANN401 - SQL
    columns: list[Any] = [Run.integration, moment]
    with ledger.reading() as connection:
        return {
            str(name): at for name, at in connection.execute(select(*columns).where(*which).group_by(Run.integration))
        }
