"""What runs leave of a reservation in the week, and of problems in the views, whatever runs came between."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hector_salto.access import schemas
from hector_salto.access.operations import operations
from hector_salto.access.snapshot import SCHEMAS
from hector_salto.ledger.reservation_states import list_reservations as span_booked
from tests.ledger.test_ledger import NOTHING, NOW, adding, begun, booked, problem, reservation, rows
from tests.reports.test_why import user

PLACE = {"place_id": "p", "place_name": "Studio", "lock_name": "Studio", "lock_id": "k"}


def standing(name="10452"):
    return {"groups": schemas.frame(schemas.SEEN_GROUPS, [{"group_id": "g", "name": f"Hector_{name}"}])}


def run_of(ledger, hours, planned, outcome=None, found=NOTHING, *, ended=True, **facts):
    """A run that planned this, each operation with this outcome."""
    run = ledger.begin_run(begun(hours, **facts))
    at = NOW + timedelta(hours=hours)
    ledger.plan(run, planned, found, planned_at=at)
    if outcome is not None:
        for number in ledger.operation_ids(run).values():
            ledger.settle(number, at, outcome, "")
    if ended:
        ledger.end_run(run, ended_at=at, causes=[])
    return run


def held(reference="10452"):
    return adding("ana", reference=reference).assign(state="held")


def nothing():
    return operations("member_add", adding("x").iloc[:0][["group_id", "group_name"]], cause="new", reason="", unit="")


def look(ledger, run, *, decision="access", groups=None):
    row = reservation("10452", 1) | {"decision": decision}
    around = {"borrowers": [{"reservation_id": row["reservation_id"], "user_id": "u_ana"}], "people": [user("ana")]}
    around["rooms"] = [{"reservation_id": row["reservation_id"], **PLACE}]
    around["locks"] = [
        {
            "lock_id": "k",
            "name": "Studio",
            "online": True,
            "iq_online": True,
            "held_open": False,
            "privacy_mode": False,
            "zone": None,
        }
    ]
    tables = {name: schemas.frame(SCHEMAS[name], found) for name, found in around.items()}
    ledger.observe(run, "campus", booked(row) | tables | (standing() if groups is None else groups), NOW)


def state(ledger):
    """As the week shows it."""
    (row,) = span_booked(ledger, "campus", NOW, NOW + timedelta(days=1), now=NOW).to_dict("records")
    return row["state"]


def risk(subject="reservation 10452", reference="10452"):
    return problem("risk_tag", subject).assign(reference=reference)


def test_a_cancelled_reservation_whose_removal_is_held_is_held(ledger):
    look(ledger, run_of(ledger, 0, held(), "held"), decision="no_access")

    assert state(ledger) == "held"


@pytest.mark.parametrize(("planned", "outcome"), [(held(), "held"), (adding("ana", reference="10452"), "failed")])
def test_a_green_run_of_all_reservations_ends_what_an_earlier_one_left(ledger, planned, outcome):
    look(ledger, run_of(ledger, 0, planned, outcome))
    assert state(ledger) == {"held": "held", "failed": "will not open"}[outcome]

    look(ledger, run_of(ledger, 24, nothing()))

    assert state(ledger) == "in place"


def test_the_latest_run_that_concerns_a_reservation_decides(ledger):
    look(ledger, run_of(ledger, 0, held(), "held"))
    run_of(ledger, 1, adding("bo", reference="7"), "failed", chosen_references=["7"])
    assert state(ledger) == "held"
    run_of(ledger, 2, adding("ana", reference="10452"), "done", chosen_references=["10452"])
    assert state(ledger) == "in place"
    run_of(ledger, 3, adding("ana", reference="10452"), "failed", chosen_references=["10452"])
    assert state(ledger) == "will not open"


@pytest.mark.parametrize("facts", [{"plan_only": True}, {"kind": "cleanup"}, {"integration": "other"}])
def test_a_run_that_applies_nothing_of_the_kind_says_nothing(ledger, facts):
    look(ledger, run_of(ledger, 0, nothing()))
    run_of(ledger, 1, held(), None, risk(), **facts)

    assert state(ledger) == "in place"


def test_a_run_that_never_came_to_a_plan_changes_nothing(ledger):
    look(ledger, run_of(ledger, 0, held(), "held"))
    ledger.begin_run(begun(1))

    assert state(ledger) == "held"


def test_a_door_that_will_stay_shut(ledger):
    look(ledger, run_of(ledger, 0, nothing(), None, risk()))
    assert state(ledger) == "will not open"
    run_of(ledger, 1, nothing(), ended=False)  # under way: it has not looked for risks yet
    assert state(ledger) == "will not open"
    run_of(ledger, 2, nothing(), None, problem("risky", "x").assign(reference="10452"))
    assert state(ledger) == "in place"


@pytest.mark.parametrize(("groups", "expected"), [(None, "in place"), (standing("1"), "planned")])
def test_what_nothing_is_wrong_with(ledger, groups, expected):
    look(ledger, run_of(ledger, 0, nothing()), groups=groups)

    assert state(ledger) == expected


def since(ledger):
    found = rows(ledger, "select code, subject, message, open_since from open_problems order by code, message")
    return [(row["code"], row["message"], str(row["open_since"])[:16]) for row in found]


def test_the_end_of_a_run_keeps_since_when_its_problems_are_open(ledger):
    run_of(ledger, 0, nothing(), None, problem())
    run = run_of(ledger, 24, nothing(), None, problem())

    ledger.add_problems(run, schemas.pd.concat([problem(), risk()], ignore_index=True))

    assert since(ledger) == [("risk_tag", "m", "2026-01-15 15:00"), ("tag_unknown", "m", "2026-01-14 15:00")]


def test_a_problem_that_is_there_twice_is_open_since_the_first_run_that_had_it(ledger):
    twice = schemas.pd.concat([risk(), risk().assign(message="of the other door")], ignore_index=True)
    for hours in (0, 24, 48):
        ledger.add_problems(run_of(ledger, hours, nothing()), twice)

    assert since(ledger) == [("risk_tag", words, "2026-01-14 15:00") for words in ("m", "of the other door")]


def test_only_runs_of_all_reservations_of_the_same_site_carry_a_problem_on(ledger):
    run_of(ledger, 0, nothing(), None, problem())
    run_of(ledger, 1, nothing(), None, problem(), integration="other")
    run_of(ledger, 24, nothing())  # it is over
    run_of(ledger, 25, nothing(), None, problem(), chosen_references=["1"])
    run_of(ledger, 48, nothing(), None, problem())

    found = rows(ledger, "select integration, open_since from open_problems order by integration")
    assert [(row["integration"], str(row["open_since"])[:16]) for row in found] == [
        ("campus", "2026-01-16 15:00"), ("other", "2026-01-14 16:00"),
    ]  # fmt: skip
