"""Which groups are ours, and what must change in them."""

import json
from dataclasses import replace

import pytest

from hector_salto.access.current import our_groups
from tests.access.tables import (
    FITTING,
    LATER,
    NOW,
    PAST,
    booking,
    codes,
    current,
    desired,
    group,
    groups,
    kinds,
    lock,
    moves,
    ours,
    place,
    plan,
    salto_user,
    schedule,
    user,
)

USERS = [user("u_1", tag=None), user("u_2")]
SALTO = [salto_user(1), salto_user(2)]
PLACES = [place("p_1", "Door 1"), place("p_2", "Door 2")]
LOCKS = [lock("k1", "Door 1"), lock("k2", "Door 2")]
OPEN_ENDED = {"start": "07:00:00", "end": "18:59:59", "days": (0, 1, 2)}


def made(*found, bookings=(), locks=LOCKS, salto=SALTO, users=USERS, **options):
    return plan(desired(users, PLACES, bookings), current(salto, locks=locks, found=found), **options)


def group_moves(*found, **options):
    return moves(made(*found, **options), "cause", "group_id")


# --- ours or a look-alike ---------------------------------------------------------------------------------------------


def test_a_group_of_ours_without_a_reservation_is_withdrawn():
    assert group_moves(ours("g1", "Hector_9")) == [("group_delete", "withdrawn", "g1")]


def test_a_group_of_ours_whose_window_is_over_has_expired():
    assert group_moves(ours("g1", "Hector_9", **PAST)) == [("group_delete", "expired", "g1")]


@pytest.mark.parametrize("name", ["Hector_Staff", "Hector_9", "Hector_"])
def test_a_group_named_like_ours_but_open_ended_is_reported_and_never_touched(name):
    found = made(ours("g1", name, **OPEN_ENDED))

    assert kinds(found) == []
    assert codes(found.problems) == ["look_alike"]
    assert name in found.problems["subject"].iloc[0]


def test_one_open_ended_schedule_among_several_makes_a_look_alike():
    both = group("g1", "Hector_9", ["p1"], ["k1"], [schedule("g1", "a", **FITTING), schedule("g1", "b", **OPEN_ENDED)])

    assert codes(made(both).problems) == ["look_alike"]
    assert kinds(made(both)) == []


def test_an_end_date_nobody_can_read_is_no_end():
    assert kinds(made(ours("g1", "Hector_9", **(FITTING | {"last": "someday"})))) == []


@pytest.mark.parametrize("name", ["hector_9", "Cleaning", " Hector_9", "HECTOR_9"])
def test_a_group_of_any_other_name_does_not_exist_for_us(name):
    found = made(ours("g1", name))

    assert kinds(found) == []
    assert codes(found.problems) == []


def test_a_bare_group_with_nobody_and_nothing_in_it_is_ours():
    assert group_moves(group("g1", "Hector_9")) == [("group_delete", "withdrawn", "g1")]


@pytest.mark.parametrize(("users", "locks"), [(["p1"], []), ([], ["k1"])])
def test_a_bare_group_with_somebody_or_a_door_is_a_look_alike_unless_its_reservation_is_current(users, locks):
    assert kinds(made(group("g1", "Hector_9", users, locks))) == []

    finished = group_moves(group("g1", "Hector_1", users, locks), bookings=[booking("1")])
    assert ("schedule_create", "leftover", "g1") in finished


@pytest.mark.parametrize(("counted", "listed"), [(0, 1), (1, 0)])
def test_a_bare_group_is_empty_only_when_both_its_counts_and_its_lists_say_so(counted, listed):
    found = groups([group("g1", "Hector_1", ["p1"] * listed)])
    found = replace(found, groups=found.groups.assign(user_count=counted))
    ours_, problems_ = our_groups(current(locks=LOCKS, groups=found), wanted=(), as_of=NOW)

    assert ours_.empty
    assert codes(problems_) == ["look_alike"]


def test_a_look_alike_with_the_name_of_a_reservation_is_left_and_the_reservation_gets_its_own_group():
    found = made(ours("g1", "Hector_1", **OPEN_ENDED), bookings=[booking("1")])

    assert kinds(found) == ["group_create", "lock_add", "member_add"]
    assert "look_alike" in codes(found.problems)


def test_a_group_without_locks_is_over_by_the_sites_clock():
    assert group_moves(ours("g1", "Hector_9", locks=[], **PAST)) == [("group_delete", "expired", "g1")]


def test_a_group_is_over_only_when_it_is_over_on_the_clocks_of_all_its_locks():
    locks = [lock("k1", "Door 1"), lock("k2", "Door 2", "America/Vancouver")]
    ended = {"start": "08:00:00", "end": "08:59:59", "first": "2026-01-14T08:00:00", "last": "2026-01-14T09:00:00"}

    assert group_moves(ours("g1", "Hector_9", locks=["k1"], **ended), locks=locks)[0][1] == "expired"
    assert group_moves(ours("g1", "Hector_9", locks=["k1", "k2"], **ended), locks=locks)[0][1] == "withdrawn"


# --- what should be there ---------------------------------------------------------------------------------------------


def test_a_new_reservation_makes_a_group_with_its_schedule_its_locks_and_its_people():
    found = made(bookings=[booking("1", ["u_1", "u_2"], ["p_1", "p_2"])])

    assert moves(found, "phase", "cause", "group_name") == [
        ("group_create", 2, "new", "Hector_1"),
        ("lock_add", 4, "new", "Hector_1"),
        ("lock_add", 4, "new", "Hector_1"),
        ("member_add", 4, "new", "Hector_1"),
        ("member_add", 4, "new", "Hector_1"),
    ]
    after = json.loads(found.operations["after"].iloc[0])
    assert (after["start_time"], after["end_time"], after["end_date"]) == ("10:45", "12:14", "2026-01-14T12:15:00")


def test_a_group_that_is_as_it_should_be_is_left():
    assert kinds(made(ours("g1", "Hector_1"), bookings=[booking("1")])) == []


def test_a_bare_group_of_a_current_reservation_is_finished():
    assert group_moves(group("g1", "Hector_1"), bookings=[booking("1")]) == [
        ("schedule_create", "leftover", "g1"),
        ("lock_add", "moved", "g1"),
        ("member_add", "moved", "g1"),
    ]


def test_a_booking_moved_in_time_changes_the_one_schedule():
    found = made(ours("g1", "Hector_1", **LATER), bookings=[booking("1")])

    assert moves(found, "phase", "cause", "schedule_id", "removal") == [("schedule_change", 2, "moved", "sch_g1", True)]


def test_a_window_made_longer_is_no_removal_and_one_made_shorter_is():
    assert made(ours("g1", "Hector_1"), bookings=[booking("1", finish=3)]).operations["removal"].tolist() == [False]
    assert made(ours("g1", "Hector_1"), bookings=[booking("1", finish=1.5)]).operations["removal"].tolist() == [True]
    assert made(ours("g1", "Hector_1"), bookings=[booking("1", start=1.5)]).operations["removal"].tolist() == [True]


def test_a_booking_moved_to_another_room_changes_the_lock():
    found = moves(made(ours("g1", "Hector_1"), bookings=[booking("1", where="p_2")]), "lock_id")

    assert found == [("lock_remove", "k1"), ("lock_add", "k2")]


def test_a_place_led_to_another_lock_changes_the_lock():
    renamed = [lock("k1", "Old Door"), lock("k3", "Door 1")]
    found = moves(made(ours("g1", "Hector_1"), bookings=[booking("1")], locks=renamed), "lock_id")

    assert found == [("lock_remove", "k1"), ("lock_add", "k3")]


def test_a_lock_renamed_together_with_its_place_changes_nothing():
    renamed = [lock("k1", "Studio")]
    found = plan(
        desired(USERS, [place("p_1", "Studio")], [booking("1")]),
        current(SALTO, locks=renamed, found=[ours("g1", "Hector_1")]),
    )

    assert kinds(found) == []


def test_a_borrower_swapped_changes_the_member():
    found = moves(made(ours("g1", "Hector_1"), bookings=[booking("1", who="u_2")]), "user_id", "platform_user_id")

    assert found == [("member_remove", "u_1", "p1"), ("member_add", "u_2", "p2")]


def test_somebody_put_into_a_group_of_ours_by_hand_is_removed():
    found = moves(made(ours("g1", "Hector_1", users=["p1", "p7"]), bookings=[booking("1")]), "platform_user_id")

    assert found == [("member_remove", "p7")]


def test_extra_schedules_go_and_the_fitting_one_stays():
    both = group("g1", "Hector_1", ["p1"], ["k1"], [schedule("g1", "a", **LATER), schedule("g1", "b", **FITTING)])

    assert moves(made(both, bookings=[booking("1")]), "schedule_id") == [("schedule_delete", "a")]


def test_of_two_wrong_schedules_one_is_changed_and_one_goes():
    both = group("g1", "Hector_1", ["p1"], ["k1"], [schedule("g1", "a", **LATER), schedule("g1", "b", **PAST)])

    assert moves(made(both, bookings=[booking("1")]), "schedule_id") == [
        ("schedule_delete", "b"),
        ("schedule_change", "a"),
    ]


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (ours("g1", "Hector_1", **LATER), ours("g2", "Hector_1", users=[], locks=[])),
        (ours("g1", "Hector_1", users=[]), ours("g2", "Hector_1")),
        (ours("g1", "Hector_1", locks=[]), ours("g2", "Hector_1")),
        (group("g1", "Hector_1"), ours("g2", "Hector_1")),
        (ours("g2", "Hector_1"), ours("g1", "Hector_1")),
    ],
    ids=["its schedule fits", "its members fit", "its locks fit", "it is finished", "lowest id"],
)
def test_of_two_groups_with_one_name_the_better_one_stays(worse, better):
    found = made(worse, better, bookings=[booking("1")])
    gone = found.operations[found.operations["kind"].eq("group_delete")]

    assert gone["group_id"].tolist() == [worse["group_id"]]
    assert gone["cause"].tolist() == ["leftover"]


@pytest.mark.parametrize(
    ("who", "start", "removed"),
    [
        (["u_1", "u_3"], 5, []),  # it may mean them
        (["u_2", "u_3"], 5, []),  # the other one who shares the email
        ("u_3", 1, []),  # nothing changes, so nothing is taken
        ("u_3", 5, ["p1"]),  # the window moves, and they are not named
    ],
)
def test_a_member_whose_data_contradict_does_not_follow_a_group_of_others(who, start, removed):
    """Two users share the email of p1: the place stays while the group stays, or while it may be theirs."""
    users = [user("u_1", "a@x.example"), user("u_2", "A@x.example"), user("u_3")]
    salto = [salto_user(1, "a@x.example"), salto_user(3)]
    salto[0]["alias"] = None if "u_2" in who else "hector:u_1"
    found = plan(
        desired(users, PLACES, [booking("1", who, start=start, finish=start + 1)]),
        current(salto, locks=LOCKS, found=[ours("g1", "Hector_1", users=["p1", "p3"])]),
    )
    taken = found.operations[found.operations["kind"].eq("member_remove")]

    assert taken["platform_user_id"].tolist() == removed


def test_the_group_of_a_shared_reference_is_left_as_it_is():
    twice = [booking("1", start=4, finish=5), booking("1", who="u_2", reservation_id="l_other")]
    found = made(ours("g1", "Hector_1"), bookings=twice)

    assert kinds(found) == []
    assert "reference_twice" in codes(found.problems)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ("cancelled", "withdrawn"),
        ("refused", "withdrawn"),
        ("on_hold_by_dean", "withdrawn"),
        ("returned", "ended"),
        (" Completed ", "ended"),
    ],
)
def test_a_reservation_that_no_longer_earns_access_loses_its_group(status, cause):
    assert group_moves(ours("g1", "Hector_1"), bookings=[booking("1", status=status)]) == [
        ("group_delete", cause, "g1")
    ]


def test_a_reservation_that_hector_shows_as_over_loses_its_group():
    """It was shortened: positive evidence, no withdrawal by absence."""
    shortened = booking("1", start=-2, finish=-1)

    assert group_moves(ours("g1", "Hector_1"), bookings=[shortened]) == [("group_delete", "ended", "g1")]


def test_a_reservation_whose_locks_stand_in_different_zones_opens_nothing():
    locks = [lock("k1", "Door 1"), lock("k2", "Door 2", "America/Winnipeg")]
    found = made(bookings=[booking("1", where=["p_1", "p_2"])], locks=locks)

    assert kinds(found) == []
    assert "zones_differ" in codes(found.problems)
    assert found.decisions["decision"].tolist() == ["no_access"]


@pytest.mark.parametrize("zone", ["Mars/Olympus", None, ""])
def test_a_lock_in_an_unknown_zone_opens_nothing(zone):
    found = made(bookings=[booking("1")], locks=[lock("k1", "Door 1", zone)])

    assert kinds(found) == []
    assert "zone_unknown" in codes(found.problems)


def test_the_schedule_is_in_the_wall_clock_of_the_lock_not_of_the_site():
    found = made(bookings=[booking("1")], locks=[lock("k1", "Door 1", "Asia/Kolkata")])

    assert json.loads(found.operations["after"].iloc[0])["start_time"] == "21:15"


def test_what_users_who_share_an_email_have_is_neither_given_nor_taken():
    users = [user("u_1", "a@x.example"), user("u_2", "a@x.example")]
    salto = [salto_user(1, "a@x.example"), salto_user(2, "b@x.example")]

    kept = made(ours("g1", "Hector_1"), bookings=[booking("1")], users=users, salto=salto)
    assert kinds(kept) == []
    new = made(bookings=[booking("1")], users=users, salto=salto)
    assert kinds(new) == []
