"""A scheduled run only plans until a person has pressed Sync now once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hector_salto.ledger.ledger import Ledger
from tests.dags.test_runs import campus, opened  # noqa: F401 - a fixture

NOW = datetime.now(UTC)
NOT_YET = "plans only, nothing is sent: no person has let integration campus loose on this site yet"


@pytest.fixture
def ledger(ledger_url) -> Ledger:
    return Ledger.open(ledger_url)


def test_a_scheduled_sync_plans_until_a_person_has_started_one(campus, run_dag, ledger):  # noqa: F811
    first = run_dag("sync", "campus", sandbox=campus, run_type="scheduled")

    assert (first.state, first.tasks["apply"], campus.writes) == ("success", "skipped", [])
    assert NOT_YET in first.log
    assert NOT_YET in (first.folder / "report.html").read_text()

    assert run_dag("sync", "campus", sandbox=campus).tasks["apply"] == "success"
    release = ledger.last_release("campus")
    assert release.by.endswith("(terminal)")
    assert release.target.hector_instance == "campus"

    campus.hector.set_status(next(iter(campus.hector.loaners)), "cancelled", at=NOW)
    assert run_dag("sync", "campus", sandbox=campus, run_type="scheduled").tasks["apply"] == "success"
    assert opened(campus) == []


def test_the_scheduled_cleanup_of_a_new_site_plans_and_a_persons_does_its_work(sandbox, run_dag, ledger):
    group = sandbox.salto.add_group("Hector_1")
    past = (NOW - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S")
    sandbox.salto.add_schedule(group, "10:00", "12:14", days=(0,), start_date="2026-01-01T10:00:00", end_date=past)

    planned = run_dag("cleanup", "campus", sandbox=sandbox, run_type="scheduled")
    assert (planned.state, planned.tasks["apply"], len(sandbox.salto.groups)) == ("success", "skipped", 1)
    assert NOT_YET in planned.log

    run_dag("cleanup", "campus", sandbox=sandbox)
    assert sandbox.salto.groups == {}
    assert ledger.last_release("campus") is None
