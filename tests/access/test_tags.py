import pytest

from tests.access.tables import booking, codes, current, desired, lock, moves, place, plan, salto_user, tag, user


def tag_plan(users, salto, tags):
    """Every tag operation as (kind, Hector user, tag), and the problems about tags."""
    held = {row["site_user_id"]: row["tag"] for row in tags}
    salto = [row | {"tag": row["tag"] or held.get(row["site_user_id"])} for row in salto]
    made = plan(desired(users), current(salto, tags))
    found = [move for move in moves(made, "user_id", "tag_id") if move[0] in {"tag_on", "tag_off"}]
    return found, [code for code in codes(made.problems) if code.startswith(("tag", "code_twice"))]


def test_a_free_tag_is_assigned():
    assert tag_plan([user("u_1", tag="7")], [salto_user(1)], [tag("7")]) == ([("tag_on", "u_1", "t_7")], [])


def test_a_tag_that_is_there_already_is_left():
    assert tag_plan([user("u_1", tag="7")], [salto_user(1)], [tag("7", "s_1")]) == ([], [])


def test_an_unknown_code_is_reported_and_nothing_else_stops():
    users = [user("u_1", tag="7"), user("u_2", tag="8")]

    assert tag_plan(users, [salto_user(1), salto_user(2)], [tag("8")]) == ([("tag_on", "u_2", "t_8")], ["tag_unknown"])


def test_a_blocked_tag_is_reported_and_not_given():
    assert tag_plan([user("u_1", tag="7")], [salto_user(1)], [tag("7", blocked=True)]) == ([], ["tag_blocked"])


def test_a_blocked_tag_in_the_right_hand_is_reported_and_stays():
    assert tag_plan([user("u_1", tag="7")], [salto_user(1)], [tag("7", "s_1", blocked=True)]) == ([], ["tag_blocked"])


@pytest.mark.parametrize(
    "holder", [salto_user(2, "x@x.example", alias="cleaning"), salto_user(2, "x@x.example", alias=None)]
)
def test_a_tag_held_by_somebody_who_is_not_ours_is_never_taken_away(holder):
    found = tag_plan([user("u_1", tag="7")], [salto_user(1), holder], [tag("7", "s_2")])

    assert found == ([], ["tag_held"])


def test_a_tag_held_by_a_protected_user_is_never_taken_away():
    users = [user("u_1", tag="7"), user("u_2", tag="8")]
    salto = [salto_user(1), salto_user(2, above_site_user=True)]

    assert tag_plan(users, salto, [tag("7", "s_2"), tag("8")]) == ([], ["tag_held"])


def test_a_tag_of_a_pod_is_never_given():
    assert tag_plan([user("u_1", tag="7")], [salto_user(1)], [tag("7", is_pod_tag=True)]) == ([], ["tag_held"])


def test_a_number_that_names_two_tags_is_reported():
    tags = [tag("7"), tag("7", tag_id="t_other")]

    assert tag_plan([user("u_1", tag="7")], [salto_user(1)], tags) == ([], ["tag_ambiguous"])


def test_a_tag_held_by_another_of_ours_whose_code_changed_moves():
    users = [user("u_1", tag="7"), user("u_2", tag="8")]
    found = tag_plan(users, [salto_user(1), salto_user(2)], [tag("7", "s_2"), tag("8")])

    assert found == ([("tag_off", "u_2", "t_7"), ("tag_on", "u_1", "t_7"), ("tag_on", "u_2", "t_8")], [])


def test_a_tag_held_by_another_of_ours_whose_code_is_gone_moves():
    found = tag_plan([user("u_1", tag="7"), user("u_2")], [salto_user(1), salto_user(2)], [tag("7", "s_2")])

    assert found == ([("tag_off", "u_2", "t_7"), ("tag_on", "u_1", "t_7")], [])


def test_a_tag_left_behind_by_somebody_who_is_no_longer_in_hector_moves():
    found = tag_plan([user("u_1", tag="7")], [salto_user(1), salto_user(2)], [tag("7", "s_2")])

    assert found == ([("tag_off", "u_2", "t_7"), ("tag_on", "u_1", "t_7")], [])


def test_two_swap_their_tags_off_both_before_on_either():
    users = [user("u_1", tag="8"), user("u_2", tag="7")]
    found, problems = tag_plan(users, [salto_user(1), salto_user(2)], [tag("7", "s_1"), tag("8", "s_2")])

    assert [move[0] for move in found] == ["tag_off", "tag_off", "tag_on", "tag_on"]
    assert set(found[2:]) == {("tag_on", "u_1", "t_8"), ("tag_on", "u_2", "t_7")}
    assert problems == []


def test_a_cycle_of_three_goes_round():
    users = [user("u_1", tag="8"), user("u_2", tag="9"), user("u_3", tag="7")]
    salto, tags = [salto_user(n) for n in (1, 2, 3)], [tag("7", "s_1"), tag("8", "s_2"), tag("9", "s_3")]
    found, problems = tag_plan(users, salto, tags)

    assert [move[0] for move in found] == ["tag_off"] * 3 + ["tag_on"] * 3
    assert set(found[3:]) == {("tag_on", "u_1", "t_8"), ("tag_on", "u_2", "t_9"), ("tag_on", "u_3", "t_7")}
    assert problems == []


def test_two_users_with_one_code_get_no_tag_and_lose_none():
    users = [user("u_1", tag="7"), user("u_2", tag="7")]

    assert tag_plan(users, [salto_user(1), salto_user(2)], [tag("7")]) == ([], ["code_twice"])
    assert tag_plan(users, [salto_user(1), salto_user(2)], [tag("7", "s_2")]) == ([], ["code_twice"])


def test_a_code_shared_with_somebody_without_an_email_gets_no_tag():
    users = [user("u_1", tag="7"), user("u_2", email=None, tag="7")]

    assert tag_plan(users, [salto_user(1)], [tag("7")]) == ([], ["code_twice"])


def test_a_code_removed_in_hector_takes_the_tag_off():
    assert tag_plan([user("u_1")], [salto_user(1)], [tag("7", "s_1")]) == ([("tag_off", "u_1", "t_7")], [])


def test_a_code_changed_to_an_unknown_one_takes_the_old_tag_off():
    found = tag_plan([user("u_1", tag="9")], [salto_user(1)], [tag("7", "s_1")])

    assert found == ([("tag_off", "u_1", "t_7")], ["tag_unknown"])


def test_somebody_with_an_alias_written_by_hand_keeps_their_tag_when_the_code_is_unknown():
    salto = [salto_user(1, alias="Ana of the office")]

    assert tag_plan([user("u_1", tag="9")], salto, [tag("7", "s_1")]) == ([], ["tag_unknown"])


def test_somebody_with_an_alias_written_by_hand_keeps_their_tag_when_the_code_is_gone():
    assert tag_plan([user("u_1")], [salto_user(1, alias="Ana of the office")], [tag("7", "s_1")]) == ([], [])


def test_somebody_with_an_alias_written_by_hand_changes_to_the_tag_of_their_code():
    found = tag_plan([user("u_1", tag="8")], [salto_user(1, alias="Ana of the office")], [tag("7", "s_1"), tag("8")])

    assert found == ([("tag_off", "u_1", "t_7"), ("tag_on", "u_1", "t_8")], [])


def test_a_protected_users_tag_stays_whatever_the_code_says():
    salto = [salto_user(1, above_site_user=True)]

    assert tag_plan([user("u_1", tag="8")], salto, [tag("7", "s_1"), tag("8")]) == ([], [])


def test_what_users_who_share_an_email_hold_stays_with_them():
    users = [user("u_1", "a@x.example", tag="8"), user("u_2", "a@x.example"), user("u_3", tag="7")]
    salto = [salto_user(1), salto_user(3)]

    assert tag_plan(users, salto, [tag("7", "s_1")]) == ([], ["tag_held"])


def test_somebody_made_in_this_run_gets_their_tag():
    assert tag_plan([user("u_1", tag="7")], [], [tag("7")]) == ([("tag_on", "u_1", "t_7")], [])


def test_the_tag_of_an_active_user_without_an_email_moves_only_when_their_code_is_another():
    users = [user("u_1", tag="7"), user("u_2", email=None, tag="8")]
    salto = [salto_user(1), salto_user(2)]

    assert tag_plan(users, salto, [tag("7", "s_2")])[0] == [("tag_off", "u_2", "t_7"), ("tag_on", "u_1", "t_7")]


def gone_codes(users, salto, tags, bookings):
    """People of whom the run says that they hold a reservation and have no tag."""
    have = current(salto, tags, [lock("k1", "Door")])
    made = plan(desired(users, [place("p_1", "Door")], bookings), have)
    return made.problems[made.problems["code"].eq("code_missing")]


def test_a_code_that_is_gone_is_told_by_the_run_that_takes_the_tag_off():
    found = gone_codes([user("u_1")], [salto_user(1, tag="7")], [tag("7", "s_1")], [booking("1")])

    assert found["subject"].tolist() == ["user u_1"]
    assert found["message"].iloc[0] == (
        "user u_1 holds a reservation but has no unique code in Hector, so the tag they carry in Salto is to come off"
    )
    assert len(gone_codes([user("u_1")], [salto_user(1)], [tag("7")], [booking("1")])) == 1  # and by the next one


@pytest.mark.parametrize(
    ("users", "salto", "bookings"),
    [
        ([user("u_1")], [salto_user(1, tag="7")], []),  # nobody misses it
        ([user("u_1", tag="8")], [salto_user(1, tag="7")], [booking("1")]),  # another one takes its place
        ([user("u_1")], [salto_user(1, tag="7", alias="cleaning")], [booking("1")]),  # not ours: it stays
    ],
)
def test_who_misses_no_tag_is_not_told_of(users, salto, bookings):
    assert gone_codes(users, salto, [tag("7", "s_1"), tag("8")], bookings).empty
