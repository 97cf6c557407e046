"""The state of each reservation in the week: green only where everybody can get in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from include.ledger.booked import booked
from include.ledger.ledger import Begun
from tests.doors.conftest import look

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)


def changed(table, **cells):
    return table.assign(**cells)


@pytest.mark.parametrize(
    ("name", "cells", "state"),
    [
        ("people", {}, "in place"),
        ("people", {"has_tag": False}, "at risk"),
        ("people", {"tag_blocked": True}, "at risk"),
        ("people", {"blocked": True}, "at risk"),
        ("people", {"subscription_state": "suspended"}, "at risk"),
        ("people", {"user_id": "somebody_else"}, "at risk"),
        ("locks", {"online": False}, "at risk"),
        ("rooms", {"lock_id": None}, "no access"),
        ("groups", {"name": "Hector_other"}, "at risk"),  # its window is open already
        ("reservations", {"decision": "no_access", "reason": "its status grants no access"}, "no access"),
        ("reservations", {"window_end": NOW - timedelta(minutes=1)}, "over"),
    ],
)
def test_a_bar_is_green_only_where_everybody_can_get_in(ledger, name, cells, state):
    seen = look(NOW)
    one = changed(getattr(seen, name).head(1), **cells).astype(getattr(seen, name).dtypes.to_dict())
    run = ledger.begin_run(Begun(integration="campus", kind="sync", airflow_run_id="r", folder="f", began_at=NOW))
    ledger.observe(run, "campus", replace(seen, **{name: one}).tables(), NOW, read_at=NOW)

    begin, end = NOW - timedelta(days=1), NOW + timedelta(days=1)
    (row,) = booked(ledger, "campus", begin, end, now=NOW).to_dict("records")
    assert row["state"] == state
