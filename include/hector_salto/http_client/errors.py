"""What can go wrong between us and a service, sorted by what the reader must do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from hector_salto.access.results import FailureCause


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """One request as errors tell it: never its query, its body or its headers, which may name people or hold secrets.

    Attributes:
        address: scheme, host and port that were called, for errors about these.
    """

    service: str
    connection: str
    method: str = ""
    path: str = ""
    status: int | None = None
    code: str | None = None
    address: str = field(default="", compare=False)

    def __str__(self) -> str:
        request = f": {self.method} {self.path}" if self.method else ""
        return f"{self.service} (connection {self.connection}){request}"


class RestError(Exception):
    """One sentence: who (service, connection, request), what happened, what to do next."""

    step: ClassVar[str] = "read the log of this task"
    cause: ClassVar[FailureCause] = FailureCause.OUTAGE

    def __init__(self, exchange: RequestInfo, what: str, step: str | None = None) -> None:
        super().__init__(exchange, what, step)
        self.request_info = exchange
        self.what = what
        self.next_step = step or self.step

    def __str__(self) -> str:
        return f"{self.request_info} {self.what}: {self.next_step}"

    @property
    def service(self) -> str:
        return self.request_info.service

    @property
    def connection(self) -> str:
        return self.request_info.connection

    @property
    def method(self) -> str:
        return self.request_info.method

    @property
    def path(self) -> str:
        return self.request_info.path

    @property
    def status(self) -> int | None:
        return self.request_info.status

    @property
    def code(self) -> str | None:
        return self.request_info.code


class FatalError(RestError):
    """Nothing else of this run can work either: stop, and let a person act."""

    cause = FailureCause.ACCOUNT


class ConfigurationError(FatalError):
    """Mend the connection's fields, or the integration file."""

    step = "correct the connection"


class AddressError(ConfigurationError):
    """No such host, no TLS there, or a certificate that is not its own: the address in the connection is wrong."""

    step = "check the address in the connection"


class CredentialsError(FatalError):
    """Fix the connection: its token, client or password is refused."""

    step = "put valid credentials into the connection"


class AccountNotActiveError(FatalError):
    """The credentials are right, but the account may not act (yet): an administrator must give it the right to."""

    step = "give the account of the connection the rights it needs"


class ClockError(FatalError):
    """Two clocks are so far apart that windows would open, or end, at the wrong time."""

    step = "set the clocks right, then run again"


class NotRecordedError(FatalError):
    """What was to be sent could not be written down first, so it was not sent."""

    step = "make the ledger writable, then run again"


class NotFoundError(RestError):
    """The thing is gone; for a removal that is success."""

    step = "read again before deciding, it may have been removed meanwhile"
    cause = FailureCause.CONTENT


class RefusedError(RestError):
    """The service understood and said no to these data."""

    step = "correct the data named here"
    cause = FailureCause.CONTENT


class ForbiddenError(RefusedError):
    """The service refused a write that concerns no single user: the account lacks the right."""

    step = "give the account of the connection the rights it needs"
    cause = FailureCause.ACCOUNT


class UnavailableError(RestError):
    """Wait and try again; nothing has happened, or nothing that a second try would double."""

    step = "wait for the service and run again"

    def __init__(
        self, exchange: RequestInfo, what: str, step: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(exchange, what, step)
        self.args = (exchange, what, step, retry_after)  # a copy made by pickle keeps the wait
        self.retry_after = retry_after


class UnknownOutcomeError(RestError):
    """A write may or may not have happened: read, then decide. Sending it again could double a user or a group."""

    step = "read what is there before deciding, never send it again unread"


class IncompleteReadError(RestError):
    """Part of a list is missing; nothing may be removed because of it."""

    step = "run again; if it lasts, report it to the service"


class MalformedAnswerError(RestError):
    """The answer is not what the contract says: nothing may be decided from it."""

    step = "check the address in the connection, then report it to the service"


NON_IDEMPOTENT = frozenset({"POST", "PATCH"})  # sent twice they may act twice


def error_for_body(exchange: RequestInfo, what: str) -> RestError:
    """The error for an answer that cannot be read: of a write, its outcome is unknown."""
    kind = UnknownOutcomeError if exchange.method in NON_IDEMPOTENT else MalformedAnswerError
    return kind(exchange, what)
