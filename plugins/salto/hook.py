"""Salto's connection in Airflow: which API and identity server, which client and which account."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from hector_salto.access.texts import comparable
from hector_salto.http_client.connections import BLANKS, ConnectionFields
from hector_salto.http_client.errors import ConfigurationError, Exchange, RestError
from hector_salto.http_client.pacing import Pacing
from hector_salto.http_client.timing import REAL, Timing
from hector_salto.http_client.transport import READS, Service, Transport
from salto.addresses import api_address, identity_address
from salto.errors import UNAUTHORISED, refusal
from salto.oauth import Account, PasswordGrant
from salto.reader import SaltoReader
from salto.sites import shown, visible_sites
from salto.writer import CHANGES, SaltoWriter

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from hector_salto.http_client.transport import Journal

VERSIONS = ("v1.1", "v1.2")
HOST = "host (the API URL)"

_budgets: dict[tuple[str, str], Pacing] = {}
_grants: dict[tuple[str, str, Account, Timing], PasswordGrant] = {}
_budgets_lock = threading.Lock()


def budget(base_url: str, site: str, timing: Timing = REAL) -> Pacing:
    """The one budget of requests that everything in this process shares for a site."""
    with _budgets_lock:
        return _budgets.setdefault((base_url, comparable(site)), Pacing(timing=timing))


def grant(identity_url: str, account: Account, connection: str, timing: Timing = REAL) -> PasswordGrant:
    """The one token that everything in this process shares for an account; after a refusal the next asks anew."""
    with _budgets_lock:
        key = (identity_url, connection, account, timing)
        if key not in _grants or _grants[key].is_refused:
            _grants[key] = PasswordGrant(identity_url, account, connection, on_token=mask_secret, timing=timing)
        return _grants[key]


def forget_grants() -> None:
    with _budgets_lock:
        _grants.clear()


class SaltoHook(BaseHook):
    """Opens Salto's clients from an Airflow connection of type ``salto_ks``.

    :param salto_conn_id: id of the connection; it is read on first use, never while a DAG file is parsed.
    """

    conn_name_attr = "salto_conn_id"
    default_conn_name = "salto_default"
    conn_type = "salto_ks"
    hook_name = "Salto KS"

    def __init__(self, salto_conn_id: str = default_conn_name, *, timing: Timing = REAL) -> None:
        super().__init__()
        self.salto_conn_id = salto_conn_id
        self._timing = timing
        self._readers: dict[str, SaltoReader] = {}

    @cached_property
    def connection(self) -> Connection:
        try:
            return self.get_connection(self.salto_conn_id)
        except AirflowNotFoundException:
            step = f"make it under Admin > Connections, or set AIRFLOW_CONN_{self.salto_conn_id.upper()} to valid JSON"
            raise ConfigurationError(self._exchange, "cannot be found or read in Airflow", step) from None

    def reader(self, site: str, site_id: str | None = None) -> SaltoReader:
        """The reading client of a site, given by UUID, site UID or name.

        Args:
            site: which.
            site_id: the UUID it was found to mean before, if it is known.
        """
        if site not in self._readers:
            self._readers[site] = SaltoReader(self._transport(site, READS), self._version, site, site_id)
        return self._readers[site]

    def writer(self, site: str, journal: Journal | None = None) -> SaltoWriter:
        """The writing client; each of its requests is written down in the journal first."""
        return SaltoWriter(self._transport(site, CHANGES, journal), self._version, self.reader(site).site_id)

    def get_conn(self) -> PasswordGrant:
        """The account's access; a client needs a site as well, see ``reader``."""
        return self._grant

    def test_connection(self) -> tuple[bool, str]:
        forget_grants()  # an earlier token says nothing about the account as it is now
        try:
            once = type(self)(self.salto_conn_id, timing=replace(self._timing, patient=False))
            sites = visible_sites(once._transport("", READS), once._version)  # noqa: SLF001 - this class's own
        except RestError as error:
            return False, str(error)
        if not sites:
            return False, "Connected, but the account sees no site: make it Site Admin in the Salto dashboard"
        return True, f"Connected; sites: {shown(sites)}"

    @cached_property
    def _service(self) -> Service:
        return Service("Salto KS", self.salto_conn_id, self._api[0], refusal, UNAUTHORISED)

    @cached_property
    def _api(self) -> tuple[str, str | None]:
        """Address of the API, and the version in its path, if one was pasted along."""
        return api_address(self._fields.host(HOST), HOST, self._exchange)

    @cached_property
    def _grant(self) -> PasswordGrant:
        name = "identity_url in its extra fields"
        given = self._fields.address(self._fields.extra_field("identity_url"), name)
        address = identity_address(given, name, self._exchange)
        return grant(address, self._account, self.salto_conn_id, self._timing)

    @property
    def _account(self) -> Account:
        password = self._fields.extra_field("user_password")
        client_secret = self._fields.password("password (the client secret)")
        for secret in (password, client_secret):
            mask_secret(secret)
        return Account(
            client_id=self._fields.login("login (the client id)"),
            client_secret=client_secret,
            username=self._fields.extra_field("username"),
            user_password=password,
        )

    @cached_property
    def _version(self) -> str:
        given = str(self._fields.extras.get("api_version") or "").strip(BLANKS).lower()
        wanted = given and f"v{given.removeprefix('v')}"
        in_host = self._api[1]
        if wanted and in_host and wanted != in_host:
            raise ConfigurationError(
                self._exchange,
                f"names {in_host} in its {HOST} and {wanted} in api_version",
                "leave the version out of the host",
            )
        version = wanted or in_host or VERSIONS[0]
        if version not in VERSIONS:
            raise ConfigurationError(
                self._exchange, f"has an unknown api_version, allowed are {' and '.join(VERSIONS)}"
            )
        return version

    @cached_property
    def _fields(self) -> ConnectionFields:
        return ConnectionFields(self.connection, self._exchange)

    @property
    def _exchange(self) -> Exchange:
        return Exchange("Salto KS", self.salto_conn_id)

    def _transport(self, site: str, verbs: frozenset[str], journal: Journal | None = None) -> Transport:
        pacing = budget(self._service.base_url, site, self._timing)
        return Transport(self._service, self._grant, verbs=verbs, pacing=pacing, timing=self._timing, journal=journal)
