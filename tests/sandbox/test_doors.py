"""The oracle: who can open which door when, against the words of the contract and against brute force."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import empty, may_open, openings, outside
from sandbox.doors import able, group_opens, merged
from sandbox.schedules import ScheduleError

UTC = dt.UTC
MINUTE = dt.timedelta(minutes=1)
WEDNESDAY = dt.date(2026, 1, 14)


class House:
    """One person with a tag, one lock, one group."""

    def __init__(self, zone="America/Toronto"):
        self.zone = ZoneInfo(zone)
        self.state = empty(zone=zone).salto
        self.member = self.state.add_member("a@b.example", tag="T1")
        self.person = self.state.person_of(self.member).id
        self.lock = self.state.add_lock("Studio 1")
        self.group = self.state.add_group("Hector_1", users=[self.person], locks=[self.lock])

    def opens(self, wall, *, fold=0, **options):
        instant = dt.datetime.fromisoformat(wall).replace(tzinfo=self.zone, fold=fold).astimezone(UTC)
        return may_open(self.state, self.person, self.lock, instant, **options)

    def spans(self, begin, end):
        return [(row.begin, row.end) for row in openings(self.state, begin, end)]


@pytest.fixture
def house():
    return House()


@pytest.fixture
def booked(house):
    house.state.add_schedule(
        house.group, "10:00", "12:14", days=[2], start_date="2026-01-14T10:00:00", end_date="2026-01-14T12:15:00"
    )
    return house


def test_a_group_without_a_schedule_grants_nothing(house):
    assert not house.opens("2026-01-14T10:00:00")


@pytest.mark.parametrize(
    ("wall", "open_"),
    [
        ("2026-01-14T09:59:59", False),
        ("2026-01-14T10:00:00", True),
        ("2026-01-14T12:14:59.999", True),
        ("2026-01-14T12:15:00", False),
        ("2026-01-15T11:00:00", False),
        ("2026-01-21T11:00:00", False),
    ],
)
def test_a_booking_opens_through_the_last_second_and_on_its_day_only(booked, wall, open_):
    assert booked.opens(wall) is open_


def test_an_opening_tells_everything_about_itself(booked):
    booked.state.members[booked.member].manual_office_mode = True
    (row,) = openings(booked.state, dt.datetime(2026, 1, 1, tzinfo=UTC), dt.datetime(2026, 2, 1, tzinfo=UTC))

    assert (row.begin, row.end) == (
        dt.datetime(2026, 1, 14, 15, tzinfo=UTC),
        dt.datetime(2026, 1, 14, 17, 15, tzinfo=UTC),
    )
    assert (row.email, row.lock_name, row.group_name, row.office_mode) == ("a@b.example", "Studio 1", "Hector_1", True)
    assert (row.platform_user_id, row.lock_id) == (booked.person, booked.lock)


@pytest.mark.parametrize("ending", ["2026-01-14T12:15:00", "2026-01-14T12:14:59"])
def test_check_out_ends_on_the_minute_however_its_last_second_is_written(house, ending):
    house.state.add_schedule(house.group, start_date="2026-01-13T22:00:00", end_date=ending)

    begin = dt.datetime(2026, 1, 14, 3, tzinfo=UTC)
    assert house.spans(begin, begin + dt.timedelta(days=3)) == [(begin, dt.datetime(2026, 1, 14, 17, 15, tzinfo=UTC))]


def test_a_date_alone_is_the_whole_day_and_z_means_nothing(house):
    house.state.add_schedule(house.group, start_date="2026-01-14", end_date="2026-01-14")
    assert house.opens("2026-01-14T00:00:00")
    assert house.opens("2026-01-14T23:59:59.5")
    assert not house.opens("2026-01-15T00:00:00")

    zulu = House()
    zulu.state.add_schedule(zulu.group, start_date="2026-01-14T10:00:00Z", end_date="2026-01-14T12:00:00Z")
    assert [zulu.opens("2026-01-14T10:00:00"), zulu.opens("2026-01-14T12:00:00")] == [True, False]


def test_schedules_of_a_group_are_united(house):
    for begin, end in (("10:00", "10:59"), ("11:00", "11:59"), ("11:30", "12:29")):
        house.state.add_schedule(house.group, begin, end, start_date="2026-01-14", end_date="2026-01-14")

    start = dt.datetime(2026, 1, 14, tzinfo=UTC)
    assert house.spans(start, start + dt.timedelta(days=1)) == [
        (dt.datetime(2026, 1, 14, 15, tzinfo=UTC), dt.datetime(2026, 1, 14, 17, 30, tzinfo=UTC))
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda h: setattr(h.state.members[h.member], "blocked", True),
        lambda h: setattr(h.state.members[h.member], "subscription_state", "suspended"),
        lambda h: setattr(h.state.members[h.member], "deleted_at", dt.datetime.now(UTC)),
        lambda h: setattr(h.state.site, "subscription_valid", False),
        lambda h: h.state.groups[h.group].users.clear(),
        lambda h: h.state.groups[h.group].locks.clear(),
        lambda h: h.state.remove_member(h.member),
    ],
)
def test_whoever_lacks_one_thing_stays_outside_with_any_tag(booked, spoil):
    spoil(booked)

    assert not booked.opens("2026-01-14T11:00:00", need_tag=False)
    assert booked.spans(dt.datetime(2026, 1, 1, tzinfo=UTC), dt.datetime(2026, 2, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    "spoil",
    [lambda h: h.state.give_tag(h.member, None), lambda h: setattr(h.state.tag_numbered("T1"), "blocked", True)],
)
def test_a_door_needs_a_tag_that_works_unless_told_otherwise(booked, spoil):
    spoil(booked)

    assert not booked.opens("2026-01-14T11:00:00")
    assert booked.opens("2026-01-14T11:00:00", need_tag=False)


def test_the_wall_clock_is_that_of_the_iq_of_the_lock(booked):
    far = booked.state.add_lock("Annex", booked.state.add_iq("IQ far", "Asia/Kolkata"))
    booked.state.groups[booked.group].locks.append(far)

    rows = openings(booked.state, dt.datetime(2026, 1, 1, tzinfo=UTC), dt.datetime(2026, 2, 1, tzinfo=UTC))
    assert {row.lock_name: row.begin.strftime("%H:%M") for row in rows} == {"Annex": "04:30", "Studio 1": "15:00"}


def test_the_hour_that_exists_twice_opens_twice(house):
    house.state.add_schedule(house.group, "01:00", "01:59", start_date="2026-11-01", end_date="2026-11-01")

    assert house.opens("2026-11-01T01:30:00", fold=0)
    assert house.opens("2026-11-01T01:30:00", fold=1)
    begin = dt.datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert house.spans(begin, begin + dt.timedelta(days=1)) == [(begin, begin + dt.timedelta(hours=2))]


def test_the_hour_that_does_not_exist_never_opens(house):
    house.state.add_schedule(house.group, "01:30", "03:29", start_date="2026-03-08", end_date="2026-03-08")

    begin = dt.datetime(2026, 3, 8, 6, 30, tzinfo=UTC)
    assert house.spans(begin - dt.timedelta(days=1), begin + dt.timedelta(days=1)) == [
        (begin, begin + dt.timedelta(hours=1))
    ]


def test_what_lies_outside_of_what_is_allowed(booked):
    begin = dt.datetime(2026, 1, 14, tzinfo=UTC)
    allowed = openings(booked.state, begin, begin + dt.timedelta(days=1))
    schedule = booked.state.groups[booked.group].schedules[0]
    schedule.start_time, schedule.start_date = "09:30:00", "2026-01-14T09:30:00"
    wider = openings(booked.state, begin, begin + dt.timedelta(days=1))

    assert outside(allowed, wider) == []
    (rest,) = outside(wider, allowed + allowed)
    assert (rest.begin, rest.end) == (allowed[0].begin - dt.timedelta(minutes=30), allowed[0].begin)
    assert outside(wider, []) == wider


# Brute force: every minute asked for itself.

ZONES = (
    "America/Toronto",
    "America/St_Johns",
    "Europe/Paris",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Santiago",
)
CLOCK_CHANGES = (
    "2026-01-14",
    "2026-03-08",
    "2026-03-29",
    "2026-04-05",
    "2026-09-06",
    "2026-10-04",
    "2026-10-25",
    "2026-11-01",
)
TIMES = st.times().map(lambda t: t.strftime("%H:%M"))
SHIFTS = st.integers(-36, 36)


@st.composite
def frames(draw, around):
    """A side of the date frame: none, a date, or a moment with odd seconds."""
    moment = around + dt.timedelta(
        hours=draw(SHIFTS), minutes=draw(st.integers(0, 59)), seconds=draw(st.sampled_from((0, 30, 59)))
    )
    text = draw(st.sampled_from(("", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")))
    return moment.strftime(text) if text else None


@st.composite
def houses(draw):
    house = House(draw(st.sampled_from(ZONES)))
    around = dt.datetime.fromisoformat(draw(st.sampled_from(CLOCK_CHANGES)))
    for _ in range(draw(st.integers(1, 3))):
        times = sorted((draw(TIMES), draw(TIMES)))
        days = draw(st.sets(st.integers(0, 6), min_size=1))
        dates = {"start_date": draw(frames(around)), "end_date": draw(frames(around))}
        try:
            house.state.add_schedule(house.group, *times, days=days, **dates)
        except ScheduleError:
            continue
    return house, around.replace(tzinfo=UTC) + dt.timedelta(minutes=draw(st.integers(-600, 600)))


@settings(max_examples=60, deadline=None)
@given(houses(), st.integers(1, 40))
def test_the_interval_path_equals_the_question_minute_by_minute(drawn, hours):
    house, begin = drawn
    end = begin + dt.timedelta(hours=hours)
    group = house.state.groups[house.group]
    minutes = [begin + n * MINUTE for n in range(hours * 60)]
    brute = merged((m, m + MINUTE) for m in minutes if group_opens(house.state, group, house.lock, m))

    assert able(house.state, house.state.members[house.member])
    assert house.spans(begin, end) == brute
