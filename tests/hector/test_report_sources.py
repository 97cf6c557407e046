"""Where report files come from: a folder, a bucket, and a mailbox on a real IMAP server."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from hector.report_sources import FolderSource, Mailbox, MailboxSource, matches
from hector_salto.http_client.errors import AddressError, ConfigurationError, CredentialsError, UnavailableError
from tests.imap_server import LOGIN, PASSWORD, SENDER, imap_server

NOW = datetime.now(UTC).replace(microsecond=0)


def write(path, content, *, hours=0):
    path.write_bytes(content)
    at = (NOW - timedelta(hours=hours)).timestamp()
    os.utime(path, (at, at))


def test_the_newest_file_of_each_pattern_is_read(tmp_path):
    write(tmp_path / "Users 1.xlsx", b"old", hours=5)
    write(tmp_path / "USERS 2.XLSX", b"new", hours=1)
    write(tmp_path / "~$Users 3.xlsx", b"open in Excel")
    (tmp_path / "Users folder.xlsx").mkdir()

    found = FolderSource(tmp_path.as_uri(), "c").newest(["Users*.xlsx", "Places*.xlsx"])
    assert list(found) == ["Users*.xlsx"]
    file = found["Users*.xlsx"]
    assert (file.name, file.at, file.load()) == ("USERS 2.XLSX", NOW - timedelta(hours=1), b"new")


def test_a_path_without_scheme_is_a_folder_of_this_machine(tmp_path):
    write(tmp_path / "a.csv", b"x")

    assert FolderSource(str(tmp_path), "c").describe() == f"{tmp_path} holds 1 files"


@pytest.mark.parametrize(
    ("address", "named"), [("file:///does/not/exist", "is not there"), ("nonsense://x/y", "cannot be opened")]
)
def test_an_address_that_is_wrong_is_named(address, named):
    with pytest.raises(ConfigurationError, match=rf"connection c\): file {address} {named}"):
        FolderSource(address, "c").newest(["*"])


def test_a_bucket_is_a_folder(monkeypatch):
    pytest.importorskip("moto", reason="a bucket needs the packages of the developers")
    from tests.workflow.bucket import NAME, bucket

    with bucket() as store:
        monkeypatch.setenv("AIRFLOW_CONN_STORE", store.connection)
        store.put("reports/Users.csv", "Email\n")

        file = FolderSource(f"s3://store@{NAME}/reports", "c").newest(["Users*"])["Users*"]
        assert (file.name, file.load()) == ("Users.csv", b"Email\n")
        assert abs(file.at - datetime.now(UTC)) < timedelta(minutes=2)


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [("Users.xlsx", "users*", True), (".Users.xlsx", "*", False), ("Users[1].xlsx", "Users[[]*", True)],
)
def test_names_fit_patterns_in_any_letter_case(name, pattern, fits):
    assert matches(name, pattern) is fits


@pytest.fixture(scope="module")
def server():
    with imap_server() as running:
        yield running


@pytest.fixture
def empty(server):
    server.empty()
    return server


def source(server, **fields):
    box = {"login": LOGIN, "password": PASSWORD, "folder": "INBOX", "sender": SENDER} | fields
    return MailboxSource(Mailbox("127.0.0.1", server.port, tls=False, **box), "c")


def test_the_newest_attachment_of_each_pattern_is_read_and_every_mail_kept_unread(empty):
    empty.deliver({"Users.csv": b"newest"}, at=NOW - timedelta(hours=1))
    empty.deliver({"Users.csv": b"older", "Places é.csv": b"places"}, at=NOW - timedelta(hours=2))
    before = empty.flags()
    found = source(empty).newest(["Users*", "Places*"])

    assert found["Users*"].load() == b"newest"
    assert found["Users*"].at == NOW - timedelta(hours=1)
    assert (found["Places*"].name, found["Places*"].load()) == ("Places é.csv", b"places")
    assert empty.flags() == before == [b"1 (FLAGS ())", b"2 (FLAGS ())"]


@pytest.mark.parametrize(
    "sender", ["other@x.org", f"{SENDER}.evil.example", f'"{SENDER}" <other@x.org>', f"{SENDER}, other@x.org"]
)
def test_a_mail_of_another_sender_does_not_count(empty, sender):
    empty.deliver({"Users.csv": b"forged"}, sender=sender)

    assert source(empty).newest(["Users*"]) == {}


def test_where_it_is_asked_for_only_verified_mails_count(empty):
    passed, failed = "mx.example.org; dmarc=pass (p=reject)", "mx.example.org; dmarc=fail"
    empty.deliver({"Users.csv": b"good"}, at=NOW - timedelta(hours=3), Authentication_Results=passed)
    empty.deliver({"Users.csv": b"failed"}, Authentication_Results=failed)
    empty.deliver({"Users.csv": b"other"}, Authentication_Results=passed.replace("mx", "evil"))
    empty.deliver({"Users.csv": b"none"})

    assert source(empty, verified_by="mx.example.org").newest(["Users*"])["Users*"].load() == b"good"


def test_a_mail_that_comes_later_is_found_by_the_same_source(empty):
    watched = source(empty)
    assert watched.newest(["Users*"]) == {}
    empty.deliver({"Users.csv": b"new"})

    assert watched.newest(["Users*"])["Users*"].load() == b"new"


def test_names_of_attachments_lose_their_folders(empty):
    empty.deliver({"../../etc/Users.csv": b"x"})

    assert source(empty).newest(["Users*"])["Users*"].name == "Users.csv"


@pytest.mark.parametrize(
    ("fields", "error", "named"),
    [
        ({"password": "wrong"}, CredentialsError, "refuses login and password"),
        ({"folder": "Elsewhere"}, ConfigurationError, "Elsewhere is no folder of the mailbox: correct mail_folder"),
    ],
)
def test_a_field_that_is_wrong_is_named(empty, fields, error, named):
    with pytest.raises(error, match=named):
        source(empty, **fields).newest(["*"])


def test_a_server_that_is_away_is_waited_for():
    closed = MailboxSource(Mailbox("127.0.0.1", 1, tls=False, login="a", password="b", folder="INBOX", sender="c"), "c")

    with pytest.raises(UnavailableError, match="file INBOX cannot be read from"):
        closed.describe()


def over_tls(server):
    box = {"login": LOGIN, "password": PASSWORD, "folder": "INBOX", "sender": SENDER}
    return MailboxSource(Mailbox("localhost", server.tls_port, tls=True, **box), "c")


def test_a_mailbox_over_tls_is_read_when_its_certificate_is_trusted(empty, monkeypatch):
    empty.deliver({"Users.csv": b"sealed"})
    with pytest.raises(AddressError, match="the certificate of localhost is not valid"):
        over_tls(empty).newest(["Users*"])
    monkeypatch.setenv("SSL_CERT_FILE", str(empty.authority))

    assert over_tls(empty).newest(["Users*"])["Users*"].load() == b"sealed"
