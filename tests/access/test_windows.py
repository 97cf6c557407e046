import datetime as dt
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hector_salto.access.schemas import WEEKDAYS
from hector_salto.access.settings import AccessRules
from hector_salto.access.windows import (
    SCHEDULE_COLUMNS,
    is_known_zone,
    same_schedule,
    schedule_ends,
    schedules,
    windows,
)
from sandbox import empty, openings
from tests.effort import EFFORT

UTC = dt.UTC
TORONTO, BERLIN = "America/Toronto", "Europe/Berlin"


def window(start, finish, before=15, after=15):
    """The window of one reservation, as a pair of instants."""
    rules = AccessRules(grace_before=dt.timedelta(minutes=before), grace_after=dt.timedelta(minutes=after))
    row = {"start": [pd.Timestamp(start)], "finish": [pd.Timestamp(finish)]}
    found = windows(pd.DataFrame(row), rules).iloc[0]
    return found["window_start"], found["window_end"]


def schedule_of(begin, end, zone):
    table = pd.DataFrame({"window_start": [begin], "window_end": [end], "zone": [zone]})
    for column in ("window_start", "window_end"):
        table[column] = pd.to_datetime(table[column], utc=True).astype("datetime64[us, UTC]")
    return schedules(table).iloc[0]


def local(text, zone=TORONTO, fold=0):
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def days_of(row):
    return [day for day in WEEKDAYS if row[day]]


def spans_of(begin, end, zone):
    """What Salto opens with the schedule of this window, by the sandbox's oracle."""
    salto = empty(zone=zone).salto
    door = salto.add_lock("Door")
    person = salto.person_of(salto.add_member("a@school.example", tag="1")).id
    group = salto.add_group("Hector_1", users=[person], locks=[door])
    row = schedule_of(begin, end, zone)
    salto.add_schedule(
        group,
        row["start_time"],
        row["end_time"],
        days=[number for number, day in enumerate(WEEKDAYS) if row[day]],
        start_date=row["start_date"],
        end_date=row["end_date"],
    )
    margin = dt.timedelta(days=40)
    return [(opening.begin, opening.end) for opening in openings(salto, begin - margin, end + margin)]


# --- grace ------------------------------------------------------------------------------------------------------------


def test_the_window_is_the_booking_with_its_grace_on_both_sides():
    assert window("2026-01-14T09:00Z", "2026-01-14T11:00Z", 15, 30) == (
        pd.Timestamp("2026-01-14T08:45Z"),
        pd.Timestamp("2026-01-14T11:30Z"),
    )


def test_without_grace_the_window_is_the_booking():
    assert window("2026-01-14T09:00Z", "2026-01-14T11:00Z", 0, 0) == (
        pd.Timestamp("2026-01-14T09:00Z"),
        pd.Timestamp("2026-01-14T11:00Z"),
    )


def test_a_grace_of_a_whole_day_moves_both_ends_by_a_day():
    assert window("2026-01-14T09:00Z", "2026-01-14T11:00Z", 1440, 1440) == (
        pd.Timestamp("2026-01-13T09:00Z"),
        pd.Timestamp("2026-01-15T11:00Z"),
    )


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
def test_grace_is_real_time_also_across_a_clock_change(day):
    begin, end = window(f"{day}T06:10Z", f"{day}T07:10Z")  # the clocks change at 06:00 or 07:00 UTC

    assert end - begin == pd.Timedelta(minutes=90)


# --- the shape of a schedule ------------------------------------------------------------------------------------------


def test_within_one_day_the_schedule_is_that_weekday_with_the_window_as_times_and_dates():
    row = schedule_of(local("2026-01-14T08:45"), local("2026-01-14T11:15"), TORONTO)

    assert days_of(row) == ["wednesday"]
    assert (row["start_time"], row["end_time"]) == ("08:45", "11:14")  # Salto widens a sent end to :59
    assert (row["start_date"], row["end_date"]) == ("2026-01-14T08:45:00", "2026-01-14T11:15:00")


def test_over_midnight_the_days_it_touches_are_whole_and_the_dates_cut_them():
    row = schedule_of(local("2026-01-14T21:45"), local("2026-01-15T02:15"), TORONTO)

    assert days_of(row) == ["wednesday", "thursday"]
    assert (row["start_time"], row["end_time"]) == ("00:00", "23:59")
    assert (row["start_date"], row["end_date"]) == ("2026-01-14T21:45:00", "2026-01-15T02:14:59")


def test_several_days_over_a_weekend_touch_the_weekdays_between():
    row = schedule_of(local("2026-01-16T21:45"), local("2026-01-19T02:15"), TORONTO)

    assert days_of(row) == ["monday", "friday", "saturday", "sunday"]


def test_a_week_and_longer_touches_every_weekday():
    row = schedule_of(local("2026-01-14T09:00"), local("2026-01-22T09:00"), TORONTO)

    assert days_of(row) == list(WEEKDAYS)


def test_a_window_that_ends_on_midnight_stays_within_its_day():
    row = schedule_of(local("2026-01-14T22:00"), local("2026-01-15T00:00"), TORONTO)

    assert days_of(row) == ["wednesday"]
    assert (row["start_time"], row["end_time"]) == ("22:00", "23:59")


def test_a_window_that_starts_on_midnight_touches_no_day_before():
    row = schedule_of(local("2026-01-15T00:00"), local("2026-01-15T02:00"), TORONTO)

    assert days_of(row) == ["thursday"]
    assert (row["start_time"], row["start_date"]) == ("00:00", "2026-01-15T00:00:00")


def test_a_window_from_midnight_to_midnight_is_one_whole_day():
    row = schedule_of(local("2026-01-15T00:00"), local("2026-01-16T00:00"), TORONTO)

    assert days_of(row) == ["thursday"]
    assert (row["start_time"], row["end_time"]) == ("00:00", "23:59")


def test_seconds_stay_in_the_dates_and_the_minutes_contain_them():
    row = schedule_of(local("2026-01-14T08:45:30"), local("2026-01-14T11:15:20"), TORONTO)

    assert (row["start_time"], row["end_time"]) == ("08:45", "11:15")
    assert (row["start_date"], row["end_date"]) == ("2026-01-14T08:45:30", "2026-01-14T11:15:20")


def test_a_window_inside_one_minute_is_a_schedule_that_salto_takes():
    begin = local("2026-01-14T09:00")
    end = begin + dt.timedelta(minutes=1)

    assert spans_of(begin, end, TORONTO) == [(begin, end)]


def test_both_dates_are_always_set_so_no_weekday_recurs():
    for hours in (1, 20, 24 * 30):
        row = schedule_of(local("2026-01-14T09:00"), local("2026-01-14T09:00") + dt.timedelta(hours=hours), TORONTO)

        assert isinstance(row["start_date"], str)
        assert isinstance(row["end_date"], str)


def test_bookings_of_several_zones_keep_their_order_and_their_own_wall_clock():
    begin, end = pd.Timestamp("2026-01-14T15:00Z"), pd.Timestamp("2026-01-14T16:00Z")
    zones = [TORONTO, BERLIN, "Asia/Kolkata", TORONTO]
    rows = schedules(pd.DataFrame({"window_start": [begin] * 4, "window_end": [end] * 4, "zone": zones}))

    assert rows["start_time"].tolist() == ["10:00", "16:00", "20:30", "10:00"]
    assert rows["zone"].tolist() == zones


@pytest.mark.parametrize("change", ["2026-11-01T05:00Z", "2026-03-08T07:00Z"])
def test_bookings_around_a_clock_change_do_not_disturb_each_other(change):
    """Computed together each window is what it is alone: before, over and after the hour that exists twice."""
    starts = [pd.Timestamp(change) + pd.Timedelta(minutes=30 * number) for number in range(-60, 61, 3)]
    spans = [(begin, begin + pd.Timedelta(hours=hours)) for begin in starts for hours in (1, 5, 30)]
    table = pd.DataFrame(spans, columns=["window_start", "window_end"]).assign(zone=TORONTO)
    for column in ("window_start", "window_end"):
        table[column] = pd.to_datetime(table[column], utc=True).astype("datetime64[us, UTC]")
    together = schedules(table)

    for row, span in zip(together.to_dict("records"), spans, strict=True):
        alone = schedule_of(*span, TORONTO)
        assert {name: row[name] for name in alone.index} == alone.to_dict()


def test_no_booking_is_no_schedule_with_all_columns():
    nothing = pd.DataFrame({"window_start": [], "window_end": [], "zone": []})

    assert set(SCHEDULE_COLUMNS) <= set(schedules(nothing).columns)


# --- what Salto then opens --------------------------------------------------------------------------------------------

PLAIN_WINDOWS = {
    "a lesson": (local("2026-01-14T08:45"), local("2026-01-14T11:15"), TORONTO),
    "over midnight": (local("2026-01-14T21:45"), local("2026-01-15T02:15"), TORONTO),
    "to midnight": (local("2026-01-14T21:45"), local("2026-01-15T00:00"), TORONTO),
    "from midnight": (local("2026-01-15T00:00"), local("2026-01-15T00:15"), TORONTO),
    "a week": (local("2026-01-14T09:00"), local("2026-01-21T09:00"), TORONTO),
    "31 days": (local("2026-01-14T09:00"), local("2026-02-14T09:00"), TORONTO),
    "leap day": (local("2028-02-28T22:00"), local("2028-02-29T23:30"), TORONTO),
    "over leap day": (local("2028-02-28T10:00"), local("2028-03-01T10:00"), TORONTO),
    "year end": (local("2026-12-31T22:00"), local("2027-01-01T03:00"), TORONTO),
    "spring, over the gap": (local("2026-03-08T01:30"), local("2026-03-08T03:30"), TORONTO),
    "spring, to the gap": (local("2026-03-08T01:00"), local("2026-03-08T03:00"), TORONTO),
    "spring, from the gap": (local("2026-03-08T03:00"), local("2026-03-08T04:00"), TORONTO),
    "spring, over midnight to the gap": (local("2026-03-07T22:00"), local("2026-03-08T03:00"), TORONTO),
    "spring, days around": (local("2026-03-07T22:00"), local("2026-03-09T02:30"), TORONTO),
    "spring in Berlin": (local("2026-03-29T01:30", BERLIN), local("2026-03-29T03:30", BERLIN), BERLIN),
    "autumn, around both hours": (local("2026-11-01T00:30"), local("2026-11-01T02:30"), TORONTO),
    "autumn, days around": (local("2026-10-31T22:00"), local("2026-11-02T01:30"), TORONTO),
    "autumn in Berlin": (local("2026-10-25T01:30", BERLIN), local("2026-10-25T03:30", BERLIN), BERLIN),
    "India": (local("2026-06-01T08:45", "Asia/Kolkata"), local("2026-06-01T23:59", "Asia/Kolkata"), "Asia/Kolkata"),
    "Nepal": (
        local("2026-06-01T23:45", "Asia/Kathmandu"),
        local("2026-06-02T00:15", "Asia/Kathmandu"),
        "Asia/Kathmandu",
    ),
    "midnight that does not exist": (
        local("2026-04-23T23:00", "Africa/Cairo"),
        local("2026-04-24T02:00", "Africa/Cairo"),
        "Africa/Cairo",
    ),
    "from a midnight that does not exist": (
        local("2026-04-24T01:00", "Africa/Cairo"),
        local("2026-04-24T02:00", "Africa/Cairo"),
        "Africa/Cairo",
    ),
    "an hour before midnight twice": (
        local("2026-10-29T22:00", "Africa/Cairo"),
        local("2026-10-30T02:00", "Africa/Cairo"),
        "Africa/Cairo",
    ),
    "half an hour of summer time": (
        local("2026-04-05T01:00", "Australia/Lord_Howe"),
        local("2026-04-05T03:00", "Australia/Lord_Howe"),
        "Australia/Lord_Howe",
    ),
}


@pytest.mark.parametrize("case", PLAIN_WINDOWS)
def test_salto_opens_exactly_the_windows_minutes(case):
    begin, end, zone = PLAIN_WINDOWS[case]

    assert spans_of(begin, end, zone) == [(begin, end)]


DOUBLE_HOUR = (local("2026-11-01T01:00"), local("2026-11-01T02:00"))  # 01:00 EDT to 02:00 EST, two hours


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (("00:45", 0), ("01:15", 0)),
        (("00:45", 0), ("01:15", 1)),
        (("01:15", 0), ("01:45", 0)),
        (("01:45", 0), ("01:15", 1)),
        (("01:45", 0), ("01:50", 1)),
        (("01:45", 0), ("02:30", 0)),
        (("01:15", 1), ("01:45", 1)),
        (("01:15", 1), ("02:30", 0)),
        (("01:15", 0), ("01:00", 1)),
        (("01:00", 1), ("02:00", 0)),
    ],
)
def test_in_the_hour_that_exists_twice_whoever_has_booked_gets_in_and_no_excess_leaves_that_hour(first, last):
    begin, end = (local(f"2026-11-01T{clock}", fold=fold) for clock, fold in (first, last))
    opened = spans_of(begin, end, TORONTO)

    minutes = pd.date_range(begin, end, freq="min", inclusive="left")
    assert all(any(first <= minute < last for first, last in opened) for minute in minutes)
    for low, high in opened:
        assert min(begin, DOUBLE_HOUR[0]) <= low
        assert high <= max(end, DOUBLE_HOUR[1])


ZONES = [
    TORONTO,
    BERLIN,
    "America/St_Johns",
    "America/Santiago",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Atlantic/Azores",
    "UTC",
]


def ambiguous(zone, begin, end):
    """The instants whose wall clock comes twice, between two instants."""
    place, found, quarter = ZoneInfo(zone), [], dt.timedelta(minutes=15)
    cursor = begin.replace(minute=0, second=0) - dt.timedelta(hours=4)
    while cursor < end + dt.timedelta(hours=4):
        here = cursor.astimezone(place)
        if here.replace(fold=0).utcoffset() != here.replace(fold=1).utcoffset():
            found.append((cursor, cursor + quarter))
        cursor += quarter
    return found


@settings(max_examples=60 * EFFORT, deadline=None, derandomize=EFFORT == 1)
@given(
    zone=st.sampled_from(ZONES),
    begin=st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2028, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    minutes=st.one_of(st.integers(1, 600), st.integers(1, 31 * 24 * 60)),
)
def test_random_windows_open_exactly_their_minutes(zone, begin, minutes):
    begin = begin.replace(second=0, microsecond=0)
    end = begin + dt.timedelta(minutes=minutes)
    opened = spans_of(begin, end, zone)
    doubtful = ambiguous(zone, begin, end)

    if not doubtful:
        assert opened == [(begin, end)]
        return
    covered = begin
    for low, high in opened:
        if high <= begin or low >= end:  # excess: only where the clock shows a time twice
            assert all(
                any(a <= m < b for a, b in doubtful) for m in pd.date_range(low, high, freq="15min", inclusive="left")
            )
            continue
        assert low <= covered
        covered = max(covered, high)
    assert covered >= end


@settings(max_examples=12 * EFFORT, deadline=None, derandomize=EFFORT == 1)
@given(
    zone=st.sampled_from([TORONTO, BERLIN, "Africa/Cairo", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut"]),
    year=st.integers(2026, 2030),
    offset=st.integers(-300, 300),
    minutes=st.integers(1, 600),
)
def test_windows_around_every_clock_change_never_shut_out_whoever_has_booked(zone, year, offset, minutes):
    for change in clock_changes(zone, year):
        begin = change + dt.timedelta(minutes=offset)
        end = begin + dt.timedelta(minutes=minutes)
        inside = [(low, high) for low, high in spans_of(begin, end, zone) if low <= begin and end <= high]

        assert inside, f"{zone}: {begin} to {end}"


def clock_changes(zone, year):
    hours = pd.date_range(f"{year}-01-01", f"{year}-12-31", freq="h", tz="UTC")
    offsets = pd.Series([hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours.to_pydatetime()])
    return [hours[i].to_pydatetime() for i in offsets.index[offsets.ne(offsets.shift()) & (offsets.index > 0)]]


# --- comparing and reading what Salto shows ---------------------------------------------------------------------------


def shown(**changes):
    row = {day: day == "wednesday" for day in WEEKDAYS} | {
        "start_time": "08:45",
        "end_time": "11:14",
        "start_date": "2026-01-14T08:45:00",
        "end_date": "2026-01-14T11:15:00",
    }
    return pd.DataFrame([row | changes])


@pytest.mark.parametrize(
    "changes",
    [
        {"start_time": "08:45:00", "end_time": "11:14:59"},
        {"start_time": "08:45:30"},
        {"start_date": "2026-01-14T08:45:00Z", "end_date": "2026-01-14T11:15:00Z"},
        {"start_date": "2026-01-14T08:45:00+00:00"},
        {"start_date": "2026-01-14T08:45:00.000"},
        {"end_date": "2026-01-14T11:15:59"},
    ],
)
def test_schedules_mean_the_same_at_minute_precision_however_salto_writes_them(changes):
    assert same_schedule(shown(), shown(**changes)).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"thursday": True},
        {"wednesday": False},
        {"start_time": "08:46"},
        {"end_time": "11:15"},
        {"start_date": "2026-01-14T08:46:00"},
        {"start_date": "2026-01-14"},
        {"start_date": None},
        {"end_date": "2026-01-14T11:16:00"},
        {"end_date": "2026-01-21T11:15:00"},
        {"end_date": None},
        {"end_date": "someday"},
    ],
)
def test_schedules_that_differ_in_any_minute_are_not_the_same(changes):
    assert not same_schedule(shown(), shown(**changes)).any()


def test_a_date_alone_means_the_start_of_its_day_when_it_begins_and_the_end_when_it_ends():
    exact = shown(start_date="2026-01-14T00:00:00", end_date="2026-01-14T23:59:59")

    assert same_schedule(exact, shown(start_date="2026-01-14", end_date="2026-01-14")).all()


def ends_of(text, zone=TORONTO):
    ends = schedule_ends(pd.DataFrame({"end_date": pd.Series([text], dtype="str")}), pd.Series([zone], dtype="str"))
    return ends.iloc[0]


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2026-01-14T11:15:00", TORONTO, "2026-01-14T16:15Z"),
        ("2026-01-14T11:14:59", TORONTO, "2026-01-14T16:15Z"),
        ("2026-01-14T11:15:00Z", TORONTO, "2026-01-14T16:15Z"),
        ("2026-01-14", TORONTO, "2026-01-15T05:00Z"),
        ("2026-01-14T11:15:00", "Asia/Kolkata", "2026-01-14T05:45Z"),
        ("2026-11-01T01:30:00", TORONTO, "2026-11-01T06:30Z"),  # exists twice: the later one
        ("2026-03-08T02:30:00", TORONTO, "2026-03-08T07:00Z"),  # does not exist
    ],
)
def test_a_schedule_ends_when_its_last_moment_is_over_on_the_locks_clock(text, zone, instant):
    assert ends_of(text, zone) == pd.Timestamp(instant)


@pytest.mark.parametrize("text", [None, "someday", ""])
def test_a_schedule_without_a_readable_end_has_no_end(text):
    assert pd.isna(ends_of(text))


def test_ends_are_counted_in_each_schedules_own_zone():
    table = pd.DataFrame({"end_date": ["2026-01-14T12:00:00", "2026-01-14T12:00:00", None]})
    ends = schedule_ends(table, pd.Series([TORONTO, BERLIN, BERLIN]))

    assert ends.tolist() == [pd.Timestamp("2026-01-14T17:00Z"), pd.Timestamp("2026-01-14T11:00Z"), pd.NaT]


@pytest.mark.parametrize("zone", ["America/Toronto", "UTC", "Asia/Kolkata"])
def test_zones_of_the_tz_database_are_known(zone):
    assert is_known_zone(zone)


@pytest.mark.parametrize("zone", ["", None, "Mars/Olympus", "America", "../etc/passwd", "America/Toronto ", "\x00"])
def test_anything_else_is_no_zone(zone):
    assert not is_known_zone(zone)
