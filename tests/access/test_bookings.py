import pandas as pd
import pytest

from hector_salto.access.settings import AccessRules
from hector_salto.access.statuses import ALIASES, DEFAULT_ACCESS_STATUSES, STATUSES, canonical_status
from tests.access.tables import NOW, booking, codes, desired, place, user

WEEK = 7 * 24.0
QUARTER = 0.25


def judged(*bookings, users=None, places=None, rules=AccessRules()):  # noqa: B008 - frozen
    users = [user("u_1"), user("u_2")] if users is None else users
    places = [place("p_1", "Door 1"), place("p_2", "Door 2"), place("p_3", None)] if places is None else places
    return desired(users, places, bookings, rules)


def decision(found, reference="1"):
    rows = found.decisions[found.decisions["reference"].eq(reference)]
    return rows["decision"].tolist()


def open_ones(found):
    return found.bookings["reference"].tolist()


# --- statuses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_exactly_the_access_statuses_open_doors(status):
    found = judged(booking("1", status=status))

    assert decision(found) == (["access"] if status in DEFAULT_ACCESS_STATUSES else ["no_access"])
    assert codes(found.problems) == []


def test_a_site_may_name_other_access_statuses():
    rules = AccessRules(access_statuses=frozenset({"to_be_inspected"}))

    assert open_ones(judged(booking("1"), booking("2", status="to_be_inspected"), rules=rules)) == ["2"]


@pytest.mark.parametrize(("older", "now"), ALIASES.items())
def test_an_older_name_of_a_status_means_the_status_of_today(older, now):
    rules = AccessRules(access_statuses=frozenset({now}))

    assert decision(judged(booking("1", status=older), rules=rules)) == ["access"]


def test_statuses_are_read_trimmed_and_in_any_case():
    assert canonical_status(pd.Series([" New ", "OUT", "Awaiting_Approval"])).tolist() == [
        "new",
        "out",
        "pending_approval",
    ]


def test_an_unknown_status_opens_nothing_and_is_reported():
    found = judged(booking("1", status="on_hold_by_dean"))

    assert decision(found) == ["no_access"]
    assert codes(found.problems) == ["status_unknown"]
    assert "on_hold_by_dean" in found.problems["message"].iloc[0]


# --- who and where ----------------------------------------------------------------------------------------------------


def test_a_blocking_event_opens_nothing_and_is_no_problem():
    found = judged(booking("1", blocking=True))

    assert decision(found) == ["no_access"]
    assert codes(found.problems) == []


def test_a_borrower_who_is_no_user_gets_nothing():
    found = judged(booking("1", people=[("customer", "u_1")]))

    assert decision(found) == ["no_access"]


def test_participants_get_in_like_the_borrower():
    found = judged(booking("1", who=["u_1", "u_2"]))

    assert found.members["user_id"].tolist() == ["u_1", "u_2"]


def test_participants_get_in_also_when_the_borrower_is_no_user():
    found = judged(booking("1", people=[("customer", "c_1"), ("user", "u_2")]))

    assert found.members["user_id"].tolist() == ["u_2"]


def test_borrower_and_participant_in_one_is_one_member():
    assert len(judged(booking("1", who=["u_1", "u_1"])).members) == 1


@pytest.mark.parametrize(
    ("person", "code"),
    [
        (user("u_9", status="disabled"), "user_not_active"),
        (user("u_9", status="archived"), "user_not_active"),
        (user("u_9", email=None), "email_missing"),
        (user("u_9", email="  "), "email_missing"),
    ],
)
def test_people_who_cannot_be_given_access_are_reported_and_the_others_get_in(person, code):
    found = judged(booking("1", who=["u_9", "u_1"]), users=[user("u_1"), person])

    assert found.members["user_id"].tolist() == ["u_1"]
    assert codes(found.problems) == [code]
    assert found.problems["reference"].tolist() == ["1"]


def test_somebody_whom_hector_does_not_show_is_reported():
    found = judged(booking("1", who=["u_404"]))

    assert decision(found) == ["no_access"]
    assert codes(found.problems) == ["user_unknown"]


def test_several_places_give_several_doors():
    found = judged(booking("1", where=["p_1", "p_2"]))

    assert found.rooms["lock_name"].tolist() == ["Door 1", "Door 2"]


def test_a_place_without_a_lock_leaves_the_other_doors():
    assert judged(booking("1", where=["p_1", "p_3"])).rooms["lock_name"].tolist() == ["Door 1"]


@pytest.mark.parametrize("where", [[], ["p_3"]])
def test_no_lock_at_all_opens_nothing_and_is_no_problem(where):
    found = judged(booking("1", where=where))

    assert decision(found) == ["no_access"]
    assert codes(found.problems) == []


def test_a_blank_lock_name_is_no_lock():
    assert decision(judged(booking("1"), places=[place("p_1", "   "), place("p_2", "r2")])) == ["no_access"]


def test_when_no_place_names_a_lock_groups_are_left():
    """The attribute is gone, or was never filled: that says nothing about a reservation."""
    assert decision(judged(booking("1"), places=[place("p_1", "   ")])) == ["left_as_is"]
    assert decision(judged(booking("1", status="cancelled"), places=[place("p_1", None)])) == ["no_access"]


def test_an_unknown_place_is_reported_and_the_other_doors_open():
    found = judged(booking("1", where=["p_404", "p_1"]))

    assert decision(found) == ["access"]
    assert codes(found.problems) == ["place_unknown"]


# --- when -------------------------------------------------------------------------------------------------------------


def test_a_window_that_ends_at_as_of_is_over():
    assert decision(judged(booking("1", start=-3, finish=-QUARTER))) == ["no_access"]


def test_a_window_with_one_minute_left_is_not_over():
    assert decision(judged(booking("1", start=-3, finish=-QUARTER + 1 / 60))) == ["access"]


def test_a_window_that_starts_at_the_horizon_is_in():
    assert decision(judged(booking("1", start=WEEK + QUARTER, finish=WEEK + 2))) == ["access"]


def test_a_window_that_starts_a_minute_beyond_the_horizon_waits():
    assert decision(judged(booking("1", start=WEEK + QUARTER + 1 / 60, finish=WEEK + 2))) == ["no_access"]


def test_a_window_of_31_days_is_the_longest():
    longest = 31 * 24 - 2 * QUARTER

    assert open_ones(judged(booking("1", start=1, finish=1 + longest))) == ["1"]
    too_long = judged(booking("1", start=1, finish=1 + longest + 1 / 60))
    assert open_ones(too_long) == []
    assert codes(too_long.problems) == ["window_too_long"]


@pytest.mark.parametrize("finish", [2.0, 1.0])
def test_a_booking_that_does_not_finish_after_its_start_is_reported(finish):
    found = judged(booking("1", start=2.0, finish=finish))

    assert decision(found) == ["no_access"]
    assert codes(found.problems) == ["window_backwards"]


def test_a_cancelled_booking_is_not_reported_for_its_times():
    assert codes(judged(booking("1", start=2, finish=1, status="cancelled")).problems) == []


# --- references -------------------------------------------------------------------------------------------------------


def test_two_bookings_with_one_reference_are_not_applied_and_their_group_is_left_as_it_is():
    found = judged(booking("1"), booking("1", start=5, finish=6, reservation_id="l_other"))

    assert decision(found) == ["left_as_is", "left_as_is"]
    assert open_ones(found) == []
    assert codes(found.problems) == ["reference_twice", "reference_twice"]


def test_a_shared_reference_of_the_past_disturbs_nobody():
    found = judged(booking("1", start=-9, finish=-8), booking("1", start=-5, finish=-4, reservation_id="l_other"))

    assert decision(found) == ["no_access", "no_access"]
    assert codes(found.problems) == []


@pytest.mark.parametrize("reference", ["", "   "])
def test_a_blank_reference_is_reported(reference):
    found = judged(booking(reference), booking("2"))

    assert open_ones(found) == ["2"]
    assert codes(found.problems) == ["reference_blank"]


def test_two_blank_references_are_blank_not_shared():
    found = judged(booking(""), booking("", reservation_id="l_other"))

    assert codes(found.problems) == ["reference_blank", "reference_blank"]


def test_the_group_of_a_booking_is_named_after_its_reference_as_it_stands():
    assert judged(booking("R-2026/07 B")).bookings["group_name"].tolist() == ["Hector_R-2026/07 B"]


# --- altogether -------------------------------------------------------------------------------------------------------


def test_every_reservation_read_has_exactly_one_decision_with_a_reason():
    rows = [booking(str(number), status=status) for number, status in enumerate(sorted(STATUSES))]
    found = judged(*rows)

    assert sorted(found.decisions["reservation_id"]) == sorted(row["reservation_id"] for row in rows)
    assert found.decisions["reason"].ne("").all()


def test_an_empty_hector_is_an_empty_desired_state():
    found = desired()

    assert all(table.empty for name, table in found.tables().items() if name != "read")
    assert found.read.iloc[0].to_dict() == {"users": 0, "reservations": 0}


@pytest.mark.parametrize("missing", ["users", "places"])
def test_bookings_without_users_or_without_places_open_nothing(missing):
    found = judged(booking("1"), **{missing: []})

    assert open_ones(found) == []


def test_the_window_stands_in_the_decision():
    row = judged(booking("1", start=1, finish=2)).decisions.iloc[0]

    assert row["window_start"] == NOW + pd.Timedelta(minutes=45)
    assert row["window_end"] == NOW + pd.Timedelta(minutes=135)
