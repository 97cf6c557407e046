"""Salto's connection in Airflow: which API and identity server, which client and which account."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from hector_salto.access.texts import comparable
from hector_salto.http_client.connection_fields import BLANKS, ConnectionFields, missing_connection
from hector_salto.http_client.errors import ConfigurationError, RequestInfo, RestError
from hector_salto.http_client.fingerprint import no_fingerprint
from hector_salto.http_client.rate_limit import CEILING, RateLimit
from hector_salto.http_client.timing import SYSTEM_CLOCK, Timing
from hector_salto.http_client.transport import READ_METHODS, NoToken, Service, Transport
from salto.addresses import api_address, identity_address, require_one_environment
from salto.client import SaltoReader
from salto.errors import UNAUTHORIZED_STEP, error_for_refusal
from salto.oauth import AccountCredentials, PasswordGrant
from salto.probe import Discovery, SaltoProbe, read_discovery
from salto.sites import describe_sites, visible_sites
from salto.writer import WRITE_METHODS, SaltoWriter

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import Connection

    from hector_salto.http_client.transport import CallRecorder
    from salto.payloads import ListedSite

API_VERSIONS = ("v1.1", "v1.2")
HOST_FIELD = "host (the API URL)"

_rate_limits: dict[tuple[str, str], RateLimit] = {}
_grants: dict[tuple[str, str, AccountCredentials, Timing], PasswordGrant] = {}
_budgets_lock = threading.Lock()


def rate_limit_of(base_url: str, site: str, timing: Timing = SYSTEM_CLOCK) -> RateLimit:
    """The one budget of requests that everything in this process shares for a site."""
    with _budgets_lock:
        return _rate_limits.setdefault((base_url, comparable(site)), RateLimit(ceiling=CEILING, timing=timing))


def grant_of(
    identity_url: str, account: AccountCredentials, connection: str, timing: Timing = SYSTEM_CLOCK
) -> PasswordGrant:
    """The one token that everything in this process shares for an account; after a refusal the next asks anew."""
    with _budgets_lock:
        key = (identity_url, connection, account, timing)
        if key not in _grants or _grants[key].is_rejected:
            _grants[key] = PasswordGrant(identity_url, account, connection, on_token=mask_secret, timing=timing)
        return _grants[key]


def clear_grants() -> None:
    with _budgets_lock:
        _grants.clear()


class SaltoHook(BaseHook):
    """Opens Salto's clients from an Airflow connection of type ``salto_ks``.

    :param salto_conn_id: id of the connection; it is read on first use, never while a DAG file is parsed.
    :param site: UUID, site UID or name of the site; not needed where the account sees one site only.
    """

    conn_name_attr = "salto_conn_id"
    default_conn_name = "salto_default"
    conn_type = "salto_ks"
    hook_name = "Salto KS"

    def __init__(
        self, salto_conn_id: str = default_conn_name, *, site: str | None = None, timing: Timing = SYSTEM_CLOCK
    ) -> None:
        super().__init__()
        self.salto_conn_id = salto_conn_id
        self._site = site
        self._timing = timing
        self._readers: dict[str, SaltoReader] = {}

    @classmethod
    def of_connection(cls, connection: Connection, *, timing: Timing = SYSTEM_CLOCK) -> Self:
        """Return the hook of a connection that Airflow need not know (yet)."""
        hook = cls(connection.conn_id, timing=timing)
        hook.__dict__["connection"] = connection  # where cached_property keeps what it has found
        return hook

    @cached_property
    def connection(self) -> Connection:
        try:
            return self.get_connection(self.salto_conn_id)
        except AirflowNotFoundException:
            raise missing_connection(self.salto_conn_id, self.request_info) from None

    def reader(self, site: str, site_id: str | None = None) -> SaltoReader:
        """The reading client of a site, given by UUID, site UID or name.

        Args:
            site: which.
            site_id: the UUID it was found to mean before, if it is known.
        """
        if site not in self._readers:
            self._readers[site] = SaltoReader(self._transport(site, READ_METHODS), self._version, site, site_id)
        return self._readers[site]

    def writer(self, site: str, journal: CallRecorder | None = None) -> SaltoWriter:
        """The writing client; each of its requests is written down in the journal first."""
        return SaltoWriter(self._transport(site, WRITE_METHODS, journal), self._version, self.reader(site).site_id)

    def sites(self) -> list[ListedSite]:
        """Return the sites that the connection's account sees."""
        return visible_sites(self._transport("", READ_METHODS), self._version)

    def probe(self, site_id: str) -> SaltoProbe:
        """A client that looks at what no sync looks at; it only reads.

        Args:
            site_id: the site's UUID.
        """
        public = Transport(self._service, NoToken(), timing=self._timing)
        return SaltoProbe(self._transport(site_id, READ_METHODS), public, self._version, site_id)

    def discovery(self) -> Discovery:
        """Return what the identity server says of itself, without signing in."""
        service = Service(
            "Salto KS identity server", self.salto_conn_id, self._identity_url, error_for_refusal, UNAUTHORIZED_STEP
        )
        return read_discovery(Transport(service, NoToken(), timing=self._timing))

    @property
    def addresses(self) -> tuple[str, str]:
        """Return the addresses of the API and of the identity server.

        Raises:
            ConfigurationError: when either cannot be used.
        """
        return self._api[0], self._identity_url

    @property
    def version(self) -> str:
        """Return the API's version that the connection names."""
        return self._version

    def get_conn(self) -> SaltoReader:
        """Return the reading client of the hook's site.

        Raises:
            ConfigurationError: when the hook names no site, and the account sees none or several.
        """
        return self.reader(self._site or self._only_site())

    def users(self) -> pd.DataFrame:
        """Return the site's users (columns SALTO_USERS); tag numbers are left out."""
        return self.get_conn().users(no_fingerprint)

    def tags(self) -> pd.DataFrame:
        """Return the site's tags (columns SALTO_TAGS); their numbers are left out."""
        return self.get_conn().tags(no_fingerprint)

    def locks(self) -> pd.DataFrame:
        """Return the site's locks (columns SALTO_LOCKS)."""
        reader = self.get_conn()
        return reader.locks(reader.site.zone)

    def groups(self) -> pd.DataFrame:
        """Return the site's access groups (columns SALTO_GROUPS)."""
        return self.get_conn().groups()

    @property
    def grant(self) -> PasswordGrant:
        """The account's access, shared by everything in this process."""
        return self._grant

    def _only_site(self) -> str:
        sites = visible_sites(self._transport("", READ_METHODS), self._version)
        if len(sites) != 1:
            seen = describe_sites(sites) if sites else "none"
            raise ConfigurationError(
                self.request_info,
                f"does not say which site is meant (sites seen: {seen})",
                "name it: SaltoHook(site=...)",
            )
        return sites[0].id

    def test_connection(self) -> tuple[bool, str]:
        clear_grants()  # an earlier token says nothing about the account as it is now
        try:
            once = type(self)(self.salto_conn_id, timing=replace(self._timing, patient=False))
            sites = visible_sites(once._transport("", READ_METHODS), once._version)  # noqa: SLF001 - this class's own
        except RestError as error:
            return False, str(error)
        if not sites:
            return False, "Connected, but the account sees no site: make it Site Admin in the Salto dashboard"
        return True, f"Connected; sites: {describe_sites(sites)}"

    @cached_property
    def _service(self) -> Service:
        return Service("Salto KS", self.salto_conn_id, self._api[0], error_for_refusal, UNAUTHORIZED_STEP)

    @cached_property
    def _api(self) -> tuple[str, str | None]:
        """Address of the API, and the version in its path, if one was pasted along."""
        return api_address(self._fields.host(HOST_FIELD), HOST_FIELD, self.request_info)

    @cached_property
    def _grant(self) -> PasswordGrant:
        require_one_environment(*self.addresses, self.request_info)
        return grant_of(self._identity_url, self._account, self.salto_conn_id, self._timing)

    @cached_property
    def _identity_url(self) -> str:
        name = "identity_url in its extra fields"
        given = self._fields.address(self._fields.extra_field("identity_url"), name)
        return identity_address(given, name, self.request_info)

    @property
    def _account(self) -> AccountCredentials:
        password = self._fields.extra_field("user_password")
        client_secret = self._fields.password("password (the client secret)")
        for secret in (password, client_secret):
            mask_secret(secret)
        return AccountCredentials(
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
                self.request_info,
                f"names {in_host} in its {HOST_FIELD} and {wanted} in api_version",
                "leave the version out of the host",
            )
        version = wanted or in_host or API_VERSIONS[0]
        if version not in API_VERSIONS:
            raise ConfigurationError(
                self.request_info, f"has an unknown api_version, allowed are {' and '.join(API_VERSIONS)}"
            )
        return version

    @cached_property
    def _fields(self) -> ConnectionFields:
        return ConnectionFields(self.connection, self.request_info)

    @property
    def request_info(self) -> RequestInfo:
        return RequestInfo("Salto KS", self.salto_conn_id)

    def _transport(self, site: str, verbs: frozenset[str], journal: CallRecorder | None = None) -> Transport:
        pacing = rate_limit_of(self._service.base_url, site, self._timing)
        return Transport(self._service, self._grant, verbs=verbs, pacing=pacing, timing=self._timing, journal=journal)
