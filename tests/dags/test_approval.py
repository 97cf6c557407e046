"""Removals that a sync holds back: somebody is asked, and what they approve goes through once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

NOW = datetime.now(UTC)
START = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
LINES = "limits: {hold_above: 1, hold_above_percent: 0}\n"


@pytest.fixture
def campus(sandbox, run_dag):
    """Three reservations in step; then two of them are cancelled, which is one removal too many."""
    sandbox.salto.enrol_tag("04A2B3C4")
    sandbox.salto.add_lock("Studio 204")
    user = sandbox.hector.add_user(email="ana@campus.example", unique_code="04A2B3C4")
    place = sandbox.hector.add_place("Studio 204", lock="Studio 204")
    spans = [(START + timedelta(hours=number), START + timedelta(hours=number, minutes=20)) for number in range(3)]
    booked = [sandbox.hector.add_loaner(user, place, *span, reference=str(n)) for n, span in enumerate(spans)]
    assert run_dag("sync", "campus", sandbox=sandbox, lines=LINES).state == "success"
    for loaner in booked[:2]:
        sandbox.hector.set_status(loaner, "cancelled", at=NOW)
    return sandbox


def groups(sandbox):
    return sorted(group.name for group in sandbox.salto.groups.values())


def asked_runs():
    """Run parameters of the approval runs that Airflow has been asked for."""
    from airflow.models import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(DagRun).filter(DagRun.dag_id == "salto_approval__campus").order_by(DagRun.id)
        return [dict(run.conf) for run in found if run.run_id.startswith("held__")]


def test_a_held_set_is_asked_about_once_and_the_approval_lets_it_through(campus, run_in_airflow):
    before = len(asked_runs())
    held = run_in_airflow("sync", "campus", sandbox=campus, lines=LINES)

    assert held.state == "failed"
    assert "2 removals from 3 live groups; limits: hold_above 1, hold_above_percent 0" in held.log
    assert groups(campus) == ["Hector_0", "Hector_1", "Hector_2"]
    (question,) = asked_runs()[before:]
    assert set(question) == {"digest"}

    again = run_in_airflow("sync", "campus", sandbox=campus, lines=LINES)
    assert again.tasks["ask_for_approval"] == "skipped"
    assert len(asked_runs()) == before + 1

    asked = run_in_airflow(
        "approval", "campus", sandbox=campus, lines=LINES, conf=question, done="^(approve|start_sync)$"
    )
    assert asked.state == "success"
    approved = run_in_airflow(
        "sync", "campus", sandbox=campus, lines=LINES, conf={"approve": question["digest"], "references": []}
    )
    assert approved.state == "success"
    assert "let through by approval: 2 removals, given by somebody whom Airflow does not name" in approved.log
    assert groups(campus) == ["Hector_2"]


def test_an_approval_of_a_set_that_has_changed_lets_nothing_through_and_says_so(campus, run_dag):
    held = run_dag("sync", "campus", sandbox=campus, lines=LINES)
    digest = json.loads((held.folder / "plan.json").read_text())["digest"]
    campus.hector.set_status(next(iter(campus.hector.loaners)), "new", at=NOW)
    campus.hector.set_status(list(campus.hector.loaners)[2], "cancelled", at=NOW)
    ended = run_dag("sync", "campus", sandbox=campus, lines=LINES, conf={"approve": digest})

    assert ended.state == "failed"
    assert f"approve {digest} is not the digest of what would be held now" in ended.log
    assert groups(campus) == ["Hector_0", "Hector_1", "Hector_2"]


def test_removals_sent_one_by_one_meet_the_limit_too(sandbox, run_dag, campus):
    """The second cancellation waits, although each alone is within the limit."""
    campus.hector.set_status(list(campus.hector.loaners)[1], "new", at=NOW)
    assert run_dag("sync", "campus", sandbox=campus, lines=LINES).state == "success"
    assert groups(campus) == ["Hector_1", "Hector_2"]
    campus.hector.set_status(list(campus.hector.loaners)[1], "cancelled", at=NOW)
    ended = run_dag("sync", "campus", sandbox=campus, lines=LINES)

    assert ended.state == "failed"
    assert "2 removals (1 of them in the last 24 hours) from 3 live groups" in ended.log
    assert groups(campus) == ["Hector_1", "Hector_2"]


def test_nobody_is_asked_when_nothing_is_held_or_the_run_only_plans(campus, run_in_airflow):
    before = len(asked_runs())
    run_in_airflow("sync", "campus", sandbox=campus, lines=LINES, conf={"plan_only": True})
    run_in_airflow("sync", "campus", sandbox=campus)

    assert len(asked_runs()) == before
