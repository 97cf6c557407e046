"""Where report files are: a folder, a bucket, or a mailbox. Read only: files and mails stay as they are."""

from __future__ import annotations

import email
import email.policy
import fnmatch
import imaplib
import logging
import re
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from hector.report_errors import ReportMissingError, file_info
from hector_salto.access.texts import comparable
from hector_salto.http_client.errors import AddressError, ConfigurationError, CredentialsError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from email.message import EmailMessage

    from airflow.sdk import ObjectStoragePath

LOG = logging.getLogger(__name__)
LOOK_BACK = timedelta(days=40)  # mails older than that are not looked at
TIMEOUT = 30.0  # seconds that a mail server may take for an answer
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
UID = re.compile(rb"UID (\d+)")
RECEIVED = re.compile(rb'INTERNALDATE "([^"]+)"')


@dataclass(frozen=True)
class ReportFile:
    """One file.

    Attributes:
        name: without its folder.
        at: when it was written, or the mail received; aware.
        load: reads all of it.
    """

    name: str
    at: datetime
    load: Callable[[], bytes]


class ReportSource(Protocol):
    """What a reader of reports needs."""

    @property
    def address(self) -> str: ...

    def newest(self, patterns: Collection[str]) -> dict[str, ReportFile]:
        """Return the newest file of each pattern that has one.

        Raises:
            RestError: when the source cannot be read.
        """

    def names(self) -> list[str]:
        """Return the names of all files, each once, sorted.

        Raises:
            RestError: when the source cannot be read.
        """

    def describe(self) -> str:
        """Return one sentence about what is there.

        Raises:
            RestError: when the source cannot be read.
        """


def matches(name: str, pattern: str) -> bool:
    """Return whether a name fits a pattern, whatever its letter case; files that a program has open or hides do not."""
    return not name.startswith(("~", ".")) and fnmatch.fnmatchcase(comparable(name), comparable(pattern))


# --- a folder or bucket -----------------------------------------------------------------------------------------------


class FolderSource:
    """A folder on this machine, or one of an object store.

    :param address: such as ``file:///srv/reports`` or ``s3://connection@bucket/folder``.
    :param connection: id of the Airflow connection, for errors.
    """

    def __init__(self, address: str, connection: str) -> None:
        self.address = address
        self._exchange = file_info(connection, address)

    def newest(self, patterns: Collection[str]) -> dict[str, ReportFile]:
        with self._sorted_errors():
            paths = [path for path in self._folder().iterdir() if any(matches(path.name, one) for one in patterns)]
            files = [self._file(path) for path in paths if path.is_file()]
        found: dict[str, ReportFile] = {}
        for file in sorted(files, key=lambda file: (file.at, file.name)):
            found.update({pattern: file for pattern in patterns if matches(file.name, pattern)})
        return found

    def names(self) -> list[str]:
        with self._sorted_errors():
            return sorted(path.name for path in self._folder().iterdir() if matches(path.name, "*") and path.is_file())

    def describe(self) -> str:
        with self._sorted_errors():
            count = sum(1 for path in self._folder().iterdir() if path.is_file())
        return f"{self.address} holds {count} files"

    def _folder(self) -> ObjectStoragePath:
        from airflow.sdk import ObjectStoragePath  # noqa: PLC0415 - only where it is used

        return ObjectStoragePath(self.address)

    def _file(self, path: ObjectStoragePath) -> ReportFile:
        return ReportFile(path.name, _instant(path.stat().st_mtime), partial(self._load, path))

    def _load(self, path: ObjectStoragePath) -> bytes:
        with self._sorted_errors(), path.open("rb") as file:  # type: ignore[no-untyped-call]  # universal_pathlib ships half its types
            return bytes(file.read())

    @contextmanager
    def _sorted_errors(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigurationError(self._exchange, "is not there", "correct the connection's host") from None
        except PermissionError:
            raise ConfigurationError(self._exchange, "may not be read", "let Airflow read it") from None
        except (ValueError, ImportError) as error:
            what = f"cannot be opened ({type(error).__name__}: {error})"
            raise ConfigurationError(
                self._exchange, what, "correct the connection's host, or install its provider"
            ) from None
        except Exception as error:
            raise UnavailableError(self._exchange, f"cannot be read ({type(error).__name__})") from error


def _instant(modified: float | datetime) -> datetime:
    return modified.astimezone(UTC) if isinstance(modified, datetime) else datetime.fromtimestamp(modified, UTC)


# --- a mailbox --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mailbox:
    """Where mails are, and which of them count.

    Attributes:
        host, port, tls: of the IMAP server.
        login, password: of the account.
        folder: in which mails are looked for.
        sender: the address from which reports come.
        verified_by: the mail server whose Authentication-Results must say that DMARC passed; empty: not asked for.
    """

    host: str
    port: int
    tls: bool
    login: str
    password: str
    folder: str
    sender: str
    verified_by: str = ""

    def __repr__(self) -> str:
        return f"Mailbox({self.host}:{self.port}, {self.folder!r})"


@dataclass(frozen=True)
class _Mail:
    uid: bytes
    at: datetime


class MailboxSource:
    """Reports as attachments of mails: read without marking, moving or deleting any.

    :param box: see Mailbox.
    :param connection: id of the Airflow connection, for errors.
    """

    def __init__(self, box: Mailbox, connection: str) -> None:
        self._box = box
        self._exchange = file_info(connection, box.folder)
        self._names: dict[tuple[str, bytes], tuple[str, ...]] = {}  # of the attachments that count, by mail

    @property
    def address(self) -> str:
        return f"imap://{self._box.host}:{self._box.port}/{self._box.folder}"

    def newest(self, patterns: Collection[str]) -> dict[str, ReportFile]:
        found: dict[str, ReportFile] = {}
        with self._session() as (client, validity):
            for mail in self._mails(client):
                for name in self._names_in(client, validity, mail):
                    file = ReportFile(name, mail.at, partial(self._load, mail.uid, name))
                    for pattern in patterns:
                        if matches(name, pattern):
                            found.setdefault(pattern, file)
                if len(found) == len(set(patterns)):
                    break
        return found

    def names(self) -> list[str]:
        with self._session() as (client, validity):
            return sorted({name for mail in self._mails(client) for name in self._names_in(client, validity, mail)})

    def describe(self) -> str:
        with self._session() as (client, _):
            return f"{self.address} holds {len(self._mails(client))} mails of {LOOK_BACK.days} days from the sender"

    def _mails(self, client: imaplib.IMAP4) -> list[_Mail]:
        """Return the sender's mails, the newest first, by when this server received them."""
        since = datetime.now(UTC) - LOOK_BACK
        day = f"{since.day:02}-{MONTHS[since.month - 1]}-{since.year}"
        uids = self._ask(client, "SEARCH", "SINCE", day, "FROM", _quoted(self._box.sender))[0].split()
        if not uids:
            return []
        lines = self._ask(client, "FETCH", b",".join(uids).decode(), "(UID INTERNALDATE)")
        mails = []
        for line in lines:
            uid, received = UID.search(line), RECEIVED.search(line)
            if uid and received:
                mails.append(_Mail(uid[1], parsedate_to_datetime(received[1].decode().strip()).astimezone(UTC)))
        return sorted(mails, key=lambda mail: (mail.at, int(mail.uid)), reverse=True)

    def _names_in(self, client: imaplib.IMAP4, validity: str, mail: _Mail) -> tuple[str, ...]:
        if (validity, mail.uid) not in self._names:
            self._names[validity, mail.uid] = tuple(self._attachments(self._message(client, mail.uid)))
        return self._names[validity, mail.uid]

    def _load(self, uid: bytes, name: str) -> bytes:
        with self._session() as (client, _):
            found = self._attachments(self._message(client, uid)).get(name)
        if found is None:
            raise ReportMissingError(self._exchange, f"holds the attachment {name} no more", "run again")
        return found

    def _message(self, client: imaplib.IMAP4, uid: bytes) -> EmailMessage:
        """Return a mail; BODY.PEEK leaves it unread."""
        parts = self._ask(client, "FETCH", uid.decode(), "(BODY.PEEK[])")
        raw = max(parts, key=len, default=b"")
        return email.message_from_bytes(raw, policy=email.policy.default)

    def _attachments(self, message: EmailMessage) -> dict[str, bytes]:
        """Return the attachments by name; none of a mail that does not count."""
        if not self._counts(message):
            return {}
        found: dict[str, bytes] = {}
        for part in message.walk():
            name = (part.get_filename() or "").replace("\\", "/").rpartition("/")[2]
            content = part.get_payload(decode=True)
            if name and isinstance(content, bytes):
                found.setdefault(name, content)
        return found

    def _counts(self, message: EmailMessage) -> bool:
        """Return whether a mail is from the sender alone and, where that is asked for, verified."""
        try:
            senders = [one.addr_spec for header in message.get_all("From", []) for one in header.addresses]
        except (AttributeError, IndexError, ValueError):  # what the standard library makes of some broken headers
            senders = []
        if [comparable(one) for one in senders] != [comparable(self._box.sender)]:
            return False
        if self._box.verified_by and not _is_verified(message, self._box.verified_by):
            LOG.warning(
                "%s: a mail of the sender was passed over: %s has not verified it",
                self._exchange,
                self._box.verified_by,
            )
            return False
        return True

    def _ask(self, client: imaplib.IMAP4, command: str, *arguments: str) -> list[bytes]:
        """Return the answer's parts, each line and each literal."""
        status, answer = client.uid(command, *arguments)
        if status != "OK":
            raise UnavailableError(self._exchange, f"is not answered by the mail server ({command} {status})")
        return [part for one in answer if one is not None for part in (one if isinstance(one, tuple) else (one,))]

    @contextmanager
    def _session(self) -> Iterator[tuple[imaplib.IMAP4, str]]:
        """Open the folder for reading only; yield the client and the folder's UIDVALIDITY."""
        try:
            client = self._open()
            try:
                yield client, self._select(client)
            finally:
                client.logout()
        except ssl.SSLCertVerificationError:
            what = f"cannot be read: the certificate of {self._box.host} is not valid"
            raise AddressError(self._exchange, what, "correct the host, or the certificate") from None
        except (OSError, imaplib.IMAP4.error) as error:
            raise UnavailableError(
                self._exchange, f"cannot be read from {self._box.host} ({type(error).__name__})"
            ) from error

    def _open(self) -> imaplib.IMAP4:
        box = self._box
        if box.tls:
            context = ssl.create_default_context()
            client: imaplib.IMAP4 = imaplib.IMAP4_SSL(box.host, box.port, ssl_context=context, timeout=TIMEOUT)
        else:
            client = imaplib.IMAP4(box.host, box.port, timeout=TIMEOUT)
        try:
            client.login(box.login, box.password)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            client.shutdown()
            raise CredentialsError(self._exchange, f"cannot be read: {box.host} refuses login and password") from None
        return client

    def _select(self, client: imaplib.IMAP4) -> str:
        status, _ = client.select(_quoted(self._box.folder), readonly=True)
        if status != "OK":
            raise ConfigurationError(
                self._exchange, "is no folder of the mailbox", "correct mail_folder in its extra fields"
            )
        answer: Any = client.response("UIDVALIDITY")[1]
        return str(answer)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _is_verified(message: EmailMessage, server: str) -> bool:
    """Return whether the topmost Authentication-Results, which the receiving server adds, is its own and says dmarc=pass."""
    results = str(next(iter(message.get_all("Authentication-Results", [])), ""))
    name = results.partition(";")[0].split()
    return (
        bool(name)
        and comparable(name[0]) == comparable(server)
        and re.search(r"\bdmarc\s*=\s*pass\b", results) is not None
    )
