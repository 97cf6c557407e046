"""Which of many integrations may have a door that will not open: a few queries, so that only those are looked at closely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from hector_salto.access.refusals import MATTER_OF_TIME, SETTLED
from hector_salto.access.reservations import ACCESS
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.ledger.ledger import among
from hector_salto.ledger.reservation_states import CAN_OPEN, IS_OFF, IS_RISK
from hector_salto.ledger.tables import (
    ProblemRow,
    SeenBorrower,
    SeenGroup,
    SeenLock,
    SeenPerson,
    SeenReservation,
    SeenRoom,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from hector_salto.ledger.ledger import Ledger
    from hector_salto.ledger.run_queries import RunSummary

QUIET = SETTLED - MATTER_OF_TIME  # Hector's answer is no: such a reservation keeps no user waiting


@dataclass(frozen=True, slots=True)
class _Booked:
    """A reservation of an integration.

    Attributes:
        integration: its name.
        reservation_id: in Hector.
        group: name of its access group.
        is_granted: whether it should open doors.
        has_begun: whether its window is open.
    """

    integration: str
    reservation_id: str
    group: str
    is_granted: bool
    has_begun: bool

    @property
    def key(self) -> tuple[str, str]:
        return self.integration, self.reservation_id


def in_doubt(ledger: Ledger, runs: Mapping[str, list[RunSummary]], begin: datetime, end: datetime) -> frozenset[str]:
    """Return the integrations that may have a reservation of [begin, end) whose door will not open.

    One that is not among them has none, as ``list_reservations`` judges it at ``begin``; one that is may have none either.

    Args:
        ledger: where to look.
        runs: the current runs of each, the newest first.
        begin: aware.
        end: aware.
    """
    with ledger.reading() as connection:
        booked = _reservations(connection, list(runs), begin, end)
        stuck = _unwell(runs) | _risky(connection, runs)
        odd = [one for one in booked if not one.is_granted or one.integration in stuck]
        keys = _without_group(connection, booked) | _behind_lock(connection, booked) | _of_unable(connection, booked)
    return frozenset({one.integration for one in odd} | {name for name, _ in keys})


def _reservations(connection: Connection, names: Collection[str], begin: datetime, end: datetime) -> list[_Booked]:
    table = SeenReservation
    columns: list[Any] = [
        table.integration, table.reservation_id, table.reference, table.decision, table.window_start <= begin,
    ]  # fmt: skip
    query = select(*columns).where(
        table.integration.in_(names),
        table.until.is_(None),
        table.window_end > begin,
        table.window_start < end,
        table.reason.not_in([str(one) for one in QUIET]),
    )
    return [
        _Booked(str(name), str(key), f"{GROUP_PREFIX}{reference}", decision == ACCESS, bool(begun))
        for name, key, reference, decision, begun in connection.execute(query)
    ]


def _unwell(runs: Mapping[str, list[RunSummary]]) -> set[str]:
    """Return the integrations of which something was not done since the last sync of all reservations."""
    return {name for name, those in runs.items() if any(run.unwell for run in those)}


def _risky(connection: Connection, runs: Mapping[str, list[RunSummary]]) -> set[str]:
    """Return the integrations whose last sync found that a door will not open."""
    looked = {_looked(those): name for name, those in runs.items()}
    query = select(ProblemRow.run_id).where(ProblemRow.run_id.in_(looked), IS_RISK)
    return {looked[run_id] for run_id in connection.execute(query.distinct()).scalars()}


def _looked(runs: Iterable[RunSummary]) -> int:
    ended = (run for run in runs if run.kind == "sync" and not run.plan_only and run.has_plan and run.ended_at)
    return next((run.id for run in ended), 0)


def _now(*columns: Any) -> Select[Any]:  # noqa: ANN401 - columns of one of SEEN
    return select(*columns).where(columns[0].class_.until.is_(None))


def _without_group(connection: Connection, booked: Iterable[_Booked]) -> set[tuple[str, str]]:
    """Return those whose window is open and that have no access group."""
    begun = [one for one in booked if one.has_begun]
    rows = among(connection, _now(SeenGroup.integration, SeenGroup.name), SeenGroup.name, (one.group for one in begun))
    there = {(str(row.integration), str(row.name)) for row in rows}
    return {one.key for one in begun if (one.integration, one.group) not in there}


def _behind_lock(connection: Connection, booked: Collection[_Booked]) -> set[tuple[str, str]]:
    """Return those with a place that names no lock of the site, or one that is offline or in privacy mode."""
    locks = connection.execute(_now(SeenLock.integration, SeenLock.lock_id).where(IS_OFF))
    shut = {(str(name), str(lock)) for name, lock in locks}
    rooms = _of(connection, _now(SeenRoom.integration, SeenRoom.reservation_id, SeenRoom.lock_id), SeenRoom, booked)
    return {(name, key) for name, key, lock in rooms if lock is None or (name, lock) in shut}


def _of_unable(connection: Connection, booked: Collection[_Booked]) -> set[tuple[str, str]]:
    """Return those with a user who can open no door."""
    query = _now(SeenBorrower.integration, SeenBorrower.reservation_id, SeenBorrower.user_id)
    borrowers = _of(connection, query, SeenBorrower, booked)
    able = _now(SeenPerson.integration, SeenPerson.user_id).where(CAN_OPEN)
    rows = among(connection, able, SeenPerson.user_id, (str(user) for _, _, user in borrowers))
    known = {(str(row.integration), str(row.user_id)) for row in rows}
    return {(name, key) for name, key, user in borrowers if (name, user) not in known}


def _of(connection: Connection, query: Select[Any], table: Any, booked: Collection[_Booked]) -> list[Any]:  # noqa: ANN401 - SQL
    """Return the rows of a table that are of these reservations: two integrations may use the same id."""
    keys = {one.key for one in booked}
    rows = among(connection, query, table.reservation_id, (one.reservation_id for one in booked))
    return [row for row in rows if (row.integration, row.reservation_id) in keys]
