import json

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.current import Current, Groups
from hector_salto.access.desired import build_desired_state
from hector_salto.access.operations import CAUSES, HELD, KINDS
from hector_salto.access.people import HectorPeople
from hector_salto.access.plan import make_cleanup_plan, make_plan
from hector_salto.access.reservations import HectorReservations
from hector_salto.access.settings import AccessRules, Limits, OfficeMode
from tests.access.tables import (
    LATER,
    NOW,
    PAST,
    booking,
    codes,
    current,
    desired,
    group,
    hector_people,
    kinds,
    loaners,
    lock,
    markers,
    moves,
    ours,
    place,
    plan,
    salto_user,
    tag,
    user,
)

USERS = [user(f"u_{n}", tag=str(n), department_id="d_1") for n in range(1, 8)]
PLACES = [place("p_1", "Door 1"), place("p_2", "Door 2"), place("p_3", "Nowhere")]
LOCKS = [lock("k1", "Door 1"), lock("k2", "Door 2")]
BUSY_BOOKINGS = [
    booking("1"),
    booking("2", ["u_2", "u_3"], ["p_1", "p_2"], start=3, finish=4),
    booking("3", "u_3", "p_2", start=5, finish=6),
    booking("4", "u_6", "p_1", start=30, finish=33),
    booking("5", "u_5", "p_3"),
    booking("6", "u_1", status="cancelled"),
]
BUSY_GROUPS = [
    ours("g1", "Hector_1", ["p1", "p2"], ["k1", "k2"], **LATER),
    ours("g3", "Hector_3", ["p4"], ["k1"]),
    ours("g6", "Hector_6"),
    ours("g9", "Hector_9", **PAST),
    ours("g10", "Hector_9b", ["p2"], ["k2"]),
]
BUSY_USERS = [
    salto_user(1, office_mode=True),
    salto_user(2, alias=None),
    salto_user(3, "old@x.example"),
    salto_user(4, subscription_state="suspended"),
    salto_user(77, office_mode=True),
]
BUSY_TAGS = [tag("1", "s_2"), tag("2", "s_1"), tag("3"), tag("4"), tag("6")]
BUSY_RULES = AccessRules(office_mode=OfficeMode(groups=("T",)), delete_users=True, limits=Limits(100, 100))


def busy(shuffled=None, **options):
    """A plan with nearly every kind of operation; ``shuffled``: the rows of every input in another order."""

    def mixed(table):
        return table if shuffled is None else table.sample(frac=1, random_state=shuffled).reset_index(drop=True)

    people = hector_people(USERS, [("u_3", "g_1"), ("u_5", "g_1")], [("g_1", "T", None)], [("d_1", "Music")])
    people = HectorPeople(*(mixed(table) for table in vars(people).values()))
    booked = HectorReservations(*(mixed(table) for table in vars(loaners(BUSY_BOOKINGS)).values()))
    salto_users = [row | {"tag": {"s_1": "2", "s_2": "1"}.get(row["site_user_id"])} for row in BUSY_USERS]
    have = current(salto_users, BUSY_TAGS, LOCKS, options.pop("groups", BUSY_GROUPS))
    tables = {name: mixed(getattr(have, name)) for name in ("users", "tags", "locks")}
    have = Current(
        **(vars(have) | tables | {"groups": Groups(*(mixed(table) for table in vars(have.groups).values()))})
    )
    rules = options.pop("rules", BUSY_RULES)
    wanted = build_desired_state(people, mixed(schemas.frame(schemas.HECTOR_PLACES, PLACES)), booked, rules, as_of=NOW)
    return make_plan(wanted, have, rules, as_of=NOW, **({"created": markers(have)} | options))


@pytest.fixture(scope="module")
def plain():
    return busy()


# --- the same inputs, the same plan -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shuffled_inputs_give_the_same_bytes(plain, seed):
    other = busy(seed)

    for table in ("operations", "problems", "decisions", "timetable"):
        assert getattr(other, table).to_csv(index=False) == getattr(plain, table).to_csv(index=False), table
    assert other.fingerprint == plain.fingerprint


def test_the_plan_stands_in_the_order_of_phases_and_kinds(plain):
    order = [(row.phase, KINDS[row.kind].order) for row in plain.operations.itertuples()]

    assert order == sorted(order)
    assert {row.phase for row in plain.operations.itertuples()} == {1, 2, 3, 4}
    assert all(KINDS[row.kind].phase == row.phase for row in plain.operations.itertuples())


def test_the_busy_plan_shows_nearly_every_kind(plain):
    assert set(KINDS) - set(kinds(plain)) == {"schedule_delete", "schedule_create", "user_suspend"}


def test_every_operation_says_what_why_for_whom_and_how_it_fails(plain):
    found = plain.operations

    assert found["key"].is_unique
    assert found["reason"].str.strip().ne("").all()
    assert found["cause"].isin(CAUSES).all()
    about_groups = found["kind"].map(lambda kind: KINDS[kind].subject).eq("group")
    assert (found.loc[about_groups, "unit"] == "reservation " + found.loc[about_groups, "reference"]).all()
    assert (found.loc[~about_groups, "unit"] == "person " + found.loc[~about_groups, "user_id"]).all()


def test_no_tag_number_stands_in_a_plan(plain):
    assert not plain.operations.astype("str").apply(lambda column: column.str.contains("tag_number")).any(axis=None)


def test_the_timetable_lists_whom_each_window_lets_in_where(plain):
    rows = plain.timetable[["reference", "user_id", "lock"]].to_numpy().tolist()

    assert rows == [
        ["1", "u_1", "Door 1"],
        ["2", "u_2", "Door 1"], ["2", "u_2", "Door 2"], ["2", "u_3", "Door 1"], ["2", "u_3", "Door 2"],
        ["3", "u_3", "Door 2"],
        ["4", "u_6", "Door 1"],
    ]  # fmt: skip


def test_the_decision_of_a_reservation_without_a_door_in_salto_says_so(plain):
    row = plain.decisions.set_index("reference").loc["5"]

    assert row["decision"] == "no_access"
    assert row["reason"] == "none of its places names a lock of this site"


def test_the_decision_of_a_reservation_that_opens_its_door_stays_what_it_was(plain):
    made = plan(desired([user("u_1")], PLACES, [booking("1")]), current([salto_user(1)], locks=LOCKS))

    assert made.decisions[["decision", "reason"]].to_numpy().tolist() == [["access", "its window opens its doors"]]


def test_somebody_whose_code_is_no_tag_yet_is_told_so_and_nothing_else():
    have = current([salto_user(1)], locks=LOCKS)

    assert codes(plan(desired([user("u_1", tag="7")], PLACES, [booking("1")]), have).problems) == [
        "lock_unknown",
        "tag_unknown",
    ]
    assert codes(plan(desired([user("u_1")], PLACES, [booking("1")]), have).problems) == [
        "code_missing",
        "lock_unknown",
    ]


def test_nothing_wanted_and_nothing_there_is_an_empty_plan():
    made = plan(desired(), current())

    assert kinds(made) == []
    assert made.digest is None


# --- only some references ---------------------------------------------------------------------------------------------


def test_only_the_named_reservations_and_their_people_are_touched():
    made = busy(references=["2"])

    assert set(made.operations["reference"].dropna()) == {"2"}
    people = made.operations[made.operations["reference"].isna()]
    assert set(people.loc[people["kind"].ne("tag_off"), "user_id"]) <= {"u_2", "u_3"}


def test_naming_references_removes_nothing_of_anybody_else(plain):
    made = busy(references=["2"])
    removals = made.operations[made.operations["removal"]]

    # Their own old tag, and the tag that must first come off its former holder.
    assert set(removals["kind"]) <= {"tag_off", "office_off"}
    assert set(made.operations["key"]) <= set(plain.operations["key"])


def test_a_reference_that_is_not_there_is_reported_and_removes_nothing_else():
    made = busy(references=["404"])

    assert kinds(made) == []
    assert "reference_not_found" in codes(made.problems)


def test_a_named_reservation_that_no_longer_earns_access_loses_its_own_group_only():
    assert moves(busy(references=["6"]), "group_name") == [("group_delete", "Hector_6")]


def test_no_reference_named_is_nothing_done():
    assert kinds(busy(references=[])) == []


def returning(**options):
    """Somebody without a tag stands in the group of a cancelled booking and has booked anew."""
    bookings = [booking("1", start=20, finish=21), booking("9", status="cancelled")]
    have = current([salto_user(1)], [tag("7")], LOCKS, [ours("g9", "Hector_9", ["p1"], ["k1"])])
    return plan(desired([user("u_1", tag="7")], PLACES, bookings), have, **options)


def test_a_tag_that_would_also_open_what_is_left_standing_waits_for_a_run_of_all():
    some = returning(references=["1"])

    assert kinds(some) == ["group_create", "lock_add", "member_add"]
    assert "waits_for_all" in codes(some.problems)
    assert "tag_on" in kinds(returning())
    assert "waits_for_all" not in codes(returning().problems)


def test_the_tag_of_a_named_reservations_person_first_comes_off_whoever_of_ours_has_it():
    users = [user("u_1", tag="7"), user("u_2", tag="8"), user("u_3")]
    have = current(
        [salto_user(1), salto_user(2, tag="7"), salto_user(3, tag="9")],
        [tag("7", "s_2"), tag("8"), tag("9", "s_3")],
        LOCKS,
    )
    some = plan(desired(users, PLACES, [booking("1")]), have, references=["1"])

    assert moves(some, "user_id", "tag_id")[:2] == [("tag_off", "u_2", "t_7"), ("group_create", None, None)]
    assert ("tag_on", "u_1", "t_7") in moves(some, "user_id", "tag_id")
    assert not {"t_8", "t_9"} & set(some.operations["tag_id"])


def test_the_plan_of_some_references_is_numbered_as_any_other_plan():
    assert busy(references=["2"]).operations.index.tolist() == list(range(len(busy(references=["2"]).operations)))


def test_a_tag_that_takes_anothers_place_waits_for_nothing():
    have = current(
        [salto_user(1, tag="8")], [tag("7"), tag("8", "s_1")], LOCKS, [ours("g9", "Hector_9", ["p1"], ["k1"])]
    )
    some = plan(desired([user("u_1", tag="7")], PLACES, [booking("1")]), have, references=["1"])

    assert kinds(some) == ["tag_off", "group_create", "tag_on", "lock_add", "member_add"]


def test_a_group_that_is_over_keeps_nobody_waiting():
    have = current([salto_user(1)], [tag("7")], LOCKS, [ours("g9", "Hector_9", ["p1"], ["k1"], **PAST)])
    some = plan(desired([user("u_1", tag="7")], PLACES, [booking("1")]), have, references=["1"])

    assert "tag_on" in kinds(some)


# --- held back --------------------------------------------------------------------------------------------------------


def crowd(count, bookings=(), **options):
    found = [ours(f"g{n}", f"Hector_{n}") for n in range(count)]
    users, salto = [user("u_1"), user("u_2")], [salto_user(1), salto_user(2)]
    return plan(desired(users, PLACES, bookings), current(salto, locks=LOCKS, found=found), **options)


KEEP = booking("0")


def test_many_withdrawals_are_held_and_the_rest_goes_on():
    made = crowd(12, [KEEP, booking("new", "u_2", "p_2")])

    assert made.held_operations["kind"].tolist() == ["group_delete"] * 11
    assert [hold.guard for hold in made.holds] == ["withdrawals"]
    ready = made.operations[made.operations["state"].eq("ready")]
    assert ready["kind"].tolist() == ["group_create", "lock_add", "member_add"]


def test_the_digest_lets_the_held_set_through_once():
    digest = crowd(12, [KEEP]).digest

    assert crowd(12, [KEEP], approve=digest).held_operations.empty
    assert not crowd(13, [KEEP], approve=digest).held_operations.empty


def test_an_empty_hector_takes_nothing_away_although_few_groups_are_live():
    made = crowd(2)

    assert made.held_operations["kind"].tolist() == ["group_delete", "group_delete"]
    assert [hold.guard for hold in made.holds] == ["empty"]


def test_what_builds_on_a_held_removal_of_its_group_is_held_too():
    found = [ours(f"g{n}", f"Hector_{n}") for n in range(12)]
    bookings = [booking(str(n), who="u_2", where="p_2") for n in range(12)]
    have = current([salto_user(1), salto_user(2)], locks=LOCKS, found=found)
    made = plan(desired([user("u_1"), user("u_2")], PLACES, bookings), have)

    assert made.operations["state"].eq(HELD).all()
    waiting = made.operations[made.operations["kind"].isin(["lock_add", "member_add"])]
    assert waiting["held_by"].eq("depends").all()


# --- the cleanup ------------------------------------------------------------------------------------------------------


def test_the_cleanup_removes_outdated_groups_of_ours_and_nothing_else():
    foreign = [
        ours("g7", "Hector_Staff", start="07:00:00", end="18:59:59"),
        group("g8", "Hector_8"),
        ours("g9", "Other", **PAST),
    ]
    found = [ours("g1", "Hector_1", **PAST), ours("g2", "Hector_2"), *foreign]
    made = make_cleanup_plan(current(locks=LOCKS, found=found), as_of=NOW)

    assert moves(made, "group_id", "cause") == [("group_delete", "g1", "expired")]
    assert codes(made.problems) == ["look_alike"]


def test_the_cleanup_of_a_site_without_groups_does_nothing():
    assert kinds(make_cleanup_plan(current(), as_of=NOW)) == []


def test_a_group_is_cleaned_up_at_the_moment_its_window_is_over():
    have = current(locks=LOCKS, found=[ours("g1", "Hector_1")])  # until 12:15 in Toronto
    over = pd.Timestamp("2026-01-14T17:15Z")

    assert kinds(make_cleanup_plan(have, as_of=over - pd.Timedelta(minutes=1))) == []
    assert kinds(make_cleanup_plan(have, as_of=over)) == ["group_delete"]


def test_the_before_of_a_withdrawn_group_counts_whom_and_what_it_held(plain):
    row = plain.operations.set_index("group_name").loc["Hector_9b"]

    assert json.loads(row["before"]) == {"users": 1, "locks": 1}
