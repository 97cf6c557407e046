"""Sends requests to one service: authorised, paced, timed, retried, and every failure an error that says what to do."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as NoAnswerError

from hector_salto.http_client import request_counter
from hector_salto.http_client.addresses import is_loopback, origin
from hector_salto.http_client.clock_skew import ClockReading, ServiceClock
from hector_salto.http_client.connection_errors import error_for_connection
from hector_salto.http_client.errors import (
    NON_IDEMPOTENT,
    ConfigurationError,
    CredentialsError,
    RequestInfo,
    RestError,
    UnavailableError,
    UnknownOutcomeError,
    error_for_body,
)
from hector_salto.http_client.rate_limit import RateLimit, RateLimitTimeoutError
from hector_salto.http_client.redaction import redact
from hector_salto.http_client.retries import at_least_min_wait, retry_after, retry_policy, server_time
from hector_salto.http_client.service_response import (
    ErrorBody,
    HttpResponse,
    parse_error_body,
    parse_json,
    read_body,
    validate_payload,
)
from hector_salto.http_client.timing import SYSTEM_CLOCK, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import TypeAdapter

T = TypeVar("T")
TIMEOUT = (5.0, 20.0)  # seconds to connect, and between two bytes
# Seconds without a request after which a kept connection is not used again: the server may be closing it at this very
# moment (usual limits are 5, 60 and 75 s), and of a write sent into that it is unknown whether it was carried out.
MAX_IDLE_SECONDS = 4.0
DEFAULT_RETRY_AFTER = 60.0  # seconds after a 429 that names no time
TRANSPORT_ERRORS = (requests.RequestException, HTTPError, HTTPException, OSError, UnicodeError)
READ_METHODS = frozenset({"GET"})
UNSENDABLE_ERRORS = (
    UnicodeError,  # a token no header can carry
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)


class TokenSource(Protocol):
    """Where the token comes from."""

    def token(self) -> str: ...

    def renew(self, refused: str) -> str | None:
        """Another token after this one was refused; None when there is no other."""


class CallRecorder(Protocol):
    """Where requests that change something are written down."""

    def record_call(self, exchange: RequestInfo) -> object:
        """Before it is sent; what this raises keeps the request from being sent."""

    def record_result(self, call: object, status: int | None, error: str | None) -> None:
        """After it: the status, or why there is no whole answer. ``call`` is what ``sent`` gave. Raises nothing."""


class FixedToken:
    """A token typed into a connection: there is no other to try."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        return self._token

    def renew(self, refused: str) -> str | None:  # noqa: ARG002 - the protocol's signature
        return None


class NoToken(FixedToken):
    """For what a service says to everybody."""

    def __init__(self) -> None:
        super().__init__("")


@dataclass(frozen=True, slots=True)
class Service:
    """Whom we talk to, and how it says no."""

    name: str
    connection: str
    base_url: str
    refusal: Callable[[RequestInfo, ErrorBody], RestError]
    unauthorised: str  # what to do when the token is refused for good

    def request_info(self, method: str = "", path: str = "") -> RequestInfo:
        return RequestInfo(self.name, self.connection, method, path, address=origin(self.base_url))


@dataclass(frozen=True, slots=True)
class _Request:
    request_info: RequestInfo
    url: str = field(repr=False)
    body: object = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def careful(self) -> bool:
        return self.request_info.method in NON_IDEMPOTENT


class _CallRecord:
    """One request in the journal, if there is one."""

    def __init__(self, journal: CallRecorder | None) -> None:
        self._journal = journal
        self._call: object = None
        self._is_recorded = False

    def record_call(self, exchange: RequestInfo) -> None:
        if self._journal is not None:
            self._call = self._journal.record_call(exchange)
            self._is_recorded = True

    def record_result(self, status: int | None, error: str | None) -> None:
        if self._journal is not None and self._is_recorded:
            self._journal.record_result(self._call, status, error)


class Transport:
    """One service, many threads. ``verbs`` is what it may send at all: a reading client is given a reading transport."""

    def __init__(  # noqa: PLR0913 - what a transport is made of, each named
        self,
        service: Service,
        bearer: TokenSource,
        *,
        verbs: frozenset[str] = READ_METHODS,
        pacing: RateLimit | None = None,
        timing: Timing = SYSTEM_CLOCK,
        journal: CallRecorder | None = None,
    ) -> None:
        self.service = service
        self._bearer = bearer
        self._verbs = verbs
        self._journal = journal
        self._pacing = pacing or RateLimit(timing=timing)
        self._timing = timing
        self._threads = threading.local()
        self._clock = ServiceClock()

    def __repr__(self) -> str:
        return f"Transport({self.service.name}, {self.service.connection}, {'/'.join(sorted(self._verbs))})"

    @property
    def clock(self) -> ClockReading:
        """How the service's clock compares with this machine's, as its answers so far show."""
        return ClockReading(self.service.name, self.service.connection, self._clock.ahead)

    def url(self, path: str, query: str = "") -> str:
        return f"{self.service.base_url}{path}{'?' + query if query else ''}"

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[RequestInfo, object]:
        """The JSON value at an address of this service, and the exchange for the caller that finds fault with it."""
        request = replace(self._request("GET", url), headers=headers or {})
        answer = self._send(request)
        exchange = replace(request.request_info, status=answer.status)
        return exchange, parse_json(exchange, answer)

    def text(self, path: str) -> str:
        """A page that is no JSON, as a service's documentation."""
        answer = self._send(self._request("GET", self.url(path)))
        return answer.content.decode("utf-8", "replace")

    def read(self, path: str, adapter: TypeAdapter[T], query: str = "") -> T:
        exchange, value = self.get(self.url(path, query))
        return validate_payload(exchange, adapter, value)

    def write(self, method: str, path: str, body: object = None) -> HttpResponse:
        """Send a change whose reply says nothing but "done": empty, or JSON. A page of HTML is no such reply."""
        request = self._request(method, self.url(path), body)
        answer = self._send(request)
        if answer.content.strip():
            parse_json(replace(request.request_info, status=answer.status), answer)
        return answer

    def write_for(self, method: str, path: str, body: object, adapter: TypeAdapter[T]) -> T:
        """Send a change and read its reply."""
        request = self._request(method, self.url(path), body)
        answer = self._send(request)
        exchange = replace(request.request_info, status=answer.status)
        return validate_payload(exchange, adapter, parse_json(exchange, answer))

    def _request(self, method: str, url: str, body: object = None) -> _Request:
        if method not in self._verbs:
            raise TypeError(f"this client of {self.service.name} may not send {method}")
        return _Request(self.service.request_info(method, urlsplit(url).path), url, body)

    def _send(self, request: _Request) -> HttpResponse:
        token = self._bearer.token()
        try:
            return self._send_with_retries(request, token)
        except CredentialsError:
            other = self._bearer.renew(token)
            if other is None:
                raise
        return self._send_with_retries(request, other)  # a second refusal stands

    def _send_with_retries(self, request: _Request, token: str) -> HttpResponse:
        return retry_policy(self._timing)(self._send_once, request, token)

    def _send_once(self, request: _Request, token: str) -> HttpResponse:
        """One try: the answer, or the error that says whether another may follow.

        What changes something is written down right before it is sent, so that it is known also when this process dies;
        its answer after the turn is given back, so that another request goes out meanwhile.
        """
        entry = _CallRecord(None if request.request_info.method in READ_METHODS else self._journal)
        try:
            with self._pacing.acquire():
                entry.record_call(request.request_info)
                answer = self._perform(request, token)
        except RateLimitTimeoutError as error:
            held = error.seconds
        except RestError as error:
            self._pacing.slow_down()
            entry.record_result(None, error.what)
            raise
        else:
            entry.record_result(answer.status, None)
            return self._require_success(request, answer)
        raise UnavailableError(request.request_info, f"is not to be asked for {held:.0f} s more", retry_after=held)

    def _perform(self, request: _Request, token: str) -> HttpResponse:
        request_counter.count_request(self.service.name)
        # The failure is raised outside the except block: its own text holds the whole address, people's emails included.
        try:
            return self._receive(request, token)
        except TRANSPORT_ERRORS as error:
            failure = error_for_exception(request.request_info, error)
        raise failure

    def _receive(self, request: _Request, token: str) -> HttpResponse:
        response = self._session.request(
            request.request_info.method,
            request.url,
            json=request.body,
            headers=dict(request.headers) | _authorization(token) | {"Accept": "application/json"},
            auth=_no_netrc,
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        )
        received = self._timing.wall()  # its headers, and so its Date, were made before the body
        with response:
            answer = read_response(response, self._timing)
        if answer.date is not None:
            self._clock.note(answer.date - received)
        self._threads.used = self._timing.monotonic()
        return answer

    def _require_success(self, request: _Request, answer: HttpResponse) -> HttpResponse:
        if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own classes
            return answer
        error = error_for_status(self.service, request.request_info, answer)
        if isinstance(error, UnavailableError) and answer.status == requests.codes.too_many_requests:
            self._pacing.back_off(at_least_min_wait(error.retry_after or 0.0), told=answer.retry_after is not None)
        elif answer.status >= requests.codes.internal_server_error:
            self._pacing.slow_down()
        raise error

    @property
    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = new_session(self.service.base_url)
            self._threads.used = self._timing.monotonic()
        elif self._timing.monotonic() - self._threads.used > MAX_IDLE_SECONDS:
            session.close()  # its connections; it makes new ones
        return session


def _authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def new_session(base_url: str) -> requests.Session:
    """A session that keeps connections and nothing else."""
    session = requests.Session()
    prepare_session(session, base_url)
    return session


def prepare_session(session: requests.Session, base_url: str) -> None:
    session.trust_env = not is_loopback(
        urlsplit(base_url).hostname or ""
    )  # a proxy must not see this machine's traffic
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "hector-salto"
    # No redirect has a target: requests neither follows one nor reads its body, without limit, to prepare for it.
    session.get_redirect_target = _no_redirect_target  # type: ignore[method-assign]


def read_response(response: requests.Response, timing: Timing) -> HttpResponse:
    kind = response.headers.get("Content-Type", "")
    return HttpResponse(
        response.status_code,
        read_body(response, timing),
        kind,
        retry_after(response.headers),
        server_time(response.headers),
    )


def error_for_status(service: Service, exchange: RequestInfo, answer: HttpResponse) -> RestError:
    """The error for any status that is not a success."""
    words = parse_error_body(answer)
    exchange = replace(exchange, status=answer.status, code=words.code)
    text = describe_status(answer, words)
    match answer.status:
        case 429:
            wait = DEFAULT_RETRY_AFTER if answer.retry_after is None else answer.retry_after
            return UnavailableError(exchange, f"asks for fewer requests {text}", retry_after=wait)
        case 401:
            return CredentialsError(exchange, "refuses the token (401)", service.unauthorised)
        case status if status >= 500 or status == 408:  # noqa: PLR2004 - HTTP's own classes
            if exchange.method in NON_IDEMPOTENT:
                return UnknownOutcomeError(exchange, f"failed {text}, so it may or may not have been done")
            return UnavailableError(exchange, f"failed {text}", retry_after=answer.retry_after)
        case status if status < 400:  # noqa: PLR2004 - HTTP's own classes
            return error_for_body(exchange, f"answered {status}, a redirect or the like, which is never followed")
    return service.refusal(exchange, words)


def describe_status(answer: HttpResponse, words: ErrorBody) -> str:
    """The status, with code and redacted words where there are any, as the middle of a sentence."""
    code = f", code {words.code}" if words.code else ""
    text = f', "{redact(words.text)}"' if words.text.strip() else ""
    return f"({answer.status}{code}{text})"


def error_for_exception(exchange: RequestInfo, error: Exception) -> RestError:
    """The error for a request that got no whole answer."""
    if (unconnected := error_for_connection(exchange, list(_error_chain(error)))) is not None:
        return unconnected
    if isinstance(error, UNSENDABLE_ERRORS):
        return ConfigurationError(exchange, "has an address or a token that cannot be sent")
    what = "did not answer in time" if isinstance(error, requests.Timeout | NoAnswerError) else "broke the connection"
    if exchange.method in NON_IDEMPOTENT:
        return UnknownOutcomeError(exchange, f"{what}, so it may or may not have been done")
    return UnavailableError(exchange, what)


def _error_chain(error: object) -> Iterator[object]:
    """The error and what it wraps: requests keeps urllib3's as an argument, urllib3 keeps the reason as an attribute."""
    seen: list[object] = []
    queue: list[Any] = [error]
    while queue:
        cause = queue.pop()
        if isinstance(cause, BaseException) and cause not in seen:
            seen.append(cause)
            queue += [*cause.args, getattr(cause, "reason", None), cause.__cause__]
            yield cause


def _no_redirect_target(resp: requests.Response) -> str | None:  # noqa: ARG001 - requests' own signature
    return None


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given as ``auth`` so that requests never puts a machine's netrc entry in place of our token."""
    return request
