"""Times of a service as instants: RFC 3339 with all that it allows, and ISO 8601 as Python reads it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

# Date and time, which RFC 3339 lets be written in lower case, with a space between them, and with a leap second.
_PARTS = re.compile(r"(?P<minute>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):(?P<second>\d\d)(?P<rest>.*)", re.ASCII)
LEAP_SECOND = "60"


class InvalidTimestampError(ValueError):
    """A time without an offset, or no time at all."""


def parse_timestamp(text: str) -> datetime:
    """Return a time with an offset as an instant; a leap second is the second after it.

    Raises:
        NoInstantError: without an offset the instant is unknown.
    """
    moment = parse_datetime(text)
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except OverflowError:
        pass
    raise InvalidTimestampError("not a time with an offset")


def parse_datetime(text: str) -> datetime:
    """Return a time with or without an offset.

    Raises:
        NoInstantError: it is no time.
    """
    found = _PARTS.fullmatch(text)
    try:
        if found is None:
            return datetime.fromisoformat(text)
        is_leap = found["second"] == LEAP_SECOND
        second = "59" if is_leap else found["second"]
        moment = datetime.fromisoformat(f"{found['minute'].upper()}:{second}{found['rest'].upper()}")
        return moment.replace(microsecond=0) + timedelta(seconds=1) if is_leap else moment
    except (ValueError, OverflowError):
        raise InvalidTimestampError("not a time") from None
