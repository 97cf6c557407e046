"""Figures a day and counts, for the pictures of the page: the database adds them up, Python only draws them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, extract, func, literal, or_, select

from hector_salto.access.reservations import ACCESS
from hector_salto.ledger.tables import Operation, ProblemRow, Run, SeenBorrower, SeenPerson, SeenReservation, SeenRoom

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Case, ColumnElement, Connection

    from hector_salto.ledger.ledger import Ledger

PLAN_ONLY = "plan only"
SUBSCRIBED, ACTIVE = "subscribed", "active"
HOUR, DAY = 3600, 86_400  # seconds
WAITS = (5 * 60, 15 * 60, HOUR, 6 * HOUR, DAY)  # ends of the classes of waits, in seconds


@dataclass(frozen=True, slots=True)
class RunsOfDay:
    """Runs of one day in one state; seconds: of all of them together; operations: planned."""

    day: int
    state: str
    runs: int
    seconds: float
    operations: int


@dataclass(frozen=True, slots=True)
class SeatFacts:
    """What a forecast of seats begins with; allowed None: no limit, or not read; read_at None: no run has read it."""

    allowed: int | None
    others: int
    everybody: int
    read_at: datetime | None


def runs_by_day(ledger: Ledger, integration: str, days: Sequence[datetime]) -> list[RunsOfDay]:
    """Return the runs that began on each day; ``days``: midnights, the last one ends the last day."""
    day, state = _day_of(Run.began_at, days), case((Run.plan_only.is_(True), PLAN_ONLY), else_=Run.state)
    sums: list[Any] = [
        day.label("day"), state.label("how"), func.count(), func.coalesce(func.sum(Run.seconds), 0.0), func.coalesce(func.sum(Run.operations), 0),
    ]  # fmt: skip
    query = select(*sums).where(Run.integration == integration, *_within(Run.began_at, days)).group_by("day", "how")
    with ledger.reading() as connection:
        return [RunsOfDay(*row) for row in connection.execute(query)]


def problems_by_day(ledger: Ledger, integration: str, days: Sequence[datetime]) -> dict[tuple[int, str], int]:
    """Return what the last sync of each day that made a plan found, by day and who must act; all zero where it found nothing."""
    day = _day_of(Run.began_at, days).label("day")
    whole = [
        Run.integration == integration,
        Run.kind == "sync",
        Run.planned_at.is_not(None),
        *_within(Run.began_at, days),
    ]
    whole.append(Run.chosen_references.is_(None))
    last = select(day, func.max(Run.id).label("id")).where(*whole).group_by("day").subquery()
    columns: list[Any] = [last.c.day, func.coalesce(ProblemRow.who, ""), func.count(ProblemRow.id)]
    query = select(*columns).join_from(last, ProblemRow, ProblemRow.run_id == last.c.id, isouter=True)
    with ledger.reading() as connection:
        rows = connection.execute(query.group_by(last.c.day, ProblemRow.who))
        return {(int(at), str(who)): int(count) for at, who, count in rows}


def hours_by_day(ledger: Ledger, integration: str, days: Sequence[datetime]) -> dict[int, float]:
    """Return the hours that doors are booked by reservations with access, on the day each begins; two doors count twice."""
    table, room = SeenReservation, SeenRoom
    with ledger.reading() as connection:
        seconds = func.sum(_seconds(connection, table.start, table.finish))
        query = (
            select(_day_of(table.start, days).label("day"), seconds)
            .join(room, room.reservation_id == table.reservation_id)
            .where(table.integration == integration, table.until.is_(None), table.decision == ACCESS)
            .where(table.window_end > days[0], *_within(table.start, days))  # by the index of windows
            .where(room.integration == integration, room.until.is_(None), room.lock_id.is_not(None))
            .group_by("day")
        )
        return {int(day): float(total) / HOUR for day, total in connection.execute(query)}


def waits_for_doors(ledger: Ledger, integration: str, since: datetime) -> list[int]:
    """Return how many reservations waited how long for their door, by the classes of WAITS and one for more.

    From when a run first saw that the reservation should open its door, until its first user was put into its access
    group. Only reservations first seen since then, and only those whose door was prepared.
    """
    added = (
        select(Operation.reference, func.min(Operation.settled_at).label("at"))
        .join(Run)
        .where(Run.integration == integration, Run.began_at >= since, Run.plan_only.is_(False))
        .where(Operation.kind == "member_add", Operation.outcome == "done", Operation.reference.is_not(None))
        .group_by(Operation.reference)
        .subquery()
    )
    table = SeenReservation
    seen = (
        select(added.c.reference, func.min(added.c.at).label("at"), func.min(table.seen_at).label("seen_at"))
        .join(table, table.reference == added.c.reference)
        .where(table.integration == integration, table.decision == ACCESS)
        .group_by(added.c.reference)
        .having(func.min(table.seen_at) >= since)
        .subquery()
    )
    with ledger.reading() as connection:
        wait = _seconds(connection, seen.c.seen_at, seen.c.at)
        kind = case(*((wait <= end, number) for number, end in enumerate(WAITS)), else_=len(WAITS))
        found = connection.execute(select(kind.label("kind"), func.count()).select_from(seen).group_by("kind"))
        counts = {int(number): int(count) for number, count in found}
    return [counts.get(number, 0) for number in range(len(WAITS) + 1)]


def seat_facts(ledger: Ledger, integration: str) -> SeatFacts:
    """Return the seats that the last sync read, and who holds one whatever is booked."""
    person = SeenPerson
    managed = and_(person.user_id.is_not(None), person.managed.is_(True))
    active = and_(managed, func.lower(person.hector_status) == ACTIVE, person.email.is_not(None))
    others = and_(person.subscription_state == SUBSCRIBED, or_(person.user_id.is_(None), person.managed.is_(False)))
    counts: list[Any] = [func.coalesce(func.sum(case((those, 1), else_=0)), 0) for those in (others, active)]
    read = select(Run.seats, Run.began_at).where(Run.integration == integration, Run.kind == "sync")
    read = read.where(Run.planned_at.is_not(None)).order_by(Run.began_at.desc()).limit(1)
    with ledger.reading() as connection:
        row = connection.execute(read).first()
        lived = (person.integration == integration, person.until.is_(None))
        unmanaged, everybody = connection.execute(select(*counts).where(*lived)).one()
    allowed, at = (row.seats, row.began_at) if row is not None else (None, None)
    return SeatFacts(allowed, int(unmanaged), int(everybody), at)


def users_booked(
    ledger: Ledger, integration: str, begin: datetime, end: datetime
) -> list[tuple[str, datetime, datetime]]:
    """Return user, beginning and end of each window with access that touches [begin, end)."""
    table, borrower = SeenReservation, SeenBorrower
    columns: list[Any] = [borrower.user_id, table.window_start, table.window_end]
    query = (
        select(*columns)
        .join(borrower, borrower.reservation_id == table.reservation_id)
        .where(table.integration == integration, table.until.is_(None), table.decision == ACCESS)
        .where(table.window_end > begin, table.window_start < end)
        .where(borrower.integration == integration, borrower.until.is_(None))
    )
    with ledger.reading() as connection:
        return [(str(user), begins, ends) for user, begins, ends in connection.execute(query)]


def _day_of(moment: ColumnElement[Any] | Any, days: Sequence[datetime]) -> Case[Any]:  # noqa: ANN401 - a column
    """Return the number of the day of a moment. By midnights: a day of the site's zone can last 23 or 25 hours."""
    last = len(days) - 2
    return case(
        *((moment < end, number) for number, end in itertools.islice(enumerate(days[1:]), last)), else_=literal(last)
    )


def _within(moment: Any, days: Sequence[datetime]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:  # noqa: ANN401 - a column
    return moment >= days[0], moment < days[-1]


def _seconds(connection: Connection, begin: Any, end: Any) -> Any:  # noqa: ANN401 - SQL
    """Return the seconds between two moments, never less than none: each database subtracts them in its own way."""
    if connection.dialect.name == "sqlite":
        between = (func.julianday(end) - func.julianday(begin)) * DAY
    else:
        between = extract("epoch", end - begin)
    return case((between < 0, 0), else_=between)
