"""What the next run may take as known: the last look of a sync, and what was changed since."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest
from sqlalchemy import update

from hector_salto.access.operations import operations
from hector_salto.ledger.tables import Run
from tests.ledger.test_ledger import NOTHING, NOW, adding, begun, members
from tests.ledger.test_once import REQUEST, minutes


def looked(ledger, at, **changes):
    run = ledger.begin_run(begun(**changes))
    ledger.observe(run, "campus", members(), minutes(at), read_at=minutes(at))
    return run


def sent(ledger, run, at, answered=None, plan=None, status=204):
    ledger.plan(run, adding("ana") if plan is None else plan, NOTHING)
    call = ledger.send(run, ledger.operation_ids(run).values(), REQUEST, minutes(at))
    if answered is not None:
        ledger.answer(call, minutes(answered), status, None if status else "lost")


def test_a_site_that_no_sync_has_looked_at_is_not_known(ledger):
    looked(ledger, 1, kind="cleanup")
    ledger.begin_run(begun())

    assert ledger.last_look("campus") is None


def test_the_last_look_of_a_sync_is_known_and_nothing_was_changed_since(ledger):
    looked(ledger, 1)
    looked(ledger, 5, hours=1)
    looked(ledger, 9, kind="cleanup")

    look = ledger.last_look("campus")
    assert (look.folder, look.groups, look.people) == ("f1", frozenset(), False)
    assert ledger.last_look("other") is None


def test_what_its_own_run_sent_before_the_look_is_seen_in_it(ledger):
    run = ledger.begin_run(begun())
    sent(ledger, run, 1, answered=4.9)
    ledger.observe(run, "campus", members("p_ana"), minutes(5), read_at=minutes(0), again_at=minutes(5))

    assert ledger.last_look("campus").groups == frozenset()


def test_what_is_sent_after_it_is_not(ledger):
    run = looked(ledger, 1)
    sent(ledger, run, 2, answered=3)

    look = ledger.last_look("campus")
    assert (look.groups, look.people) == ({"g", "Hector_1"}, False)


def test_what_other_runs_sent_in_the_minute_before_may_not_be(ledger):
    other = ledger.begin_run(begun(kind="cleanup"))
    sent(ledger, other, 1, answered=4.5)
    looked(ledger, 5, hours=1)
    assert ledger.last_look("campus").groups == {"g", "Hector_1"}

    looked(ledger, 7, hours=2)
    assert ledger.last_look("campus").groups == frozenset()


def test_what_nobody_has_answered_may_be_carried_out_late_for_an_hour(ledger):
    dead = ledger.begin_run(begun())
    sent(ledger, dead, 1)
    looked(ledger, 50, hours=1)
    assert ledger.last_look("campus").groups == {"g", "Hector_1"}

    looked(ledger, 70, hours=2)
    assert ledger.last_look("campus").groups == frozenset()


@pytest.mark.parametrize("status", [500, 504, 408])
def test_an_answer_that_leaves_it_open_whether_it_was_done_counts_as_none(ledger, status):
    run = ledger.begin_run(begun())
    sent(ledger, run, 1, answered=2, status=status)
    ledger.observe(run, "campus", members("p_ana"), minutes(5), read_at=minutes(0), again_at=minutes(5))

    assert ledger.last_look("campus").groups == {"g", "Hector_1"}


def test_all_that_its_own_run_has_sent_is_told_for_whoever_knows_it_looked_before(ledger):
    """Two machines, two clocks: the look of the plan can be dated after the run's own calls."""
    run = looked(ledger, 5)
    sent(ledger, run, 4, answered=4.5)

    look = ledger.last_look("campus")
    assert (look.groups, look.own_groups, look.own_people) == (frozenset(), {"g", "Hector_1"}, False)


def test_a_change_of_a_person_is_told_apart(ledger):
    run = looked(ledger, 1)
    row = pd.DataFrame([{"user_id": "u_1", "site_user_id": "s_1", "tag_id": "t_1"}])
    sent(ledger, run, 2, plan=operations("tag_on", row, cause="new", reason="x", unit="person u_1"))

    look = ledger.last_look("campus")
    assert (look.groups, look.people) == (frozenset(), True)


def test_a_look_that_another_run_has_overtaken_is_not_the_last(ledger):
    """Only what a run has sent is read again at its end; the rest is as old as its plan."""
    first = looked(ledger, 1)
    other = ledger.begin_run(begun(kind="cleanup"))
    sent(ledger, other, 2, answered=3)

    ledger.observe(first, "campus", members("p_ana"), minutes(5), read_at=minutes(1), again_at=minutes(4))

    assert ledger.last_look("campus").groups == {"g", "Hector_1"}
    assert NOW + timedelta(minutes=1) == minutes(1)


def at_site(ledger, hours, at, *, site="s", looks=True, **changes):
    """A run whose plan is for a site, with a look, or with a plan that it has applied."""
    run = ledger.begin_run(begun(hours, **changes))
    ledger.plan(run, adding("ana"), NOTHING, site_id=site, planned_at=minutes(at))
    if looks:
        ledger.observe(run, changes.get("integration", "campus"), members("p_ana"), minutes(at), read_at=minutes(at))
        return run
    with ledger.transaction() as connection:
        connection.execute(update(Run).where(Run.id == run).values(applied_at=minutes(at)))
    return run


@pytest.mark.parametrize(
    ("integration", "site", "known"), [("annex", "s", False), ("annex", "t", True), ("campus", "s", True)]
)
def test_a_site_that_another_integration_has_changed_is_not_known(ledger, integration, site, known):
    """Its owner's file was removed, and came back: what the other one did is in no look of this one."""
    at_site(ledger, 0, 1)
    at_site(ledger, 0.5, 100, site=site, looks=False, integration=integration)

    assert (ledger.last_look("campus") is not None) is known
    assert (ledger.accounts("campus", minutes(200), "s") != ((), frozenset())) is known


def test_the_drift_baseline_is_of_this_site(ledger):
    """The file names another site now."""
    at_site(ledger, 0, 1)

    assert ledger.accounts("campus", minutes(200), "s")[0]
    assert ledger.accounts("campus", minutes(200), "t") == ((), frozenset())


@pytest.mark.parametrize(("site", "kept"), [("s", False), ("t", True)])
def test_a_look_that_another_integration_has_outdated_is_not_kept(ledger, site, kept):
    other = at_site(ledger, 0, 1, site=site, looks=False, integration="annex")
    call = ledger.send(other, ledger.operation_ids(other).values(), REQUEST, minutes(4))
    ledger.answer(call, minutes(4), 204, None)
    run = ledger.begin_run(begun(0.5))
    ledger.plan(run, adding("bo"), NOTHING, site_id="s", planned_at=minutes(3))
    ledger.observe(run, "campus", members("p_bo"), minutes(5), read_at=minutes(3))

    assert (not ledger.read_snapshot("campus").members.empty) is kept
