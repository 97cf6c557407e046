"""Hector's connection in Airflow: where it is, and the token to read it with."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, Self

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from hector.client import WRITE_METHODS, HectorReader, HectorWriter, hector_service, hector_transport
from hector.reports_hook import HectorReportsHook
from hector_salto.http_client.connection_fields import BLANKS, ConnectionFields, missing_connection
from hector_salto.http_client.errors import ConfigurationError, RequestInfo, RestError
from hector_salto.http_client.fingerprint import Fingerprint
from hector_salto.http_client.rate_limit import RateLimit
from hector_salto.http_client.timing import SYSTEM_CLOCK, Timing

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from hector_salto.http_client.transport import CallRecorder, Service
    from hector_salto.report_fields import ReportFields


class Source(Protocol):
    """What of an integration says where Hector is read.

    Attributes:
        hector_conn_id: the connection.
        hector_reports: None: its API; else its reports.
    """

    @property
    def hector_conn_id(self) -> str: ...

    @property
    def hector_reports(self) -> ReportFields | None: ...


class HectorHook(BaseHook):
    """Opens Hector's clients from an Airflow connection of type ``hector``.

    :param hector_conn_id: id of the connection; it is read on first use, never while a DAG file is parsed.
    """

    conn_name_attr = "hector_conn_id"
    default_conn_name = "hector_default"
    conn_type = "hector"
    hook_name = "Hector"

    def __init__(self, hector_conn_id: str = default_conn_name, *, timing: Timing = SYSTEM_CLOCK) -> None:
        super().__init__()
        self.hector_conn_id = hector_conn_id
        self._timing = timing
        self._rate_limit = RateLimit(timing=timing)

    @classmethod
    def of_connection(cls, connection: Connection, *, timing: Timing = SYSTEM_CLOCK) -> Self:
        """Return the hook of a connection that Airflow need not know (yet)."""
        hook = cls(connection.conn_id, timing=timing)
        hook.__dict__["connection"] = connection  # where cached_property keeps what it has found
        return hook

    @cached_property
    def connection(self) -> Connection:
        """Return the connection.

        Raises:
            ConfigurationError: when there is none, or it is one of reports.
        """
        try:
            found = self.get_connection(self.hector_conn_id)
        except AirflowNotFoundException:
            raise missing_connection(self.hector_conn_id, self._request_info) from None
        if found.conn_type == HectorReportsHook.conn_type:
            what = f"is of type {found.conn_type}, but the integration file has no hector_reports"
            step = "add that block to the integration file (docs/reports.md), or make the connection of type hector"
            raise ConfigurationError(self._request_info, what, step)
        return found

    @cached_property
    def reader(self) -> HectorReader:
        return self.new_reader()

    def new_reader(self) -> HectorReader:
        """A reading client whose connections end with it: for callers that ask now and then, from many threads."""
        return HectorReader(hector_transport(self._service, self._token, pacing=self._rate_limit, timing=self._timing))

    def writer(self, journal: CallRecorder | None = None) -> HectorWriter:
        """The writing client; each of its requests is written down in the journal first."""
        return HectorWriter(
            hector_transport(
                self._service,
                self._token,
                pacing=self._rate_limit,
                timing=self._timing,
                verbs=WRITE_METHODS,
                journal=journal,
            )
        )

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Stands in for tag numbers in every table; its key is made of the token, so no table can be looked up without it."""
        return Fingerprint(hashlib.sha256(b"tag numbers of hector-salto:" + self._token.encode()).digest())

    def get_conn(self) -> HectorReader:
        return self.reader

    def test_connection(self) -> tuple[bool, str]:
        try:
            once = type(self)(self.hector_conn_id, timing=replace(self._timing, patient=False))
            environment = once.reader.environment()
        except RestError as error:
            return False, str(error)
        return True, f"Connected to {environment.name} ({environment.instance_id})"

    @property
    def base_url(self) -> str:
        """Return the address of the connection.

        Raises:
            ConfigurationError: when the connection has none that can be used.
        """
        return self._fields.host("host (the base URL)")

    @property
    def _service(self) -> Service:
        return hector_service(self.base_url, self.hector_conn_id)

    @property
    def _token(self) -> str:
        """The token, also when it was copied with the word that stands before it in a header."""
        token = self._fields.password("password (the token)")
        kind, _, rest = token.partition(" ")
        token = rest.strip(BLANKS) if kind.lower() == "bearer" and rest else token
        mask_secret(token)  # Airflow masks what was typed, which may be longer
        return token

    @cached_property
    def _fields(self) -> ConnectionFields:
        return ConnectionFields(self.connection, self._request_info)

    @property
    def _request_info(self) -> RequestInfo:
        return RequestInfo("Hector", self.hector_conn_id)


def hector_hook(source: Source, *, timing: Timing = SYSTEM_CLOCK) -> HectorHook | HectorReportsHook:
    """Return the hook of an integration: of Hector's API, or of its reports.

    The connection is read on first use; one of the other type is an error then.
    """
    if source.hector_reports is None:
        return HectorHook(source.hector_conn_id, timing=timing)
    return HectorReportsHook(source.hector_conn_id, source.hector_reports)
