"""What the question on the page may be about, while it is typed: doors, users and reservations of now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from hector_salto.access.texts import plain
from hector_salto.ledger.tables import SeenLock, SeenPerson, SeenReservation

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from hector_salto.ledger.ledger import Ledger

MOST_OF_A_KIND = 4
SHORTEST = 2  # letters: one is held by nearly everything


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing that may be meant.

    Attributes:
        words: what to ask with: a name, an email or a reference.
        label: what stands beside it.
    """

    words: str
    label: str


def suggest(kept: Ledger, integration: str, typed: str) -> list[Suggestion]:
    """Return at most four doors, four users and four reservations that hold what is typed, in any letter case."""
    sought = plain(typed)
    if len(sought) < SHORTEST:
        return []
    door, user, reservation = SeenLock, SeenPerson, SeenReservation
    named = or_(user.email.icontains(sought, autoescape=True), user.name.icontains(sought, autoescape=True))
    with kept.reading() as connection:
        doors = _now(connection, integration, door, [door.name], door.name.icontains(sought, autoescape=True))
        users = _now(connection, integration, user, [func.coalesce(user.email, user.name), user.name], named)
        begins = reservation.reference.istartswith(sought, autoescape=True)
        references = _now(connection, integration, reservation, [reservation.reference], begins)
    return [
        *(Suggestion(name, "door") for (name,) in doors),
        *(Suggestion(email, name or "user") for email, name in users),
        *(Suggestion(reference, "reservation") for (reference,) in references),
    ]


def _now(
    connection: Connection,
    integration: str,
    table: Any,  # noqa: ANN401 - one of SEEN
    columns: list[Any],
    holds: ColumnElement[bool],
) -> list[Any]:
    query = select(*columns).where(table.integration == integration, table.until.is_(None), holds)
    return list(connection.execute(query.distinct().order_by(columns[0]).limit(MOST_OF_A_KIND)).all())
