"""When a request is sent again, how long to wait before, and when to give up."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import tenacity
from tenacity.stop import stop_base

from hector_salto.http_client.errors import UnavailableError
from hector_salto.http_client.instants import NoInstantError, instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hector_salto.http_client.timing import Timing

TOO_MANY = 429
TRIES = 5
WAITS = ("Retry-After", "X-Rate-Limit-Reset", "X-RateLimit-Reset")
SINCE_1970 = 1_000_000_000.0  # no service names a wait of thirty years: such a number is a moment
LONGEST_NUMBER = 12  # digits that are read of one
LEAST_WAIT = 1.0
LONGEST_WAIT = 120.0  # asked to wait longer, we give up rather than ask before we may
BUDGET = 150.0  # seconds for one request with all its tries
# Asked for fewer requests (429), a request only waits its turn: of a few a minute, others may be served before it.
THROTTLED_TRIES = 12
THROTTLED_BUDGET = 600.0
_jitter = tenacity.wait_exponential_jitter(initial=1, max=30)


def retrying(timing: Timing) -> tenacity.Retrying:
    """Retry only UnavailableError: it is raised only where a second try can double nothing."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(UnavailableError),
        wait=_wait,
        stop=_Enough() if timing.patient else tenacity.stop_after_attempt(1),
        sleep=timing.sleep,
        reraise=True,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that the service names, dates read against its own clock; None: it names none.

    Cases:
        Retry-After: seconds, or an HTTP-date
        X-Rate-Limit-Reset: seconds, seconds since 1970, or a date of either kind
        negative, not a number, neither -> none
        a date that has passed          -> 0
    """
    now = _date(headers.get("Date", "")) or datetime.now(UTC)
    named = (_seconds(headers.get(name, "").strip(), now) for name in WAITS)
    return next((seconds for seconds in named if seconds is not None), None)


def _seconds(said: str, now: datetime) -> float | None:
    if said.isascii() and said.isdecimal():
        number = float(said[:LONGEST_NUMBER])
        return number if number < SINCE_1970 else max(0.0, number - now.timestamp())
    date = _date(said) or _iso_date(said)
    return None if date is None else max(0.0, math.ceil((date - now).total_seconds()))


def _iso_date(text: str) -> datetime | None:
    try:
        return instant(text)
    except NoInstantError:
        return None


def answered_at(headers: Mapping[str, str]) -> float | None:
    """Return the service's own clock as an answer shows it, in seconds since 1970; a cache adds how old it is."""
    date, age = _date(headers.get("Date", "")), headers.get("Age", "").strip()
    if date is None:
        return None
    return date.timestamp() + (float(age[:9]) if age.isascii() and age.isdecimal() else 0.0)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def least_wait(seconds: float) -> float:
    """Return a wait that a service names, at least as long as the first back-off: "0" is no leave to ask without end."""
    return max(seconds, LEAST_WAIT)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, UnavailableError) else None
    # A service that always says "at once" is asked ever later all the same.
    return _jitter(state) if asked is None else max(asked, _jitter(state))


class _Enough(stop_base):
    """All tries are spent, or the next wait is longer than a run should wait, alone or with what was spent before it."""

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        throttled = isinstance(error, UnavailableError) and error.exchange.status == TOO_MANY
        tries, budget = (THROTTLED_TRIES, THROTTLED_BUDGET) if throttled else (TRIES, BUDGET)
        spent = max(retry_state.seconds_since_start or 0.0, retry_state.idle_for)
        wait = retry_state.upcoming_sleep
        return retry_state.attempt_number >= tries or wait > LONGEST_WAIT or spent + wait > budget
