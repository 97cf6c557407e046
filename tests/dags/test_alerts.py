"""Alerts by mail, received by a real SMTP server of the test's own."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from hector_salto.ledger.ledger import Ledger
from hector_salto.ledger.tables import Run
from tests.dags.conftest import connections_with
from tests.mail_server import mail_server

NOW = datetime.now(UTC)
LINES = "alerts:\n  email: [ops@campus.example]\n"


@pytest.fixture
def mailbox(monkeypatch):
    with mail_server() as (connection, mails):
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", connection)
        yield mails


def told(mail):
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/html"]
    return part.get_content()


def test_bad_news_comes_once_and_so_does_the_good(sandbox, run_dag, mailbox, monkeypatch):
    sandbox.hector.add_user(email="ana@campus.example", first_name="{{ 7 * 7 }}", unique_code="NO-SUCH-TAG")
    broken = connections_with(sandbox, "campus", "hector", password="wrong")
    for _ in range(2):
        for name, value in broken.items():
            monkeypatch.setenv(name, value)
        assert run_dag("sync", "campus", lines=LINES).state == "failed"
    assert [mail["Subject"] for mail in mailbox] == ["Salto sync campus: new: credentials, failed"]
    assert "refuses the token" in told(mailbox[0])
    assert mailbox[0]["To"] == "ops@campus.example"

    for _ in range(2):
        assert run_dag("sync", "campus", sandbox=sandbox, lines=LINES).state == "success"
    assert len(mailbox) == 2
    assert mailbox[1]["Subject"].startswith("Salto sync campus: new: ")
    assert mailbox[1]["Subject"].endswith("problem; recovered: credentials, failed")
    page = told(mailbox[1])
    assert "the sync is green again" in page
    assert "is no tag of this site" in page
    assert "wrong" not in page


def test_a_mail_server_that_is_away_loses_no_news_and_reddens_no_run(sandbox, run_dag, mailbox, monkeypatch):
    sandbox.hector.add_user(email="ana@campus.example", unique_code="NO-SUCH-TAG")
    away = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": 1,
        "extra": {"from_email": "x@y.example", "retry_limit": 1},
    }
    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(away))
        ended = run_dag("sync", "campus", sandbox=sandbox, lines=LINES)
    assert ended.state == "success"
    assert ended.tasks["alert"] == "failed"
    assert (
        "1 alert could not be delivered by email (smtp_default): connection smtp_default: the mail server cannot be reached"
        in (ended.log)
    )
    assert mailbox == []

    assert run_dag("sync", "campus", sandbox=sandbox, lines=LINES).tasks["alert"] == "success"
    assert len(mailbox) == 1
    assert "is no tag of this site" in told(mailbox[0])


def test_a_plan_or_a_reload_of_one_reservation_says_nothing_about_the_others(sandbox, run_dag, mailbox):
    sandbox.hector.add_user(email="ana@campus.example", unique_code="NO-SUCH-TAG")
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES, conf={"plan_only": True})
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES, conf={"references": ["77"]})

    assert mailbox == []


def test_the_daily_cleanup_and_the_deadline_tell_when_no_sync_has_succeeded_for_too_long(
    sandbox, run_dag, mailbox, ledger_url, monkeypatch
):
    daily = '"0 21 * * *"'
    monkeypatch.setenv("HECTOR_SALTO_DEADLINES", "off")  # as `make sync` does
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES, schedule=daily)
    mailbox.clear()
    with Ledger.open(ledger_url).transaction() as connection:
        connection.execute(update(Run).values(began_at=NOW - timedelta(hours=47)))
    run_dag("cleanup", "campus", sandbox=sandbox, lines=LINES, schedule=daily)
    assert mailbox == []
    of_two_days_ago(ledger_url)
    for _ in range(2):
        run_dag("cleanup", "campus", sandbox=sandbox, lines=LINES, schedule=daily)
    assert [mail["Subject"] for mail in mailbox] == ["Salto sync campus: new: stale"]
    from hector_salto.workflow.alerting import deadline_passed

    asyncio.run(deadline_passed("campus", context={}))
    assert len(mailbox) == 1
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES, schedule=daily)
    assert mailbox[-1]["Subject"] == "Salto sync campus: recovered: stale"

    of_two_days_ago(ledger_url)
    asyncio.run(deadline_passed("campus", context={}))
    assert mailbox[-1]["Subject"] == "Salto sync campus: new: stale"


def of_two_days_ago(ledger_url):
    with Ledger.open(ledger_url).transaction() as connection:
        connection.execute(update(Run).values(began_at=NOW - timedelta(hours=49)))


def test_a_token_that_runs_out_is_a_problem_and_an_alert(sandbox, run_dag, mailbox):
    sandbox.hector.environment["api_token_expires_at"] = (NOW + timedelta(days=5, hours=1)).isoformat()
    ended = run_dag("sync", "campus", sandbox=sandbox, lines=LINES)

    assert ended.state == "success"
    assert "token_expires" in set(ended.table("problems")["code"])
    assert "token" in mailbox[0]["Subject"]
    assert "expires in 5 days" in told(mailbox[0])


def subjects(mailbox):
    return [mail["Subject"].removeprefix("Salto sync campus: ") for mail in mailbox]


def booked(sandbox, number=1):
    """Reservations of one person, of this and the next hours, in one studio."""
    sandbox.salto.enrol_tag("04A2B3C4")
    sandbox.salto.add_lock("Studio 204")
    user = sandbox.hector.add_user(email="ana@campus.example", unique_code="04A2B3C4")
    place = sandbox.hector.add_place("Studio 204", lock="Studio 204")
    start = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
    spans = [(start + timedelta(hours=hour), start + timedelta(hours=hour, minutes=20)) for hour in range(number)]
    return [sandbox.hector.add_loaner(user, place, *span, reference=str(n)) for n, span in enumerate(spans)]


def test_what_is_held_is_told_as_held_only_and_once(sandbox, run_dag, mailbox):
    loaners = booked(sandbox, 3)
    lines = f"{LINES}limits: {{hold_above: 1, hold_above_percent: 0}}\n"
    run_dag("sync", "campus", sandbox=sandbox, lines=lines)
    for loaner in loaners[:2]:
        sandbox.hector.set_status(loaner, "cancelled", at=NOW)
    for _ in range(2):
        assert run_dag("sync", "campus", sandbox=sandbox, lines=lines).state == "failed"

    assert subjects(mailbox) == ["new: held"]
    assert "held back. Next step: look at what is held, and approve it with " in told(mailbox[0])


def test_one_offline_lock_is_told_once_whatever_is_booked_there_and_its_end_once(sandbox, run_dag, mailbox):
    loaners = booked(sandbox, 2)
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES)
    (lock,) = sandbox.salto.locks.values()
    lock.online = False
    ended = run_dag("sync", "campus", sandbox=sandbox, lines=LINES)
    risky = ended.table("problems").query("code == 'risk_lock'")
    assert list(zip(risky["subject"], risky["reference"], strict=True)) == [
        ("lock Studio 204", "0"),
        ("lock Studio 204", "1"),
    ]
    sandbox.hector.set_status(loaners[0], "cancelled", at=NOW)
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES)
    lock.online = True
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES)

    assert subjects(mailbox) == ["new: 1 problem", "recovered: 1 problem"]
    assert "door Studio 204 is offline" in told(mailbox[1])


def test_a_red_cleanup_is_told_once_and_so_is_its_end(sandbox, run_dag, mailbox, monkeypatch):
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES)
    broken = connections_with(sandbox, "campus", "salto", password="wrong")
    for _ in range(2):
        for name, value in broken.items():
            monkeypatch.setenv(name, value)
        assert run_dag("cleanup", "campus", lines=LINES).state == "failed"
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES)
    assert subjects(mailbox) == ["new: cleanup_failed"]

    run_dag("cleanup", "campus", sandbox=sandbox, lines=LINES)
    assert subjects(mailbox)[1:] == ["recovered: cleanup_failed"]


@pytest.mark.parametrize("kind", ["sync", "cleanup"])
def test_a_run_that_did_not_begin_is_told(sandbox, run_dag, mailbox, kind):
    ended = run_dag(kind, "campus", sandbox=sandbox, lines=LINES, conf={"nonsense": 1})

    assert ended.state == "failed"
    assert ended.tasks["alert"] == "success"
    assert subjects(mailbox) == ["new: failed" if kind == "sync" else "new: cleanup_failed"]
    assert "the run did not begin" in told(mailbox[0])


def test_a_report_that_breaks_after_its_causes_were_written_is_told(sandbox, run_dag, mailbox, monkeypatch):
    from hector_salto.workflow import run_history

    monkeypatch.setattr(run_history, "remember_good", lambda folder: 1 / 0)
    assert run_dag("sync", "campus", sandbox=sandbox, lines=LINES).state == "failed"

    assert subjects(mailbox) == ["new: failed"]
    assert "see the log of the task report" in told(mailbox[0])


def test_a_ledger_that_is_away_is_told_once_and_so_is_its_end(sandbox, run_dag, mailbox, tmp_path, monkeypatch):
    path = tmp_path / "broken.db"
    path.write_text("this is no database " * 100)
    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_LEDGER_OF_TESTS", json.dumps({"conn_type": "sqlite", "host": str(path)}))
        for kind in ("sync", "sync", "cleanup"):
            ended = run_dag(kind, "campus", sandbox=sandbox, lines=LINES)
            assert (ended.state, ended.tasks["alert"]) == ("failed", "success")
    assert subjects(mailbox) == ["new: ledger"]
    assert "check that it is reachable and writable" in told(mailbox[0])

    for _ in range(2):
        assert run_dag("sync", "campus", sandbox=sandbox, lines=LINES).state == "success"
    assert subjects(mailbox)[1:] == ["recovered: ledger"]
