"""Every combination of small changes to one booking, watched at every write; and no naive order survives them."""

from __future__ import annotations

import itertools
import logging

import pytest

from tests.effort import EFFORT
from tests.scenarios.test_safety import NAIVE, school
from tests.scenarios.world import WriteWatch, hour, world_copy

LOG = logging.getLogger(__name__)
TIME = {"same time": None, "earlier": (0.5, 1), "later": (9, 10), "over midnight": (13, 16)}
ROOM = {"same room": None, "other room": "r3", "both rooms": ["r1", "r2"], "one room fewer": "r1"}
WHO = {"same people": None, "borrower swapped": ("ben", []), "one added": ("ana", ["dan"]), "one dropped": ("cleo", [])}
TAG = ("same tags", "tags swapped", "tag given", "tag taken")
STATUS = ("new", "cancelled")
ALL = list(itertools.product(TIME, ROOM, WHO, TAG, STATUS))
SHARES = 16
SAMPLE = ALL[7::47]


def small_school(h):
    """The school of test_safety, with one booking of two people and two rooms more."""
    school(h)
    h.book("6", "ana", ["r1", "r2"], 6.5, 7.5, others=["cleo"])
    h.run()


def changed(h, time, room, who, tag, status):
    """Booking 6 changes in up to five ways at once; booking 1 of the same person moves as well."""
    span, others = TIME[time], WHO[who]
    h.move("6", start=span and span[0], finish=span and span[1], where=ROOM[room], who=others and others[0])
    if others:
        h.hector.loaners[h.bookings["6"]]["participants"] = [
            {"type": "user", "id": h.people[name]} for name in others[1]
        ]
    h.hector.set_status(h.bookings["6"], status, at=hour(0))
    users = h.hector.users
    ana, ben = users[h.people["ana"]], users[h.people["ben"]]
    if tag == "tags swapped":
        ana["unique_code"], ben["unique_code"] = "ben", "ana"
    elif tag == "tag given":
        h.salto.give_tag(h.member("ana").id, None)
    elif tag == "tag taken":
        ana["unique_code"], ben["unique_code"] = None, "ana"
    h.move("1", start=11, finish=12, where="r3")


def unsafe(combination):
    """What opened in between that was neither of before nor of after."""
    with world_copy(small_school) as h:
        changed(h, *combination)
        with WriteWatch(h) as watch:
            found = h.run()
        assert watch.states
        return watch.unsafe(), found, h.plan().operations


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("share", range(SHARES))
def test_nobody_opens_in_between_what_is_of_neither_before_nor_after(share):
    chosen = ALL if EFFORT > 1 else SAMPLE
    for combination in chosen[share::SHARES]:
        wrong, found, left = unsafe(combination)

        assert wrong == [], combination
        assert found.all_done, combination
        assert left.empty, combination


@pytest.mark.parametrize("order", NAIVE)
def test_a_search_refutes_every_naive_order_within_a_few_combinations(order, monkeypatch):
    with world_copy(small_school):
        pass  # built in the right order, whichever test comes first: a naive one cannot even make its groups
    monkeypatch.setattr("salto.plan_executor.PHASES", NAIVE[order])
    tried = next((number for number, one in enumerate(SAMPLE, 1) if unsafe(one)[0]), None)

    LOG.info("%s: refuted by combination %s of %d", order, tried, len(SAMPLE))
    assert tried is not None
