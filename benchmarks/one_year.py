"""A ledger as a year of daily runs leaves it: 200 doors, 3,000 reservations a week, 60 operations and 40 problems a run."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from hector_salto.ledger.ledger import refresh_statistics
from hector_salto.ledger.tables import (
    Operation,
    ProblemRow,
    Run,
    SeenBorrower,
    SeenGroup,
    SeenLock,
    SeenPerson,
    SeenPlace,
    SeenReservation,
    SeenRoom,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from hector_salto.ledger.ledger import Ledger

CHUNK = 5_000
ZONE = "America/Toronto"


@dataclass(frozen=True)
class YearSize:
    """How much there is."""

    doors: int = 200
    people: int = 2_000
    a_week: int = 3_000
    weeks: int = 52
    runs: int = 365
    operations: int = 60
    problems: int = 40


NOTHING = YearSize(doors=0, people=0, a_week=0, weeks=0, runs=0)


def fill_ledger(ledger: Ledger, name: str, now: datetime, size: YearSize, seed: int = 1) -> None:
    """Write a year that ends with the week of ``now``, whose reservations are all in place but for a few."""
    dice = random.Random(seed)  # noqa: S311 - a measurement, not a secret
    seen = {"integration": name, "since_run": 1, "seen_at": now - timedelta(days=365), "until": None}
    with ledger.transaction() as connection:
        _write(connection, Run, _runs(name, now, size))
        _write(connection, Operation, _operations(now, size))
        _write(connection, ProblemRow, _problems(now, size))
        _write(connection, SeenLock, (seen | _lock(number) for number in range(size.doors)))
        _write(connection, SeenPlace, (seen | _place(number) for number in range(size.doors)))
        _write(connection, SeenPerson, (seen | _person(number) for number in range(size.people)))
        booked = [_booking(number, now, size, dice) for number in range(size.a_week * size.weeks)]
        _write(connection, SeenReservation, (seen | reservation for reservation, _, _ in booked))
        _write(connection, SeenBorrower, (seen | borrower for _, borrower, _ in booked))
        _write(connection, SeenRoom, (seen | room for _, _, room in booked))
        last = booked[-size.a_week :] if size.a_week else []
        groups = ({"group_id": f"g{one['reference']}", "name": f"Hector_{one['reference']}"} for one, _, _ in last)
        _write(connection, SeenGroup, (seen | group for group in groups))
        refresh_statistics(connection)  # as each run does at its end


def _write(connection: Connection, table: Any, rows: Iterator[dict[str, Any]]) -> None:  # noqa: ANN401 - a table's class
    some: list[dict[str, Any]] = []
    for row in rows:
        some.append(row)
        if len(some) == CHUNK:
            connection.execute(insert(table), some)
            some = []
    if some:
        connection.execute(insert(table), some)


def _runs(name: str, now: datetime, size: YearSize) -> Iterator[dict[str, Any]]:
    for number in range(1, size.runs + 1):
        at = now - timedelta(days=size.runs - number)
        yield {
            "id": number, "integration": name, "kind": "sync", "airflow_run_id": f"scheduled__{number}", "folder": "f",
            "began_at": at, "plan_only": False, "whole": True, "planned_at": at, "observed_at": at, "ended_at": at,
            "state": "green", "operations": size.operations, "held": 0, "site_name": "Campus", "site_zone": ZONE,
            "seats": 3_000, "seats_used": 2_000, "seconds": 60.0, "requests_hector": 40, "requests_salto": 900,
        }  # fmt: skip


def _operations(now: datetime, size: YearSize) -> Iterator[dict[str, Any]]:
    for run in range(1, size.runs + 1):
        for position in range(1, size.operations + 1):
            reference = str(size.a_week * size.weeks - (run * size.operations + position) % max(size.a_week, 1) - 1)
            yield {
                "run_id": run, "position": position, "key": f"member_add:{position}", "phase": 4, "kind": "member_add",
                "cause": "new", "reason": "booked", "unit": f"reservation {reference}", "reference": reference,
                "group_name": f"Hector_{reference}", "user_id": f"u_{position}", "removal": False, "state": "ready",
                "outcome": "done", "settled_at": now,
            }  # fmt: skip


def _problems(now: datetime, size: YearSize) -> Iterator[dict[str, Any]]:
    last = size.a_week * size.weeks
    for run in range(1, size.runs + 1):
        for number in range(size.problems):
            yield {
                "run_id": run, "code": "risk_tag" if number % 4 == 0 else "tag_unknown", "who": "salto_admin",
                "subject": f"user u_{number}", "reference": str(last - number - 1), "message": "its tag is unknown",
                "next_step": "create it in the Salto dashboard", "red": False, "open_since": now,
            }  # fmt: skip


def _lock(number: int) -> dict[str, Any]:
    return {
        "lock_id": f"k{number}",
        "name": f"Room {number:03}",
        "online": number % 40 > 0,
        "iq_online": True,
        "held_open": False,
        "privacy_mode": False,
        "zone": ZONE,
    }


def _place(number: int) -> dict[str, Any]:
    room = f"Room {number:03}"
    return {"place_id": f"p{number}", "place_name": room, "active": True, "lock_name": room, "lock_id": f"k{number}"}


def _person(number: int) -> dict[str, Any]:
    return {
        "person": f"hector:u_{number}", "user_id": f"u_{number}", "email": f"person{number}@campus.example",
        "name": f"Person {number}", "hector_status": "active", "has_code": number % 50 > 0, "code_shared": False, "site_user_id": f"s{number}",
        "platform_user_id": f"p{number}", "subscription_state": "subscribed", "blocked": False, "has_tag": True,
        "tag_id": f"t{number}", "own_tag": number % 50 > 0, "tag_blocked": False, "managed": True, "office_mode": False,
    }  # fmt: skip


def _booking(
    number: int, now: datetime, size: YearSize, dice: random.Random
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """One reservation of one person in one room, in a quarter hour of its week."""
    week = number // size.a_week
    monday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
    start = monday + timedelta(weeks=week - size.weeks + 1, minutes=15 * dice.randrange(7 * 96))
    finish, grace = start + timedelta(minutes=15 * dice.randint(2, 12)), timedelta(minutes=15)
    key, door = {"reservation_id": f"l{number}"}, dice.randrange(size.doors)
    reservation = {
        "reference": str(number), "status": "new", "start": start, "finish": finish, "decision": "access",
        "reason": "its window opens its doors", "window_start": start - grace, "window_end": finish + grace,
    }  # fmt: skip
    room = {
        "place_id": f"p{door}",
        "place_name": f"Room {door:03}",
        "lock_name": f"Room {door:03}",
        "lock_id": f"k{door}",
    }
    return key | reservation, key | {"user_id": f"u_{dice.randrange(size.people)}"}, key | room
