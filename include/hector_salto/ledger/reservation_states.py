"""Reservations of a span of time, with their doors, people and state: what the page's week is drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import DateTime, Select, and_, desc, false, func, or_, select, type_coerce

from hector_salto.access.operations import READY
from hector_salto.access.refusals import MATTER_OF_TIME, SETTLED, Refusal
from hector_salto.access.reservations import ACCESS, LEFT
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.ledger.ledger import among
from hector_salto.ledger.run_queries import HELD, UNWELL
from hector_salto.ledger.tables import (
    Instant,
    Operation,
    ProblemRow,
    Run,
    SeenBorrower,
    SeenGroup,
    SeenLock,
    SeenPerson,
    SeenReservation,
    SeenRoom,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from hector_salto.ledger.ledger import Ledger

IN_PLACE, PLANNED, OVER, REFUSED = "in place", "planned", "over", "no access"
WILL_NOT_OPEN = "will not open"  # a door should open to a user, and will not: loud
STILL_OPEN = "still open"  # Salto opens a door that it should not: loud
STATES = (IN_PLACE, PLANNED, HELD, WILL_NOT_OPEN, STILL_OPEN, OVER, REFUSED)
LOUD = (WILL_NOT_OPEN, STILL_OPEN, HELD)
_RESERVATION = [
    "reservation_id", "reference", "status", "decision", "reason", "start", "finish", "window_start", "window_end",
]  # fmt: skip
# As ``access.snapshot.can_open``: subscribed, not blocked, with a tag that works.
CAN_OPEN = and_(
    SeenPerson.subscription_state == "subscribed",
    SeenPerson.has_tag,
    SeenPerson.blocked == false(),
    SeenPerson.tag_blocked == false(),
)
# Locks that learn of nothing new, or refuse valid users.
IS_OFF = or_(SeenLock.privacy_mode, SeenLock.online == false(), SeenLock.iq_online == false())
IS_RISK = ProblemRow.code.like(r"risk\_%", escape="\\")  # a door that will not open
_ROOM = ["reservation_id", "place_name", "place_id", "lock_name", "lock_id"]


def list_reservations(
    ledger: Ledger, integration: str, begin: datetime, end: datetime, *, now: datetime
) -> pd.DataFrame:
    """Every reservation whose window touches [begin, end), a row for each of its places.

    Returns:
        reservation_id, reference, status, reason, start, finish, window_start, window_end (aware, UTC; end exclusive),
        place_name, lock_name (as typed), lock_id (null: no one lock), people (emails and names, joined), names (without emails), state (STATES);
        reason: empty where nothing is wrong.
    """
    with ledger.reading() as connection:
        rows = _reservations(connection, integration, begin, end)
        people, names, unable = _people(connection, integration, rows["reservation_id"])
        off = _offline(connection, integration)
        states = _states(connection, integration)
    rows = rows.assign(
        people=rows["reservation_id"].map(lambda one: people.get(one, "")).astype("str"),
        names=rows["reservation_id"].map(lambda one: names.get(one, "")).astype("str"),
        offline=rows["lock_id"].isin(off),
        unable=rows["reservation_id"].isin(unable),
    )
    rows = rows.assign(state=states_of(rows, states, pd.Timestamp(now)), reason=_reason(rows))
    return rows.drop(columns=["offline", "unable"])


def _reason(rows: pd.DataFrame) -> pd.Series:
    """Why a row is not in place, as far as a few words say it; empty where nothing is wrong with it."""
    granted = rows["decision"].eq(ACCESS)
    reason = rows["reason"].mask(granted, "")
    reason = reason.mask(granted & rows["unable"], "not all of its users have a seat and a working tag in Salto")
    reason = reason.mask(granted & rows["offline"], "its lock or the lock's IQ is offline")
    return reason.mask(granted & rows["lock_id"].isna(), "its place names no lock of the site")


def _now(table: Any, integration: str, names: Iterable[str]) -> Select[Any]:  # noqa: ANN401 - one of SEEN
    """Columns of what was so at the last look."""
    columns = [_plain(getattr(table, name)) for name in names]
    return select(*columns).where(table.integration == integration, table.until.is_(None))


def _plain(column: Any) -> Any:  # noqa: ANN401 - a column
    """An instant as the driver gives it: thousands of them become UTC at once, in pandas."""
    if not isinstance(column.type, Instant):
        return column
    return type_coerce(column, DateTime(timezone=True)).label(column.key)


def _reservations(connection: Connection, integration: str, begin: datetime, end: datetime) -> pd.DataFrame:
    query = _now(SeenReservation, integration, _RESERVATION).where(
        SeenReservation.window_end > begin, SeenReservation.window_start < end
    )
    # As objects: pandas would look for a type in each of thousands of instants, column by column, and again.
    found = pd.DataFrame(_tuples(connection.execute(query).all()), columns=_RESERVATION, dtype="object")
    moments = ("start", "finish", "window_start", "window_end")
    found = found.assign(**{name: found[name].astype("datetime64[us, UTC]") for name in moments})
    query = _now(SeenRoom, integration, _ROOM)
    rows = among(connection, query, SeenRoom.reservation_id, found["reservation_id"])
    rooms = pd.DataFrame(_tuples(rows), columns=_ROOM, dtype="object").astype("str")
    texts = dict.fromkeys(("reservation_id", "reference", "status", "decision", "reason"), "str")
    return found.astype(texts).merge(rooms, on="reservation_id")


def _tuples(rows: Iterable[Row[Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in rows]


def _people(
    connection: Connection, integration: str, reservations: Iterable[str]
) -> tuple[dict[str, str], dict[str, str], set[str]]:
    """Return who holds each reservation, by name and email, then by name alone; and those with a user who can open no door."""
    query = _now(SeenBorrower, integration, ["reservation_id", "user_id"])
    borrowers = among(connection, query, SeenBorrower.reservation_id, reservations)
    query = _now(SeenPerson, integration, ["user_id", "name", "email"]).add_columns(CAN_OPEN.label("can_open"))
    persons = among(connection, query, SeenPerson.user_id, (row.user_id for row in borrowers))
    shown = {row.user_id: _person_text(row.name, row.email) for row in persons}
    able = {row.user_id for row in persons if row.can_open}
    named = {row.user_id: row.name or row.email for row in persons}
    found: dict[str, list[str]] = {}
    names: dict[str, list[str]] = {}
    for row in borrowers:
        found.setdefault(row.reservation_id, []).append(shown.get(row.user_id) or f"user {row.user_id}")
        names.setdefault(row.reservation_id, []).append(named.get(row.user_id) or f"user {row.user_id}")
    unable = {row.reservation_id for row in borrowers if row.user_id not in able}
    return _joined(found), _joined(names), unable


def _joined(found: dict[str, list[str]]) -> dict[str, str]:
    return {reservation: ", ".join(sorted(those)) for reservation, those in found.items()}


def _person_text(name: str | None, email: str | None) -> str:
    return " ".join(part for part in (name, f"<{email}>" if email else None) if part)


def _states(connection: Connection, integration: str) -> dict[str, set[str]]:
    """References that are held, will not open or are in place, since the last sync of all reservations."""
    applied = [
        Run.integration == integration,
        Run.kind == "sync",
        Run.plan_only.is_(False),
        Run.planned_at.is_not(None),
    ]
    whole = select(func.max(Run.id)).where(*applied, Run.whole.is_(True)).scalar_subquery()
    done = (
        select(Operation.reference, Operation.run_id, Operation.state, Operation.outcome, Run.ended_at)
        .join(Run)
        .where(*applied, Run.id >= func.coalesce(whole, 0), Operation.reference.is_not(None))
        .order_by(Operation.run_id)
    )
    last: dict[str, int] = {}
    stuck: dict[str, dict[str, int]] = {HELD: {}, WILL_NOT_OPEN: {}}
    for name, run_id, state, outcome, ended in connection.execute(done):
        reference = str(name)
        last[reference] = run_id
        if HELD in {state, outcome}:
            stuck[HELD][reference] = run_id
        if outcome in UNWELL or (outcome is None and ended is not None and state == READY):
            stuck[WILL_NOT_OPEN][reference] = run_id
    for run_id, chosen in connection.execute(_reloads(applied, whole)):
        last |= {str(reference): max(run_id, last.get(str(reference), 0)) for reference in chosen or ()}
    looked = select(Run.id).where(*applied, Run.ended_at.is_not(None)).order_by(desc(Run.id)).limit(1)
    risky = select(ProblemRow.reference).where(ProblemRow.run_id == looked.scalar_subquery(), IS_RISK)
    groups = select(SeenGroup.name).where(SeenGroup.integration == integration, SeenGroup.until.is_(None))
    named = {str(name).removeprefix(GROUP_PREFIX) for name in connection.execute(groups).scalars()}
    still = {
        state: {reference for reference, run_id in those.items() if last[reference] == run_id}
        for state, those in stuck.items()
    }
    risks = {str(reference) for reference in connection.execute(risky).scalars()}
    return {HELD: still[HELD], WILL_NOT_OPEN: still[WILL_NOT_OPEN] | risks, IN_PLACE: named}


def _reloads(applied: list[Any], whole: Any) -> Select[Any]:  # noqa: ANN401 - SQL
    """Green reloads of chosen reservations since then: what they found in step is in step."""
    columns: list[Any] = [Run.id, Run.chosen_references]
    return select(*columns).where(
        *applied, Run.id >= func.coalesce(whole, 0), Run.state == "green", Run.chosen_references.is_not(None)
    )


def _offline(connection: Connection, integration: str) -> set[str]:
    """Return the locks that are off."""
    return set(connection.execute(_now(SeenLock, integration, ["lock_id"]).where(IS_OFF)).scalars())


def states_of(rows: pd.DataFrame, states: dict[str, set[str]], now: pd.Timestamp) -> pd.Series:
    """The state of each row; of several cases the last that holds decides."""
    there = rows["reference"].isin(states[IN_PLACE])
    begun = rows["window_start"].astype("datetime64[us, UTC]") <= now
    over = rows["window_end"].astype("datetime64[us, UTC]") <= now
    settled, fault = _shut_rows(rows, there=there)
    wanted = ~settled & ~fault
    shut = rows["offline"] | rows["unable"]
    state = pd.Series(PLANNED, index=rows.index, dtype="str")
    for case, name in (
        (wanted & there, IN_PLACE),
        (wanted & (there & shut | ~there & begun), WILL_NOT_OPEN),
        (fault | (wanted & rows["reference"].isin(states[WILL_NOT_OPEN])), WILL_NOT_OPEN),
        (settled, REFUSED),
        (settled & there & rows["decision"].ne(ACCESS), STILL_OPEN),
        (rows["reference"].isin(states[HELD]), HELD),  # also of a cancelled one, whose access is still there
        (over & (~settled | there), OVER),
    ):
        state = state.mask(case, name)
    return state


def _shut_rows(rows: pd.DataFrame, *, there: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Rows that should open no door (quiet), and rows that should and cannot, because data must be corrected (loud)."""
    reason, granted = rows["reason"], rows["decision"].eq(ACCESS)
    unnamed = rows["lock_name"].isna() | rows["lock_name"].astype("str").str.strip().eq("")
    doorless = granted & rows["lock_id"].isna()
    left = rows["decision"].eq(LEFT) & there & reason.ne(Refusal.REFERENCE_TWICE)  # its group goes on opening its doors
    refused = ~granted & ~left & ~reason.isin(MATTER_OF_TIME)
    settled = reason.isin(SETTLED) | (reason.eq(Refusal.NO_USER) & rows["people"].eq(""))
    return (doorless & unnamed) | (refused & settled), (doorless & ~unnamed) | (refused & ~settled)
