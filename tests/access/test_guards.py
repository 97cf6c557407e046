import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.dependencies import DependencyTracker, rows, with_dependents_held
from hector_salto.access.guard_history import NOTHING_YET, GuardHistory, ReadCounts
from hector_salto.access.guards import GuardContext, LiveCounts, apply_guards, name_of
from hector_salto.access.operations import HELD, KINDS, READY, in_order, operations
from hector_salto.access.settings import Limits

READ = ReadCounts(users=100, reservations=100)
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


def guard(*tables, live=LiveCounts(100, 100), read=READ, limits=LIMITS, approve=None, history=NOTHING_YET, members=()):  # noqa: B008 - frozen
    inside = schemas.frame(
        schemas.SALTO_GROUP_USERS, [{"group_id": group, "platform_user_id": person} for group, person in members]
    )
    return apply_guards(in_order(list(tables)), GuardContext(live, read, history, inside), limits, approve=approve)


def held(*tables, **situation):
    """How many operations are held, by which guards, and what approves them."""
    found = guard(*tables, **situation)
    return int(found.operations["state"].eq(HELD).sum()), [hold.guard for hold in found.holds], found.digest


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

    assert held(table, live=LiveCounts(live, live))[0] == stopped


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.removal])
def test_every_kind_of_removal_counts(kind):
    assert held(ops(kind, 11), live=LiveCounts(11, 11))[:2] == (11, ["withdrawals"])


def test_a_narrowed_window_counts_and_a_widened_one_does_not():
    assert held(ops("schedule_change", 11, removal=True), live=LiveCounts(11, 11))[0] == 11
    assert held(ops("schedule_change", 11, removal=False), live=LiveCounts(11, 11))[0] == 0


@pytest.mark.parametrize(
    "kind", [name for name, kind in KINDS.items() if not kind.removal and name != "schedule_change"]
)
def test_giving_is_never_held(kind):
    assert held(ops(kind, 50), live=LiveCounts(1, 1))[0] == 0


def test_expired_groups_never_count():
    assert held(ops("group_delete", 50, cause="expired"), live=LiveCounts(1, 1))[0] == 0
    assert (
        held(ops("group_delete", 10), ops("group_delete", 50, first=100, cause="expired"), live=LiveCounts(10, 1))[0]
        == 0
    )


def test_expired_groups_go_on_while_withdrawn_ones_are_held():
    assert (
        held(ops("group_delete", 11), ops("group_delete", 5, first=100, cause="expired"), live=LiveCounts(11, 1))[0]
        == 11
    )


@pytest.mark.parametrize("kind", ["group_delete", "user_suspend"])
def test_what_hector_shows_as_ended_never_counts(kind):
    """Returned, completed or over is no withdrawal by absence, also when Hector shows nothing else."""
    assert held(ops(kind, 50, cause="ended"), live=LiveCounts(60, 60))[0] == 0
    assert held(ops(kind, 50, cause="ended"), live=LiveCounts(60, 60), read=ReadCounts(100, 0))[0] == 0


@pytest.mark.parametrize("kind", ["user_suspend", "user_delete"])
def test_a_user_whose_group_is_held_keeps_seat_and_record(kind):
    """Either would shut the door that the hold keeps open."""
    people = ops(kind, 2, cause="withdrawn")
    found = guard(ops("group_delete", 11), people, live=LiveCounts(11, 100), members=[("g3", "p1")])
    states = dict(zip(found.operations["key"], found.operations["state"], strict=True))

    assert [states[key] for key in people["key"]] == [READY, HELD]
    approved = guard(
        ops("group_delete", 11), people, live=LiveCounts(11, 100), members=[("g3", "p1")], approve=found.digest
    )
    assert len(approved.approved) == 12
    assert approved.approved_guards == {"withdrawals"}


def test_removals_of_different_kinds_count_together():
    assert held(ops("group_delete", 6), ops("member_remove", 5, first=100), live=LiveCounts(20, 20))[0] == 11


def test_the_hold_names_count_base_and_limits():
    holds = guard(ops("group_delete", 11), live=LiveCounts(20, 20)).holds

    assert (holds[0].count, holds[0].base) == (11, 20)
    assert all(part in holds[0].why for part in ("11 removals", "20 live", "hold_above 10", "hold_above_percent 10"))


def test_a_held_operation_says_which_guard_holds_it():
    table = guard(ops("group_delete", 11), live=LiveCounts(20, 20)).operations

    assert table["held_by"].eq("withdrawals").all()


def test_limits_of_zero_hold_every_removal():
    assert held(ops("group_delete", 1), limits=Limits(0, 0))[0] == 1


@pytest.mark.parametrize(("users", "reservations"), [(0, 5), (5, 0), (0, 0)])
def test_when_hector_shows_nothing_although_ours_are_live_every_removal_is_held(users, reservations):
    found = held(ops("group_delete", 1), ops("tag_off", 1), live=LiveCounts(1, 1), read=ReadCounts(users, reservations))

    assert found[0] == 2
    assert set(found[1]) == {"empty"}


def test_when_hector_shows_nothing_expired_groups_still_go():
    assert held(ops("group_delete", 3, cause="expired"), live=LiveCounts(1, 1), read=ReadCounts(0, 0))[0] == 0


def test_an_empty_hector_of_a_site_without_anything_of_ours_holds_nothing():
    assert held(ops("tag_off", 1), live=LiveCounts(0, 0), read=ReadCounts(0, 0))[0] == 0


# --- approval ---------------------------------------------------------------------------------------------------------


def test_the_digest_of_a_held_set_lets_exactly_that_set_through():
    table = ops("group_delete", 11)
    _, _, digest = held(table, live=LiveCounts(11, 1))

    assert held(table, live=LiveCounts(11, 1), approve=digest) == (0, [], None)
    assert held(table, live=LiveCounts(11, 1), approve=f" {digest}\n") == (0, [], None)


def test_the_digest_of_another_set_lets_nothing_through_and_there_is_a_new_one():
    _, _, digest = held(ops("group_delete", 11), live=LiveCounts(11, 1))
    count, _, other = held(ops("group_delete", 12), live=LiveCounts(12, 1), approve=digest)

    assert count == 12
    assert other != digest


def test_the_digest_changes_with_what_is_done_to_whom():
    table = ops("schedule_change", 11, removal=True, after="{}")

    assert name_of(table) != name_of(table.assign(after='{"end_time": "12:00"}'))
    assert name_of(table) != name_of(table.assign(key=table["key"] + "x"))


def test_the_digest_minds_no_order_and_no_wording():
    table = ops("group_delete", 11)

    assert name_of(table) == name_of(table.sample(frac=1, random_state=1).assign(reason="other words"))


@pytest.mark.parametrize("approve", ["", "0" * 16, "yes", None])
def test_no_other_word_approves(approve):
    assert held(ops("group_delete", 11), live=LiveCounts(11, 1), approve=approve)[0] == 11


def test_an_approval_is_good_once():
    """The same set, held again after it was let through, asks for another approval."""
    table, live = ops("office_off", 11), LiveCounts(1, 11)
    first = held(table, live=live)[2]
    let_through = guard(table, live=live, approve=first)
    used = GuardHistory(approvals={let_through.approved_set: 1})

    assert let_through.approved == set(table["key"])
    count, _, second = held(table, live=live, approve=first, history=used)
    assert count == 11
    assert second != first
    assert held(table, live=live, approve=second, history=used)[0] == 0


# --- slices -----------------------------------------------------------------------------------------------------------


def removed(*tables):
    return GuardHistory(removed=frozenset(key for table in tables for key in table["key"]))


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.removal])
@pytest.mark.parametrize(
    ("earlier", "now", "stopped"), [(9, 1, 0), (10, 0, 0), (10, 1, 1), (11, 1, 1), (1, 10, 10), (0, 10, 0)]
)
def test_removals_of_the_last_24_hours_count_and_only_what_is_planned_now_is_held(kind, earlier, now, stopped):
    table = ops(kind, now) if now else schemas.frame(schemas.OPERATIONS, [])
    history = removed(ops(kind, earlier, first=1000)) if earlier else NOTHING_YET

    assert held(table, live=LiveCounts(20, 20), history=history)[0] == stopped


def test_a_removal_that_is_planned_again_counts_once():
    """A run died after it had written down what it would send."""
    table = ops("group_delete", 10)

    assert held(table, live=LiveCounts(10, 10), history=removed(table))[0] == 0


def test_removals_of_people_and_of_groups_are_remembered_apart():
    assert held(ops("group_delete", 10), live=LiveCounts(10, 10), history=removed(ops("tag_off", 10, first=50)))[0] == 0


@pytest.mark.parametrize("slices", [(11,), (10, 1), (1,) * 11, (4, 4, 3), (5, 6)])
@pytest.mark.parametrize(("live", "all_go"), [(109, False), (110, True)])
@pytest.mark.parametrize("kind", ["group_delete", "user_delete"])
def test_a_set_in_slices_meets_the_limit_where_the_whole_would(slices, live, all_go, kind):
    gone, sent = schemas.frame(schemas.OPERATIONS, []), 0
    for number in slices:
        table = ops(kind, number, first=sent)
        count, _, _ = held(table, live=LiveCounts(live - sent, live - sent), history=removed(gone))
        if count:
            break
        sent += number
        gone = pd.concat([gone, table])

    assert (sent == 11) is all_go


def test_the_hold_tells_what_went_before():
    history = removed(ops("group_delete", 7, first=50))
    holds = guard(ops("group_delete", 4), live=LiveCounts(13, 20), history=history).holds

    assert holds[0].why.startswith(
        "11 removals (7 of them in the last 24 hours) from 20 live groups; limits: hold_above 10"
    )


# --- Hector shows much less than before -------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["users", "reservations"])
@pytest.mark.parametrize(
    ("before", "after", "stopped"),
    [
        (40, 20, False), (41, 20, True),  # half is not more than half
        (39, 20, False), (39, 19, True), (38, 19, False), (30, 11, False), (30, 10, True),  # 19 is not 20
        (19, 1, False), (21, 1, True), (100, 50, False), (100, 49, True), (100, 101, False),
    ],
)  # fmt: skip
def test_when_hector_shows_less_than_half_every_removal_is_held_exactly(what, before, after, stopped):
    numbers = {"users": 500, "reservations": 500}
    history = GuardHistory(read=ReadCounts(**(numbers | {what: before})))
    table = [ops("group_delete", 1), ops("tag_off", 1), ops("group_delete", 1, first=9, cause="expired")]
    found = held(*table, read=ReadCounts(**(numbers | {what: after})), history=history)

    assert found[:2] == ((2, ["shrink"]) if stopped else (0, []))


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.removal])
def test_shrinking_holds_every_kind_of_removal(kind):
    found = held(ops(kind, 1), read=ReadCounts(10, 100), history=GuardHistory(read=ReadCounts(100, 100)))

    assert found[:2] == (1, ["shrink"])


def test_shrinking_is_told_with_both_numbers_and_limits():
    found = guard(ops("tag_off", 1), read=ReadCounts(40, 100), history=GuardHistory(read=ReadCounts(100, 100)))

    assert (
        found.holds[0].why
        == "Hector shows 40 users, 100 in the last good run; limit: more than half gone, and 20 or more"
    )
    assert (found.holds[0].count, found.holds[0].base) == (60, 100)


def test_without_a_good_run_before_nothing_has_shrunk():
    assert held(ops("tag_off", 1), read=ReadCounts(1, 1))[0] == 0


# --- most of a large group --------------------------------------------------------------------------------------------


def leaving(group, numbers):
    people = [f"p{number}" for number in numbers]
    table = pd.DataFrame(
        {"reference": "1", "group_id": group, "group_name": f"Hector_{group}", "platform_user_id": people}
    )
    return operations("member_remove", table, cause="moved", reason="because", unit="reservation 1")


def inside(group, count):
    return [(group, f"p{number}") for number in range(count)]


GENEROUS = Limits(hold_above=1000, hold_above_percent=100)


@pytest.mark.parametrize(
    ("size", "gone", "stopped"),
    [(9, 9, False), (10, 5, False), (10, 6, True), (10, 10, True), (11, 5, False), (11, 6, True), (11, 0, False), (12, 6, False), (12, 7, True), (1, 1, False)],
)  # fmt: skip
def test_a_group_of_ten_that_loses_more_than_half_its_people_is_held_exactly(size, gone, stopped):
    table = leaving("g1", range(gone)) if gone else schemas.frame(schemas.OPERATIONS, [])
    found = held(table, members=inside("g1", size), limits=GENEROUS)

    assert found[:2] == ((gone, ["group"]) if stopped else (0, []))


@pytest.mark.parametrize(("size", "stopped"), [(9, False), (10, True), (11, True)])
@pytest.mark.parametrize("cause", ["withdrawn", "expired"])
def test_a_large_group_that_goes_as_a_whole_is_held_unless_its_window_is_over(size, stopped, cause):
    found = held(ops("group_delete", 1, cause=cause), members=inside("g0", size), limits=GENEROUS)

    assert found[0] == int(stopped and cause == "withdrawn")


def test_of_a_held_group_every_removal_is_held_and_other_groups_go_on():
    window = ops("schedule_change", 1, removal=True, cause="moved").assign(group_id="g1")
    other = leaving("g2", [50])
    found = guard(leaving("g1", range(6)), window, other, members=[*inside("g1", 10), ("g2", "p50")], limits=GENEROUS)

    assert set(found.operations.loc[found.operations["state"].eq(HELD), "group_id"]) == {"g1"}
    assert int(found.operations["state"].eq(HELD).sum()) == 7
    assert found.holds[0].why == "6 of 10 people of Hector_g1 lose access; limit: half of a group of 10 or more"


def test_people_of_a_large_group_who_left_in_the_last_24_hours_count():
    earlier = removed(leaving("g1", range(5)))
    rest = [("g1", f"p{number}") for number in range(5, 10)]

    assert held(leaving("g1", [5]), members=rest, history=earlier, limits=GENEROUS)[:2] == (1, ["group"])
    assert held(leaving("g1", [5]), members=rest, limits=GENEROUS)[0] == 0


# --- what builds on it ------------------------------------------------------------------------------------------------

MEMBERS = {"g0": frozenset({"p0", "p1"}), "g1": frozenset({"p1"})}


def blocked_by(first, second):
    standing = DependencyTracker(MEMBERS)
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
    if (kind, waiting) != ("tag_off", "tag_on"):
        assert blocked_by(ops(kind, 1), ops(waiting, 1))


def test_a_tag_that_stays_on_is_replaced_by_the_users_new_one():
    assert not blocked_by(ops("tag_off", 1, tag_id="old"), ops("tag_on", 1, tag_id="new"))


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


def test_somebody_new_in_a_group_waits_for_nobody_inside_it():
    assert not blocked_by(ops("tag_off", 1, first=1), ops("member_add", 1, first=5, group_id="g0"))


@pytest.mark.parametrize("waiting", ["lock_add", "member_add"])
def test_a_group_that_could_not_be_made_is_known_by_its_name(waiting):
    assert blocked_by(ops("group_create", 1, group_id=None), ops(waiting, 1, group_id=None))
    assert not blocked_by(ops("group_create", 1, group_id=None), ops(waiting, 1, first=4, group_id=None))


@pytest.mark.parametrize("waiting", ["tag_on", "office_on"])
def test_somebody_is_known_by_their_site_user_too(waiting):
    assert blocked_by(ops("office_off", 1, platform_user_id=None), ops(waiting, 1, platform_user_id=None))


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
