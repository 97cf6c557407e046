"""The state of each reservation in the week: green only where everybody can get in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from hector_salto.access.refusals import MATTER_OF_TIME, SETTLED, Refusal
from hector_salto.access.reservations import LEFT, NO_ACCESS
from hector_salto.ledger.doubt import in_doubt
from hector_salto.ledger.ledger import RunStart
from hector_salto.ledger.overview import current_runs
from hector_salto.ledger.reservation_states import OVER, REFUSED, WILL_NOT_OPEN, list_reservations, states_of
from tests.ui.conftest import look

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)


def refused(reason, decision=NO_ACCESS):
    return {"decision": decision, "reason": str(reason)}


def changed(table, **cells):
    return table.assign(**cells)


@pytest.mark.parametrize(
    ("name", "cells", "state"),
    [
        ("people", {}, "in place"),
        ("people", {"has_tag": False}, "will not open"),
        ("people", {"tag_blocked": True}, "will not open"),
        ("people", {"blocked": True}, "will not open"),
        ("people", {"subscription_state": "suspended"}, "will not open"),
        ("people", {"user_id": "somebody_else"}, "will not open"),
        ("locks", {"online": False}, "will not open"),
        ("rooms", {"lock_id": None}, "will not open"),  # its place names a lock that is not there
        ("rooms", {"lock_id": None, "lock_name": None}, "no access"),  # a room without a lock
        ("groups", {"name": "Hector_other"}, "will not open"),  # its window is open already
        ("reservations", refused(Refusal.STATUS), "still open"),  # its group is still there
        ("reservations", refused(Refusal.NO_USER), "will not open"),
        ("reservations", refused(Refusal.OVER), "in place"),
        ("reservations", refused(Refusal.REFERENCE_TWICE, LEFT), "will not open"),
        ("reservations", refused("a reason that no one knows yet", LEFT), "in place"),
        ("reservations", {"window_end": NOW - timedelta(minutes=1)}, "over"),
    ],
)
def test_a_bar_is_green_only_where_everybody_can_get_in(ledger, name, cells, state):
    seen = look(NOW)
    one = changed(getattr(seen, name).head(1), **cells).astype(getattr(seen, name).dtypes.to_dict())
    run = ledger.begin_run(RunStart(integration="campus", kind="sync", airflow_run_id="r", folder="f", began_at=NOW))
    ledger.observe(run, "campus", replace(seen, **{name: one}).tables(), NOW, read_at=NOW)

    begin, end = NOW - timedelta(days=1), NOW + timedelta(days=1)
    (row,) = list_reservations(ledger, "campus", begin, end, now=NOW).to_dict("records")
    assert row["state"] == state

    (shown,) = list_reservations(ledger, "campus", NOW, end, now=NOW).to_dict("records") or [{"state": "over"}]
    doubted = in_doubt(ledger, current_runs(ledger, ["campus"]), NOW, end)
    assert (shown["state"] == WILL_NOT_OPEN) <= ("campus" in doubted), "many sites: only those in doubt are looked at"
    assert name != "people" or cells or not doubted


def test_what_a_run_did_not_do_or_foresees_puts_an_integration_in_doubt(ledger):
    """The next look at the site may show nothing wrong yet."""
    from tests.ui.conftest import removal, trouble

    def doubt(problems, outcome):
        about = RunStart(integration="campus", kind="sync", airflow_run_id=f"r{outcome}", folder="f", began_at=NOW)
        run = ledger.begin_run(about)
        ledger.plan(run, removal().assign(state="ready") if outcome else removal().iloc[:0], problems, planned_at=NOW)
        ledger.observe(run, "campus", look(NOW).tables(), NOW, read_at=NOW)
        ledger.end_run(run, ended_at=NOW, causes=[])
        return in_doubt(ledger, current_runs(ledger, ["campus"]), NOW, NOW + timedelta(days=1))

    assert doubt(trouble(), "") == set()
    assert doubt(trouble().assign(code="risk_tag"), "") == {"campus"}
    assert doubt(trouble(), "lost") == {"campus"}


@pytest.mark.parametrize("over", [False, True])
def test_quiet_and_loud(over):
    """Cancelled, refused and over are quiet; data that shuts a booked door is loud."""
    reasons = [str(reason) for reason in Refusal]
    end = NOW + timedelta(hours=-1 if over else 1)
    cells = {"reference": "1", "decision": NO_ACCESS, "lock_id": "l1", "lock_name": "Studio", "people": "Ana"}
    cells |= {"window_start": NOW - timedelta(hours=2), "window_end": end, "offline": False, "unable": False}
    rows = pd.DataFrame([cells | {"reason": reason} for reason in reasons])

    found = dict(
        zip(reasons, states_of(rows, {"held": set(), WILL_NOT_OPEN: set(), "in place": set()}, NOW), strict=True)
    )
    for reason in Refusal:
        quiet = reason in SETTLED - MATTER_OF_TIME
        assert found[reason] == (REFUSED if quiet else OVER if over else WILL_NOT_OPEN), reason
