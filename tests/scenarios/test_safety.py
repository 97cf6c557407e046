"""After every single write: whoever can open a door could before the run, or may after it."""

import datetime as dt

import pytest

from hector_salto.access.operations import ARM, PEOPLE, TAKE_AWAY, WINDOWS
from hector_salto.access.settings import AccessRules, OfficeMode
from tests.scenarios.world import WriteWatch, hour, world_copy

RULES = AccessRules()


def school(h):
    """Three rooms, four people with tags, five bookings; everything in step."""
    h.room("r1", "r2", "r3").person("ana", "ben", "cleo", "dan")
    h.book("1", "ana", "r1", 1, 2).book("2", "ben", "r2", 3, 4, others=["cleo"]).book("3", "cleo", ["r1", "r3"], 5, 6)
    h.book("4", "dan", "r2", 8, 20).book("5", "ana", "r3", 30, 33)
    h.run()


def moved_in_time_and_room(h):
    h.move("1", start=10, finish=11, where="r2").move("3", start=1, finish=2, where="r2")


def moved_in_room_only(h):
    h.move("2", where="r3").move("3", where=["r2", "r3"])


def borrowers_swapped(h):
    h.move("1", who="ben").move("2", who="ana")


def borrower_swapped_and_moved(h):
    h.move("1", who="dan", start=12, finish=14, where="r3").move("4", who="ana", start=1, finish=2)


def tags_swapped(h):
    users = h.hector.users
    users[h.people["ana"]]["unique_code"], users[h.people["ben"]]["unique_code"] = "ben", "ana"
    h.move("1", start=9, finish=10)


def tag_moved_to_somebody_whose_membership_is_stale(h):
    h.hector.users[h.people["ana"]]["unique_code"] = None
    h.hector.users[h.people["ben"]]["unique_code"] = "ana"
    h.move("2", who="dan")


def a_tag_for_somebody_whose_booking_is_cancelled(h):
    h.salto.give_tag(h.member("ben").id, None)
    h.hector.set_status(h.bookings["2"], "cancelled", at=hour(0))


def a_tag_for_somebody_whose_booking_moves(h):
    h.salto.give_tag(h.member("ana").id, None)
    h.move("1", start=14, finish=15, where="r3")


def doors_renamed_in_a_circle(h):
    for door, name in (("r1", "r2"), ("r2", "r3"), ("r3", "r1")):
        h.salto.rename_lock(h.doors[door], name)


def somebody_leaves_and_their_room_is_taken(h):
    h.hector.users[h.people["ana"]]["status"] = "archived"
    h.person("eve").move("1", who="eve").move("5", who="eve", where="r1")


def suspended_somebody_is_back(h):
    h.member("ana").subscription_state = "suspended"
    h.move("1", who="ben").move("5", start=7, finish=8)


def made_twice_and_half(h):
    group = h.salto.add_group("Hector_1", users=[h.member("dan").person_id], locks=[h.doors["r3"]])
    h.salto.add_schedule(group, days=[2], start_date="2026-01-14T00:00:00", end_date="2026-01-14T23:59:59")
    h.salto.add_group("Hector_6", users=[h.member("dan").person_id], locks=[h.doors["r2"], h.doors["r1"]])
    h.book("6", "ana", "r2", 15, 16)


CHANGES = [
    moved_in_time_and_room,
    moved_in_room_only,
    borrowers_swapped,
    borrower_swapped_and_moved,
    tags_swapped,
    tag_moved_to_somebody_whose_membership_is_stale,
    a_tag_for_somebody_whose_booking_is_cancelled,
    a_tag_for_somebody_whose_booking_moves,
    doors_renamed_in_a_circle,
    somebody_leaves_and_their_room_is_taken,
    suspended_somebody_is_back,
    made_twice_and_half,
]
SETTINGS = {
    "longer grace": AccessRules(grace_before=dt.timedelta(minutes=45), grace_after=dt.timedelta(minutes=90)),
    "no grace": AccessRules(grace_before=dt.timedelta(0), grace_after=dt.timedelta(0)),
    "later grace": AccessRules(grace_before=dt.timedelta(0), grace_after=dt.timedelta(hours=5)),
    "leavers deleted": AccessRules(delete_users=True),
    "seats for bookings only": AccessRules(provision_users="with_reservations"),
    "fewer statuses": AccessRules(access_statuses=frozenset({"out"})),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_nobody_opens_in_between_what_is_of_neither_before_nor_after(change):
    with world_copy(school) as h:
        change(h)
        with WriteWatch(h) as watch:
            found = h.run()

        assert found.all_done, found.outcomes
        assert watch.states
        assert watch.unsafe() == []
        h.assert_settled()


@pytest.mark.parametrize("setting", SETTINGS)
def test_nobody_opens_in_between_when_the_settings_change(setting):
    with world_copy(school) as h:
        h.hector.users[h.people["dan"]]["status"] = "disabled"
        h.move("1", who="ben")
        with WriteWatch(h) as watch:
            h.run(SETTINGS[setting])

        assert watch.states
        assert watch.unsafe() == []
        h.assert_settled(SETTINGS[setting])


def test_office_mode_goes_off_before_anything_new_opens_and_on_before_it():
    """Manual office mode holds a door open for everybody: nobody may have it at a door that is not theirs."""
    with world_copy(school) as h:
        group = h.hector.add_group("Teachers")
        h.hector.users[h.people["ana"]]["group_ids"] = [group]
        teachers = AccessRules(office_mode=OfficeMode(groups=("Teachers",)))
        h.run(teachers)
        assert h.member("ana").manual_office_mode
        h.hector.users[h.people["ana"]]["group_ids"] = []
        h.hector.users[h.people["ben"]]["group_ids"] = [group]
        h.move("1", start=10, finish=11, where="r2").move("2", start=15, finish=16, where="r3")
        before = {o for o in h.openings() if o.office_mode}
        seen = []
        h.sandbox.after_write = lambda _state, request: seen.append({o for o in h.openings() if o.office_mode})
        h.run(teachers)
        h.sandbox.after_write = None
        after = {o for o in h.openings() if o.office_mode}

        assert seen
        assert all(now <= before | after for now in seen)


NAIVE = {
    "arm first": {ARM: "arm", PEOPLE: "people", WINDOWS: "windows", TAKE_AWAY: "take away"},
    "take away last": {WINDOWS: "windows", PEOPLE: "people", ARM: "arm", TAKE_AWAY: "take away"},
    "windows last": {TAKE_AWAY: "take away", PEOPLE: "people", ARM: "arm", WINDOWS: "windows"},
    "people first": {PEOPLE: "people", TAKE_AWAY: "take away", WINDOWS: "windows", ARM: "arm"},
}
REFUTED_BY = {
    "arm first": borrower_swapped_and_moved,
    "take away last": moved_in_time_and_room,
    "windows last": moved_in_time_and_room,
    "people first": a_tag_for_somebody_whose_booking_is_cancelled,
}


@pytest.mark.parametrize("order", NAIVE)
def test_the_proof_bites_because_a_naive_order_is_refuted(order, monkeypatch):
    with world_copy(school) as h:
        REFUTED_BY[order](h)
        monkeypatch.setattr("salto.plan_executor.PHASES", NAIVE[order])
        with WriteWatch(h) as watch:
            h.run()

        assert watch.unsafe()


@pytest.mark.parametrize("removal", ["DELETE .*/access_groups", "PATCH .*/users$", "PATCH .*/locks$"])
def test_a_removal_that_fails_leaves_nothing_unsafe_behind_it(removal):
    """What builds on it is not sent; the next run finishes."""
    from sandbox.faults import status

    method, path = removal.split(" ")
    with world_copy(school) as h:
        moved_in_time_and_room(h)
        h.move("2", who="dan")
        h.hector.set_status(h.bookings["5"], "cancelled", at=hour(0))
        wanted = WriteWatch(h)
        h.sandbox.salto_faults.on(method, path, status(409, "2201"), times=2)
        with wanted:
            h.run()
            h.sandbox.salto_faults.clear()
            last = h.run()

        assert last.all_done
        assert wanted.unsafe() == []
        h.assert_settled()
