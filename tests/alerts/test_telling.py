"""Each channel gets each change once, whatever becomes of the others, of the ledger and of the process."""

from __future__ import annotations

import json
import smtplib
import ssl
from unittest.mock import Mock

import pytest

from hector_salto.alerts import mail
from hector_salto.alerts.conditions import FAILED, HELD, STALE, Change, Condition
from hector_salto.integration import Integration

RED = ([Condition(FAILED, 1, "the run ended red: x")], frozenset({FAILED}))
WELL = ([], frozenset({FAILED, HELD, STALE}))
NEW = "Salto sync campus: new: failed"
OVER = "Salto sync campus: recovered: failed"


@pytest.fixture
def telling(airflow_db, tmp_path, monkeypatch):
    """Tell of a judgement through some channels; what each got, by channel, in ``telling.got``."""
    from hector_salto.workflow import alerting

    monkeypatch.setenv("HECTOR_SALTO_RUNS", (tmp_path / "runs").as_uri())
    for name in ("smtp", "slack", "apprise"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}_DEFAULT", json.dumps({"conn_type": name, "host": "x"}))
    got: dict[str, list[str]] = {"mail": [], "slack": []}
    broken: set[str] = set()

    def send(channel):
        def one(fields, connection, message):
            if channel in broken:
                raise OSError("down")
            got[channel].append(message.subject)

        return one

    monkeypatch.setattr(alerting, "_mail", send("mail"))
    monkeypatch.setattr(alerting, "_slack", send("slack"))

    def tell(judged, *channels):
        fields = {"email": ["ops@campus.example"] * ("mail" in channels)}
        fields |= {"slack_conn_id": "slack_default"} if "slack" in channels else {}
        integration = Integration(hector_conn_id="h", salto_conn_id="s", site_id="x", alerts=fields)
        return alerting._tell("campus", integration, lambda book: judged, "nowhere")

    tell.got, tell.broken, tell.error = got, broken, alerting.ChannelError
    return tell


def test_a_channel_that_works_gets_nothing_twice_while_another_is_broken_which_then_gets_all_it_missed(telling):
    telling.broken.add("slack")
    for judged in (RED, RED, RED, WELL):
        with pytest.raises(telling.error, match=r"could not be delivered by Slack \(slack_default\)"):
            telling(judged, "mail", "slack")
    assert telling.got == {"mail": [NEW, OVER], "slack": []}

    telling.broken.clear()
    assert telling(WELL, "mail", "slack") == 0
    assert telling.got == {"mail": [NEW, OVER], "slack": [f"{NEW}; recovered: failed"]}
    telling(WELL, "mail", "slack")
    assert len(telling.got["slack"]) == 1


def test_a_channel_taken_out_of_the_settings_is_no_longer_waited_for_nor_told_later_what_it_missed(telling):
    telling.broken.add("slack")
    with pytest.raises(telling.error):
        telling(RED, "mail", "slack")
    telling(RED, "mail")
    telling.broken.clear()
    telling(RED, "mail", "slack")

    assert telling.got == {"mail": [NEW], "slack": []}


def test_a_channel_added_later_gets_what_is_news_from_then_on(telling):
    telling(RED, "mail")
    telling(RED, "mail", "slack")
    telling(WELL, "mail", "slack")

    assert telling.got == {"mail": [NEW, OVER], "slack": [OVER]}


def test_what_was_news_while_nobody_was_to_be_told_is_not_told_later(telling):
    assert telling(RED) == 1
    assert telling(RED, "mail") == 0

    assert telling.got["mail"] == []


def test_an_alert_is_printed_once_and_a_broken_channel_is_told_in_one_sentence(telling, monkeypatch, caplog):
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT")
    for _ in range(2):
        with pytest.raises(telling.error) as raised:
            telling(RED, "mail")
    assert [record.getMessage() for record in caplog.records if "ended red" in record.getMessage()] == [
        "new: the run ended red: x"
    ]
    assert str(raised.value) == (
        "1 alert could not be delivered by email (smtp_default): Airflow has no connection smtp_default: make it, of type "
        "smtp (docs/alerts.md). What waits goes out with the next run"
    )


@pytest.fixture
def ledger_away(tmp_path, monkeypatch):
    """Take the ledger away, and bring it back."""
    path = tmp_path / "broken" / "ledger.db"
    path.parent.mkdir()
    path.write_text("this is no database " * 100)

    def away(is_away=True):
        host = path if is_away else tmp_path / "ledger" / "ledger.db"
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER_OF_TESTS", json.dumps({"conn_type": "sqlite", "host": str(host)}))

    return away


def test_that_the_ledger_is_away_is_told_once_a_channel_and_so_is_its_end(telling, ledger_away):
    telling(RED, "mail", "slack")
    ledger_away()
    telling.broken.add("slack")
    for _ in range(3):
        with pytest.raises(telling.error):
            telling(WELL, "mail", "slack")
    telling.broken.clear()
    for _ in range(2):
        telling(WELL, "mail", "slack")
    away = "Salto sync campus: new: ledger"
    assert telling.got == {"mail": [NEW, away], "slack": [NEW, away]}

    ledger_away(False)
    for _ in range(2):
        telling(RED, "mail", "slack")
    assert telling.got["mail"] == telling.got["slack"] == [NEW, away, "Salto sync campus: recovered: ledger"]
    ledger_away()
    telling(RED, "mail", "slack")
    assert telling.got["mail"][-1] == away


def test_whoever_could_not_be_told_that_the_ledger_was_away_is_told_afterwards(telling, ledger_away):
    telling.broken.add("mail")
    ledger_away()
    with pytest.raises(telling.error):
        telling(RED, "mail", "slack")
    telling.broken.clear()
    ledger_away(False)
    telling(WELL, "mail", "slack")

    assert telling.got["mail"] == ["Salto sync campus: new: ledger; recovered: ledger"]
    assert telling.got["slack"] == ["Salto sync campus: new: ledger", "Salto sync campus: recovered: ledger"]


def test_a_folder_of_the_ledger_that_cannot_be_made_is_told_too(telling, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    host = str(tmp_path / "file" / "ledger.db")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER_OF_TESTS", json.dumps({"conn_type": "sqlite", "host": host}))
    telling(RED, "mail")

    assert telling.got["mail"] == ["Salto sync campus: new: ledger"]


def test_a_spoilt_note_tells_once_more_rather_than_nobody(telling, ledger_away, tmp_path):
    ledger_away()
    telling(RED, "mail")
    (note,) = (tmp_path / "runs" / "campus" / "history").glob("ledger_away.json")
    note.write_text('{"at": ')
    telling(RED, "mail")

    assert len(telling.got["mail"]) == 2


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "refused"), "cannot be reached: check its host and port"),
        (TimeoutError("timed out"), "cannot be reached: check its host and port"),
        (smtplib.SMTPAuthenticationError(535, b"no"), "refuses its login and password"),
        (smtplib.SMTPNotSupportedError("STARTTLS"), "port 465 needs disable_tls: true, port 587 disable_ssl: true"),
        (ssl.SSLError("WRONG_VERSION_NUMBER"), "port 465 needs disable_tls: true, port 587 disable_ssl: true"),
        (ssl.SSLCertVerificationError("self-signed"), "certificate is not trusted"),
        (smtplib.SMTPRecipientsRefused({}), "correct alerts.email"),
        (RuntimeError("Unable to connect\nto smtp server"), "RuntimeError: Unable to connect to smtp server"),
    ],
)
def test_what_a_mail_server_says_becomes_a_next_step(error, words):
    assert words in mail.meaning(error)


@pytest.mark.parametrize(
    "extra", ['"{\\"from_email\\": \\"x@y.example\\"}"', '["from_email"]', "from_email: x@y.example"]
)
def test_extra_fields_of_a_mail_connection_that_are_no_object(airflow_db, extra):
    """Airflow's own property raises whatever json does, or returns a text."""
    from hector_salto.workflow import alerting

    connection = Mock(conn_id="smtp_default", extra=extra)
    with pytest.raises(
        alerting.ChannelError, match="the connection smtp_default has extra fields that are no JSON object"
    ):
        alerting._extras(connection)


def test_extra_fields_of_a_mail_connection(airflow_db):
    from hector_salto.workflow import alerting

    assert alerting._extras(Mock(extra='{"from_email": "x@y.example"}')) == {"from_email": "x@y.example"}
    assert alerting._extras(Mock(extra=None)) == {}


def test_a_message_lists_the_first_changes_and_how_many_more(airflow_db):
    from hector_salto.workflow.alerting import LISTED, Message

    changes = [Change(f"problem {number}", "entered", 1, f"problem {number}") for number in range(3000)]
    plain = Message("campus", changes, "the log").plain

    assert plain.count("\n") == LISTED + 1
    assert plain.endswith("2,975 more in the run's report. the log")


def test_a_mail_names_users_and_a_log_does_not(telling, monkeypatch, caplog):
    """By name and email first, the id beside them; both forms of the mail."""
    import pandas as pd

    from hector_salto.reports.people import People
    from hector_salto.workflow import alerting

    row = {"user_id": "u_1", "platform_user_id": "p_1", "name": "Ana Roy", "email": "ana@x.example"}
    monkeypatch.setattr(alerting, "_people", lambda book, name: People.of(pd.DataFrame([row]).astype("str")))
    sent = []
    monkeypatch.setattr(alerting, "_mail", lambda fields, connection, message: sent.append(message))
    telling(([Condition(FAILED, 1, "user u_1 has no code")], frozenset({FAILED})), "mail")

    (message,) = sent
    assert "Ana Roy, ana@x.example (user u_1) has no code" in message.plain
    assert "Ana Roy, ana@x.example (user u_1) has no code" in message.html
    assert "ana@x.example" not in caplog.text
