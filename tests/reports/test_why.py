"""Why: wall clocks, who should and who can enter a door, and every id that is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.access_check import Break, chains
from hector_salto.access.refusals import Refusal
from hector_salto.access.reservations import NO_ACCESS
from hector_salto.access.snapshot import SCHEMAS, empty_snapshot
from hector_salto.access.upcoming_failures import risks
from hector_salto.access.windows import schedules
from hector_salto.ledger.ledger import Ledger, RunStart
from hector_salto.reports.clock import MomentError, moments, wall
from hector_salto.reports.door import who_may_enter
from hector_salto.reports.explain import Sources
from hector_salto.reports.questions import Question, QuestionError, SiteView, answer_question
from hector_salto.reports.search import matches

TORONTO, CHICAGO = ZoneInfo("America/Toronto"), ZoneInfo("America/Chicago")
NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
FINE = "its window opens its doors"
NO_PROBLEMS = schemas.frame(schemas.PROBLEMS, [])


# --- wall clocks ------------------------------------------------------------------------------------------------------


def test_an_hour_that_comes_twice_is_two_moments():
    first, second = moments("2026-11-01 01:40", TORONTO)

    assert second - first == timedelta(hours=1)
    assert wall(first, TORONTO) == "Sun 2026-11-01 01:40 EDT (America/Toronto)"
    assert wall(second, TORONTO) == "Sun 2026-11-01 01:40 EST (America/Toronto)"
    assert len(moments("2026-11-01 01:40", CHICAGO)) == 2
    assert len(moments("2026-11-01 01:40-04:00", TORONTO)) == len(moments("2026-11-01 02:40", TORONTO)) == 1


def test_an_hour_that_never_comes_is_refused():
    with pytest.raises(MomentError, match=r"does not exist in America/Toronto.*ask about 01:30 or 03:30"):
        moments("2026-03-08 02:30", TORONTO)
    assert moments("", TORONTO) == ()
    with pytest.raises(MomentError, match="is no date and time"):
        moments("8 March", TORONTO)


def test_the_end_of_time_has_a_wall_clock():
    assert wall(datetime(9999, 12, 31, 23, 59, tzinfo=UTC), ZoneInfo("Pacific/Auckland")).startswith("Fri 9999-12-31")


# --- a site -----------------------------------------------------------------------------------------------------------

DOORS = {"Studio": "America/Toronto", "Annex": "America/Chicago", "Twin": "America/Toronto"}


def user(name, **changes):
    row = {
        "person": f"hector:u_{name}", "user_id": f"u_{name}", "email": f"{name}@x.example", "name": name.title(),
        "hector_status": "active", "has_code": True, "code_shared": False, "site_user_id": f"s_{name}", "platform_user_id": f"p_{name}",
        "subscription_state": "subscribed", "blocked": False, "has_tag": True, "tag_id": f"t_{name}", "own_tag": True,
        "tag_blocked": False, "managed": True, "office_mode": False,
    }  # fmt: skip
    return row | changes


def site(*bookings, people=("ana", "bo")):
    """A look at a site on which everything booked is in place; (reference, users, door, hours from NOW, changes)."""
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in SCHEMAS}
    rows["locks"] = [
        {
            "lock_id": f"k_{name}",
            "name": name,
            "online": True,
            "iq_online": True,
            "held_open": False,
            "privacy_mode": False,
            "zone": zone,
        }
        for name, zone in DOORS.items()
    ]
    rows["locks"].append(rows["locks"][2] | {"lock_id": "k_other"})  # two locks are called Twin
    locks = {"Studio": "k_Studio", "Annex": "k_Annex"}
    rows["places"] = [
        {"place_id": f"pl_{name}", "place_name": name, "active": True, "lock_name": name, "lock_id": locks.get(name)}
        for name in DOORS
    ]
    rows["people"] = [user(one) if isinstance(one, str) else one for one in people]
    for reference, users, door, hours, *changes in bookings:
        start = NOW + timedelta(hours=hours)
        row = {
            "reservation_id": f"l_{reference}", "reference": reference, "status": "new", "start": start,
            "finish": start + timedelta(hours=1), "decision": "access", "reason": FINE, "window_start": start,
            "window_end": start + timedelta(hours=1),
        }  # fmt: skip
        rows["reservations"].append(row | (changes[0] if changes else {}))
        rows["rooms"].append(
            {
                "reservation_id": f"l_{reference}",
                **_place(door, locks),
            }
        )
        rows["borrowers"] += [{"reservation_id": f"l_{reference}", "user_id": f"u_{one}"} for one in users]
        if row["decision"] == "access" and not changes:
            _grant(rows, reference, users, door, row)
    return replace(empty_snapshot(), **{name: schemas.frame(SCHEMAS[name], found) for name, found in rows.items()})


def _place(door, locks):
    return {"place_id": f"pl_{door}", "place_name": door, "lock_name": door, "lock_id": locks.get(door)}


def _grant(rows, reference, users, door, row):
    group = f"g_{reference}"
    window = pd.DataFrame(
        [
            {
                "group_id": group,
                "zone": DOORS[door],
                **{name: pd.Timestamp(row[name]) for name in ("window_start", "window_end")},
            }
        ]
    )
    rows["groups"].append({"group_id": group, "name": f"Hector_{reference}"})
    rows["schedules"].append(
        schedules(window).drop(columns=["zone", "window_start", "window_end"]).iloc[0].to_dict()
        | {"schedule_id": f"sch_{reference}"}
    )
    rows["doors"].append({"group_id": group, "lock_id": f"k_{door}"})
    rows["members"] += [{"group_id": group, "platform_user_id": f"p_{one}"} for one in users]


def asked(seen, door, at=None):
    sources = Sources(seen, "as seen", TORONTO, NO_PROBLEMS, lambda *_: [], schemas.frame(schemas.DOOR_EVENTS, []))
    moment = None if at is None else pd.Timestamp(NOW + timedelta(hours=at))
    return who_may_enter(sources, door, now=pd.Timestamp(NOW), at=moment, since=pd.DataFrame())


# --- a door -----------------------------------------------------------------------------------------------------------


def test_a_door_names_every_user_who_should_enter_and_whether_they_can():
    tagless = user("bo", has_code=False, has_tag=False, own_tag=False)
    answer = asked(site(("1", ["ana", "bo"], "Studio", 1), people=("ana", tagless)), "studio", 1.5)

    assert not answer.opens
    assert answer.head[0].startswith("closed: 1 of 2 users who should enter studio")
    assert answer.head[1].startswith(
        "  NO    Bo <bo@x.example> (user u_bo) in reservation 1: user u_bo has no unique code"
    )
    assert answer.head[2].startswith("  can   Ana <ana@x.example> (user u_ana) in reservation 1")


def test_a_door_whose_lock_is_not_one_still_has_its_reservation():
    """Two locks have the name, so no access group could be made: the reservation exists all the same."""
    booked = ("1", ["ana"], "Twin", 1, {"decision": NO_ACCESS, "reason": str(Refusal.NO_LOCK_OF_SITE)})
    answer = asked(site(booked), "Twin", 1.5)

    assert answer.head[0].startswith("closed: 1 of 1 user who should enter Twin")
    assert "in reservation 1: no single lock of the site is called Twin" in answer.head[1]


def test_a_door_tells_cancelled_reservations_quietly_and_who_can_enter_without_one():
    cancelled = {"decision": NO_ACCESS, "reason": str(Refusal.STATUS), "status": "cancelled"}
    quiet = asked(site(("1", ["ana"], "Studio", 1, cancelled)), "Studio", 1.5)
    assert quiet.head[0].startswith("closed: no reservation should open Studio")
    assert "  no access by reservation 1 (status cancelled): its status grants no access" in quiet.head

    held = site(("1", ["ana"], "Studio", 1))
    held = replace(held, reservations=held.reservations.assign(**cancelled))
    answer = asked(held, "Studio", 1.5)
    assert answer.opens
    assert answer.head[0].startswith("open: no reservation is for Studio")
    assert any(line.startswith("  also  ana@x.example through access group Hector_1") for line in answer.head)


def test_a_door_without_a_moment_lists_what_is_booked_next():
    tagless = user("bo", has_code=False, has_tag=False, own_tag=False)
    seen = site(("1", ["ana"], "Annex", 1), ("2", ["bo"], "Annex", 3), people=("ana", tagless))
    head = asked(seen, "Annex").head

    assert "  next at Annex (America/Chicago):" in head
    assert any(line.startswith("  will  Wed 2026-01-14 10:00 to") and "reservation 1" in line for line in head)
    assert any(line.startswith("  NOT   Wed 2026-01-14 12:00 to") and "no unique code" in line for line in head)


def test_a_place_without_a_lock_says_so():
    seen = site(("1", ["ana"], "Twin", 1))
    bare = {"lock_name": None, "lock_id": None}
    seen = replace(
        seen,
        places=seen.places.assign(**bare).astype("object"),
        rooms=seen.rooms.assign(**bare).astype("object"),
        locks=seen.locks.iloc[:0],
    )
    assert asked(seen, "Twin", 1.5).head[0].startswith("closed: place Twin names no lock")


def test_a_door_that_is_not_there_names_those_that_are():
    answer = asked(site(), "Attic")

    assert not answer.known
    assert "locks: Annex, Studio, Twin" in answer.head[0]


# --- the whole question -----------------------------------------------------------------------------------------------


@pytest.fixture
def kept(ledger_url):
    seen = site(("1", ["ana"], "Studio", 1), ("2", ["ghost"], "Annex", 1), people=("ana", user("idle", email=None)))
    ledger = Ledger.open(ledger_url)
    run = ledger.begin_run(RunStart(integration="campus", kind="sync", airflow_run_id="r", folder="f", began_at=NOW))
    ledger.plan(run, schemas.frame(schemas.OPERATIONS, []), NO_PROBLEMS, planned_at=NOW)
    ledger.observe(run, "campus", seen.tables(), NOW, read_at=NOW)
    return ledger


@pytest.mark.parametrize(
    ("shown", "question"),
    [
        ("u_ana", Question(user_id="u_ana")),
        ("user u_ana", Question(user_id="u_ana")),
        ("person u_ana", Question(user_id="u_ana")),
        ("p_ana", Question(user_id="u_ana")),
        ("Salto user p_ana", Question(user_id="u_ana")),
        ("tag id t_ana", Question(user_id="u_ana")),
        ("user u_idle", Question(user_id="u_idle")),
        ("u_ghost", Question(user_id="u_ghost")),  # a reservation names them, and Hector shows no such user
        ("ana@x.example", Question(email="ana@x.example")),
        ("1", Question(reference="1")),
        ("reservation 1", Question(reference="1")),
        ("Hector_1", Question(reference="1")),
        ("access group Hector_1", Question(reference="1")),
        ("l_1", Question(reference="1")),
        ("g_1", Question(reference="1")),
        ("schedule sch_1", Question(reference="1")),
        ("lock Studio", Question(door="Studio")),
        ("door Annex", Question(door="Annex")),
        ("k_Annex", Question(door="k_Annex")),
        ("place pl_Annex", Question(door="pl_Annex")),
    ],
)
def test_every_id_shown_can_be_asked_for(kept, shown, question):
    found = matches(kept, "campus", shown)

    assert [one.question for one in found] == [question]
    assert answer_question(kept, "campus", question, NOW).known


def test_each_answer_is_on_the_door_s_own_wall_clock(kept):
    lines = answer_question(kept, "campus", Question(reference="2"), NOW).lines
    assert "as the run of Wed 2026-01-14 09:00 (America/Chicago) saw it" in lines[1]
    assert not any("UTC" in line for line in lines)
    assert any("10:00" in line for line in answer_question(kept, "campus", Question(door="Annex"), NOW).lines)
    at = answer_question(kept, "campus", Question(user_id="u_ghost", at="2026-01-14 10:30"), NOW)
    assert any("reservation 2" in line and "Annex" in line for line in at.lines), at.lines


def test_a_moment_that_comes_twice_gets_two_answers_and_one_that_never_comes_none(kept):
    twice = answer_question(kept, "campus", Question(door="Studio", at="2026-11-01 01:40"), NOW)
    assert len(twice.parts) == 2
    assert [part.head[0] for part in twice.parts] == [
        "at Sun 2026-11-01 01:40 EDT (America/Toronto):",
        "at Sun 2026-11-01 01:40 EST (America/Toronto):",
    ]
    for question in (Question(door="Studio"), Question(reference="1"), Question(email="ana@x.example")):
        with pytest.raises(QuestionError, match="does not exist in America/Toronto"):
            answer_question(kept, "campus", replace(question, at="2026-03-08 02:30"), NOW)


def test_a_live_look_is_asked_for_both_turns(kept):
    live = SiteView(site(("1", ["ana"], "Studio", 1)), "as both show it now", NO_PROBLEMS)
    assert (
        len(answer_question(kept, "campus", Question(reference="1", at="2026-11-01 01:40"), NOW, live=live).parts) == 2
    )


def test_a_risk_is_told_on_the_wall_clock_of_its_door():
    tagless = user("bo", has_code=False, has_tag=False, own_tag=False)
    found = risks(site(("1", ["bo"], "Annex", 1), people=(tagless,)), as_of=pd.Timestamp(NOW))

    assert "a door will stay shut at 2026-01-14 10:00 (America/Chicago)" in found["message"].item()


def test_a_door_of_no_known_zone_says_so():
    """Instead of silently showing UTC."""
    seen = site(("1", ["bo"], "Annex", 1))
    seen = replace(seen, locks=seen.locks.assign(zone=None).astype(seen.locks.dtypes.to_dict()))
    chain = chains(seen, seen.reservations, now=pd.Timestamp(NOW))

    (window,) = chain[chain["link"].eq("window")]["words"]
    assert window.endswith("(UTC: the door's time zone is not known)")


@pytest.mark.parametrize("typed", ["Hector_1", " hector_1 ", "1\r", "access group Hector_1"])
def test_a_reference_as_it_is_pasted(kept, typed):
    """The page's box strips the prefix and blanks, as `make why` does."""
    assert [one.question for one in matches(kept, "campus", typed)] == [Question(reference="1")]


def test_a_room_without_a_lock_is_known_by_its_code():
    """Whatever the sentence says."""
    seen = site(("1", ["bo"], "Annex", 1))
    rooms = seen.rooms.assign(lock_name=None, lock_id=None).astype(seen.rooms.dtypes.to_dict())
    chain = chains(replace(seen, rooms=rooms), seen.reservations, now=pd.Timestamp(NOW))

    assert chain[chain["state"].eq("broken")]["code"].tolist() == [Break.NO_LOCK]


def test_the_answer_comes_first_in_one_sentence_and_a_problem_names_its_cause(kept):
    """The page and the terminal say the same words; a remedy never stands without its cause."""
    from hector_salto.reports.clock import window_words
    from hector_salto.reports.door import _fault

    (way,) = answer_question(kept, "campus", Question(reference="2"), NOW).ways
    assert way.lines()[0] == way.sentence
    assert "cannot open Annex today 10:00" in way.sentence
    assert _fault(replace(way, because="2 users share a code")).endswith("; 2 users share a code")
    zone = ZoneInfo("UTC")
    days = [NOW + timedelta(days=number) for number in range(3)]
    assert [window_words(day, day, NOW, zone).split()[0] for day in days] == ["today", "tomorrow", f"{days[2]:%a}"]
