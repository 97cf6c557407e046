"""What is news: on entry, on worsening, on recovery; never on every run."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hector_salto.alerts.conditions import (
    CLEANUP,
    CREDENTIALS,
    FAILED,
    HELD,
    PROBLEM,
    RECOVERED,
    STALE,
    TOKEN,
    Cause,
    Change,
    Condition,
    ProblemSummary,
    RunFacts,
    Told,
    kind_of,
    news,
    of_age,
    of_cleanup,
    of_run,
    subject_of,
)

NOW = datetime(2026, 1, 14, 21, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = RunFacts((), problems=())


def red(*causes: str, **facts) -> RunFacts:
    return RunFacts(tuple(Cause(kind_of(cause), cause) for cause in causes), **facts)


def held(number: int, digest: str, *causes: str) -> RunFacts:
    mine = Cause(HELD, f"{number} operations are held (limit); approve: {digest}")
    return RunFacts((mine, *red(*causes).causes), held=number, digest=digest, problems=())


def keep(open_: dict[str, Told], change: Change) -> None:
    """As the ledger does."""
    if change.change == RECOVERED:
        del open_[change.condition]
        return
    before = open_[change.condition].marks if change.condition in open_ else frozenset()
    open_[change.condition] = Told(change.severity, change.text, before | change.marks)


def changes_of(judgements) -> list[list[Change]]:
    open_: dict[str, Told] = {}
    told = []
    for found, judged in judgements:
        told.append(news(open_, found, judged))
        for change in told[-1]:
            keep(open_, change)
    return told


def after(*runs: RunFacts) -> list[list[tuple[str, str]]]:
    """The news of each of some runs, one after the other: (change, condition)."""
    return [[(one.change, one.condition) for one in changes] for changes in changes_of(of_run(run) for run in runs)]


def test_a_red_run_is_told_once_and_its_end_once():
    away = red("extract_users: Hector is away")

    assert after(away, away, away, GOOD, GOOD) == [[("entered", FAILED)], [], [], [("recovered", FAILED)], []]


def test_a_run_that_never_planned_says_nothing_about_problems_and_what_is_held():
    problem = ProblemSummary("tag_unknown", "user u_1", "the code is no tag", "create it")
    first = RunFacts((Cause(HELD, "12 are held"),), held=12, digest="abc", problems=(problem,))
    told = after(first, red("plan: Salto is away"), GOOD)

    assert [name for _, name in told[0]] == [HELD, "problem:tag_unknown:user u_1"]
    assert told[1] == [("entered", FAILED)]
    assert {name for change, name in told[2] if change == RECOVERED} == {FAILED, HELD, "problem:tag_unknown:user u_1"}


def test_a_failure_of_another_kind_is_told_while_red_and_each_kind_once():
    tag = red("failed: tag_assign user u_7: 409", problems=())
    group = red("failed: group_create Hector_12: 500", problems=())
    told = changes_of(of_run(run) for run in (tag, group, tag, group, GOOD))

    assert [[one.text for one in changes] for changes in told] == [
        ["the run ended red: failed: tag_assign user u_7: 409"],
        ["the run ended red: failed: group_create Hector_12: 500"],
        [],
        [],
        ["the sync is green again"],
    ]


def test_another_number_or_name_is_no_other_kind_of_failure():
    runs = [
        red("failed: tag_assign user u_7: 409", "not_sent: member_add Hector_1", problems=()),
        red("failed: tag_assign user u_8: 409", "failed: tag_assign user u_9: 409", problems=()),
    ]

    assert after(*runs, red("no answer after 30 s"), red("no answer after 31 s"))[1:] == [[], [("entered", FAILED)], []]


def test_a_failure_beside_others_is_told_in_its_own_words():
    told = changes_of(of_run(run) for run in (red("a: x"), red("a: x", "b: y", "c: z")))

    assert [one.text for one in told[1]] == ["the run ended red: b: y (and 1 more new kind of cause)"]


def test_more_held_is_worse_another_set_is_new_and_the_same_is_no_news():
    told = after(held(10, "a"), held(10, "a"), held(12, "b"), held(11, "c"), held(11, "d"), held(11, "d"))

    assert told == [[("entered", HELD)], [], [("worsened", HELD)], [("entered", HELD)], [("entered", HELD)], []]


def test_two_held_sets_that_take_turns_are_told_once_each():
    told = after(*(held(number, digest) for number, digest in [(10, "a"), (8, "b")] * 4))

    assert told[:3] == [[("entered", HELD)], [("entered", HELD)], [("worsened", HELD)]]
    assert told[3:] == [[]] * 5


def test_a_held_set_is_told_once_in_a_mail_and_neither_begins_nor_ends_a_failure():
    told = after(held(2, "a"), held(2, "a", "plan: odd"), held(2, "a"), held(2, "a", "plan: odd"), GOOD)

    assert told == [[("entered", HELD)], [("entered", FAILED)], [], [], [("recovered", FAILED), ("recovered", HELD)]]
    found, _ = of_run(held(2, "a", "plan: odd"))
    assert "held" not in next(one for one in found if one.name == FAILED).text


@pytest.mark.parametrize(("days", "told"), [(15, []), (14, [TOKEN]), (0, [TOKEN])])
def test_a_token_is_told_of_from_14_days_on(days, told):
    (changes,) = after(RunFacts((), problems=(), token_days=days))

    assert [name for _, name in changes] == told


def test_a_token_that_runs_out_is_told_at_14_7_3_1_and_0_days_only():
    told = after(*(RunFacts((), problems=(), token_days=days) for days in range(16, -1, -1)))

    days = [16 - number for number, changes in enumerate(told) if changes]
    assert days == [14, 7, 3, 1, 0]


def refused(connection: str) -> RunFacts:
    sentence = f"{connection} is refused (401): put a valid one in"
    return RunFacts((Cause(CREDENTIALS, sentence),), refusals=((connection, sentence),))


def test_refused_credentials_are_told_apart_from_the_failure_and_another_refusal_anew():
    told = after(refused("hector"), refused("hector"), refused("salto"))

    assert told == [[("entered", CREDENTIALS), ("entered", FAILED)], [], [("entered", CREDENTIALS)]]


def test_a_run_that_did_not_ask_cannot_say_that_credentials_are_accepted_again():
    assert after(refused("salto"), red("extract_users: Hector is away"), refused("salto"))[2] == []


def test_a_cleanup_that_is_red_is_told_once_and_touches_no_condition_of_the_sync():
    bad = of_cleanup([Cause("plan: Unavailable", "plan: Salto is away")])
    told = changes_of([of_run(refused("salto")), bad, bad, of_cleanup([])])

    assert [[(one.change, one.condition) for one in changes] for changes in told[1:]] == [
        [("entered", CLEANUP)],
        [],
        [("recovered", CLEANUP)],
    ]


@pytest.mark.parametrize(
    ("age", "severity"),
    [(DAY, None), (2 * DAY, None), (2 * DAY + timedelta(seconds=1), 1), (4 * DAY, 1), (5 * DAY, 2), (9 * DAY, 3)],
)
def test_no_success_for_twice_the_interval_is_stale_and_gets_worse_as_it_doubles(age, severity):
    found = of_age(NOW - age, NOW - 100 * DAY, NOW, DAY)

    assert [one.severity for one in found] == ([severity] if severity else [])


@pytest.mark.parametrize("minutes", [1, 5, 15, 60, 24 * 60])
def test_a_site_that_is_stale_for_a_fortnight_is_told_of_a_handful_of_times(minutes):
    interval = timedelta(minutes=minutes)
    looks = [NOW + number * min(interval, timedelta(minutes=15)) for number in range(14 * 96)]
    told = changes_of((of_age(NOW, NOW, look, interval), frozenset({STALE})) for look in looks)

    days = [(look - NOW) // DAY for look, changes in zip(looks, told, strict=True) if changes]
    assert len(days) <= 5
    assert max(days.count(day) for day in days) == 1


def test_a_site_that_never_had_a_good_run_is_stale_from_its_first_run_on():
    assert of_age(None, NOW - DAY, NOW, DAY) == []
    (found,) = of_age(None, NOW - 3 * DAY, NOW, DAY)
    assert found.text == "no sync has succeeded for 72 hours, twice its interval is 48 hours"


def test_a_short_interval_is_told_in_minutes():
    (found,) = of_age(None, NOW - timedelta(minutes=11), NOW, timedelta(minutes=5))

    assert found.text == "no sync has succeeded for 11 minutes, twice its interval is 10 minutes"


def test_one_thing_to_mend_is_one_condition_however_many_reservations_it_concerns():
    def offline(*references):
        told = (f"reservation {one}: a door will stay shut: door Studio 204 is offline" for one in references)
        return RunFacts(
            (), problems=tuple(ProblemSummary("risk_lock", "lock Studio 204", one, "see to it") for one in told)
        )

    told = changes_of(of_run(run) for run in (offline("1", "2", "3"), offline("2", "3"), offline("4"), GOOD))

    assert [len(changes) for changes in told] == [1, 0, 0, 1]
    first = "reservation 1: a door will stay shut: door Studio 204 is offline (and 2 more of lock Studio 204)"
    assert told[0][0].told == f"{first}. Next step: see to it"
    assert told[3][0].told == f"over: {first}"


def test_the_end_of_a_problem_is_told_in_words():
    problem = ProblemSummary(
        "code_missing", "user u_17", "user u_17 holds a reservation but has no tag", "enter the number"
    )
    told = changes_of(of_run(run) for run in (RunFacts((), problems=(problem,)), GOOD))

    assert [one.told for one in told[1]] == ["over: user u_17 holds a reservation but has no tag"]


def test_one_of_anything_is_told_as_one():
    facts = RunFacts(
        (Cause(HELD, "x"), Cause("b", "b"), Cause("c", "c")), held=1, digest="d", problems=(), token_days=1
    )
    found, _ = of_run(facts)

    assert [one.text for one in found] == [
        "the run ended red: b (and 1 more cause)",
        "1 operation is held back",
        "Hector's token expires in 1 day",
    ]


def test_the_subject_counts_problems_and_names_the_rest():
    found = [Condition(FAILED, 1, "x"), Condition(f"{PROBLEM}a:b", 1, "y")]
    changes = news({STALE: Told(1, "late")}, found, {STALE})

    assert subject_of("campus", changes) == "Salto sync campus: new: failed, 1 problem; recovered: stale"
    assert subject_of("campus", [*changes, *changes]) == subject_of("campus", changes)


NAMES = st.sampled_from([FAILED, HELD, CREDENTIALS, TOKEN, f"{PROBLEM}tag_unknown:user u_1"])
WRONG = st.tuples(st.integers(1, 3), st.frozensets(st.sampled_from("abc")))


@given(st.lists(st.dictionaries(NAMES, WRONG), max_size=8))
def test_whoever_reads_only_the_news_knows_what_is_wrong(states):
    """Applied one after the other, the changes lead to exactly the conditions of the last run; equal runs tell nothing."""
    judged = {FAILED, HELD, CREDENTIALS, TOKEN, PROBLEM}
    open_: dict[str, Told] = {}
    for state in states:
        found = [Condition(name, severity, "x", marks=dict.fromkeys(m, "m")) for name, (severity, m) in state.items()]
        for change in news(open_, found, judged):
            keep(open_, change)
        assert set(open_) == set(state)
        assert all(open_[name].severity >= severity for name, (severity, _) in state.items())
        assert all(open_[name].marks >= marks for name, (_, marks) in state.items())
        assert news(open_, found, judged) == []


@given(st.lists(WRONG, max_size=30))
def test_whatever_runs_find_without_a_recovery_between_no_mark_is_told_twice_and_the_rest_only_gets_worse(states):
    told = changes_of(([Condition(HELD, severity, "x", marks=dict.fromkeys(m, "m"))], {HELD}) for severity, m in states)

    severities = [change.severity for changes in told for change in changes]
    fresh = 3 + 1  # each mark, and the entry
    falls = sum(later <= earlier for earlier, later in itertools.pairwise(severities))
    assert falls <= fresh
