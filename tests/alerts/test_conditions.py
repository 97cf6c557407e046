"""What is news: on entry, on worsening, on recovery; never on every run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.alerts.conditions import (
    CREDENTIALS,
    FAILED,
    HELD,
    PROBLEM,
    RECOVERED,
    STALE,
    TOKEN,
    Condition,
    RunFacts,
    news,
    of_age,
    of_run,
    subject_of,
)

NOW = datetime(2026, 1, 14, 21, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = RunFacts((), problems=())


def after(*runs: RunFacts) -> list[list[tuple[str, str]]]:
    """The news of each of some runs, one after the other: (change, condition)."""
    open_: dict[str, int] = {}
    told = []
    for run in runs:
        changes = news(open_, *of_run(run))
        for change in changes:
            open_[change.condition] = change.severity
            if change.change == RECOVERED:
                del open_[change.condition]
        told.append([(change.change, change.condition) for change in changes])
    return told


def test_a_red_run_is_told_once_and_its_end_once():
    red = RunFacts(("extract_users: Hector is away",))

    assert after(red, red, red, GOOD, GOOD) == [[("entered", FAILED)], [], [], [("recovered", FAILED)], []]


def test_a_run_that_never_planned_says_nothing_about_problems_and_what_is_held():
    problem = ("tag_unknown", "user u_1", "the code is no tag. Next step: create it")
    held = RunFacts(("12 are held",), held=12, digest="abc", problems=(problem,))
    red = RunFacts(("plan: Salto is away",))

    first, second, third = after(held, red, GOOD)
    assert [name for _, name in first] == [FAILED, HELD, "problem:tag_unknown:user u_1"]
    assert second == []
    assert {name for change, name in third if change == RECOVERED} == {FAILED, HELD, "problem:tag_unknown:user u_1"}


def test_more_held_is_worse_and_fewer_are_no_news():
    def runs(*held):
        return [RunFacts(("held",), held=number, digest="d", problems=()) for number in held]

    assert after(*runs(10, 12, 11, 13))[1:] == [[("worsened", HELD)], [], [("worsened", HELD)]]


@pytest.mark.parametrize(("days", "told"), [(15, []), (14, [TOKEN]), (0, [TOKEN])])
def test_a_token_is_told_of_from_14_days_on(days, told):
    (changes,) = after(RunFacts((), problems=(), token_days=days))

    assert [name for _, name in changes] == told


def test_a_token_that_runs_out_is_told_at_14_7_3_1_and_0_days_only():
    told = after(*(RunFacts((), problems=(), token_days=days) for days in range(16, -1, -1)))

    days = [16 - number for number, changes in enumerate(told) if changes]
    assert days == [14, 7, 3, 1, 0]


def test_refused_credentials_are_told_apart_from_the_failure():
    (changes,) = after(RunFacts(("x",), refusals=("Hector refuses the token (401): put a valid one in",)))

    assert [name for _, name in changes] == [CREDENTIALS, FAILED]


@pytest.mark.parametrize(
    ("age", "severity"), [(DAY, None), (2 * DAY, None), (2 * DAY + timedelta(seconds=1), 1), (5 * DAY, 2)]
)
def test_no_success_for_twice_the_interval_is_stale_and_gets_worse(age, severity):
    found = of_age(NOW - age, NOW - 100 * DAY, NOW, DAY)

    assert [one.severity for one in found] == ([severity] if severity else [])


def test_a_site_that_never_had_a_good_run_is_stale_from_its_first_run_on():
    assert of_age(None, NOW - DAY, NOW, DAY) == []
    (found,) = of_age(None, NOW - 3 * DAY, NOW, DAY)
    assert found.text.startswith("no sync has succeeded for 72 hours, twice its interval is 48")


def test_the_subject_counts_problems_and_names_the_rest():
    changes = news({STALE: 1}, [Condition(FAILED, 1, "x"), Condition(f"{PROBLEM}a:b", 1, "y")], {STALE})

    assert subject_of("campus", changes) == "Salto sync campus: new: failed, 1 problem; recovered: stale"


NAMES = st.sampled_from([FAILED, HELD, CREDENTIALS, TOKEN, f"{PROBLEM}tag_unknown:user u_1"])


@given(st.lists(st.dictionaries(NAMES, st.integers(1, 3)), max_size=8))
def test_whoever_reads_only_the_news_knows_what_is_wrong(states):
    """Applied one after the other, the changes lead to exactly the conditions of the last run; equal runs tell nothing."""
    judged = {FAILED, HELD, CREDENTIALS, TOKEN, PROBLEM}
    open_: dict[str, int] = {}
    for state in states:
        found = [Condition(name, severity, "x") for name, severity in state.items()]
        for change in news(open_, found, judged):
            open_[change.condition] = change.severity
            if change.change == RECOVERED:
                del open_[change.condition]
        assert set(open_) == set(state)
        assert all(open_[name] >= severity for name, severity in state.items())
        assert news(open_, found, judged) == []
