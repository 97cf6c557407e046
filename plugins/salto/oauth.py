"""The access token of Salto's identity server: fetched with the account's password, renewed before it runs out."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import requests
from pydantic import TypeAdapter

from hector_salto.http_client.errors import (
    AccountNotActiveError,
    ConfigurationError,
    CredentialsError,
    FatalError,
    RequestInfo,
    RestError,
    UnavailableError,
)
from hector_salto.http_client.retries import retry_policy
from hector_salto.http_client.service_response import HttpResponse, decode_json, parse_json, validate_payload
from hector_salto.http_client.timing import SYSTEM_CLOCK, Timing
from hector_salto.http_client.transport import (
    TIMEOUT,
    TRANSPORT_ERRORS,
    Service,
    error_for_exception,
    error_for_status,
    prepare_session,
    read_response,
)
from salto.errors import UNAUTHORIZED_STEP
from salto.payloads import TokenPayload

if TYPE_CHECKING:
    from collections.abc import Callable

    from hector_salto.http_client.service_response import ErrorBody

OAUTH_SCOPE = "user_api.full_access"
GRANT_PATH = "/connect/token"
UNKNOWN_CLIENT_STATUS = (
    401  # what RFC 6749 (5.2) lets a server answer to a client it does not know, be it without words
)
RENEW_EARLY = 60.0  # seconds before its end a token is renewed, or at half of a shorter life
NOT_ACTIVE_STEP = (
    "the integration's account is not active on this site yet, or username/user_password in the connection are wrong: "
    "finish its sign-up from the invitation mail, make it Site Admin, then correct the connection"
)
CLIENT_STEP = "check login (client id) and password (client secret) of the connection with Salto"
BACKEND_STEP = "ask Salto for a client of type backend server: only that type may sign in with an account's password"
CLIENT_FAULTS = {
    "unauthorized_client": ("does not let this client sign in with an account's password", BACKEND_STEP),
    "unsupported_grant_type": ("takes no account's password as a way in", BACKEND_STEP),
    "invalid_scope": (
        f"does not give this client the scope {OAUTH_SCOPE}",
        "ask Salto for a client of the Connect API: clients of the Core API have other scopes",
    ),
}
_TOKEN = TypeAdapter(TokenPayload)


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """Who signs in, and through which client."""

    client_id: str
    client_secret: str = field(repr=False)
    username: str = field(repr=False)
    user_password: str = field(repr=False)


class ClientRefusedError(CredentialsError):
    """The client is not known in the form it was sent in."""


class PasswordGrant:
    """One account's token, shared by all threads. A refused account is not tried again.

    :param on_token: called with each new token, so that the log can mask it.
    """

    def __init__(
        self,
        identity_url: str,
        account: AccountCredentials,
        connection: str,
        *,
        on_token: Callable[[str], None] = lambda _token: None,
        timing: Timing = SYSTEM_CLOCK,
    ) -> None:
        self._service = Service(
            "Salto KS identity server", connection, identity_url, _error_for_refusal, UNAUTHORIZED_STEP
        )
        self._request_info = self._service.request_info("POST", GRANT_PATH)
        self._account = account
        self._on_token = on_token
        self._timing = timing
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._lifetime: float | None = None
        self._fatal_error: FatalError | None = None
        self._sends_plain = False  # the server takes client id and secret only as they are

    @property
    def is_rejected(self) -> bool:
        return self._fatal_error is not None

    def token(self) -> str:
        with self._lock:
            if not self._token or self._timing.monotonic() >= self._renew_at:
                self._fetch()
            return self._token

    @property
    def lifetime(self) -> float | None:
        """Return for how many seconds the last token was given; None: none was."""
        return self._lifetime

    def renew(self, refused: str) -> str:
        """A token other than the refused one; the first thread that comes fetches it for all."""
        with self._lock:
            if not self._token or self._token == refused:
                self._fetch()
            return self._token

    def _fetch(self) -> None:
        if self._fatal_error is not None:
            raise self._fatal_error
        try:
            found = retry_policy(self._timing)(self._fetch_once)
        except FatalError as error:
            self._fatal_error = error
            raise
        self._on_token(found.access_token)
        self._token, self._lifetime = found.access_token, found.expires_in
        self._renew_at = self._timing.monotonic() + found.expires_in - min(RENEW_EARLY, found.expires_in / 2)

    def _fetch_once(self) -> TokenPayload:
        """One try; a server that does not decode the client's form gets it once as it is."""
        try:
            return self._request_token(self._sends_plain)
        except ClientRefusedError:
            if self._sends_plain or _basic_authorization(self._account, plain=False) == _basic_authorization(
                self._account, plain=True
            ):
                raise
        found = self._request_token(plain=True)
        self._sends_plain = True
        return found

    def _request_token(self, plain: bool) -> TokenPayload:
        # Raised outside the except block: what requests says may hold the account's secrets.
        try:
            found = self._post_for_token(plain=plain)
        except RestError:
            raise
        except UnicodeError:
            failure: RestError = ConfigurationError(
                self._request_info, "cannot be sent this client id and secret", CLIENT_STEP
            )
        except TRANSPORT_ERRORS as error:
            failure = error_for_exception(
                replace(self._request_info, method="GET"), error
            )  # asking twice doubles nothing
        else:
            return validate_payload(replace(self._request_info, method="GET"), _TOKEN, found)
        raise failure

    def _post_for_token(self, *, plain: bool) -> object:
        form = {
            "grant_type": "password",
            "scope": OAUTH_SCOPE,
            "username": self._account.username,
            "password": self._account.user_password,
        }
        with requests.Session() as session:
            prepare_session(session, self._service.base_url)
            response = session.post(
                self._service.base_url + GRANT_PATH,
                data=form,
                headers={"Accept": "application/json"},
                auth=_authorizer(_basic_authorization(self._account, plain=plain)),
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            )
            return self._check_response(response)

    def _check_response(self, response: requests.Response) -> object:
        """Return the body, read within limits, as JSON; raise the error that any other status means."""
        answer = read_response(response, self._timing)
        exchange = replace(self._request_info, method="GET", status=answer.status)
        if answer.status == 200:  # noqa: PLR2004 - HTTP's own number
            return parse_json(exchange, answer)
        raise self._error_for_response(exchange, answer)

    def _error_for_response(self, exchange: RequestInfo, answer: HttpResponse) -> RestError:
        exchange = replace(exchange, method="POST")
        error = _parse_oauth_error(answer)
        if error == "invalid_grant":
            return AccountNotActiveError(exchange, "refuses the account (invalid_grant)", NOT_ACTIVE_STEP)
        if error == "invalid_client" or (error is None and answer.status == UNKNOWN_CLIENT_STATUS):
            return ClientRefusedError(exchange, f"refuses the client ({error or answer.status})", CLIENT_STEP)
        if error is not None or answer.status in {400, 403}:
            what, step = CLIENT_FAULTS.get(error or "", ("refuses the client", CLIENT_STEP))
            return CredentialsError(exchange, f"{what} ({error or answer.status})", step)
        if answer.status == 404:  # noqa: PLR2004 - HTTP's own number; seen for two hours of an outage
            return UnavailableError(exchange, "is not there (404)", "check identity_url in the connection, or wait")
        # Without the body: even an outage's page may echo what was sent, the account's password included.
        return error_for_status(self._service, replace(exchange, method="GET"), replace(answer, content=b""))


def _basic_authorization(account: AccountCredentials, *, plain: bool) -> str:
    """Return the value of Basic authentication: both halves form-encoded (RFC 6749, 2.3.1), or as they are."""
    halves = (account.client_id, account.client_secret)
    pair = ":".join(halves if plain else map(quote_plus, halves))
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _authorizer(authorization: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return what requests calls to authorize a request."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = authorization
        return request

    return sign


OAUTH_ERRORS = frozenset(
    {
        "invalid_grant",
        "invalid_client",
        "invalid_scope",
        "invalid_request",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


def _parse_oauth_error(answer: HttpResponse) -> str | None:
    """The error's name, if it is one of the standard's: anything else may echo what was sent."""
    try:
        value = decode_json(answer.content)
    except ValueError:
        return None
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, str) and error in OAUTH_ERRORS else None


def _error_for_refusal(exchange: RequestInfo, said: ErrorBody) -> RestError:  # noqa: ARG001 - its words may echo the account's secrets
    return CredentialsError(exchange, f"refuses the request ({exchange.status})", CLIENT_STEP)
