import pandas as pd
import pytest

from include.access import schemas
from include.access.guards import Live, Read, digest_of, guarded
from include.access.operations import HELD, KINDS, READY, in_order, operations
from include.access.order import Standing, rows, with_dependents_held
from include.access.rules import Limits

READ = Read(users=100, reservations=100)
LIMITS = Limits(hold_above=10, hold_above_percent=10)


def ops(kind, count, *, first=0, cause="withdrawn", removal=None, **columns):
    """So many operations of one kind, each on its own group or person."""
    about_somebody = KINDS[kind].subject == "person" or kind.startswith("member")
    names = [str(number) for number in range(first, first + count)]
    subject = "g" if KINDS[kind].subject == "group" else "s"
    table = pd.DataFrame(
        {
            "reference": names if subject == "g" else None,
            "group_name": [f"Hector_{name}" for name in names] if subject == "g" else None,
            "group_id": [f"g{name}" for name in names] if subject == "g" else None,
            "user_id": [f"u_{name}" for name in names] if about_somebody else None,
            "site_user_id": [f"s_{name}" for name in names] if subject == "s" else None,
            "platform_user_id": [f"p{name}" for name in names] if about_somebody else None,
        }
    )
    extra = {"removal": pd.Series(removal, index=table.index)} if removal is not None else {}
    table = table.assign(unit=[f"unit {name}" for name in names], **columns)
    return operations(kind, table, cause=cause, reason="because", **extra)


def held(*tables, live=Live(100, 100), read=READ, limits=LIMITS, approve=None):  # noqa: B008 - frozen
    table, holds, digest = guarded(in_order(list(tables)), live, read, limits, approve=approve)
    return int(table["state"].eq(HELD).sum()), [hold.guard for hold in holds], digest


@pytest.mark.parametrize(
    ("count", "live", "stopped"),
    [
        (0, 0, 0), (1, 1, 0), (9, 9, 0), (10, 10, 0),  # at most hold_above: never held, whatever the share
        (11, 11, 11), (11, 109, 11),  # above both
        (11, 110, 0), (11, 111, 0),  # 11 of 110 is exactly ten per cent
        (12, 119, 12), (12, 120, 0), (100, 1000, 0), (101, 1000, 101),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["group_delete", "user_delete"])
def test_removals_are_held_above_both_limits_exactly(kind, count, live, stopped):
    table = ops(kind, count) if count else schemas.frame(schemas.OPERATIONS, [])

    assert held(table, live=Live(live, live))[0] == stopped


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.removal])
def test_every_kind_of_removal_counts(kind):
    assert held(ops(kind, 11), live=Live(11, 11))[:2] == (11, ["withdrawals"])


def test_a_narrowed_window_counts_and_a_widened_one_does_not():
    assert held(ops("schedule_change", 11, removal=True), live=Live(11, 11))[0] == 11
    assert held(ops("schedule_change", 11, removal=False), live=Live(11, 11))[0] == 0


@pytest.mark.parametrize(
    "kind", [name for name, kind in KINDS.items() if not kind.removal and name != "schedule_change"]
)
def test_giving_is_never_held(kind):
    assert held(ops(kind, 50), live=Live(1, 1))[0] == 0


def test_expired_groups_never_count():
    assert held(ops("group_delete", 50, cause="expired"), live=Live(1, 1))[0] == 0
    assert held(ops("group_delete", 10), ops("group_delete", 50, first=100, cause="expired"), live=Live(10, 1))[0] == 0


def test_expired_groups_go_on_while_withdrawn_ones_are_held():
    assert held(ops("group_delete", 11), ops("group_delete", 5, first=100, cause="expired"), live=Live(11, 1))[0] == 11


def test_removals_of_different_kinds_count_together():
    assert held(ops("group_delete", 6), ops("member_remove", 5, first=100), live=Live(20, 20))[0] == 11


def test_the_hold_names_count_base_and_limits():
    _, holds, _ = guarded(ops("group_delete", 11), Live(20, 20), READ, LIMITS, approve=None)

    assert holds[0].count == 11
    assert all(part in holds[0].why for part in ("11 removals", "20 live", "hold_above 10", "hold_above_percent 10"))


def test_a_held_operation_says_which_guard_holds_it():
    table, _, _ = guarded(ops("group_delete", 11), Live(20, 20), READ, LIMITS, approve=None)

    assert table["reason"].str.startswith("held by the guard withdrawals").all()


def test_limits_of_zero_hold_every_removal():
    assert held(ops("group_delete", 1), limits=Limits(0, 0))[0] == 1


@pytest.mark.parametrize(("users", "reservations"), [(0, 5), (5, 0), (0, 0)])
def test_when_hector_shows_nothing_although_ours_are_live_every_removal_is_held(users, reservations):
    found = held(ops("group_delete", 1), ops("tag_off", 1), live=Live(1, 1), read=Read(users, reservations))

    assert found[:2] == (2, ["empty"])


def test_when_hector_shows_nothing_expired_groups_still_go():
    assert held(ops("group_delete", 3, cause="expired"), live=Live(1, 1), read=Read(0, 0))[0] == 0


def test_an_empty_hector_of_a_site_without_anything_of_ours_holds_nothing():
    assert held(ops("tag_off", 1), live=Live(0, 0), read=Read(0, 0))[0] == 0


# --- approval ---------------------------------------------------------------------------------------------------------


def test_the_digest_of_a_held_set_lets_exactly_that_set_through():
    table = ops("group_delete", 11)
    _, _, digest = held(table, live=Live(11, 1))

    assert held(table, live=Live(11, 1), approve=digest) == (0, [], None)
    assert held(table, live=Live(11, 1), approve=f" {digest}\n") == (0, [], None)


def test_the_digest_of_another_set_lets_nothing_through_and_there_is_a_new_one():
    _, _, digest = held(ops("group_delete", 11), live=Live(11, 1))
    count, _, other = held(ops("group_delete", 12), live=Live(12, 1), approve=digest)

    assert count == 12
    assert other != digest


def test_the_digest_changes_with_what_is_done_to_whom():
    table = ops("schedule_change", 11, removal=True, after="{}")

    assert digest_of(table) != digest_of(table.assign(after='{"end_time": "12:00"}'))
    assert digest_of(table) != digest_of(table.assign(key=table["key"] + "x"))


def test_the_digest_minds_no_order_and_no_wording():
    table = ops("group_delete", 11)

    assert digest_of(table) == digest_of(table.sample(frac=1, random_state=1).assign(reason="other words"))


@pytest.mark.parametrize("approve", ["", "0" * 16, "yes", None])
def test_no_other_word_approves(approve):
    assert held(ops("group_delete", 11), live=Live(11, 1), approve=approve)[0] == 11


# --- what builds on it ------------------------------------------------------------------------------------------------

MEMBERS = {"g0": frozenset({"p0", "p1"}), "g1": frozenset({"p1"})}


def blocked_by(first, second):
    standing = Standing(MEMBERS)
    standing.note(rows(first)[0])
    return standing.blocks(rows(second)[0])


@pytest.mark.parametrize(
    "kind", ["group_delete", "member_remove", "lock_remove", "schedule_delete", "schedule_change", "schedule_create"]
)
@pytest.mark.parametrize("waiting", ["schedule_change", "schedule_create", "lock_add", "member_add"])
def test_a_group_with_something_standing_is_not_widened(kind, waiting):
    if kind != waiting:
        assert blocked_by(ops(kind, 1), ops(waiting, 1))


@pytest.mark.parametrize("kind", ["member_remove", "tag_off", "office_off", "user_suspend"])
@pytest.mark.parametrize("waiting", ["tag_on", "office_on", "user_subscribe", "user_email"])
def test_a_person_with_something_standing_gets_nothing_new(kind, waiting):
    assert blocked_by(ops(kind, 1), ops(waiting, 1))


@pytest.mark.parametrize("waiting", ["tag_on", "office_on", "user_subscribe"])
def test_the_people_inside_a_group_that_stands_get_nothing_new(waiting):
    assert blocked_by(ops("group_delete", 1), ops(waiting, 1, first=1))


def test_a_group_that_holds_somebody_whose_tag_stands_gets_no_new_door():
    assert blocked_by(ops("tag_off", 1, first=1), ops("lock_add", 1))


def test_a_tag_that_is_still_in_another_hand_is_not_given():
    assert blocked_by(ops("tag_off", 1, first=8, tag_id="t_1"), ops("tag_on", 1, tag_id="t_1"))


def test_strangers_do_not_wait_for_each_other():
    assert not blocked_by(ops("group_delete", 1), ops("lock_add", 1, first=5))
    assert not blocked_by(ops("tag_off", 1, first=8, tag_id="t_1"), ops("tag_on", 1, first=5, tag_id="t_2"))


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.phase == 1])
def test_taking_away_never_waits(kind):
    assert not blocked_by(ops("group_delete", 1), ops(kind, 1))


@pytest.mark.parametrize("waiting", ["tag_on", "office_on", "member_add"])
def test_nothing_is_given_to_somebody_who_could_not_be_made(waiting):
    new = {"site_user_id": None, "platform_user_id": None}

    assert blocked_by(ops("user_create", 1, **new), ops(waiting, 1, **new))


def test_what_builds_on_a_held_removal_is_held_and_what_builds_on_that_too():
    plan = in_order(
        [
            ops("member_remove", 1).assign(state=HELD),
            ops("schedule_change", 1),
            ops("member_add", 1, first=5, group_id="g0"),
            ops("tag_on", 1, first=7),
        ]
    )
    found = with_dependents_held(plan, MEMBERS).set_index("kind")["state"].to_dict()

    assert found == {"member_remove": HELD, "schedule_change": HELD, "member_add": HELD, "tag_on": READY}
