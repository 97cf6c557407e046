"""The connection of reports: its fields, its key of fingerprints, and which hook an integration gets."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from hector.hook import HectorHook, hector_hook
from hector.report_sources import FolderSource, MailboxSource
from hector.reports_hook import HectorReportsHook
from hector_salto.http_client.errors import ConfigurationError
from hector_salto.report_fields import ReportFields
from sandbox.report_files import BLOCK

FIELDS = ReportFields.model_validate(BLOCK)
KEY = {"fingerprint_key": "0123456789abcdef"}
MAILBOX = {
    "host": "imaps://imap.example.org",
    "login": "reports",
    "password": "secret",
    "extra": {"sender": "no-reply@hector.example"},
}


@pytest.fixture
def hook(monkeypatch, tmp_path):
    def make(**fields):
        good = {"conn_type": "hector_reports", "host": tmp_path.as_uri(), "extra": KEY}
        monkeypatch.setenv("AIRFLOW_CONN_HECTOR_CAMPUS", json.dumps(good | fields))
        return HectorReportsHook("hector_campus", FIELDS)

    return make


def test_a_folder_answers_the_test_button(hook, tmp_path):
    assert hook().test_connection() == (True, f"{tmp_path.as_uri()} holds 0 files")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"host": " "}, "has no host"),
        ({"extra": {}}, "has no fingerprint_key in its extra fields"),
        ({"extra": {"fingerprint_key": "short"}}, "fingerprint_key of less than 16 letters: make a longer one"),
        (MAILBOX | {"extra": {}}, "has no sender in its extra fields"),
        (MAILBOX | {"extra": {"sender": "hector"}}, "has a sender in its extra fields that is no email address"),
        (MAILBOX | {"login": None}, "has no login"),
        (MAILBOX | {"host": "imaps://"}, "has no server"),
        ({"conn_type": "hector"}, "is of type hector, but the integration file has hector_reports"),
    ],
)
def test_a_missing_or_wrong_field_is_named(hook, fields, named):
    good, message = hook(**fields).test_connection()

    assert not good
    assert message.startswith("Hector's reports (connection hector_campus)")
    assert named in message


@pytest.mark.parametrize(
    ("host", "port", "tls"),
    [
        ("imaps://imap.example.org", 993, True),
        ("imap://imap.example.org", 993, True),
        ("imap://imap.example.org:1993", 1993, True),
        ("imap://127.0.0.1", 143, False),
        ("imaps://127.0.0.1", 993, True),
    ],
)
def test_a_mailbox_is_encrypted_unless_it_is_on_this_machine(hook, host, port, tls):
    source = hook(**MAILBOX | {"host": host}).source

    assert isinstance(source, MailboxSource)
    assert (source._box.port, source._box.tls, source._box.folder) == (port, tls, "INBOX")


def test_the_key_is_the_password_or_the_extra_field_and_never_of_a_file(hook, tmp_path):
    by_password = hook(**MAILBOX).fingerprint("04A2")
    assert by_password == hook(**MAILBOX).fingerprint("04A2")
    assert by_password != hook(**MAILBOX | {"password": "other"}).fingerprint("04A2")
    assert hook().fingerprint("04A2") == hook(**MAILBOX | {"extra": {**MAILBOX["extra"], **KEY}}).fingerprint("04A2")


def test_an_integration_gets_the_hook_of_its_source(hook, monkeypatch):
    hook()
    by_reports = hector_hook(SimpleNamespace(hector_conn_id="hector_campus", hector_reports=FIELDS))
    assert isinstance(by_reports, HectorReportsHook)
    assert isinstance(by_reports.source, FolderSource)

    by_api = hector_hook(SimpleNamespace(hector_conn_id="hector_campus", hector_reports=None))
    assert isinstance(by_api, HectorHook)
    with pytest.raises(ConfigurationError, match="type hector_reports, but the integration file has no hector_reports"):
        _ = by_api.reader


def test_a_hook_without_fields_and_a_writer_say_what_to_do(hook):
    hook()
    with pytest.raises(ConfigurationError, match="does not say which files to read: add the block hector_reports"):
        _ = HectorReportsHook("hector_campus").reader
    with pytest.raises(ConfigurationError, match="can only be read"):
        hook().writer()
