"""The connection of Hector's reports in Airflow: a folder, a bucket or a mailbox, and the key of fingerprints."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn, Self
from urllib.parse import SplitResult, urlsplit

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from hector.report_sources import FolderSource, Mailbox, MailboxSource, ReportSource
from hector.reports import HectorReportsReader
from hector_salto.access.addresses import is_address
from hector_salto.access.texts import plain
from hector_salto.http_client.addresses import is_loopback
from hector_salto.http_client.connection_fields import BLANKS, ConnectionFields, missing_connection
from hector_salto.http_client.errors import ConfigurationError, RequestInfo, RestError
from hector_salto.http_client.fingerprint import Fingerprint

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from hector.client import HectorWriter
    from hector_salto.http_client.transport import CallRecorder
    from hector_salto.report_fields import ReportFields

MAILBOX_PORTS = {"imap": 143, "imaps": 993}
INBOX = "INBOX"
SHORTEST_KEY = 16
HOST = "host (a folder, bucket or mailbox)"


class HectorReportsHook(BaseHook):
    """Opens a reader of Hector's reports from an Airflow connection of type ``hector_reports``.

    :param hector_conn_id: id of the connection; it is read on first use, never while a DAG file is parsed.
    :param fields: the block hector_reports of an integration file; a test of the connection needs none.
    """

    conn_name_attr = "hector_conn_id"
    default_conn_name = "hector_reports_default"
    conn_type = "hector_reports"
    hook_name = "Hector's reports"

    def __init__(self, hector_conn_id: str = default_conn_name, fields: ReportFields | None = None) -> None:
        super().__init__()
        self.hector_conn_id = hector_conn_id
        self._report_fields = fields

    @classmethod
    def of_connection(cls, connection: Connection, fields: ReportFields | None = None) -> Self:
        """Return the hook of a connection that Airflow need not know (yet)."""
        hook = cls(connection.conn_id, fields)
        hook.__dict__["connection"] = connection  # where cached_property keeps what it has found
        return hook

    @cached_property
    def connection(self) -> Connection:
        """Return the connection.

        Raises:
            ConfigurationError: when there is none, or it is of another type.
        """
        try:
            found = self.get_connection(self.hector_conn_id)
        except AirflowNotFoundException:
            raise missing_connection(self.hector_conn_id, self._request_info) from None
        if found.conn_type != self.conn_type:
            what = f"is of type {found.conn_type}, but the integration file has hector_reports"
            step = f"make the connection of type {self.conn_type}, or remove hector_reports from the file"
            raise ConfigurationError(self._request_info, what, step)
        return found

    @cached_property
    def source(self) -> ReportSource:
        """Return where the files are.

        Raises:
            ConfigurationError: for a field that is missing or wrong.
        """
        address = urlsplit(self.base_url)
        if address.scheme in MAILBOX_PORTS:
            return MailboxSource(self._mailbox(address), self.hector_conn_id)
        return FolderSource(self.base_url, self.hector_conn_id)

    @cached_property
    def reader(self) -> HectorReportsReader:
        return self.new_reader()

    def new_reader(self) -> HectorReportsReader:
        """Return a reading client.

        Raises:
            ConfigurationError: without the block of an integration file.
        """
        _ = self.connection
        if self._report_fields is None:
            step = "add the block hector_reports to the integration file (docs/reports.md)"
            raise ConfigurationError(self._request_info, "does not say which files to read", step)
        return HectorReportsReader(self.source, self._report_fields, self.hector_conn_id)

    def writer(self, journal: CallRecorder | None = None) -> HectorWriter:  # noqa: ARG002 - as HectorHook has it
        self._refuse("can only be read", "use a connection of type hector to write")

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Stands in for tag numbers in every table; its key is a secret of the connection, never of a file.

        Raises:
            ConfigurationError: when the connection has none.
        """
        given = self._fields.extras.get("fingerprint_key")
        if given is None and plain(self.connection.password or ""):
            key = self._fields.password("password")
        else:
            key = self._fields.extra_field("fingerprint_key")
            if len(key) < SHORTEST_KEY:
                self._refuse(
                    f"has a fingerprint_key of less than {SHORTEST_KEY} letters", "make a longer one at random"
                )
        mask_secret(key)
        return Fingerprint(hashlib.sha256(b"tag numbers of hector-salto:" + key.encode()).digest())

    def get_conn(self) -> HectorReportsReader:
        return self.reader

    def test_connection(self) -> tuple[bool, str]:
        try:
            _ = self.fingerprint
            return True, self.source.describe()
        except RestError as error:
            return False, str(error)

    @property
    def base_url(self) -> str:
        """Return the address of the connection.

        Raises:
            ConfigurationError: when the connection has none.
        """
        return self._fields.require(self.connection.host, HOST)

    def _mailbox(self, address: SplitResult) -> Mailbox:
        """Return the mailbox; without encryption only on this machine."""
        host, port = address.hostname, address.port or self.connection.port
        if not host:
            self._refuse(f"has no server in its {HOST}")
        tls = address.scheme == "imaps" or not is_loopback(host)
        sender, password = self._fields.extra_field("sender"), self._fields.password("password (of the mailbox)")
        if not is_address(sender):
            self._refuse("has a sender in its extra fields that is no email address")
        mask_secret(password)
        return Mailbox(
            host=host,
            port=int(port or MAILBOX_PORTS["imaps" if tls else "imap"]),
            tls=tls,
            login=self._fields.login("login (of the mailbox)"),
            password=password,
            folder=self._optional("mail_folder") or INBOX,
            sender=sender,
            verified_by=self._optional("verified_by"),
        )

    def _optional(self, name: str) -> str:
        return str(self._fields.extras.get(name) or "").strip(BLANKS)

    def _refuse(self, what: str, step: str | None = None) -> NoReturn:
        raise ConfigurationError(self._request_info, what, step)

    @cached_property
    def _fields(self) -> ConnectionFields:
        return ConnectionFields(self.connection, self._request_info)

    @property
    def _request_info(self) -> RequestInfo:
        return RequestInfo("Hector's reports", self.hector_conn_id)
