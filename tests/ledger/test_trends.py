"""Figures for the pictures, added up by each of the two databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from hector_salto.ledger import trends
from hector_salto.ledger.tables import Operation, ProblemRow, Run, SeenBorrower, SeenPerson, SeenReservation, SeenRoom

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = [MONDAY + timedelta(days=number) for number in range(4)]


def run(number, at, **changes):
    row = {
        "id": number, "integration": "campus", "kind": "sync", "airflow_run_id": f"r{number}", "folder": "f", "began_at": at,
        "planned_at": at, "plan_only": False, "whole": True, "state": "green", "operations": 5, "seconds": 30.0, "seats": 10,
    }  # fmt: skip
    return row | changes


def seen(**row):
    return {"integration": "campus", "since_run": 1, "seen_at": MONDAY, "until": None} | row


def reservation(number, start, **changes):
    row = {
        "reservation_id": f"l{number}", "reference": str(number), "status": "new", "start": start, "finish": start + 2 * HOUR,
        "decision": "access", "reason": "", "window_start": start, "window_end": start + 2 * HOUR,
    }  # fmt: skip
    return seen(**row | changes)


def problem(run_id, who):
    about = {"code": "tag_unknown", "subject": "user u", "message": "m", "next_step": "n", "red": False}
    return about | {"run_id": run_id, "who": who, "open_since": MONDAY}


def write(ledger, table, *rows):
    with ledger.transaction() as connection:
        connection.execute(insert(table), list(rows))


def test_runs_are_added_up_by_day_and_state_and_others_are_not_counted(ledger):
    write(
        ledger,
        Run,
        run(1, MONDAY),
        run(2, MONDAY + HOUR, seconds=None),
        run(3, DAYS[1] + HOUR, state="red"),
        run(4, DAYS[2] + HOUR, plan_only=True),
        run(5, DAYS[3]),  # after the last day
        run(6, MONDAY, integration="other"),
    )

    found = trends.runs_by_day(ledger, "campus", DAYS)

    assert sorted((one.day, one.state, one.runs, one.seconds, one.operations) for one in found) == [
        (0, "green", 2, 30.0, 10),
        (1, "red", 1, 30.0, 5),
        (2, "plan only", 1, 30.0, 5),
    ]


def test_problems_are_those_of_the_last_sync_of_a_day(ledger):
    write(ledger, Run, run(1, MONDAY), run(2, MONDAY + HOUR), run(3, DAYS[1]))
    write(ledger, ProblemRow, problem(1, "operator"), problem(2, "salto_admin"), problem(2, "salto_admin"))

    found = trends.problems_by_day(ledger, "campus", DAYS)

    assert found == {(0, "salto_admin"): 2, (1, ""): 0}


def test_hours_are_those_of_doors_that_reservations_open(ledger):
    rooms = [
        seen(reservation_id=f"l{one}", place_id=f"p{one}", lock_id=lock)
        for one, lock in ((1, "k"), (2, None), (3, "k"))
    ]
    write(
        ledger,
        SeenReservation,
        reservation(1, MONDAY + HOUR),
        reservation(2, MONDAY),
        reservation(3, MONDAY, decision="no_access"),
    )
    write(ledger, SeenRoom, *rooms, seen(reservation_id="l1", place_id="q", lock_id="k2"))

    assert trends.hours_by_day(ledger, "campus", DAYS) == {0: pytest.approx(4)}  # one reservation, two doors


def test_a_wait_begins_when_a_reservation_is_first_seen_and_ends_with_its_first_user(ledger):
    write(ledger, Run, run(1, MONDAY))
    write(
        ledger,
        SeenReservation,
        reservation(1, MONDAY, until=MONDAY + HOUR),
        reservation(1, MONDAY, seen_at=MONDAY + HOUR, finish=MONDAY + 9 * HOUR),  # moved: seen again
        reservation(2, MONDAY),
        reservation(3, MONDAY, seen_at=MONDAY - timedelta(days=9)),  # its wait began before
    )
    added = {
        "run_id": 1,
        "phase": 4,
        "kind": "member_add",
        "cause": "new",
        "reason": "",
        "unit": "",
        "removal": False,
        "state": "ready",
    }
    waits = (("1", HOUR), ("1", 3 * HOUR), ("2", 30 * HOUR), ("3", HOUR))
    rows = [
        added | {"position": place, "key": f"k{place}", "reference": of, "outcome": "done", "settled_at": MONDAY + wait}
        for place, (of, wait) in enumerate(waits)
    ]
    write(ledger, Operation, *rows)

    assert trends.waits_for_doors(ledger, "campus", MONDAY) == [0, 0, 1, 0, 0, 1]


def test_seats_are_of_users_whom_no_sync_manages_and_of_all_others(ledger):
    flags = dict.fromkeys(
        ("has_code", "code_shared", "blocked", "has_tag", "own_tag", "tag_blocked", "office_mode"), False
    )

    def person(user, **changes):
        row = {
            "person": user or "s",
            "user_id": user,
            "email": "a@x.example",
            "hector_status": "active",
            "subscription_state": "subscribed",
            "managed": True,
        }
        return seen(**flags | row | changes)

    write(ledger, Run, run(1, MONDAY))
    write(
        ledger, SeenPerson, person("u1"), person("u2", hector_status="left"), person(None), person("u3", managed=False)
    )
    write(ledger, SeenReservation, reservation(1, MONDAY))
    write(ledger, SeenBorrower, seen(reservation_id="l1", user_id="u1"))

    facts = trends.seat_facts(ledger, "campus")

    assert (facts.allowed, facts.others, facts.everybody, facts.read_at) == (10, 2, 1, MONDAY)
    assert trends.users_booked(ledger, "campus", MONDAY, DAYS[1]) == [("u1", MONDAY, MONDAY + 2 * HOUR)]
    assert trends.seat_facts(ledger, "other").read_at is None
