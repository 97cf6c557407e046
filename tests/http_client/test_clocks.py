"""Two clocks of one run are at most two minutes apart; which one is wrong is said in one sentence."""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate

import pytest
import responses

from hector_salto.http_client.clock_skew import ClockReading, require_same_time
from hector_salto.http_client.errors import ClockError

URL = "https://api.example/things"
HOURS = 3600.0


def hector(ahead):
    return ClockReading("Hector", "hector_campus", ahead)


def salto(ahead):
    return ClockReading("Salto KS", "salto_campus", ahead)


@pytest.mark.parametrize(
    "clocks",
    [
        [hector(0.0), salto(0.0)],
        [hector(120.0), salto(0.5)],
        [hector(-60.0), salto(60.0)],
        [hector(None), salto(1.0)],
        [hector(None), salto(None)],
        [salto(-120.0)],
        [],
    ],
)
def test_clocks_that_agree_or_are_unknown_are_no_fault(clocks):
    require_same_time(clocks)


@pytest.mark.parametrize(
    ("clocks", "sentence"),
    [
        (
            [hector(-3 * HOURS), salto(-3 * HOURS - 30)],
            (
                "Hector (connection hector_campus) and Salto KS (connection salto_campus) show that this machine's clock is "
                "3 h 0 min ahead: set this machine's clock right (NTP keeps it so), then run again"
            ),
        ),
        (
            [hector(None), salto(121.0)],
            (
                "Salto KS (connection salto_campus) shows that this machine's clock is 2 min 1 s behind: "
                "set this machine's clock right (NTP keeps it so), then run again"
            ),
        ),
        (
            [hector(10 * HOURS), salto(0.0)],
            (
                "Hector (connection hector_campus) has a clock that is 10 h 0 min ahead of this machine's: "
                "have that service's clock set right, and check this machine's, then run again"
            ),
        ),
        (
            [hector(-100.0), salto(100.0)],
            (
                "Salto KS (connection salto_campus) has a clock that is 3 min 20 s ahead of that of "
                "Hector (connection hector_campus): have the wrong one of the two set right, then run again"
            ),
        ),
    ],
    ids=["machine", "one service known", "service", "each other"],
)
def test_clocks_that_differ_are_one_sentence(clocks, sentence):
    with pytest.raises(ClockError) as raised:
        require_same_time(clocks)
    assert str(raised.value) == sentence


def test_two_services_that_are_wrong_in_two_ways_are_a_fault():
    with pytest.raises(ClockError, match=r"^Hector .* 5 h 0 min ahead of this machine's"):
        require_same_time([hector(5 * HOURS), salto(-2 * HOURS)])


@pytest.mark.parametrize(
    ("headers", "ahead"),
    [
        ([{"Date": formatdate(2_000_000_000 + 300, usegmt=True)}], 300),
        ([{"Date": formatdate(2_000_000_000 - 900, usegmt=True), "Age": "900"}], 0),
        ([{"Date": formatdate(2_000_000_000 - 500, usegmt=True)}, {"Date": formatdate(2_000_000_001)}], 1),
        ([{}], None),
        ([{"Date": "yesterday"}], None),
        ([{"Date": ""}], None),
    ],
    ids=["ahead", "cached", "slow, then at once", "none", "garbage", "blank"],
)
@responses.activate
def test_each_answer_shows_the_services_clock(open_transport, headers, ahead):
    transport = open_transport()
    transport._timing = replace(transport._timing, wall=lambda: 2_000_000_000.0)
    for one in headers:
        responses.get(URL, json=[], headers=one)
        transport.get(URL)

    assert transport.clock.ahead == ahead
