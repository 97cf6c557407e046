"""The picture of a week: where bars stand, what is grace, what they say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.ledger.reservation_states import IN_PLACE, OVER, REFUSED
from hector_salto.reports.calendar import DAY, NO_DOOR, WEEK, Choice, build_week, span

TORONTO = ZoneInfo("America/Toronto")
MONDAY = date(2026, 1, 12)
LOCKS = schemas.frame(
    schemas.SEEN_LOCKS,
    [
        {
            "lock_id": "l1",
            "name": "Studio 204",
            "online": True,
            "iq_online": True,
            "held_open": False,
            "privacy_mode": False,
            "zone": "America/Toronto",
        },
        {
            "lock_id": "l2",
            "name": "Attic",
            "online": False,
            "iq_online": True,
            "held_open": False,
            "privacy_mode": False,
            "zone": "America/Toronto",
        },
    ],
)


def booking(reference, start, hours=2.0, *, grace=15, **changes):
    at = pd.Timestamp(start, tz=TORONTO).tz_convert("UTC")
    finish, margin = at + pd.Timedelta(hours=hours), pd.Timedelta(minutes=grace)
    row = {
        "reservation_id": reference, "reference": reference, "status": "new", "decision": "access", "reason": "r",
        "start": at, "finish": finish, "window_start": at - margin, "window_end": finish + margin,
        "place_name": "Studio 204", "place_id": "p", "lock_id": "l1", "people": "Ana Roy <ana@x.example>", "names": "Ana Roy",
        "state": IN_PLACE,
    }  # fmt: skip
    return row | changes


WINNIPEG = LOCKS.assign(zone=["America/Toronto", "America/Winnipeg"])


def drawn(*bookings, locks=LOCKS, days=WEEK, day=MONDAY, words="", states=None, now=datetime(2026, 1, 1, tzinfo=UTC)):
    begin, end = span(day, days, TORONTO)
    choice = Choice(words, frozenset(states)) if states else Choice(words)
    return build_week(
        pd.DataFrame(list(bookings), columns=list(booking("", MONDAY))), locks, begin, end, now=now, choice=choice
    )


def row(found, door):
    return next(one for one in found.rows if one.door == door)


def test_a_bar_is_the_window_and_its_edges_are_the_grace():
    (bar,) = row(drawn(booking("1", "2026-01-12 12:00"), days=DAY), "Studio 204").bars

    assert bar.left == pytest.approx(100 * 11.75 / 24, abs=0.01)
    assert bar.width == pytest.approx(100 * 2.5 / 24, abs=0.01)
    assert (bar.before, bar.after) == (10.0, 10.0)  # 15 of 150 minutes
    assert bar.told == "Ana Roy <ana@x.example>, Mon 12 Jan 12:00 to 14:00 (door 11:45 to 14:15), in place"


def test_what_reaches_out_of_the_span_is_cut_and_its_hidden_grace_is_not_drawn():
    (bar,) = row(drawn(booking("1", "2026-01-11 20:00", hours=10), days=DAY), "Studio 204").bars

    assert (bar.left, bar.before) == (0, 0)
    assert bar.width == pytest.approx(100 * 6.25 / 24, abs=0.01)
    assert bar.after == pytest.approx(100 * 0.25 / 6.25)


def test_neighbours_whose_grace_overlaps_stand_in_two_lanes():
    found = row(
        drawn(booking("1", "2026-01-12 10:00"), booking("2", "2026-01-12 12:00"), booking("3", "2026-01-12 15:00")),
        "Studio 204",
    )

    assert [bar.lane for bar in found.bars] == [0, 1, 0]
    assert found.lanes == 2


def test_every_door_has_a_row_and_places_without_lock_stand_last():
    found = drawn(booking("1", "2026-01-12 10:00", lock_id=None, place_name="Barn"))

    assert [(one.door, one.note) for one in found.rows] == [("Attic", "offline"), ("Studio 204", ""), ("Barn", NO_DOOR)]


@pytest.mark.parametrize(
    ("words", "doors", "references"),
    [
        ("studio", ["Studio 204"], ["1", "2"]),
        ("ANA@", ["Studio 204"], ["1"]),
        ("2", ["Studio 204"], ["1", "2"]),
        ("(", [], []),
        ("attic", ["Attic"], []),
    ],
)
def test_words_choose_doors_people_and_references(words, doors, references):
    found = drawn(booking("1", "2026-01-12 10:00"), booking("2", "2026-01-13 10:00", people="Bo"), words=words)

    assert [one.door for one in found.rows] == doors
    assert [bar.reference for one in found.rows for bar in one.bars] == references


def test_states_are_counted_also_where_they_are_not_shown():
    found = drawn(booking("1", "2026-01-12 10:00"), booking("2", "2026-01-13 10:00", state=OVER), states=[IN_PLACE])

    assert found.counts[IN_PLACE] == found.counts[OVER] == 1
    assert [bar.reference for bar in row(found, "Studio 204").bars] == ["1"]


def test_a_refused_reservation_says_why():
    (bar,) = row(
        drawn(booking("1", "2026-01-12 10:00", state=REFUSED, reason="its status grants no access")), "Studio 204"
    ).bars

    assert bar.told.endswith("no access: its status grants no access")


def test_a_week_with_a_clock_change_is_measured_in_real_time():
    """On 8 March 2026 Toronto skips an hour: that Sunday is a 23rd of what is left of it."""
    found = drawn(booking("1", "2026-03-08 12:00"), day=date(2026, 3, 8), days=DAY)
    (bar,) = row(found, "Studio 204").bars

    assert bar.left == pytest.approx(100 * 10.75 / 23, abs=0.01)
    assert [mark.label for mark in found.hours][:1] == ["03:00"]
    assert found.hours[0].at == pytest.approx(100 * 2 / 23, abs=0.01)


def test_now_is_a_line_only_where_it_is_in_the_span():
    assert drawn().now is None
    noon = datetime(2026, 1, 12, 12, 0, tzinfo=TORONTO)
    assert drawn(now=noon, days=DAY).now == 50.0


def test_a_loan_until_the_end_of_time_is_drawn_like_any_other():
    end = pd.Timestamp("9999-12-30", tz="UTC")
    (bar,) = row(drawn(booking("1", "2026-01-14 00:15", window_end=end, finish=end)), "Studio 204").bars

    assert (bar.left, bar.width) == (pytest.approx(100 * 2 / 7, abs=0.01), pytest.approx(100 * 5 / 7, abs=0.01))


def test_days_begin_at_midnight_of_the_zone():
    begin, end = span(MONDAY, WEEK, TORONTO)

    assert (end - begin) == timedelta(days=7)
    assert [mark.label for mark in drawn().days] == [
        "Mon 12 Jan", "Tue 13 Jan", "Wed 14 Jan", "Thu 15 Jan", "Fri 16 Jan", "Sat 17 Jan", "Sun 18 Jan",
    ]  # fmt: skip


def test_a_door_in_another_zone_is_drawn_on_its_own_clock():
    """Noon in Winnipeg is 13:00 in Toronto: its bar stands at noon, and the row names the zone."""
    noon = datetime(2026, 1, 12, 13, 0, tzinfo=TORONTO)
    there = booking("1", "2026-01-12 13:00", grace=0, lock_id="l2")
    here = booking("2", "2026-01-12 12:00", grace=0)
    found = drawn(there, here, locks=WINNIPEG, days=DAY, now=noon)
    attic, studio = row(found, "Attic"), row(found, "Studio 204")

    assert attic.bars[0].left == studio.bars[0].left == 50.0
    assert "Mon 12 Jan 12:00 to 14:00" in attic.bars[0].told
    assert (attic.note, studio.note) == ("America/Winnipeg, offline", "")
    assert (attic.now, studio.now) == (50.0, pytest.approx(54.17, abs=0.01))


@pytest.mark.parametrize(("hour", "state"), [("00:30", True), ("01:00", False)])
def test_a_day_there_is_the_day_of_its_own_clock(hour, state):
    """What ends at 01:00 in Toronto ends at midnight in Winnipeg: it is of the day before."""
    late = booking("1", f"2026-01-13 {hour}", hours=0.5, grace=0, lock_id="l2")

    assert bool(row(drawn(late, locks=WINNIPEG, days=DAY), "Attic").bars) == state


def test_the_hour_that_comes_twice_there_has_its_length():
    twice = booking(
        "1",
        pd.Timestamp("2026-11-01 06:30", tz="UTC").tz_convert(TORONTO).tz_localize(None),
        grace=0,
        hours=1,
        lock_id="l2",
    )
    found = drawn(twice, locks=WINNIPEG, days=DAY, day=date(2026, 11, 1))

    assert row(found, "Attic").bars[0].width == pytest.approx(100 / 25, abs=0.01)


def test_doors_are_grouped_by_the_word_they_share_and_bars_say_time_and_name():
    from hector_salto.reports.calendar import _groups

    assert _groups(["Studio 1", "Studio 2", "Attic", "Green Room"]) == {
        "Studio 1": "Studio", "Studio 2": "Studio", "Attic": "", "Green Room": "",
    }  # fmt: skip
