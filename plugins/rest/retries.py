"""When a request is sent again, how long to wait before, and when to give up."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import tenacity
from tenacity.stop import stop_base

from rest.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rest.timing import Timing

TOO_MANY = 429
TRIES = 5
LONGEST_WAIT = 120.0  # asked to wait longer, we give up rather than ask before we may
BUDGET = 150.0  # seconds for one request with all its tries
# Asked for fewer requests (429), a request only waits its turn: of a few a minute, others may be served before it.
THROTTLED_TRIES = 12
THROTTLED_BUDGET = 600.0
_jitter = tenacity.wait_exponential_jitter(initial=1, max=30)


def retrying(timing: Timing) -> tenacity.Retrying:
    """Only UnavailableError is tried again: whoever raises it says that a second try can double nothing."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(UnavailableError),
        wait=_wait,
        stop=_Enough() if timing.patient else tenacity.stop_after_attempt(1),
        sleep=timing.sleep,
        reraise=True,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the service says: a number, or a date (read against the service's own clock); else None."""
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdecimal():
        return float(said[:9])
    date = _date(said)
    if date is None:
        return None
    return max(0.0, math.ceil((date - (_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds()))


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


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, UnavailableError) else None
    return _jitter(state) if asked is None else asked


class _Enough(stop_base):
    """All tries are spent, or the next wait is longer than a run should wait, alone or with what was spent before it."""

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        throttled = isinstance(error, UnavailableError) and error.exchange.status == TOO_MANY
        tries, budget = (THROTTLED_TRIES, THROTTLED_BUDGET) if throttled else (TRIES, BUDGET)
        spent = max(retry_state.seconds_since_start or 0.0, retry_state.idle_for)
        wait = retry_state.upcoming_sleep
        return retry_state.attempt_number >= tries or wait > LONGEST_WAIT or spent + wait > budget
