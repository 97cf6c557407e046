"""What report.json and the log say of a run: before and after in words, who loses what and why, changes by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.drift import DriftBaseline, mark_drift
from hector_salto.access.operations import KINDS
from hector_salto.access.plan import LastState
from hector_salto.access.settings import AccessRules
from hector_salto.access.snapshot import take_snapshot
from hector_salto.reports.change_details import Before, Hector
from hector_salto.reports.page import page
from hector_salto.reports.summary import DID, Facts, Tables, summary, summary_lines
from hector_salto.reports.text import BEFORE_AFTER, before_after, many
from tests.access.tables import (
    NOW,
    booking,
    current,
    desired,
    hector_people,
    loaners,
    lock,
    ours,
    place,
    plan,
    salto_user,
    tag,
    user,
)

FACTS = Facts(
    integration="campus",
    site_id="DE1",
    kind="sync",
    run_id="manual",
    began="2026-01-14T15:00:00+00:00",
    by=None,
    plan_only=False,
    references=None,
    causes=[],
    holds=[],
    digest=None,
    seconds=1.0,
    requests={},
    promise="Salto holds what Hector says",
    zone="America/Toronto",
)
USERS = [user("u_1", tag="7"), user("u_2", tag="8")]
SALTO = [salto_user(1, tag="7"), salto_user(2, tag="8")]
TAGS = [tag("7", "s_1"), tag("8", "s_2")]
PLACES = [place("p_1", "Studio 204")]
LOCKS = [lock("k1", "Studio 204"), lock("k2", "Attic")]


def made(users, places, bookings, salto=SALTO, groups=None, rules=None, **options):
    """A plan and what the report knows besides: of a site where u_1 and u_2 have Studio 204 by reservation 1."""
    found = [ours("g1", "Hector_1", ("p1", "p2"))] if groups is None else groups
    have = current(salto, TAGS, LOCKS, found)
    rules = rules or AccessRules()
    made_ = plan(desired(users, places, bookings, rules), have, rules, **options)
    read = loaners(bookings)
    before = Before(made_.members, have.groups.locks, made_.matches, have.locks[["lock_id", "name", "zone"]])
    hector = Hector(made_.decisions, read.reservations, read.people, read.places)
    tables = Tables(
        made_.operations, problems=made_.problems, left=made_.left, hector=hector, before=before, seats_now={}
    )
    return made_, tables


def told(*arguments, **options):
    return summary(FACTS, made(*arguments, **options)[1])


def only(report, did):
    (change,) = [change for change in report["changes"] if change["did"] == did]
    return change


# --- before and after -------------------------------------------------------------------------------------------------


def test_every_kind_of_operation_has_words_for_before_and_after():
    assert set(BEFORE_AFTER) == set(KINDS) == set(DID)


def test_a_new_group_names_who_comes_in_and_where():
    change = only(told(USERS, PLACES, [booking("1", ("u_1", "u_2"))], groups=[]), "access group made")

    assert (change["people"], change["doors"]) == (["user u_1", "user u_2"], ["Studio 204"])
    assert change["after"] == "access group, window Wed 2026-01-14 10:45 to 12:15"


def test_two_windows_that_read_the_same_are_shown_as_they_are_written():
    times = ("10:00", "12:14", "2026-01-12T10:00:00")
    before, after = (schedule(("mon",), *times, end) for end in ("2026-01-12T12:14:59", "2026-01-12T12:15:00"))
    found, made_ = before_after({"kind": "schedule_change", "before": before, "after": after})

    assert found.startswith("window Mon 2026-01-12 10:00 to 12:15 (")
    assert "end_date 2026-01-12T12:14:59" in found
    assert "end_date 2026-01-12T12:15:00" in made_


def schedule(days, opens, shuts, first, last):
    named = {day: day[:3] in days for day in schemas.WEEKDAYS}
    return json.dumps(named | {"start_time": opens, "end_time": shuts, "start_date": first, "end_date": last})


OTHER = schedule(("sun",), "08:00", "08:59", "2026-01-11T08:00:00", "2026-01-11T09:00:00")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            schedule(("mon",), "10:00:00", "12:14:59", "2026-01-12T10:00:00", "2026-01-12T12:15:00"),
            "window Mon 2026-01-12 10:00 to 12:15",
        ),
        (
            schedule(("mon",), "10:00", "23:59", "2026-01-12T10:00:00", "2026-01-13T00:00:00"),
            "window Mon 2026-01-12 10:00 to 24:00",
        ),
        (
            schedule(("mon", "tue"), "00:00", "23:59", "2026-01-12T22:45:00", "2026-01-13T01:14:59"),
            "window Mon 2026-01-12 22:45 to Tue 2026-01-13 01:15",
        ),
        (  # the times were widened by hand, the dates were not
            schedule(("mon",), "10:00:00", "23:59:59", "2026-01-12T10:00:00", "2026-01-12T12:15:00"),
            "window Mon 10:00 to 24:00, from 2026-01-12 10:00 to 2026-01-12 12:15",
        ),
        (
            schedule(("mon", "fri"), "10:00", "11:59", "2026-01-12", None),
            "window Mon, Fri 10:00 to 12:00, from 2026-01-12 00:00 without an end",
        ),
        (
            schedule((), "a", "b", "soon", "9999-12-31"),
            "window on no day a to b, without a beginning without an end",
        ),
        (None, "another window"),
        (json.dumps({"schedule": False}), "another window"),
    ],
)
def test_a_schedule_in_words(value, words):
    assert before_after({"kind": "schedule_change", "before": value, "after": OTHER})[0] == words


def test_changes_have_before_and_after_in_words_and_no_json():
    bookings = [booking("1", ("u_1",), start=3.0, finish=4.0)]
    report = told([user("u_1"), *USERS[1:]], PLACES, bookings)

    moved = only(report, "window changed")
    assert moved["before"] == "window Wed 2026-01-14 10:45 to 12:15"
    assert moved["after"] == "window Wed 2026-01-14 12:45 to 14:15"
    assert moved["people"] == ["user u_1", "user u_2"]
    out = only(report, "taken out of the access group")
    assert (out["before"], out["after"]) == ("in the access group", "not in the access group")
    off = only(report, "tag taken off")
    assert (off["before"], off["after"], off["doors"]) == ("tag assigned", "no tag", ["Studio 204"])
    assert "{" not in json.dumps([(one["before"], one["after"]) for one in report["changes"]])
    assert "window Wed 2026-01-14 12:45 to 14:15" in page(report)


# --- withdrawals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("users", "places", "bookings", "why"),
    [
        (
            USERS,
            PLACES,
            [booking("1", ("u_1", "u_2"), status="cancelled")],
            "Hector shows the reservation with status cancelled: its status grants no access",
        ),
        (
            USERS,
            PLACES,
            [booking("2")],
            "Hector no longer shows the reservation: it was deleted, or moved out of the horizon",
        ),
        (
            USERS,
            [place("p_1", "Studio 2O4"), place("p_2", "Studio 204")],
            [booking("1", ("u_1", "u_2"))],
            (
                "Hector shows the reservation with status new: none of its places names a lock of this site (place p_1 (p_1) "
                "names the lock 'Studio 2O4', which this site does not have; nearest: 'Studio 204')"
            ),
        ),
        (
            [user("u_1", status="disabled"), user("u_2", status="archived")],
            PLACES,
            [booking("1", ("u_1", "u_2"))],
            (
                "Hector shows the reservation with status new: nobody among its borrower and participants can be given access "
                "(user u_1 of reservation 1 is not an active Hector user; user u_2 of reservation 1 is not an active Hector user)"
            ),
        ),
    ],
)
def test_a_withdrawal_names_who_loses_which_door_and_the_reason_in_hector(users, places, bookings, why):
    report = told(users, places, bookings)

    gone = only(report, "access group removed")
    assert gone["people"] == ["user u_1", "user u_2"]
    assert gone["doors"] == ["Studio 204"]
    assert gone["before"] == "access group of user u_1, user u_2 at Studio 204"
    assert gone["why"] == why
    line = f"withdrawn: reservation 1: user u_1, user u_2 at Studio 204: {why} ({gone['outcome']})"
    assert line in list(summary_lines(report))
    assert "user u_1, user u_2" in page(report)


@pytest.mark.parametrize(
    ("users", "who", "why"),
    [
        (USERS, ("u_1",), "Hector does not name user u_2 in the reservation"),
        (
            [USERS[0], user("u_2", status="disabled")],
            ("u_1", "u_2"),
            "named in the reservation, but not to be given access (user u_2 of reservation 1 is not an active Hector user)",
        ),
    ],
)
def test_why_somebody_is_taken_out(users, who, why):
    out = only(told(users, PLACES, [booking("1", who)]), "taken out of the access group")

    assert (out["people"], out["doors"], out["why"]) == (["user u_2"], ["Studio 204"], why)


def test_a_door_that_is_taken_out_has_its_name():
    groups = [ours("g1", "Hector_1", ("p1",), ("k1", "k2"))]
    out = only(told(USERS, PLACES, [booking("1", "u_1")], groups=groups), "door taken out")

    assert (out["door"], out["people"]) == ("Attic", ["user u_1"])
    assert out["why"] == "none of the reservation's places names this door any more"


def test_a_stranger_is_told_by_their_salto_id():
    salto = [*SALTO, salto_user(9, "x@x.example", alias="cleaning")]
    groups = [ours("g1", "Hector_1", ("p1", "p2", "p9"))]
    out = only(told(USERS, PLACES, [booking("1", ("u_1", "u_2"))], salto, groups), "taken out of the access group")

    assert out["why"] == "Hector does not name Salto user p9 in the reservation"
    assert "x@x.example" not in json.dumps(out)


def test_the_log_does_not_drown_in_withdrawals():
    report = told(USERS, PLACES, [booking("1", status="cancelled")])
    report["changes"] *= 60
    lines = [line for line in summary_lines(report) if line.startswith("withdrawn: ")]

    assert len(lines) == 51
    assert lines[-1] == "withdrawn: 10 more, see report.html"


# --- changes by hand --------------------------------------------------------------------------------------------------


def by_hand(mode):
    """u_2 was taken out of the group by hand since the last run."""
    bookings = [booking("1", ("u_1", "u_2"))]
    first, _ = made(USERS, PLACES, bookings)
    have = current(SALTO, TAGS, LOCKS, [ours("g1", "Hector_1", ("p1", "p2"))])
    last = take_snapshot(
        hector_people(USERS),
        schemas.frame(schemas.HECTOR_PLACES, PLACES),
        loaners(bookings),
        have,
        decisions=first.decisions,
        matches=first.matches,
    )
    groups = [ours("g1", "Hector_1", ("p1",))]
    return made(
        USERS,
        PLACES,
        bookings,
        groups=groups,
        rules=AccessRules(drift=mode),
        previous=LastState((DriftBaseline(last),)),
    )


@pytest.mark.parametrize(("mode", "outcome"), [("repair", "repaired"), ("report", "left")])
def test_a_change_by_hand_is_told_in_both_modes(mode, outcome):
    made_, tables = by_hand(mode)
    done = [{"key": key, "state": "done", "message": ""} for key in made_.operations["key"]]
    report = summary(FACTS, replace(tables, outcomes=schemas.frame(schemas.OUTCOMES, done)))

    (found,) = report["by_hand"]
    assert (found["for"], found["user_id"], found["door"]) == ("reservation 1", "u_2", None)
    assert (found["before"], found["after"]) == ("not in the access group", "in the access group")
    assert (found["why"], found["outcome"]) == ("somebody took this person out by hand", outcome)
    assert "<h2>Changed by hand (1)</h2>" in page(report)
    (line,) = [line for line in summary_lines(report) if line.startswith("changed by hand")]
    assert line.startswith("changed by hand: reservation 1: somebody took this person out by hand (")
    assert line.endswith("user u_2: found: not in the access group; Hector says: in the access group")
    assert len(report["changes"]) == len(made_.operations) == (mode == "repair")


def test_what_a_run_that_died_left_half_done_is_no_change_by_hand():
    """A group without a schedule is our own unfinished work, no drift."""
    groups = [ours("g1", "Hector_1", ("p1", "p2"))]
    groups[0]["schedules"] = []
    made_, tables = made(USERS, PLACES, [booking("1", ("u_1", "u_2"))], groups=groups)

    assert made_.operations["cause"].tolist() == ["leftover"]
    assert summary(FACTS, tables)["by_hand"] == []


def test_a_held_repair_is_told_as_held_with_what_was_changed():
    made_, tables = by_hand("repair")
    held = mark_drift(made_.operations, made_.operations["kind"].eq("member_add"))
    held = held.assign(state="held", held_by="depends")
    (found,) = summary(FACTS, replace(tables, operations=held))["by_hand"]

    assert found["outcome"] == "held"
    assert found["why"] == "somebody took this person out by hand; held, because it builds on a removal that is held"


# --- numbers and seats ------------------------------------------------------------------------------------------------


def test_one_is_no_plural():
    report = told(USERS, [place("p_1", "Nowhere"), place("p_2", "Studio 204")], [booking("1", ("u_1", "u_2"))])
    lines = list(summary_lines(report))

    assert "summary: 1 operation: 0 done, 1 planned" in lines
    assert "summary: 1 problem for the Hector admin" in lines
    assert [many(number, "change") for number in (0, 1, 2)] == ["0 changes", "1 change", "2 changes"]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ({"used": 3, "allowed": 10}, "3 used, 10 allowed"),
        ({"used": 3, "allowed": None}, "3 used, no limit"),
        ({"used": None, "allowed": 10}, "10 allowed; Salto does not say how many are used"),
        ({"used": None, "allowed": None}, "no limit; Salto does not say how many are used"),
    ],
)
def test_seats_in_words_also_when_nobody_knows_how_many_are_used(now, words):
    report = summary(FACTS, Tables(seats_now=now))

    assert f"summary: seats: {words}" in list(summary_lines(report))
    assert f"<p>{words[0].upper()}{words[1:]}.</p>" in page(report)


def test_doors_that_were_not_checked_are_said_to_be_so():
    report = summary(replace(FACTS, unchecked="Salto could not be read after the run: away"), Tables())

    assert report["doors"] == {"checked": False, "why": "Salto could not be read after the run: away"}
    assert "Tomorrow&#39;s doors were not checked" in page(report) or "Tomorrow's doors were not checked" in page(
        report
    )
    assert any(line.startswith("summary: tomorrow's doors were not checked") for line in summary_lines(report))


def test_a_report_of_nothing_at_all_can_be_shown():
    """A run that ended before it had a plan."""
    report = summary(replace(FACTS, causes=["plan: the token is refused", "apply: was not reached"]), Tables())

    assert report["state"] == "red"
    for cause in report["causes"]:
        assert f"<li>{cause}</li>" in page(report)
    assert pd.Timestamp(report["began"]) == NOW


def test_a_report_names_the_site_s_wall_clock():
    report = summary(replace(FACTS, zone="America/Winnipeg"), Tables())

    assert report["began_local"] == "Wed 2026-01-14 09:00 (America/Winnipeg)"
    assert "Wed 2026-01-14 09:00 (America/Winnipeg)" in page(report)
    assert "UTC" not in page(report)


@pytest.mark.parametrize(("zone", "mark"), [("America/Toronto", False), ("America/Winnipeg", True)])
def test_a_new_window_names_its_zone_where_it_is_not_the_site_s(zone, mark):
    """Of a group that this run makes: its doors say the zone."""
    _, tables = made(USERS, PLACES, [booking("1")], groups=[])
    (group,) = [
        one for one in summary(replace(FACTS, zone=zone), tables)["changes"] if one["did"] == DID["group_create"]
    ]

    assert group["after"].endswith(" (America/Toronto)") == mark
