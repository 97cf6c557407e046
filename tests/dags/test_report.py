"""What somebody reads after a run: why a door was taken away, what was changed by hand, what could not be said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from hector_salto.ledger.ledger import Ledger, LedgerError
from sandbox.faults import status

NOW = datetime.now(UTC)
START = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)


@pytest.fixture
def campus(sandbox, run_dag):
    """Ana and Bo, each with a reservation of Studio 204, in step."""
    sandbox.salto.add_lock("Studio 204")
    sandbox.place = sandbox.hector.add_place("Studio 204", lock="Studio 204")
    people = [("ana", "04A2B3C4"), ("bo", "04A2B3C5")]
    for number, (name, code) in enumerate(people):
        sandbox.salto.enrol_tag(code)
        who = sandbox.hector.add_user(email=f"{name}@campus.example", unique_code=code)
        begin = START + timedelta(hours=2 * number)
        loaner = sandbox.hector.add_loaner(
            who, sandbox.place, begin, begin + timedelta(hours=1), reference=str(number + 1)
        )
        setattr(sandbox, name, (who, loaner))
    assert run_dag("sync", "campus", sandbox=sandbox).state == "success"
    return sandbox


def told(ended):
    return json.loads((ended.folder / "report.json").read_text())


def test_a_cancelled_booking_names_who_loses_which_door_and_why(campus, run_dag):
    who, loaner = campus.ana
    campus.hector.set_status(loaner, "cancelled", at=NOW)
    ended = run_dag("sync", "campus", sandbox=campus)

    why = "Hector shows the reservation with status cancelled: its status grants no access"
    (gone,) = told(ended)["changes"]
    assert (gone["people"], gone["doors"], gone["why"]) == ([f"user {who}"], ["Studio 204"], why)
    assert f"withdrawn: reservation 1: user {who} at Studio 204: {why} (done)" in ended.log
    assert f"access group of user {who} at Studio 204" in (ended.folder / "report.html").read_text()


def test_drift_that_is_only_reported_leaves_its_trace_everywhere(campus, run_dag):
    group = campus.salto.group_named("Hector_1")
    group.users.clear()
    ended = run_dag("sync", "campus", sandbox=campus, lines="drift: report\n")

    assert ended.state == "success"
    report = told(ended)
    assert report["says"] == "Salto holds what Hector says, but for 1 change by hand that is only reported"
    assert f"green: {report['says']}" in ended.log
    assert report["changes"] == []
    (found,) = report["by_hand"]
    assert (found["outcome"], found["before"], found["after"]) == (
        "left",
        "not in the access group",
        "in the access group",
    )
    assert "changed by hand: reservation 1: somebody took this person out by hand (left)" in ended.log
    assert "Changed by hand (1)" in (ended.folder / "report.html").read_text()

    (found,) = told(run_dag("sync", "campus", sandbox=campus, lines="drift: repair\n"))["by_hand"]
    assert found["outcome"] == "repaired"


def test_salto_that_cannot_be_read_back_gives_no_false_alarm_about_tomorrow(campus, run_dag):
    """The group of the new reservation is there; what was read before it was made knows nothing of it."""
    who, _ = campus.ana
    begin = START + timedelta(hours=6)
    campus.hector.add_loaner(who, campus.place, begin, begin + timedelta(hours=1), reference="3")
    written = len(campus.writes)
    campus.salto_faults.when(lambda call: call.method == "GET" and len(campus.writes) > written + 2, status(503))
    ended = run_dag("sync", "campus", sandbox=campus)

    assert ended.state == "failed"
    assert campus.salto.group_named("Hector_3")
    assert not ended.table("problems")["code"].str.startswith("risk_").any()
    report = told(ended)
    assert not report["doors"]["checked"]
    assert "Salto could not be read after the run" in report["doors"]["why"]
    assert "were not checked" in (ended.folder / "report.html").read_text()


def test_a_ledger_that_is_away_at_the_end_costs_no_report(campus, run_dag, monkeypatch):
    who, loaner = campus.ana
    campus.hector.set_status(loaner, "cancelled", at=NOW)

    def away(*arguments, **words):
        raise LedgerError("the ledger at sqlite:///x cannot be used (disk full)")

    monkeypatch.setattr(Ledger, "end_run", away)
    ended = run_dag("sync", "campus", sandbox=campus)

    assert ended.state == "failed"
    report = told(ended)
    assert len(report["causes"]) == 1
    assert "disk full" in report["causes"][0]
    assert report["changes"][0]["people"] == [f"user {who}"]
    assert "disk full" in (ended.folder / "report.html").read_text()


def test_a_room_without_a_lock_beside_one_that_has_it_is_told_once(campus, run_dag):
    who, _ = campus.bo
    foyer = campus.hector.add_place("Foyer")
    begin = START + timedelta(hours=8)
    campus.hector.add_loaner(who, [campus.place, foyer], begin, begin + timedelta(hours=1), reference="4")
    ended = run_dag("sync", "campus", sandbox=campus)

    assert ended.state == "success"
    found = ended.table("problems").query("code == 'place_without_lock'")
    assert found["message"].tolist() == [
        f"place {foyer} (Foyer) names no lock, so its door stays shut for reservation 4, whose other places open"
    ]


def test_a_code_that_is_gone_is_told_by_the_run_that_takes_the_tag_off(campus, run_dag):
    who, _ = campus.ana
    campus.hector.users[who]["unique_code"] = None
    ended = run_dag("sync", "campus", sandbox=campus)

    assert ended.table("operations")["kind"].tolist() == ["tag_off"]
    assert ended.table("problems").query("code == 'code_missing'")["subject"].tolist() == [f"user {who}"]
