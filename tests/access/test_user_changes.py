"""What must change in the records of Salto's users."""

import json

import pytest

from hector_salto.access.settings import AccessRules, OfficeMode
from tests.access.tables import (
    PAST,
    booking,
    codes,
    current,
    desired,
    kinds,
    lock,
    moves,
    ours,
    place,
    plan,
    salto_user,
    tag,
    user,
    user_groups_of,
)

DELETING = AccessRules(delete_users=True)
SPARING = AccessRules(provision_users="with_reservations")
PLACES, LOCKS = [place("p_1", "Door")], [lock("k1", "Door")]


ASLEEP = {"subscription_state": "suspended", "opens_without_tag": True}  # has something to open a door with


def made(users, salto, rules=AccessRules(), bookings=(), found=(), tags=(), **site):  # noqa: B008 - frozen
    have = current(salto, tags, LOCKS, found, **site)
    return plan(desired(users, PLACES, bookings, rules), have, rules)


def people_moves(*args, **options):
    return [move for move in moves(made(*args, **options), "user_id") if move[0].startswith("user")]


def test_somebody_missing_is_created_with_the_marker():
    found = made([user("u_1", "Ana@x.example")], [])

    assert kinds(found) == ["user_create"]
    assert json.loads(found.operations["after"].iloc[0]) == {
        "alias": "hector:u_1", "email": "Ana@x.example", "first_name": "Ana", "last_name": "Roy", "office_mode": False,
    }  # fmt: skip


def test_somebody_who_is_as_they_should_be_is_left():
    assert kinds(made([user("u_1")], [salto_user(1)])) == []


def test_an_email_with_an_empty_alias_is_adopted_by_setting_the_marker():
    found = made([user("u_1")], [salto_user(1, alias=None)])

    assert moves(found, "after") == [("user_adopt", '{"alias": "hector:u_1"}')]


def test_an_alias_written_by_hand_stays():
    assert kinds(made([user("u_1")], [salto_user(1, alias="Ana")])) == []


def test_a_changed_email_follows_while_there_is_no_profile():
    found = made([user("u_1", "new@x.example")], [salto_user(1, "old@x.example")])

    assert moves(found, "after") == [("user_email", '{"email": "new@x.example"}')]


@pytest.mark.parametrize("changes", [{"has_profile": True}, {"managed_here": False}])
def test_a_changed_email_with_a_profile_is_a_problem(changes):
    found = made([user("u_1", "new@x.example")], [salto_user(1, "old@x.example", **changes)])

    assert kinds(found) == []
    assert codes(found.problems) == ["email_has_profile"]


def test_a_changed_email_that_somebody_else_has_is_a_problem():
    found = made(
        [user("u_1", "new@x.example")], [salto_user(1, "old@x.example"), salto_user(2, "new@x.example", alias="x")]
    )

    assert kinds(found) == []
    assert codes(found.problems) == ["email_held"]


@pytest.mark.parametrize("changed", [" U_1@School.Example "])
def test_a_changed_spelling_of_an_email_is_no_change(changed):
    assert kinds(made([user("u_1", changed)], [salto_user(1)])) == []


# --- departed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "users",
    [[user("u_2")], [user("u_2"), user("u_1", status="disabled")], [user("u_2"), user("u_1", status="archived")]],
)
def test_ours_who_are_no_longer_part_of_hector_are_deleted_when_asked_for(users):
    salto = [salto_user(1), salto_user(2)]

    assert people_moves(users, salto, DELETING) == [("user_delete", "u_1")]
    assert people_moves(users, salto) == []


def test_an_active_user_without_an_email_is_still_part_of_hector():
    assert people_moves([user("u_1", email=None)], [salto_user(1)], DELETING) == []


@pytest.mark.parametrize(
    "changes",
    [{"alias": None}, {"alias": "cleaning"}, {"above_site_user": True}, {"pod_or_guest": True}, {"platform_user_id": "own"},
     {"platform_user_id": "owner"}],
)  # fmt: skip
def test_nobody_else_is_ever_deleted(changes):
    assert people_moves([user("u_2")], [salto_user(1, **changes), salto_user(2)], DELETING) == []


def test_a_protected_email_is_never_deleted():
    rules = AccessRules(delete_users=True, protected_emails=frozenset({"U_1@school.example"}))

    assert people_moves([user("u_2")], [salto_user(1), salto_user(2)], rules) == []


def test_somebody_registered_anew_takes_over_the_marker_and_is_not_deleted():
    found = people_moves([user("u_9", "u_1@school.example")], [salto_user(1)], DELETING)

    assert found == [("user_adopt", "u_9")]


def test_office_mode_of_somebody_who_has_left_goes_off():
    assert moves(made([user("u_2")], [salto_user(1, office_mode=True), salto_user(2)]), "user_id", "cause") == [
        ("office_off", "u_1", "withdrawn")
    ]


# --- never touched ----------------------------------------------------------------------------------------------------

NEVER = [
    {"above_site_user": True, "role_codes": "site_admin"},
    {"pod_or_guest": True, "role_codes": "site_guest"},
    {"platform_user_id": "own"},
    {"platform_user_id": "owner"},
    {"role_codes": "", "alias": None},
]


@pytest.mark.parametrize("changes", NEVER)
def test_the_record_of_a_protected_user_stays_and_their_memberships_come(changes):
    rules = AccessRules(office_mode=OfficeMode(groups=("G",)), provision_users="with_reservations", delete_users=True)
    row = salto_user(1, **({"alias": None, "office_mode": True, "subscription_state": "suspended"} | changes))
    found = made([user("u_1", "u_1@school.example", tag="7")], [row], rules, [booking("1")], tags=[tag("7")])

    assert kinds(found) == ["group_create", "lock_add", "member_add"]
    assert moves(found, "platform_user_id")[-1] == ("member_add", row["platform_user_id"])


def test_a_user_blocked_by_hand_stays_blocked_and_is_reported_when_they_have_booked():
    found = made(
        [user("u_1", tag="7")], [salto_user(1, blocked=True, tag="7")], bookings=[booking("1")], tags=[tag("7", "s_1")]
    )

    assert kinds(found) == ["group_create", "lock_add", "member_add"]
    assert codes(found.problems) == ["user_blocked"]


def test_somebody_whose_data_contradict_each_other_keeps_everything():
    salto = [salto_user(1), salto_user(2, "x@x.example", alias="hector:u_1")]
    found = made(
        [user("u_1", tag="7")], salto, DELETING, [booking("1")], [ours("g1", "Hector_1", users=["p1"])], [tag("7")]
    )

    assert kinds(found) == []
    assert "salto_user_twice" in codes(found.problems)


def test_nor_does_an_invalid_email_take_from_a_user_whose_data_contradict_each_other():
    """Two Salto users carry one marker: both keep their places, whatever Hector calls their address."""
    salto = [salto_user(1), salto_user(2, "x@x.example", alias="hector:u_1")]
    found = made([user("u_1", "unknown 1")], salto, DELETING, [booking("1")], [ours("g1", "Hector_1", users=["p1"])])

    assert kinds(found) == []
    assert "salto_user_twice" in codes(found.problems)


# --- seats ------------------------------------------------------------------------------------------------------------


def test_with_reservations_ours_without_a_booking_are_suspended():
    salto = [salto_user(1), salto_user(2)]
    found = made([user("u_1"), user("u_2")], salto, SPARING, [booking("1")])

    assert [move for move in moves(found, "user_id") if move[0] == "user_suspend"] == [("user_suspend", "u_2")]


def test_a_suspended_user_with_nothing_to_open_a_door_is_not_asked_a_seat_for():
    suspended = salto_user(1, subscription_state="suspended")

    assert people_moves([user("u_1")], [suspended], SPARING, [booking("1")]) == []


def test_with_reservations_those_with_a_booking_are_subscribed_again():
    found = people_moves([user("u_1")], [salto_user(1, **ASLEEP)], SPARING, [booking("1")])

    assert found == [("user_subscribe", "u_1")]


def test_with_reservations_only_those_with_a_booking_are_created():
    assert people_moves([user("u_1"), user("u_2")], [], SPARING, [booking("1")]) == [("user_create", "u_1")]


def test_with_reservations_somebody_who_has_left_gives_their_seat_back():
    assert people_moves([user("u_2")], [salto_user(1)], SPARING) == [("user_suspend", "u_1")]


def test_with_reservations_an_alias_written_by_hand_keeps_its_seat():
    assert people_moves([user("u_1")], [salto_user(1, alias="Ana")], SPARING) == []


def spared(created=("u_1",), memberships=None, found=(), bookings=(), users=("u_1",), **options):
    """What becomes of u_1, who has no reservation."""
    known = {"s_1": ()} if memberships is None else memberships
    have = current([salto_user(1), salto_user(2)], locks=LOCKS, found=found, user_groups=user_groups_of(known))
    wanted = desired([user(one) for one in users], PLACES, bookings, SPARING)
    return plan(wanted, have, SPARING, created=frozenset(created), **options)


def suspended(found):
    return found.operations.loc[found.operations["kind"].eq("user_suspend"), "user_id"].tolist()


def test_an_adopted_user_keeps_the_seat():
    """So does one of a past that the ledger does not know."""
    found = spared(created=())

    assert suspended(found) == []
    assert found.seat_candidates == ()


def test_a_user_made_anew_manually_keeps_the_seat():
    """The sync created u_1 once; who stands there now was made manually, without an alias, and is adopted."""
    have = current([salto_user(1, alias=None)], locks=LOCKS, user_groups=user_groups_of({"s_1": ()}))
    found = plan(desired([user("u_1")], PLACES, [], SPARING), have, SPARING, created=frozenset({"u_1"}))

    assert kinds(found) == ["user_adopt"]
    assert found.seat_candidates == ()


def test_a_created_user_in_a_group_of_others_keeps_the_seat():
    """Its doors are not ours to shut; a group that is left as it is counts as well."""
    twice = [booking("7", "u_2"), booking("7", "u_2", reservation_id="l_other")]

    assert suspended(spared(memberships={"s_1": ("staff",)})) == []
    assert suspended(spared(memberships={"s_1": ("g9",)}, found=[ours("g9", "Hector_9")])) == ["u_1"]
    kept = spared(memberships={"s_1": ("g7",)}, found=[ours("g7", "Hector_7")], bookings=twice, users=("u_1", "u_2"))
    assert suspended(kept) == []


def test_whose_groups_are_unknown_is_asked_first():
    """Only users whom the sync created and who need no seat are asked about."""
    found = spared(created=("u_1", "u_2"), memberships={}, users=("u_1", "u_2"), bookings=[booking("1", "u_2")])

    assert suspended(found) == []
    assert found.seat_candidates == ("s_1",)


@pytest.mark.parametrize(
    ("bookings", "found", "cause"),
    [
        ([], [ours("g9", "Hector_9", **PAST)], "ended"),
        ([booking("9", status="returned")], [ours("g9", "Hector_9")], "ended"),
        ([booking("9", status="cancelled")], [ours("g9", "Hector_9")], "withdrawn"),
        ([], [ours("g9", "Hector_9")], "withdrawn"),
        ([], [], "ended"),
    ],
    ids=["over", "returned", "cancelled", "absent", "no group"],
)
def test_which_suspensions_count_for_the_guards(bookings, found, cause):
    """Those of users who lose a live group because Hector does not show it any more."""
    made_ = spared(bookings=bookings, found=found)

    assert made_.operations.loc[made_.operations["kind"].eq("user_suspend"), "cause"].tolist() == [cause]


def test_an_evening_of_suspensions_is_not_held():
    """15 of 60 users whose day is over."""
    salto = [salto_user(number) for number in range(60)]
    users = [user(f"u_{number}") for number in range(60)]
    bookings = [booking(str(number), f"u_{number}") for number in range(45)]
    found = made(users, salto, SPARING, bookings)

    assert len(suspended(found)) == 15
    assert found.digest is None


def test_seats_that_held_suspensions_would_free_are_not_free():
    """The one seat goes to the reservation in twenty minutes, not to the one in five days."""
    users = [user(f"u_{number}") for number in range(20)]
    salto = [salto_user(number, **ASLEEP) for number in (0, 1)]
    salto += [salto_user(number) for number in range(2, 20)]
    found = [ours(f"g{number}", f"Hector_{number}", users=[f"p{number}"]) for number in range(2, 20)]
    bookings = [booking("a", "u_0", start=120, finish=121), booking("b", "u_1", start=0.4, finish=1)]
    made_ = made(users, salto, SPARING, bookings, found, seats=19, seats_used=18)

    assert made_.digest is not None
    assert seated(made_) == ["u_1"]
    assert made_.seats_short
    assert made_.problems.loc[made_.problems["code"].eq("no_seat"), "subject"].tolist() == ["user u_0"]


def reload(seats_used, memberships=None, **options):
    """A walk-up of u_2, who has no seat; u_1, u_3 need none."""
    users = [user(f"u_{number}") for number in (1, 2, 3)]
    salto = [salto_user(1), salto_user(2, **ASLEEP), salto_user(3)]
    known = {"s_1": (), "s_3": ()} if memberships is None else memberships
    have = current(salto, locks=LOCKS, seats=2, seats_used=seats_used, user_groups=user_groups_of(known), **options)
    wanted = desired(users, PLACES, [booking("1", "u_2")], SPARING)
    return plan(wanted, have, SPARING, references=["1"])


def test_a_reload_frees_the_seat_that_it_needs():
    """One, of a user who no longer needs it; with a free seat it leaves everyone alone."""
    assert suspended(reload(2)) == ["u_1"]
    assert seated(reload(2)) == ["u_2"]
    assert suspended(reload(1)) == []
    assert reload(1).seat_candidates == ()


def test_a_reload_asks_whose_seat_it_may_free():
    """A member of other groups keeps it; without any seat the walk-up is a problem."""
    assert reload(2, {}).seat_candidates == ("s_1", "s_3")
    assert suspended(reload(2, {"s_1": ("staff",)})) == []
    assert suspended(reload(2, {"s_1": ("staff",), "s_3": ()})) == ["u_3"]
    assert "no_seat" in codes(reload(2, {"s_1": ("staff",), "s_3": ("staff",)}).problems)


def test_a_reload_frees_no_seat_by_absence():
    """A user whose group Hector no longer shows is a matter of the next sync of everything."""
    found = [ours("g9", "Hector_9", users=["p1"]), ours("g8", "Hector_8", users=["p3"], **PAST)]

    assert suspended(reload(2, found=found)) == ["u_3"]


def test_with_all_nobody_is_suspended():
    assert people_moves([user("u_1")], [salto_user(1)]) == []


def test_a_suspended_user_with_an_alias_written_by_hand_is_reported_when_they_have_booked():
    found = made([user("u_1")], [salto_user(1, alias="Ana", **ASLEEP)], bookings=[booking("1")])

    assert "user_suspended" in codes(found.problems)
    assert "user_subscribe" not in kinds(found)


def seated(found):
    return [move[1] for move in moves(found, "user_id") if move[0] in {"user_subscribe", "user_create"}]


def test_when_seats_are_short_the_earliest_windows_come_first_and_the_others_are_reported():
    users = [user(f"u_{n}") for n in (1, 2, 3)]
    salto = [salto_user(n, **ASLEEP) for n in (1, 2, 3)]
    bookings = [
        booking("1", "u_1", start=9, finish=10),
        booking("2", "u_2", start=1, finish=2),
        booking("3", "u_3", start=5, finish=6),
    ]
    found = made(users, salto, bookings=bookings, seats=10, seats_used=8)

    assert seated(found) == ["u_2", "u_3"]
    assert found.seats_short
    assert codes(found.problems).count("no_seat") == 1
    assert found.problems.loc[found.problems["code"].eq("no_seat"), ["subject", "red"]].to_numpy().tolist() == [
        ["user u_1", True]
    ]


def test_those_without_a_booking_come_last_by_their_id():
    users = [user(f"u_{n}") for n in (1, 2, 3)]
    found = made(users, [], bookings=[booking("1", "u_3")], seats=10, seats_used=9)

    assert seated(found) == ["u_3", "u_1", "u_2"]  # creation succeeds without a seat too; who is first gets it


def test_seats_given_back_in_this_run_count():
    salto = [salto_user(1), salto_user(2, **ASLEEP)]
    found = made([user("u_2")], salto, DELETING, [booking("1", "u_2")], seats=2, seats_used=2)

    assert seated(found) == ["u_2"]
    assert found.seats_short, "what frees the seat may fail, so seats are taken one by one"


def test_without_a_limit_everybody_gets_a_seat():
    found = made([user("u_1")], [salto_user(1, **ASLEEP)])

    assert seated(found) == ["u_1"]
    assert not found.seats_short
