"""One run at a time changes a site, each plan once, and one integration owns it; in SQLite and in PostgreSQL."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from hector_salto.ledger import site_claims
from hector_salto.ledger.site_claims import LEASE, Claim, OtherRun, Owner, SiteEntry, SiteState, Verdict
from tests.ledger.test_ledger import NOTHING, NOW, adding, begun

SITE, OTHER = "11111111-aaaa", "22222222-bbbb"
CAMPUS, ANNEX = Owner("campus", "here"), Owner("annex", "here")


def planned(ledger, hours=0.0, *, site=SITE, **changes):
    """A run whose plan was read from the site as it is now."""
    state = site_claims.site_states(ledger, NOW).get(site, SiteState())
    run = ledger.begin_run(begun(hours, **changes))
    ledger.plan(run, adding("ana"), NOTHING, site_id=site, site_applied=None if state.busy_with else state.applied)
    return run


def claim(run, *, owner=CAMPUS, site=SITE):
    return Claim(site, owner, run, f"h{run}")


def enter(ledger, run, *, owner=CAMPUS, now=NOW, site=SITE, present=frozenset({"campus", "annex"})):
    return site_claims.enter(ledger, claim(run, owner=owner, site=site), present, now)[0]


def check(ledger, run, *, now=NOW, writes=True):
    return site_claims.check_plan(ledger, claim(run), now, writes=writes)


def applied(ledger, run, *, writes=True):
    """Apply a run's plan, from entering the site to leaving it."""
    assert enter(ledger, run) is SiteEntry.ENTERED
    verdict = check(ledger, run, writes=writes)
    site_claims.leave(ledger, claim(run))
    return verdict


def test_each_plan_once(ledger):
    """A plan that was applied is not applied again, also when nothing else has happened."""
    run = planned(ledger)

    assert [applied(ledger, run), applied(ledger, run)] == [Verdict.CURRENT, Verdict.APPLIED_BEFORE]


def test_another_run_makes_a_plan_out_of_date(ledger):
    """What was read before another run was applied says nothing about the site."""
    sync, cleanup = planned(ledger), planned(ledger, kind="cleanup")

    assert [applied(ledger, sync), applied(ledger, cleanup)] == [Verdict.CURRENT, Verdict.CHANGED]
    assert site_claims.ahead_of(ledger, SITE, cleanup) == OtherRun("campus", "sync", "r0.0")


def test_an_empty_plan_outdates_no_other(ledger):
    """A run without an operation changes nothing."""
    cleanup, sync = planned(ledger, kind="cleanup"), planned(ledger)

    assert [applied(ledger, cleanup, writes=False), applied(ledger, sync)] == [Verdict.CURRENT] * 2


@pytest.mark.parametrize("writes", [True, False])
def test_a_newer_sync_supersedes_an_older_one(ledger, writes):
    """Also when the newer found nothing to do: what the older knows of Hector is older."""
    older, newer = planned(ledger), planned(ledger, 1)

    assert [applied(ledger, newer, writes=writes), applied(ledger, older)] == [Verdict.CURRENT, Verdict.SUPERSEDED]


def test_a_newer_sync_supersedes_no_cleanup(ledger):
    """A cleanup knows nothing of Hector; it plans again."""
    cleanup, newer = planned(ledger, kind="cleanup"), planned(ledger, 1)

    assert [applied(ledger, newer), applied(ledger, cleanup)] == [Verdict.CURRENT, Verdict.CHANGED]


def test_a_plan_read_while_another_run_applies_is_out_of_date(ledger):
    """Half of what the other sends may have been read."""
    first = planned(ledger)
    enter(ledger, first)
    check(ledger, first)
    second = planned(ledger, 1)
    site_claims.leave(ledger, claim(first))

    assert applied(ledger, second) is Verdict.CHANGED


def test_one_run_at_a_time(ledger):
    """A site that is reserved is busy, until the process leaves or renews no more."""
    first, second = planned(ledger), planned(ledger, 1)

    assert enter(ledger, first) is SiteEntry.ENTERED
    assert enter(ledger, second, now=NOW + LEASE - timedelta(seconds=1)) is SiteEntry.BUSY
    site_claims.leave(ledger, claim(first))
    assert enter(ledger, second) is SiteEntry.ENTERED


def test_a_killed_process_locks_no_site_for_ever(ledger):
    """Another run takes over; the first, should it wake up, applies and sends nothing."""
    first, second = planned(ledger), planned(ledger, 1)
    enter(ledger, first)
    late = NOW + LEASE + timedelta(seconds=1)

    assert enter(ledger, second, now=late) is SiteEntry.ENTERED
    assert check(ledger, first, now=late) is Verdict.LOST
    assert not site_claims.renew(ledger, claim(first), late)
    with ledger.reading() as connection:
        assert not site_claims.is_held(connection, f"h{first}", late)
        assert site_claims.is_held(connection, f"h{second}", late)


def test_a_living_process_keeps_its_site(ledger):
    """However long it takes, as long as it renews."""
    first, second = planned(ledger), planned(ledger, 1)
    enter(ledger, first)

    assert site_claims.renew(ledger, claim(first), NOW + LEASE / 2)
    assert enter(ledger, second, now=NOW + LEASE) is SiteEntry.BUSY


def test_whoever_comes_second_is_refused(ledger):
    """Another integration of the same site may not write, and the first is not disturbed."""
    first, second = planned(ledger), planned(ledger, 1, integration="annex")
    applied(ledger, first)

    assert enter(ledger, second, owner=ANNEX) is SiteEntry.OWNED
    assert site_claims.site_states(ledger, NOW)[SITE].owner == CAMPUS
    assert applied(ledger, planned(ledger, 2)) is Verdict.CURRENT


@pytest.mark.parametrize(
    ("owner", "present", "entry"),
    [
        (ANNEX, {"annex"}, SiteEntry.ENTERED),  # the file of campus is gone
        (Owner("annex", "there"), {"annex"}, SiteEntry.OWNED),  # another Airflow does not see the files of this one
        (Owner("campus", "there"), {"campus"}, SiteEntry.OWNED),
    ],
)
def test_ownership_is_given_up_with_the_file(ledger, owner, present, entry):
    """Only the owner's own Airflow can tell that the file is gone."""
    applied(ledger, planned(ledger))
    run = planned(ledger, 1, integration=owner.integration)

    assert enter(ledger, run, owner=owner, present=frozenset(present)) is entry


def test_an_integration_that_moves_to_another_site_frees_the_first(ledger):
    """One integration owns one site."""
    applied(ledger, planned(ledger))
    enter(ledger, planned(ledger, 1, site=OTHER), site=OTHER)

    states = site_claims.site_states(ledger, NOW)
    assert [states[SITE].owner, states[OTHER].owner] == [None, CAMPUS]


def test_of_many_at_once_one_enters(ledger):
    """Also when the site's row does not exist yet."""
    runs, found = [planned(ledger, hours) for hours in range(4)], []
    threads = [threading.Thread(target=lambda one=run: found.append(enter(ledger, one))) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [SiteEntry.BUSY] * 3 + [SiteEntry.ENTERED]
