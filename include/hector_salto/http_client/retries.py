"""When a request is sent again, how long to wait before, and when to give up."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import tenacity
from tenacity.stop import stop_base

from hector_salto.http_client.errors import UnavailableError
from hector_salto.http_client.timestamps import InvalidTimestampError, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hector_salto.http_client.timing import Timing

TOO_MANY = 429
MAX_TRIES = 5
WAIT_HEADERS = ("Retry-After", "X-Rate-Limit-Reset", "X-RateLimit-Reset")
EPOCH_THRESHOLD = 1_000_000_000.0  # no service names a wait of thirty years: such a number is a moment
MAX_DIGITS = 12  # digits that are read of one
MIN_WAIT = 1.0
MAX_WAIT = 120.0  # asked to wait longer, we give up rather than ask before we may
TIME_BUDGET = 150.0  # seconds for one request with all its tries
# Asked for fewer requests (429), a request only waits its turn: of a few a minute, others may be served before it.
MAX_RATE_LIMITED_TRIES = 12
RATE_LIMITED_TIME_BUDGET = 600.0
_jitter = tenacity.wait_exponential_jitter(initial=1, max=30)


def retry_policy(timing: Timing) -> tenacity.Retrying:
    """Retry only UnavailableError: it is raised only where a second try can double nothing."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(UnavailableError),
        wait=_wait,
        stop=_StopWhenExhausted() if timing.patient else tenacity.stop_after_attempt(1),
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
    now = _parse_http_date(headers.get("Date", "")) or datetime.now(UTC)
    named = (_parse_seconds(headers.get(name, "").strip(), now) for name in WAIT_HEADERS)
    return next((seconds for seconds in named if seconds is not None), None)


def _parse_seconds(said: str, now: datetime) -> float | None:
    if said.isascii() and said.isdecimal():
        number = float(said[:MAX_DIGITS])
        return number if number < EPOCH_THRESHOLD else max(0.0, number - now.timestamp())
    date = _parse_http_date(said) or _parse_iso_date(said)
    return None if date is None else max(0.0, math.ceil((date - now).total_seconds()))


def _parse_iso_date(text: str) -> datetime | None:
    try:
        return parse_timestamp(text)
    except InvalidTimestampError:
        return None


def server_time(headers: Mapping[str, str]) -> float | None:
    """Return the service's own clock as an answer shows it, in seconds since 1970; a cache adds how old it is."""
    date, age = _parse_http_date(headers.get("Date", "")), headers.get("Age", "").strip()
    if date is None:
        return None
    return date.timestamp() + (float(age[:9]) if age.isascii() and age.isdecimal() else 0.0)


def _parse_http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def at_least_min_wait(seconds: float) -> float:
    """Return a wait that a service names, at least as long as the first back-off: "0" is no leave to ask without end."""
    return max(seconds, MIN_WAIT)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, UnavailableError) else None
    # A service that always says "at once" is asked ever later all the same.
    return _jitter(state) if asked is None else max(asked, _jitter(state))


class _StopWhenExhausted(stop_base):
    """All tries are spent, or the next wait is longer than a run should wait, alone or with what was spent before it."""

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        throttled = isinstance(error, UnavailableError) and error.request_info.status == TOO_MANY
        tries, budget = (MAX_RATE_LIMITED_TRIES, RATE_LIMITED_TIME_BUDGET) if throttled else (MAX_TRIES, TIME_BUDGET)
        spent = max(retry_state.seconds_since_start or 0.0, retry_state.idle_for)
        wait = retry_state.upcoming_sleep
        return retry_state.attempt_number >= tries or wait > MAX_WAIT or spent + wait > budget
