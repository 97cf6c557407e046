"""What was written stays: the record of what was sent, and a look that is newer than the one that comes late."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from sqlalchemy import select

from hector_salto.ledger.ledger import LedgerError
from hector_salto.ledger.tables import Run
from tests.ledger.test_ledger import NOTHING, NOW, adding, begun, booked, members, problem, reservation, rows

REQUEST = ("Salto KS", "PATCH", "/x")


def test_the_record_of_what_was_sent_is_not_replaced(ledger):
    run, other = ledger.begin_run(begun()), ledger.begin_run(begun(1))
    ledger.plan(run, adding("u_1"), problem())
    ledger.send(run, ledger.operation_ids(run).values(), REQUEST, NOW)
    ledger.plan(other, adding("u_1"), NOTHING)
    ledger.plan(other, adding("u_3"), NOTHING)  # nothing of its own was sent
    assert (ledger.has_applied(run), ledger.has_applied(other)) == (True, False)

    with pytest.raises(LedgerError, match="has sent its plan already"):
        ledger.plan(run, adding("u_2"), NOTHING)

    assert [row["user_id"] for row in rows(ledger, "select user_id from operations order by id")] == ["u_1", "u_3"]
    assert rows(ledger, "select count(*) as n from call_operations") == [{"n": 1}]
    assert rows(ledger, "select count(*) as n from problems") == [{"n": 1}]


def minutes(number):
    return NOW + timedelta(minutes=number)


def observed(ledger, run):
    with ledger.reading() as connection:
        return connection.execute(select(Run.observed_at).where(Run.id == run)).scalar_one()


@pytest.fixture
def late(ledger):
    """A cleanup that began to read before a sync sent something and looked."""
    sync, cleanup = ledger.begin_run(begun()), ledger.begin_run(begun(kind="cleanup"))
    ledger.plan(sync, adding("ana"), NOTHING)
    call = ledger.send(sync, ledger.operation_ids(sync).values(), REQUEST, minutes(2))
    ledger.answer(call, minutes(3), 204, None)
    ledger.observe(sync, "campus", members("p_ana"), minutes(4), read_at=minutes(3.5))
    return cleanup


def known(ledger):
    return set(ledger.read_snapshot("campus").members["platform_user_id"])


@pytest.mark.parametrize("read_at", [1, 2.5])  # before the call was sent, and before it was answered
def test_a_look_that_a_call_has_outdated_is_not_kept(ledger, late, read_at, caplog):
    with caplog.at_level(logging.INFO):
        ledger.observe(late, "campus", members(), minutes(5), read_at=minutes(read_at))

    assert known(ledger) == {"p_ana"}
    assert observed(ledger, late) is None
    assert "is not kept: Salto was changed since" in caplog.text


def test_a_look_that_began_after_the_last_call_is_kept(ledger, late):
    ledger.observe(late, "campus", members(), minutes(5), read_at=minutes(3.6))

    assert known(ledger) == set()
    assert observed(ledger, late) is not None


def test_a_call_whose_answer_nobody_knows_counts_from_when_it_was_sent(ledger):
    run = ledger.begin_run(begun())
    ledger.plan(run, adding("ana"), NOTHING)
    ledger.send(run, ledger.operation_ids(run).values(), REQUEST, minutes(2))

    ledger.observe(run, "campus", members("x"), minutes(5), read_at=minutes(1))
    assert known(ledger) == set()  # a run's own calls outdate its look as well
    ledger.observe(run, "campus", members("p_ana"), minutes(5), read_at=minutes(4))
    assert known(ledger) == {"p_ana"}


def test_another_sites_calls_outdate_nothing(ledger, late):
    other = ledger.begin_run(begun(integration="other"))
    ledger.observe(other, "other", members("x"), minutes(5), read_at=minutes(1))

    assert set(ledger.read_snapshot("other").members["platform_user_id"]) == {"x"}


def test_what_hector_showed_is_kept_all_the_same(ledger, late):
    look = members() | booked(reservation("1", 1))
    ledger.observe(late, "campus", look, minutes(5), read_at=minutes(1))

    assert known(ledger) == {"p_ana"}
    assert list(ledger.read_snapshot("campus").reservations["reference"]) == ["1"]


@pytest.fixture
def two_syncs(ledger):
    """Last night's sync, which has kept nothing yet, and this morning's, which has looked."""
    old, new = ledger.begin_run(begun()), ledger.begin_run(begun(10))
    ledger.observe(new, "campus", members("p_ana") | booked(reservation("1", 11)), minutes(601), read_at=minutes(600))
    return old, new


@pytest.mark.parametrize("read_at", [1, 700])  # as old as the run, and now: what it knows of Hector is old either way
def test_nothing_of_an_older_sync_is_kept(ledger, two_syncs, read_at):
    """Its task was cleared in the morning; the booking made since is still known."""
    old, _ = two_syncs
    ledger.observe(old, "campus", members() | booked(), minutes(702), read_at=minutes(read_at))

    assert known(ledger) == {"p_ana"}
    assert list(ledger.read_snapshot("campus").reservations["reference"]) == ["1"]
    assert (ledger.is_superseded(old), observed(ledger, old)) == (True, None)


def test_the_newer_sync_goes_on(ledger, two_syncs):
    """It may look again."""
    _, new = two_syncs
    ledger.observe(new, "campus", members(), minutes(610), read_at=minutes(600), again_at=minutes(609))

    assert (known(ledger), ledger.is_superseded(new)) == (set(), False)


def test_a_look_is_not_replaced_by_one_that_was_read_before_it(ledger, two_syncs):
    """Also when it was read by a cleanup, and no call of ours came between."""
    cleanup = ledger.begin_run(begun(10, kind="cleanup"))
    ledger.observe(cleanup, "campus", members(), minutes(602), read_at=minutes(599))

    assert known(ledger) == {"p_ana"}


def test_a_cleanup_that_read_later_hides_only_what_it_read(ledger):
    """Due in the same second, and faster: the users of the sync's look are kept."""
    sync, cleanup = ledger.begin_run(begun()), ledger.begin_run(begun(kind="cleanup"))
    ledger.observe(cleanup, "campus", members("p_ana"), minutes(3), read_at=minutes(2))
    ledger.observe(sync, "campus", members() | booked(reservation("1", 1)), minutes(4), read_at=minutes(1))

    assert known(ledger) == {"p_ana"}
    assert list(ledger.read_snapshot("campus").reservations["reference"]) == ["1"]
    assert observed(ledger, sync) is not None
