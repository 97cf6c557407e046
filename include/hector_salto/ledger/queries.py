"""What people ask of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import desc, or_, select

from hector_salto.ledger.run_queries import UNWELL
from hector_salto.ledger.tables import DoorEntry, Operation, ProblemRow, Run, SeenMember, SeenReservation

if TYPE_CHECKING:
    from datetime import datetime

    from hector_salto.ledger.ledger import Ledger

UNSETTLED = {"held": "held", "left": "left as it is (drift: report)"}


@dataclass(frozen=True)
class LastRead:
    """The run that looked last at Hector and Salto before a moment."""

    run_id: int
    began_at: datetime
    airflow_run_id: str
    state: str


def integrations(ledger: Ledger) -> list[str]:
    """Those that have had a run."""
    with ledger.reading() as connection:
        return sorted(connection.execute(select(Run.integration).distinct()).scalars())


def last_look(ledger: Ledger, integration: str, at: datetime | None = None) -> LastRead | None:
    query = select(Run.id, Run.began_at, Run.airflow_run_id, Run.state).where(
        Run.integration == integration, Run.planned_at.is_not(None), Run.kind == "sync"
    )
    query = query if at is None else query.where(Run.began_at <= at)
    with ledger.reading() as connection:
        row = connection.execute(query.order_by(desc(Run.began_at)).limit(1)).first()
    return LastRead(*row) if row is not None else None


def last_success(ledger: Ledger, integration: str) -> datetime | None:
    """When the last sync that applied everything and ended green had begun."""
    query = select(Run.began_at).where(
        Run.integration == integration, Run.whole.is_(True), Run.state == "green", Run.kind == "sync"
    )
    with ledger.reading() as connection:
        return connection.execute(query.order_by(desc(Run.began_at)).limit(1)).scalar_one_or_none()


def first_run(ledger: Ledger, integration: str) -> datetime | None:
    """When the integration's first run that is kept began."""
    query = select(Run.began_at).where(Run.integration == integration).order_by(Run.began_at).limit(1)
    with ledger.reading() as connection:
        return connection.execute(query).scalar_one_or_none()


def last_errors(
    ledger: Ledger, integration: str, *, reference: str | None = None, user_id: str | None = None
) -> list[str]:
    """What did not work in the last run that did anything for a reservation, or for a person."""
    chosen = [Operation.reference == reference] if reference is not None else []
    chosen += [Operation.user_id == user_id] if user_id is not None else []
    about = [Run.integration == integration, or_(*chosen), Run.plan_only.is_(False)]
    with ledger.reading() as connection:
        run_id = connection.execute(select(Operation.run_id).join(Run).where(*about).order_by(desc(Run.id)).limit(1))
        last = run_id.scalar_one_or_none()
        found = connection.execute(
            select(
                Run.began_at, Operation.kind, Operation.outcome, Operation.state, Operation.message, Operation.reason
            )
            .join(Run)
            .where(
                *about,
                Operation.run_id == last,
                or_(Operation.outcome.in_([*UNWELL, "held"]), Operation.state == "held", Operation.outcome.is_(None)),
            )
            .order_by(Operation.position)
        ).all()
    return [
        f"{began:%Y-%m-%d %H:%M} UTC: {kind}: {outcome or UNSETTLED.get(state, 'not settled')}"
        f"{': ' + (message or reason) if (message or reason) else ''}"
        for began, kind, outcome, state, message, reason in found
    ]


def problems_of(ledger: Ledger, run_id: int) -> pd.DataFrame:
    """Problems of a run: code, subject, reference, message, next_step."""
    columns = (
        ProblemRow.code,
        ProblemRow.who,
        ProblemRow.subject,
        ProblemRow.reference,
        ProblemRow.message,
        ProblemRow.next_step,
    )
    with ledger.reading() as connection:
        rows = connection.execute(select(*columns).where(ProblemRow.run_id == run_id)).all()
    return pd.DataFrame(rows, columns=["code", "who", "subject", "reference", "message", "next_step"])


def last_known(ledger: Ledger, integration: str, reference: str) -> dict[str, Any] | None:
    """The last version of a reservation that Hector no longer shows."""
    query = (
        select(SeenReservation.status, SeenReservation.finish, SeenReservation.until)
        .where(
            SeenReservation.integration == integration,
            SeenReservation.reference == reference,
            SeenReservation.until.is_not(None),
        )
        .order_by(desc(SeenReservation.id))
        .limit(1)
    )
    with ledger.reading() as connection:
        row = connection.execute(query).mappings().first()
    return dict(row) if row is not None else None


def memberships_since(ledger: Ledger, integration: str, at: datetime) -> pd.DataFrame:
    """Who was in which group at a moment, and since which run: group_id, platform_user_id, run, since."""
    query = (
        select(SeenMember.group_id, SeenMember.platform_user_id, Run.airflow_run_id, SeenMember.seen_at)
        .join(Run, Run.id == SeenMember.since_run, isouter=True)
        .where(
            SeenMember.integration == integration,
            SeenMember.seen_at <= at,
            or_(SeenMember.until.is_(None), SeenMember.until > at),
        )
    )
    with ledger.reading() as connection:
        rows = connection.execute(query).all()
    return pd.DataFrame(rows, columns=["group_id", "platform_user_id", "run", "since"])


def tries(ledger: Ledger, integration: str, begin: datetime, end: datetime) -> pd.DataFrame:
    """Events at doors between two moments, with the columns of DOOR_EVENTS that are kept but for the id."""
    names = [
        "at",
        "category",
        "detail",
        "lock_name",
        "lock_id",
        "platform_user_id",
        "access_by",
        "hector_user_id",
        "tap_tag",
    ]
    query = select(*(getattr(DoorEntry, name) for name in names)).where(
        DoorEntry.integration == integration, DoorEntry.at >= begin, DoorEntry.at < end
    )
    with ledger.reading() as connection:
        rows = connection.execute(query.order_by(DoorEntry.at)).all()
    return pd.DataFrame(rows, columns=names, dtype="object")  # nulls stay None
