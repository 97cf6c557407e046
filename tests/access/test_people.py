import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.people import (
    ProtectedUsers,
    match_users,
    may_toggle_office_mode,
    salto_people,
    select_desired_users,
)
from hector_salto.access.settings import AccessRules, OfficeMode
from tests.access.tables import codes, hector_people, salto_user, user

# --- Hector's side ----------------------------------------------------------------------------------------------------


def wanted(*users, rules=AccessRules()):  # noqa: B008 - frozen
    return select_desired_users(hector_people(users), rules)


@pytest.mark.parametrize("email", [" Ana@School.Example ", "ANA@SCHOOL.EXAMPLE", "ana@school.example\n"])
def test_emails_are_compared_trimmed_and_case_folded(email):
    people, _, _ = wanted(user("u_1", email))

    assert people["email"].tolist() == ["ana@school.example"]


def test_two_users_with_one_email_are_reported_once_and_neither_is_touched():
    people, frozen, problems = wanted(user("u_1", "a@x.example"), user("u_2", "A@x.example "), user("u_3"))

    assert people["user_id"].tolist() == ["u_3"]
    assert frozen["user_id"].tolist() == ["u_1", "u_2"]
    assert codes(problems) == ["email_twice"]
    assert "u_1, u_2" in problems["message"].iloc[0]


def test_an_email_shared_with_somebody_who_has_left_is_their_own():
    people, frozen, _ = wanted(user("u_1", "a@x.example"), user("u_2", "a@x.example", status="archived"))

    assert people["user_id"].tolist() == ["u_1"]
    assert frozen.empty


@pytest.mark.parametrize("email", [None, "", "  "])
def test_a_user_without_an_email_is_nobody_in_salto(email):
    people, frozen, _ = wanted(user("u_1", email), user("u_2", email))

    assert people.empty
    assert frozen.empty


@pytest.mark.parametrize(
    ("status", "there"), [("active", True), (" Active ", True), ("disabled", False), ("archived", False)]
)
def test_only_active_users_are_wanted(status, there):
    people, _, _ = wanted(user("u_1", status=status))

    assert len(people) == there


def test_two_users_with_one_code_are_reported_and_both_marked():
    people, _, problems = wanted(user("u_1", tag="7"), user("u_2", tag="7"), user("u_3", tag="8"))

    assert people["tag_conflict"].tolist() == [True, True, False]
    assert codes(problems) == ["code_twice"]


def test_a_code_shared_with_somebody_without_an_email_is_shared_all_the_same():
    people, _, problems = wanted(user("u_1", tag="7"), user("u_2", email=None, tag="7"))

    assert people["tag_conflict"].tolist() == [True]
    assert "u_1, u_2" in problems["message"].iloc[0]


def test_a_code_shared_with_somebody_who_has_left_is_nobody_elses():
    people, _, problems = wanted(user("u_1", tag="7"), user("u_2", tag="7", status="disabled"))

    assert people["tag_conflict"].tolist() == [False]
    assert codes(problems) == []


@pytest.mark.parametrize(
    ("first", "last", "names"), [(None, None, ["ana", "-"]), (" ", "Roy", ["ana", "Roy"]), ("A", "B", ["A", "B"])]
)
def test_nobody_is_nameless_because_salto_wants_both_names(first, last, names):
    people, _, _ = wanted(user("u_1", "ana@x.example", first_name=first, last_name=last))

    assert people[["first_name", "last_name"]].iloc[0].tolist() == names


# --- office mode ------------------------------------------------------------------------------------------------------


def school():
    return hector_people(
        users=[
            user("u_1", department_id="d_1"),
            user("u_2", department_id="d_2"),
            user("u_3", department_id="d_1"),
            user("u_4"),
        ],
        memberships=[("u_1", "g_1"), ("u_2", "g_2"), ("u_4", "g_4")],
        groups=[
            ("g_1", "Teachers", None),
            ("g_2", "Staff AAD", "g_1"),
            ("g_3", "Guests", None),
            ("g_4", "Old AAD", "g_2"),
        ],
        departments=[("d_1", "Music"), ("d_2", "Dance")],
    )


def togglers(**office):
    people = school()
    mask = may_toggle_office_mode(people.users, people, OfficeMode(**office))
    return people.users.loc[mask, "user_id"].tolist()


def test_without_groups_and_departments_nobody_may_toggle():
    assert togglers() == []
    assert togglers(match="any") == []


def test_a_group_counts_directly_and_through_its_aliases_and_their_aliases():
    assert togglers(groups=("Teachers",)) == ["u_1", "u_2", "u_4"]


def test_an_alias_named_itself_reaches_only_those_who_point_at_it():
    assert togglers(groups=("Staff AAD",)) == ["u_2", "u_4"]


def test_groups_that_are_aliases_of_each_other_end_somewhere():
    people = hector_people([user("u_1")], [("u_1", "g_1")], [("g_1", "A", "g_2"), ("g_2", "B", "g_1")])

    assert may_toggle_office_mode(people.users, people, OfficeMode(groups=("B",))).tolist() == [True]


def test_a_department_counts_by_its_name():
    assert togglers(departments=(" MUSIC ",)) == ["u_1", "u_3"]


def test_match_all_wants_group_and_department():
    assert togglers(groups=("teachers",), departments=("Music",)) == ["u_1"]


def test_match_any_wants_one_of_both():
    assert togglers(groups=("Teachers",), departments=("Music",), match="any") == ["u_1", "u_2", "u_3", "u_4"]


def test_match_all_with_one_empty_list_wants_the_other():
    assert togglers(departments=("Dance",), match="all") == ["u_2"]


def test_an_unknown_name_matches_nobody_and_is_reported():
    rules = AccessRules(office_mode=OfficeMode(groups=("Teachers", "Wizards"), departments=("Alchemy",), match="any"))
    people, _, problems = select_desired_users(school(), rules)

    assert people.set_index("user_id")["office_mode"].to_dict() == {"u_1": True, "u_2": True, "u_3": False, "u_4": True}
    assert codes(problems) == ["office_group_unknown", "office_group_unknown"]
    assert "Wizards" in " ".join(problems["message"])


def test_with_match_all_an_unknown_department_means_nobody():
    assert togglers(groups=("Teachers",), departments=("Alchemy",)) == []


# --- Salto's side -----------------------------------------------------------------------------------------------------

UNTOUCHABLE = ProtectedUsers("own", "owner", frozenset({" Dean@School.Example"}))


def known(*users):
    return salto_people(schemas.frame(schemas.SALTO_USERS, users), UNTOUCHABLE)


@pytest.mark.parametrize(
    "changes",
    [
        {"platform_user_id": "own"},
        {"platform_user_id": "owner"},
        {"above_site_user": True},
        {"pod_or_guest": True},
        {"email": "DEAN@school.example "},
        {"role_codes": "", "alias": None},
    ],
    ids=[
        "the sync's own account",
        "the owner",
        "a higher role",
        "pod member or guest",
        "protected email",
        "no role yet",
    ],
)
def test_protected_whatever_their_alias_says(changes):
    assert known(salto_user(1, **changes))["protected"].tolist() == [True]


def test_somebody_of_ours_whose_roles_salto_has_not_caught_up_with_is_not_protected():
    assert known(salto_user(1, role_codes=""))["protected"].tolist() == [False]


@pytest.mark.parametrize(
    ("alias", "marker", "no_alias"),
    [
        ("hector:u_1", "u_1", False),
        (" hector:u_1 ", "u_1", False),
        ("hector:", None, False),
        ("Hector:u_1", None, False),
        ("cleaning", None, False),
        (None, None, True),
        ("  ", None, True),
    ],
)
def test_the_marker_is_the_alias_after_its_prefix(alias, marker, no_alias):
    row = known(salto_user(1, alias=alias)).iloc[0]

    assert (None if pd.isna(row["marker"]) else row["marker"]) == marker
    assert row["no_alias"] == no_alias


# --- who stands for whom ----------------------------------------------------------------------------------------------


def match(users, salto, departed=()):
    people, _, _ = wanted(*users)
    found, problems = match_users(people, known(*salto), pd.Series(list(departed), dtype="str"))
    return found.set_index("user_id"), codes(problems)


def test_nobody_of_that_marker_or_email_is_missing():
    people, problems = match([user("u_1")], [salto_user(2)])

    assert people.loc["u_1", ["site_user_id", "ours", "adopt", "usable"]].tolist()[1:] == [False, False, True]
    assert pd.isna(people.loc["u_1", "site_user_id"])
    assert problems == []


def test_an_empty_site_and_an_empty_hector_match_nobody():
    assert match([], [])[0].empty
    assert match([], [salto_user(1)])[0].empty
    assert match([user("u_1")], [])[0]["ours"].tolist() == [False]


def test_the_marker_matches_although_the_email_has_changed():
    people, _ = match([user("u_1", "new@x.example")], [salto_user(1, "old@x.example")])

    assert people.loc["u_1", "site_user_id"] == "s_1"
    assert people.loc["u_1", "ours"]


def test_an_email_with_an_empty_alias_is_adopted():
    people, _ = match([user("u_1", "a@x.example")], [salto_user(1, "A@x.example ", alias=None)])

    assert people.loc["u_1", ["site_user_id", "adopt", "ours"]].tolist() == ["s_1", True, True]


def test_an_email_with_an_alias_written_by_hand_is_matched_but_not_ours():
    people, _ = match([user("u_1")], [salto_user(1, alias="Ana from cleaning")])

    assert people.loc["u_1", ["site_user_id", "adopt", "ours", "usable"]].tolist() == ["s_1", False, False, True]


def test_the_marker_wins_over_the_email():
    people, problems = match(
        [user("u_1", "a@x.example")], [salto_user(1, "old@x.example"), salto_user(2, "a@x.example", alias=None)]
    )

    assert people.loc["u_1", "site_user_id"] == "s_1"
    assert problems == []


def test_two_salto_users_with_one_marker_are_reported_and_nothing_is_decided():
    people, problems = match([user("u_1")], [salto_user(1), salto_user(2, alias="hector:u_1")])

    assert not people.loc["u_1", "usable"]
    assert problems == ["salto_user_twice"]


def test_two_salto_users_with_one_email_are_reported_and_nothing_is_decided():
    people, problems = match(
        [user("u_1")], [salto_user(1, alias=None), salto_user(2, "u_1@school.example", alias=None)]
    )

    assert not people.loc["u_1", "usable"]
    assert problems == ["salto_user_twice"]


def test_somebody_registered_anew_takes_over_the_salto_user_of_their_former_self():
    people, _ = match([user("u_9", "a@x.example")], [salto_user(1, "a@x.example")], departed=["u_1"])

    assert people.loc["u_9", ["site_user_id", "adopt"]].tolist() == ["s_1", True]


def test_an_email_that_another_active_user_of_ours_keeps_decides_nothing():
    salto = [salto_user(1, "a@x.example", has_profile=True)]
    people, problems = match([user("u_1", "new@x.example"), user("u_9", "a@x.example")], salto)

    assert not people.loc["u_9", "usable"]
    assert problems == ["email_held"]


def test_an_email_that_another_user_of_ours_gives_up_in_this_run_is_free():
    people, problems = match([user("u_1", "new@x.example"), user("u_9", "a@x.example")], [salto_user(1, "a@x.example")])

    assert people.loc["u_1", "site_user_id"] == "s_1"
    assert pd.isna(people.loc["u_9", "site_user_id"])
    assert people["usable"].all()
    assert problems == []


def test_a_protected_user_is_matched_but_neither_ours_nor_adopted():
    people, problems = match([user("u_1")], [salto_user(1, alias=None, above_site_user=True)])

    assert people.loc["u_1", ["site_user_id", "protected", "ours", "adopt", "usable"]].tolist() == [
        "s_1",
        True,
        False,
        False,
        True,
    ]
    assert problems == []


def test_problems_do_not_depend_on_the_order_of_hector():
    """A shared email or code has the same subject in every run: that of the lowest id."""
    users = [user(f"u_{number}", "a@x.example" if number < 4 else ..., tag="7") for number in range(8)]

    found = [wanted(*order)[2] for order in (users, users[::-1], users[3:] + users[:3])]

    shown = [sorted(one[["code", "subject", "message"]].itertuples(index=False, name=None)) for one in found]
    assert shown[0] == shown[1] == shown[2]
    assert {row[1] for row in shown[0]} == {"user u_0"}


def test_a_list_in_a_message_has_a_limit():
    """One placeholder code for 3,000 accounts is one short message."""
    _, _, problems = wanted(*(user(f"u_{number}", tag="7") for number in range(3000)))

    (message,) = problems["message"]
    assert "u_0, u_1, u_10, u_100, u_1000 and 2,995 more" in message
    assert len(message) < 200


def test_names_and_emails_as_they_are_sent():
    people, *_ = wanted(
        user("u_1", " Zo\u0065\u0301@X.example\u200b", first_name="Zo\u0065\u0301\u00ad", last_name="\u200f")
    )

    assert people[["email", "address", "first_name", "last_name"]].iloc[0].tolist() == [
        "zoé@x.example",
        "Zoé@X.example",
        "Zoé",
        "-",
    ]


@pytest.mark.parametrize(
    "email",
    [
        "straße@school.example", "ana@straße.de", "zoé@école.fr", "用户@例子.广告", "ana@school.local", "ana@localhost",
        "ana@server.test", '"ana roy"@school.example', "o'brien+x@school.example", "ana@xn--nxasmq6b.com",
    ],
)  # fmt: skip
def test_addresses(email):
    assert wanted(user("u_1", email))[0]["address"].tolist() == [email]


@pytest.mark.parametrize(
    "email",
    [
        "unknown 0",
        "n/a",
        "ana",
        "@school.example",
        "ana@",
        "a..b@x.example",
        "a@x.example; b@x.example",
        "Ana <a@x.example>",
    ],
)
def test_no_addresses(email):
    assert wanted(user("u_1", email))[0]["address"].isna().all()
