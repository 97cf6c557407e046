"""Time, as whole synchronizations live through it: who can open a door when, by the sandbox's own reading of Salto."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from hector_salto.access.settings import AccessRules
from hector_salto.reports.text import decision_lines
from sandbox import empty, openings
from tests.scenarios.world import NOW, hour, world

TORONTO = "America/Toronto"
QUARTER = dt.timedelta(minutes=15)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
MONTH = dt.timedelta(days=40)


def local(text, zone=TORONTO, fold=0):
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(dt.UTC)


def opened(h):
    """From when to when each person can open each door, in the forty days around."""
    found = openings(h.salto, h.clock.now - MONTH, h.clock.now + MONTH)
    return sorted((one.email.split("@")[0], one.lock_name, one.begin, one.end) for one in found)


def booked(h, spans):
    """A booking of its own room for each span, all Ana's."""
    h.person("ana")
    for number, (start, finish) in enumerate(spans, 1):
        h.room(f"r{number}").book(str(number), "ana", f"r{number}", start, finish)
    return [("ana", f"r{number}", start - QUARTER, finish + QUARTER) for number, (start, finish) in enumerate(spans, 1)]


# --- windows at midnight, both clock changes, leap day, year end, zones with half hours --------------------------------

WEEKS = {
    "windows at midnight": (
        TORONTO,
        [
            ("2026-01-14T22:15", "2026-01-14T23:45"),  # with its grace it ends on midnight
            ("2026-01-15T00:15", "2026-01-15T01:00"),  # with its grace it starts on midnight
            ("2026-01-14T23:00", "2026-01-15T01:00"),
            ("2026-01-14T23:45", "2026-01-15T00:00"),  # only its grace is over midnight
            ("2026-01-15T00:00", "2026-01-16T00:00"),
        ],
    ),
    "clocks go forward": (
        TORONTO,
        [
            ("2026-03-08T01:00", "2026-03-08T04:00"),
            ("2026-03-08T01:45", "2026-03-08T03:00"),  # an hour that is a quarter of one
            ("2026-03-07T22:00", "2026-03-08T12:00"),
            ("2026-03-08T03:15", "2026-03-08T05:00"),
        ],
    ),
    "clocks go back": (
        TORONTO,
        [
            ("2026-11-01T00:00", "2026-11-01T03:00"),
            ("2026-10-31T22:00", "2026-11-01T12:00"),
            ("2026-11-01T02:15", "2026-11-01T04:00"),
        ],
    ),
    "clocks go back by half an hour": (
        "Australia/Lord_Howe",
        [("2026-04-05T00:30", "2026-04-05T03:00"), ("2026-04-04T20:00", "2026-04-05T08:00")],
    ),
    "leap day": (
        "Asia/Kathmandu",  # 5:45 ahead
        [
            ("2028-02-28T22:00", "2028-02-29T02:00"),
            ("2028-02-29T00:00", "2028-03-01T00:00"),
            ("2028-02-29T10:00", "2028-02-29T12:00"),
            ("2028-02-29T23:00", "2028-03-01T01:00"),
            ("2028-02-28T09:00", "2028-03-01T18:00"),
        ],
    ),
    "no leap day": (TORONTO, [("2027-02-28T22:00", "2027-03-01T02:00")]),
    "year end in India": (
        "Asia/Kolkata",  # 5:30 ahead
        [
            ("2026-12-31T23:00", "2027-01-01T01:00"),
            ("2026-12-31T22:00", "2026-12-31T23:45"),
            ("2027-01-01T00:15", "2027-01-01T02:00"),
        ],
    ),
    "year end in Newfoundland": (
        "America/St_Johns",  # 3:30 behind
        [("2026-12-31T20:15", "2026-12-31T20:45"), ("2026-12-30T12:00", "2027-01-02T12:00")],  # UTC's year end, and all of it
    ),
}  # fmt: skip


@pytest.mark.parametrize("week", WEEKS)
def test_the_doors_open_exactly_in_the_windows(week):
    zone, texts = WEEKS[week]
    spans = [(local(start, zone), local(finish, zone)) for start, finish in texts]
    with world(empty(zone=zone), now=min(spans)[0] - DAY) as h:
        expected = booked(h, spans)

        assert h.run().all_done
        assert opened(h) == expected
        h.assert_settled()


def test_a_door_whose_clock_stands_elsewhere_opens_at_the_same_moment():
    """One site, three clocks, none of them this machine's: each schedule says the one moment in its own lock's words."""
    start, finish = local("2026-12-31T23:45", "Asia/Kathmandu"), local("2027-01-01T00:30", "Asia/Kathmandu")
    with world(now=start - DAY) as h:
        expected = booked(h, [(start, finish)] * 3)
        for name, zone in (("r2", "America/St_Johns"), ("r3", "Asia/Kathmandu")):
            h.salto.locks[h.doors[name]].iq_id = h.salto.add_iq(zone, zone)
        h.run()

        assert opened(h) == expected
        assert len({h.group(reference).schedules[0].start_time for reference in "123"}) == 3
        h.assert_settled()


@pytest.mark.parametrize(
    "edges",
    [
        {"finish": "9999-12-31T23:50:00Z"},
        {"start": "0001-01-01T00:05:00Z"},
        {"start": "0001-01-01T00:00:00Z", "finish": "9999-12-31T23:59:59Z"},
    ],
)
def test_a_booking_from_or_to_the_end_of_time_is_a_problem_and_stops_nobody_else(edges):
    with world() as h:
        expected = booked(h, [(hour(1), hour(2))])
        h.book("endless", "ana", "r1", 1, 5)
        h.hector.loaners[h.bookings["endless"]] |= edges
        found = h.run()

        assert opened(h) == expected
        assert found.problem_codes() == {"window_too_long"}
        assert [line for line in decision_lines(found.plan.decisions) if "endless: no_access" in line]
        h.assert_settled()


# --- as_of equal to a window's edge -----------------------------------------------------------------------------------


def of_an_hour(h):
    """A booking whose window is [NOW + 1 h, NOW + 2 h 30 min)."""
    return booked(h, [(hour(1.25), hour(2.25))])


@pytest.mark.parametrize("moment", [hour(1) - MINUTE, hour(1), hour(1) + MINUTE, hour(2.5) - MINUTE])
def test_a_run_at_the_first_moment_of_a_window_and_until_its_last_opens_it(moment):
    with world(now=moment) as h:
        expected = of_an_hour(h)
        h.run()

        assert opened(h) == expected
        h.assert_settled()


@pytest.mark.parametrize("moment", [hour(2.5), hour(2.5) + MINUTE])
def test_at_its_end_a_window_is_over_and_nothing_is_made_for_it(moment):
    with world(now=moment) as h:
        of_an_hour(h)
        found = h.run()

        assert found.all_done
        assert opened(h) == []
        assert h.salto.groups == {}
        assert h.bookings  # Hector still shows it


@pytest.mark.parametrize("clean", [lambda h: h.run(), lambda h: h.sync.cleanup(h.clock.now)], ids=["sync", "cleanup"])
def test_a_group_goes_at_the_end_of_its_window_and_not_a_minute_before(clean):
    with world() as h:
        expected = of_an_hour(h)
        h.run()
        h.clock.now = hour(2.5) - MINUTE
        clean(h)
        assert opened(h) == expected

        h.clock.now = hour(2.5)
        found = clean(h)

        assert found.plan.operations[["kind", "cause"]].to_numpy().tolist() == [["group_delete", "expired"]]
        assert h.salto.groups == {}


def test_a_window_is_made_from_the_moment_it_is_within_the_horizon():
    start = NOW + AccessRules().horizon + QUARTER  # the window starts exactly at the horizon's edge
    with world(now=NOW - MINUTE) as h:
        expected = booked(h, [(start, start + DAY)])
        h.run()
        assert opened(h) == []

        h.clock.now = NOW
        h.run()

        assert opened(h) == expected
        h.assert_settled()


def test_a_booking_that_ran_when_the_horizon_began_and_still_runs_when_it_ends_is_one_window():
    with world() as h:
        expected = booked(h, [(NOW - 5 * DAY, NOW + 9 * DAY)])
        h.run()

        assert opened(h) == expected
        h.assert_settled()


# --- a run that lasts over midnight -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "zone"),
    [
        ("2026-01-14T23:50", "2026-01-15T00:04", TORONTO),
        ("2026-12-31T23:50", "2027-01-01T00:04", "Asia/Kolkata"),
        ("2028-02-28T23:50", "2028-02-29T00:04", "Asia/Kathmandu"),
        ("2026-03-08T01:50", "2026-03-08T03:04", TORONTO),  # the clocks go forward meanwhile
    ],
)
def test_a_plan_of_before_midnight_that_is_applied_after_it_opens_what_it_meant(before, after, zone):
    before, after = local(before, zone), local(after, zone)
    midnight = dt.datetime.combine(after.astimezone(ZoneInfo(zone)), dt.time(), ZoneInfo(zone)).astimezone(dt.UTC)
    with world(empty(zone=zone), now=before) as h:
        spans = [(midnight - 2 * QUARTER, midnight + 12 * QUARTER), (midnight + 8 * QUARTER, midnight + 20 * QUARTER)]
        expected = booked(h, [*spans, (midnight + DAY / 2, midnight + DAY)])
        _, plan = h.sync.plan(AccessRules(), before)
        h.clock.now = after
        h.sync.apply(plan)

        assert opened(h) == expected
        h.assert_settled()


def test_a_window_that_ends_between_plan_and_apply_opens_nothing_any_more():
    midnight = local("2026-01-15T00:00")
    with world(now=midnight - 10 * MINUTE) as h:
        booked(h, [(midnight - 8 * QUARTER, midnight - QUARTER)])  # with its grace it ends on midnight
        _, plan = h.sync.plan(AccessRules(), h.clock.now)
        h.clock.now = midnight + 4 * MINUTE
        h.sync.apply(plan)

        assert openings(h.salto, h.clock.now, h.clock.now + MONTH) == []
        h.run()
        assert h.salto.groups == {}


# --- a re-run of an old run -------------------------------------------------------------------------------------------


def test_the_same_run_made_again_a_day_later_takes_away_what_is_over_and_opens_nothing_past():
    with world() as h:
        of_an_hour(h)
        h.run()
        h.clock.now = NOW + DAY
        h.run()

        assert opened(h) == []
        assert h.salto.groups == {}


def test_a_plan_kept_from_yesterday_would_open_nothing_today():
    """What refuses it is its age (tests/workflow); and were it sent, its window has an end."""
    with world() as h:
        of_an_hour(h)
        _, old = h.sync.plan(AccessRules(), NOW)
        h.clock.now = NOW + DAY
        h.sync.apply(old)

        assert openings(h.salto, h.clock.now, h.clock.now + MONTH) == []
        h.run()
        assert h.salto.groups == {}
