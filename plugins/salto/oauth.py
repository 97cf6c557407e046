"""The access token of Salto's identity server: fetched with the account's password, renewed before it runs out."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from pydantic import TypeAdapter

from hector_salto.http_client.answers import Answer, json_of, parsed, validated
from hector_salto.http_client.errors import (
    ConfigurationError,
    CredentialsError,
    Exchange,
    MalformedAnswerError,
    NotActiveError,
    RestError,
    StopError,
    UnavailableError,
)
from hector_salto.http_client.retries import retrying
from hector_salto.http_client.timing import REAL, Timing
from hector_salto.http_client.transport import FAILURES, TIMEOUT, Service, answer_of, failed, prepare_session, refused
from salto.errors import UNAUTHORISED
from salto.payloads import TokenPayload

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from hector_salto.http_client.answers import Said

SCOPE = "user_api.full_access"
PATH = "/connect/token"
UNKNOWN_CLIENT = 401  # what RFC 6749 (5.2) lets a server answer to a client it does not know, be it without words
EARLY = 60.0  # seconds before its end a token is renewed, or at half of a shorter life
NOT_ACTIVE = (
    "the integration's account is not active on this site yet, or username/user_password in the connection are wrong: "
    "finish its sign-up from the invitation mail, make it Site Admin, then correct the connection"
)
CLIENT = "check login (client id) and password (client secret) of the connection with Salto"
_TOKEN = TypeAdapter(TokenPayload)


@dataclass(frozen=True, slots=True)
class Account:
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
        account: Account,
        connection: str,
        *,
        on_token: Callable[[str], None] = lambda _token: None,
        timing: Timing = REAL,
    ) -> None:
        self._service = Service("Salto KS identity server", connection, identity_url, _refusal, UNAUTHORISED)
        self._exchange = self._service.exchange("POST", PATH)
        self._account = account
        self._on_token = on_token
        self._timing = timing
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._refused: StopError | None = None
        self._plain = False  # the server takes client id and secret only as they are

    @property
    def is_refused(self) -> bool:
        return self._refused is not None

    def token(self) -> str:
        with self._lock:
            if not self._token or self._timing.monotonic() >= self._renew_at:
                self._fetch()
            return self._token

    def renewed(self, refused: str) -> str:
        """A token other than the refused one; the first thread that comes fetches it for all."""
        with self._lock:
            if not self._token or self._token == refused:
                self._fetch()
            return self._token

    def _fetch(self) -> None:
        if self._refused is not None:
            raise self._refused
        try:
            found = retrying(self._timing)(self._once)
        except StopError as error:
            self._refused = error
            raise
        self._on_token(found.access_token)
        self._token = found.access_token
        self._renew_at = self._timing.monotonic() + found.expires_in - min(EARLY, found.expires_in / 2)

    def _once(self) -> TokenPayload:
        """One try; a server that does not decode the client's form gets it once as it is."""
        try:
            return self._asked_once(self._plain)
        except ClientRefusedError:
            if self._plain or _basic(self._account, plain=False) == _basic(self._account, plain=True):
                raise
        found = self._asked_once(plain=True)
        self._plain = True
        return found

    def _asked_once(self, plain: bool) -> TokenPayload:
        # Raised outside the except block: what Authlib and requests say may hold the account's secrets.
        try:
            found = self._asked(plain=plain)
        except RestError:
            raise
        except UnicodeError:
            failure: RestError = ConfigurationError(self._exchange, "cannot be sent this client id and secret", CLIENT)
        except FAILURES as error:
            failure = failed(replace(self._exchange, method="GET"), error)  # asking twice doubles nothing
        except (OAuthError, ValueError, TypeError, AttributeError, OverflowError):  # 1e999 seconds are infinite
            failure = MalformedAnswerError(self._exchange, "answered with something that is not a token")
        else:
            return validated(replace(self._exchange, method="GET"), _TOKEN, found)
        raise failure

    def _asked(self, *, plain: bool) -> dict[str, Any]:
        authorized = _signing(_basic(self._account, plain=plain))
        with OAuth2Session(self._account.client_id, self._account.client_secret, scope=SCOPE) as session:
            prepare_session(session, self._service.base_url)
            session.register_compliance_hook("access_token_response", self._checked)
            return dict(
                session.fetch_token(
                    self._service.base_url + PATH,
                    grant_type="password",
                    username=self._account.username,
                    password=self._account.user_password,
                    auth=authorized,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                )
            )

    def _checked(self, response: requests.Response) -> requests.Response:
        """The response with its body read within limits, or the error that it means."""
        answer = answer_of(response, self._timing)
        response._content = answer.content  # noqa: SLF001 - so that Authlib reads what we have read, and not without limit
        exchange = replace(self._exchange, method="GET", status=answer.status)
        if answer.status == 200:  # noqa: PLR2004 - HTTP's own number
            parsed(exchange, answer)
            return response
        raise self._refusal_of(exchange, answer)

    def _refusal_of(self, exchange: Exchange, answer: Answer) -> RestError:
        exchange = replace(exchange, method="POST")
        error = _oauth_error(answer)
        if error == "invalid_grant":
            return NotActiveError(exchange, "refuses the account (invalid_grant)", NOT_ACTIVE)
        if error == "invalid_client" or (error is None and answer.status == UNKNOWN_CLIENT):
            return ClientRefusedError(exchange, f"refuses the client ({error or answer.status})", CLIENT)
        if error is not None or answer.status in {400, 403}:
            return CredentialsError(exchange, f"refuses the client ({error or answer.status})", CLIENT)
        if answer.status == 404:  # noqa: PLR2004 - HTTP's own number; seen for two hours of an outage
            return UnavailableError(exchange, "is not there (404)", "check identity_url in the connection, or wait")
        # Without the body: even an outage's page may echo what was sent, the account's password included.
        return refused(self._service, replace(exchange, method="GET"), replace(answer, content=b""))


def _basic(account: Account, *, plain: bool) -> str:
    """Return the value of Basic authentication: both halves form-encoded (RFC 6749, 2.3.1), or as they are."""
    halves = (account.client_id, account.client_secret)
    pair = ":".join(halves if plain else map(quote_plus, halves))
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _signing(authorization: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return what requests calls to authorize a request."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = authorization
        return request

    return sign


ERRORS = frozenset(
    {
        "invalid_grant",
        "invalid_client",
        "invalid_scope",
        "invalid_request",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


def _oauth_error(answer: Answer) -> str | None:
    """The error's name, if it is one of the standard's: anything else may echo what was sent."""
    try:
        value = json_of(answer.content)
    except ValueError:
        return None
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, str) and error in ERRORS else None


def _refusal(exchange: Exchange, said: Said) -> RestError:  # noqa: ARG001 - its words may echo the account's secrets
    return CredentialsError(exchange, f"refuses the request ({exchange.status})", CLIENT)
