"""Alerts by mail, received by a real SMTP server of the test's own."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from include.ledger.ledger import Ledger
from include.ledger.tables import Run
from tests.dags.conftest import spoilt

NOW = datetime.now(UTC)
LINES = "alerts:\n  email: [ops@campus.example]\n"


class _Dialogue(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs that sends one message."""

    def handle(self):
        self.say("220 ready")
        while line := self.rfile.readline().decode().strip():
            verb = line.upper().split()[0]
            if verb == "DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))
            self.say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def mailbox(monkeypatch):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Dialogue) as server:
        server.daemon_threads, server.mails = True, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        extra = {"from_email": "salto@campus.example", "disable_ssl": True, "disable_tls": True, "retry_limit": 1}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": server.server_address[1], "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        yield server.mails
        server.shutdown()


def told(mail):
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/html"]
    return part.get_content()


def test_bad_news_comes_once_and_so_does_the_good(sandbox, run_dag, mailbox, monkeypatch):
    sandbox.hector.add_user(email="{{ 7 * 7 }}@campus.example", unique_code="NO-SUCH-TAG")
    broken = spoilt(sandbox, "campus", "hector", password="wrong")
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
    assert "alerts could not be delivered (email (smtp_default)" in ended.log
    assert mailbox == []

    assert run_dag("sync", "campus", sandbox=sandbox, lines=LINES).tasks["alert"] == "success"
    assert len(mailbox) == 1
    assert "is no tag of this site" in told(mailbox[0])


def test_a_plan_or_a_reload_of_one_reservation_says_nothing_about_the_others(sandbox, run_dag, mailbox):
    sandbox.hector.add_user(email="ana@campus.example", unique_code="NO-SUCH-TAG")
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES, conf={"plan_only": True})
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES, conf={"references": ["77"]})

    assert mailbox == []


def test_the_daily_cleanup_tells_when_no_sync_has_succeeded_for_too_long(
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
    with Ledger.open(ledger_url).transaction() as connection:
        connection.execute(update(Run).values(began_at=NOW - timedelta(hours=49)))
    for _ in range(2):
        run_dag("cleanup", "campus", sandbox=sandbox, lines=LINES, schedule=daily)
    assert [mail["Subject"] for mail in mailbox] == ["Salto sync campus: new: stale"]
    from runs.alerting import deadline_passed

    deadline_passed("campus", context={})
    assert len(mailbox) == 1
    run_dag("sync", "campus", sandbox=sandbox, lines=LINES, schedule=daily)
    assert mailbox[-1]["Subject"] == "Salto sync campus: recovered: stale"


def test_a_token_that_runs_out_is_a_problem_and_an_alert(sandbox, run_dag, mailbox):
    sandbox.hector.environment["api_token_expires_at"] = (NOW + timedelta(days=5, hours=1)).isoformat()
    ended = run_dag("sync", "campus", sandbox=sandbox, lines=LINES)

    assert ended.state == "success"
    assert "token_expires" in set(ended.table("problems")["code"])
    assert "token" in mailbox[0]["Subject"]
    assert "expires in 5 days" in told(mailbox[0])
