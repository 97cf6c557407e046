"""How far a service's clock is from this machine's: each answer carries the service's own Date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hector_salto.http_client.errors import ClockError, RequestInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_DIFFERENCE = 120.0  # seconds between two clocks of one run
MINUTE, HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What a service's answers show of its clock.

    Attributes:
        service: its name.
        connection: the Airflow connection.
        ahead: seconds ahead of this machine's clock; None: no answer carried a Date.
    """

    service: str
    connection: str
    ahead: float | None

    def __str__(self) -> str:
        return f"{self.service} (connection {self.connection})"


class ServiceClock:
    """The smallest difference that any answer shows: a slow or cached answer makes a clock look late, never right."""

    def __init__(self) -> None:
        self.ahead: float | None = None

    def note(self, ahead: float) -> None:
        if self.ahead is None or abs(ahead) < abs(self.ahead):
            self.ahead = ahead


def require_same_time(clocks: Sequence[ClockReading]) -> None:
    """Check that this machine and the services agree on the time; an unknown clock is no fault.

    Raises:
        ClockError: when two of them are more than two minutes apart.
    """
    known = [(clock, clock.ahead) for clock in clocks if clock.ahead is not None]
    if not known:
        return
    wrong = [(clock, ahead) for clock, ahead in known if abs(ahead) > MAX_DIFFERENCE]
    spread = max(ahead for _, ahead in known) - min(ahead for _, ahead in known)
    if len(wrong) == len(known) and spread <= MAX_DIFFERENCE:
        raise _error_for_machine(known)
    if wrong:
        raise _error_for_service(*max(wrong, key=lambda one: abs(one[1])))
    if spread > MAX_DIFFERENCE:
        raise _error_between_services(known)


def _error_for_machine(known: list[tuple[ClockReading, float]]) -> ClockError:
    """All services known agree, and this machine does not."""
    first, ahead = known[0]
    others = "".join(f" and {clock}" for clock, _ in known[1:])
    show = "show" if others else "shows"
    what = f"{others.lstrip()} {show} that this machine's clock is {_format_span(-ahead)}".lstrip()
    return ClockError(_request_info(first), what, "set this machine's clock right (NTP keeps it so), then run again")


def _error_for_service(clock: ClockReading, ahead: float) -> ClockError:
    step = "have that service's clock set right, and check this machine's, then run again"
    return ClockError(_request_info(clock), f"has a clock that is {_format_span(ahead)} of this machine's", step)


def _error_between_services(known: list[tuple[ClockReading, float]]) -> ClockError:
    late, early = min(known, key=lambda one: one[1]), max(known, key=lambda one: one[1])
    what = f"has a clock that is {_format_span(early[1] - late[1])} of that of {late[0]}"
    return ClockError(_request_info(early[0]), what, "have the wrong one of the two set right, then run again")


def _request_info(clock: ClockReading) -> RequestInfo:
    return RequestInfo(clock.service, clock.connection)


def _format_span(seconds: float) -> str:
    """Return for instance "3 h 0 min ahead"."""
    size = round(abs(seconds))
    if size >= HOUR:
        hours, minutes = divmod(round(size / MINUTE), MINUTE)
        words = f"{hours} h {minutes} min"
    else:
        words = f"{size // MINUTE} min {size % MINUTE} s"
    return f"{words} {'ahead' if seconds > 0 else 'behind'}"
