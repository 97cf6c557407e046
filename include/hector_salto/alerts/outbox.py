"""What was reported of an integration's conditions, and through which channel: the ledger's table ``alerts``.

A change is for the channels that are set up when it becomes news. Each gets it once, whatever becomes of the others: one
that is broken gets all it missed as soon as it works. One that is taken out of the settings is no longer waited for; one
that is added later gets what is news from then on, not history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from hector_salto.alerts.conditions import RECOVERED, Change, Condition, Told, news
from hector_salto.ledger.tables import Alert

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from hector_salto.ledger.ledger import Ledger


def enqueue(  # noqa: PLR0913 - whose, what, for whom, when
    book: Ledger,
    name: str,
    found: list[Condition],
    judged: Collection[str],
    *,
    channels: Collection[str],
    now: datetime,
) -> list[Change]:
    """Write down what is news, for these channels."""
    with book.transaction() as connection:
        changes = news(_open(connection, name), found, judged)
        _add(connection, [_row(name, change, dict.fromkeys(channels), now) for change in changes])
    return changes


def backfill(book: Ledger, name: str, change: Change, channels: Mapping[str, str | None], at: datetime) -> None:
    """Write down what was reported while the ledger could not be used: when, by channel; None: not delivered yet."""
    with book.transaction() as connection:
        _add(connection, [_row(name, change, channels, at)])


def pending(book: Ledger, name: str, channel: str) -> dict[int, Change]:
    """What a channel has not got yet, by row."""
    with book.reading() as connection:
        rows = connection.execute(_not_delivered(name)).all()
    return {row.id: _as_change(row) for row in rows if channel in row.channels and row.channels[channel] is None}


def mark_delivered(book: Ledger, ids: Collection[int], channel: str, now: datetime) -> None:
    with book.transaction() as connection:
        for row in connection.execute(select(Alert).where(Alert.id.in_(ids)).with_for_update()).all():
            _settle(connection, row.id, row.channels | {channel: now.isoformat()}, now)


def forget_other_channels(book: Ledger, name: str, channels: Collection[str], now: datetime) -> None:
    """Wait no longer for a channel that is not among these."""
    with book.transaction() as connection:
        for row in connection.execute(_not_delivered(name).with_for_update()).all():
            kept = {one: at for one, at in row.channels.items() if at is not None or one in channels}
            if kept != row.channels:
                _settle(connection, row.id, kept, now)


def _open(connection: Connection, name: str) -> dict[str, Told]:
    """What was reported of each condition that is open, by name."""
    found: dict[str, Told] = {}
    for row in connection.execute(select(Alert).where(Alert.integration == name).order_by(Alert.id)):
        if row.change == RECOVERED:
            found.pop(row.condition, None)
            continue
        before = found[row.condition].marks if row.condition in found else frozenset()
        found[row.condition] = Told(row.severity, row.text, before | frozenset(row.marks))
    return found


def _not_delivered(name: str) -> Any:  # noqa: ANN401 - a query of whole rows
    return select(Alert).where(Alert.integration == name, Alert.delivered_at.is_(None)).order_by(Alert.id)


def _settle(connection: Connection, row_id: int, channels: Mapping[str, str | None], now: datetime) -> None:
    done = now if None not in channels.values() else None
    connection.execute(update(Alert).where(Alert.id == row_id).values(channels=dict(channels), delivered_at=done))


def _add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(Alert), rows)


def _row(name: str, change: Change, channels: Mapping[str, str | None], at: datetime) -> dict[str, Any]:
    return {
        "integration": name,
        "condition": change.condition,
        "change": change.change,
        "severity": change.severity,
        "at": at,
        "text": change.text,
        "next_step": change.next_step,
        "marks": sorted(change.marks),
        "channels": dict(channels),
        "delivered_at": None if None in channels.values() else at,
    }


def _as_change(row: Any) -> Change:  # noqa: ANN401 - a row of Alert
    return Change(row.condition, row.change, row.severity, row.text, row.next_step, frozenset(row.marks))
