"""The watch, outside Airflow: what it asks Hector, when it fires, and what it does while Hector is silent."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json

import pytest

from hector import triggers
from hector.triggers import HectorChangeTrigger
from hector_salto.access.watermark import Watermark
from sandbox import Sandbox, empty, faults
from sandbox.web import json_reply

NOW = dt.datetime.now(dt.UTC)
SOON = NOW + dt.timedelta(minutes=10)


@pytest.fixture
def campus(monkeypatch):
    with Sandbox(empty()) as sandbox:
        sandbox.ana = sandbox.hector.add_user(email="ana@campus.example")
        sandbox.studio = sandbox.hector.add_place("Studio 204")
        for name, value in sandbox.connections("campus").items():
            monkeypatch.setenv(name, value)
        yield sandbox


def booked(sandbox, reference, at=None):
    return sandbox.hector.add_loaner(
        sandbox.ana, sandbox.studio, SOON, SOON + dt.timedelta(hours=1), reference=reference, updated_at=at or NOW
    )


def event(mark=None, seconds=5.0, every=0.05):
    """What the trigger fires first."""
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).isoformat()
    known = mark or Watermark(triggers.pd.Timestamp(NOW)).as_json()
    kind, fields = HectorChangeTrigger("hector_campus", known, every, until).serialize()
    assert kind == "hector.triggers.HectorChangeTrigger"
    trigger = HectorChangeTrigger(**json.loads(json.dumps(fields)))

    async def first():
        async for one in trigger.run():
            return one.payload
        return None

    return asyncio.run(first())


def test_it_fires_for_what_has_changed_and_not_again(campus):
    booked(campus, "10452")
    fired = event()

    assert (fired["references"], fired["everything"]) == (["10452"], False)
    assert event(fired["mark"], seconds=0.3)["references"] == []


def test_a_booking_moved_far_ahead_is_a_change(campus):
    loaner = booked(campus, "10452")
    mark = event()["mark"]
    campus.hector.move(loaner, NOW + dt.timedelta(days=200), NOW + dt.timedelta(days=201), at=dt.datetime.now(dt.UTC))

    assert event(mark)["references"] == ["10452"]


def test_one_question_is_one_request(campus):
    event(seconds=0.01)

    asked = [row.path for row in campus.log.rows()]
    assert len(asked) == 1
    assert "updated_since=" in asked[0]


def test_it_goes_on_when_hector_fails_for_a_moment(campus):
    campus.hector_faults.on("GET", ".*/loaners", faults.status(401, "x"), times=1)
    booked(campus, "10452")

    assert event()["references"] == ["10452"]


def test_somebody_is_told_when_hector_stays_silent(campus, monkeypatch):
    monkeypatch.setattr(triggers, "SILENCE_TIMEOUT", 0.2)
    campus.hector_faults.on("GET", ".*/loaners", faults.status(401, "x"))

    fired = event(seconds=30)
    assert "hector_campus" in fired["error"]
    assert 2 <= len(campus.log.rows()) <= 8, "slower each time"


def test_a_list_without_end_is_an_error_and_the_watch_asks_again(campus, caplog):
    """A new cursor each time and a total of five, as the triggerer reads it."""

    numbers = itertools.count()

    def endless(_call):
        return json_reply({"items": [], "next_cursor": f"c{next(numbers)}", "total": 5})

    campus.hector_faults.on("GET", "/loaners", faults.run(endless))
    assert event(seconds=1.0)["references"] == []
    assert "pages in a row without a new entry" in caplog.text


def test_other_bookings_are_news_while_one_waits(campus):
    """After a red sync of one booking Hector is asked at once, and only that booking waits."""
    booked(campus, "other")
    late = (NOW + dt.timedelta(hours=1)).isoformat()
    fired = asyncio.run(first_of(HectorChangeTrigger("hector_campus", MARK, 0.05, until(), {"red": late})))

    assert (fired["references"], fired["everything"]) == (["other"], False)


@pytest.mark.parametrize(
    ("retries", "found"),
    [
        ({"red": 0, "later": 60}, (["red"], False)),
        ({"": 0, "red": 0}, ([], True)),
    ],
)
def test_what_waited_is_due_again(campus, retries, found):
    """Without any news from Hector."""
    now = dt.datetime.now(dt.UTC)
    known = {one: (now + dt.timedelta(seconds=seconds)).isoformat() for one, seconds in retries.items()}
    fired = asyncio.run(first_of(HectorChangeTrigger("hector_campus", MARK, 0.05, until(), known)))

    assert (fired["references"], fired["everything"]) == found


MARK = Watermark(triggers.pd.Timestamp(NOW)).as_json()


def until():
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)).isoformat()


async def first_of(trigger):
    async for one in trigger.run():
        return one.payload
    return None
