"""What the rules ask the ledger about earlier runs: whom the sync created, and how much Hector showed."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.guard_history import DatedRead, ReadCounts
from hector_salto.access.operations import operations
from tests.ledger.test_ledger import NOTHING, NOW, begun

NONE = schemas.frame(schemas.OPERATIONS, [])


def ran(ledger, kind, outcome, user_id="u_1", **run):
    """A run with one operation about a user, and what became of it."""
    table = pd.DataFrame({"user_id": [user_id], "site_user_id": "s_1" if kind == "user_adopt" else None})
    made = operations(kind, table, cause="new", unit=f"person {user_id}", reason="because")
    run_id = ledger.begin_run(begun(**run))
    ledger.plan(run_id, made, NOTHING, planned_at=NOW, site_id="s")
    (number,) = ledger.operation_ids(run_id).values()
    if outcome == "sent":
        ledger.send(run_id, [number], ("Salto KS", "POST", "/users"), NOW)
    elif outcome is not None:
        ledger.settle(number, NOW, outcome, "")


@pytest.mark.parametrize(
    ("outcome", "known"),
    [("done", True), ("no_seat", True), ("unknown", True), ("sent", True), ("failed", False), (None, False)],
)
def test_a_created_user(ledger, outcome, known):
    """A request whose answer is unknown counts: only a run sets the marker."""
    ran(ledger, "user_create", outcome)

    assert ledger.created_users("campus", "s") == ({"u_1"} if known else set())
    assert ledger.created_users("other", "s") == set()
    assert ledger.created_users("campus", "the site its file names now") == set()


def test_a_user_adopted_later(ledger):
    """A user who was made anew manually is not ours to suspend."""
    ran(ledger, "user_create", "done")
    ran(ledger, "user_adopt", "done", hours=1)
    assert ledger.created_users("campus", "s") == set()
    ran(ledger, "user_create", "done", hours=2)
    assert ledger.created_users("campus", "s") == {"u_1"}


def test_reads_of_everything(ledger):
    """Plans, reloads, cleanups and this run itself are none."""

    def read(hours, users, **changes):
        run_id = ledger.begin_run(begun(hours, **changes))
        ledger.plan(run_id, NONE, NOTHING, planned_at=NOW, users_read=users, reservations_read=users)

    for number, hours in enumerate((-200, -190, -180, -170, -24, -1)):
        read(hours, number)
    read(-2, 90, plan_only=True)
    read(-3, 91, chosen_references=["1"])
    read(-4, 92, kind="cleanup")
    read(0, 93)
    ledger.begin_run(begun(-5))  # ended before its plan
    found = ledger.reads("campus", NOW)

    assert sorted(one.read.users for one in found) == [1, 2, 3, 4, 5]
    assert DatedRead(NOW - timedelta(hours=1), ReadCounts(5, 5)) in found
