"""Reservations of a span of time, with their doors, people and state: what the page's week is drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from sqlalchemy import and_, desc, func, select

from include.access.bookings import ACCESS
from include.access.rules import GROUP_PREFIX
from include.ledger.runs import HELD, UNWELL
from include.ledger.tables import (
    Operation,
    Problem,
    Run,
    SeenBorrower,
    SeenGroup,
    SeenPerson,
    SeenReservation,
    SeenRoom,
)

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from include.ledger.ledger import Ledger

IN_PLACE, PLANNED, AT_RISK, OVER, REFUSED = "in place", "planned", "at risk", "over", "no access"
STATES = (IN_PLACE, PLANNED, HELD, AT_RISK, OVER, REFUSED)
A_MATTER_OF_TIME = frozenset({"its window starts beyond the horizon", "its window is over"})


def booked(ledger: Ledger, integration: str, begin: datetime, end: datetime, *, now: datetime) -> pd.DataFrame:
    """Every reservation whose window touches [begin, end), a row for each of its places.

    Returns:
        reservation_id, reference, status, reason, start, finish, window_start, window_end (aware, UTC; end exclusive),
        place_name, lock_id (null: no one lock), people (emails and names, joined), state (STATES).
    """
    with ledger.reading() as connection:
        rows = _reservations(connection, integration, begin, end)
        people = _people(connection, integration, begin, end)
        states = _states(connection, integration)
    rows["people"] = rows["reservation_id"].map(people).fillna("")
    rows["state"] = _state(rows, states, pd.Timestamp(now))
    return rows


def _touching(integration: str, begin: datetime, end: datetime) -> list[object]:
    return [
        SeenReservation.integration == integration,
        SeenReservation.until.is_(None),
        SeenReservation.window_end > begin,
        SeenReservation.window_start < end,
    ]


def _reservations(connection: Connection, integration: str, begin: datetime, end: datetime) -> pd.DataFrame:
    columns = [
        getattr(SeenReservation, name)
        for name in ("reservation_id", "reference", "status", "decision", "reason", "start", "finish")
    ]
    query = (
        select(
            *columns,
            SeenReservation.window_start,
            SeenReservation.window_end,
            SeenRoom.place_name,
            SeenRoom.place_id,
            SeenRoom.lock_id,
        )
        .join(
            SeenRoom,
            and_(
                SeenRoom.integration == integration,
                SeenRoom.reservation_id == SeenReservation.reservation_id,
                SeenRoom.until.is_(None),
            ),
        )
        .where(*_touching(integration, begin, end))  # type: ignore[arg-type]
    )
    rows = connection.execute(query).all()
    names = ["reservation_id", "reference", "status", "decision", "reason", "start", "finish"]
    names += ["window_start", "window_end", "place_name", "place_id", "lock_id"]
    return pd.DataFrame(rows, columns=names).astype({"reservation_id": "str", "reference": "str"})


def _people(connection: Connection, integration: str, begin: datetime, end: datetime) -> dict[str, str]:
    """Who holds each reservation, as people know them: name and email."""
    query = (
        select(SeenBorrower.reservation_id, SeenPerson.name, SeenPerson.email, SeenBorrower.user_id)
        .join(
            SeenReservation,
            and_(SeenReservation.reservation_id == SeenBorrower.reservation_id, *_touching(integration, begin, end)),  # type: ignore[arg-type]
        )
        .join(
            SeenPerson,
            and_(
                SeenPerson.integration == integration,
                SeenPerson.user_id == SeenBorrower.user_id,
                SeenPerson.until.is_(None),
            ),
            isouter=True,
        )
        .where(SeenBorrower.integration == integration, SeenBorrower.until.is_(None))
    )
    found: dict[str, list[str]] = {}
    for reservation, name, email, user_id in connection.execute(query):
        shown = " ".join(part for part in (name, f"<{email}>" if email else None) if part) or f"user {user_id}"
        found.setdefault(reservation, []).append(shown)
    return {reservation: ", ".join(sorted(those)) for reservation, those in found.items()}


def _states(connection: Connection, integration: str) -> dict[str, set[str]]:
    """References that are held, at risk or in place, since the last sync of all reservations."""
    applied = [
        Run.integration == integration,
        Run.kind == "sync",
        Run.plan_only.is_(False),
        Run.planned_at.is_not(None),
    ]
    whole = select(func.max(Run.id)).where(*applied, Run.whole.is_(True)).scalar_subquery()
    done = (
        select(Operation.reference, Operation.run_id, Operation.state, Operation.outcome)
        .join(Run)
        .where(*applied, Run.id >= func.coalesce(whole, 0), Operation.reference.is_not(None))
        .order_by(Operation.run_id)
    )
    last: dict[str, int] = {}
    stuck: dict[str, dict[str, int]] = {HELD: {}, AT_RISK: {}}
    for name, run_id, state, outcome in connection.execute(done):
        reference = str(name)
        last[reference] = run_id
        if HELD in {state, outcome}:
            stuck[HELD][reference] = run_id
        if outcome in UNWELL:
            stuck[AT_RISK][reference] = run_id
    looked = select(Run.id).where(*applied, Run.ended_at.is_not(None)).order_by(desc(Run.id)).limit(1)
    risky = select(Problem.reference).where(
        Problem.run_id == looked.scalar_subquery(), Problem.code.like(r"risk\_%", escape="\\")
    )
    groups = select(SeenGroup.name).where(SeenGroup.integration == integration, SeenGroup.until.is_(None))
    named = {str(name).removeprefix(GROUP_PREFIX) for name in connection.execute(groups).scalars()}
    still = {
        state: {reference for reference, run_id in those.items() if last[reference] == run_id}
        for state, those in stuck.items()
    }
    risks = {str(reference) for reference in connection.execute(risky).scalars()}
    return {HELD: still[HELD], AT_RISK: still[AT_RISK] | risks, IN_PLACE: named}


def _state(rows: pd.DataFrame, states: dict[str, set[str]], now: pd.Timestamp) -> pd.Series:
    state = pd.Series(PLANNED, index=rows.index, dtype="str")
    for name in (IN_PLACE, AT_RISK, HELD):
        state = state.mask(rows["reference"].isin(states[name]), name)
    state = state.mask(rows["decision"].ne(ACCESS) & ~rows["reason"].isin(A_MATTER_OF_TIME), REFUSED)
    over = pd.to_datetime(rows["window_end"], utc=True) <= now
    return state.mask(over & state.ne(REFUSED), OVER)
