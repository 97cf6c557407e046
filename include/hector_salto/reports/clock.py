"""Moments on wall clocks, as users type and read them: an hour can come twice, and an hour can never come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from datetime import date, tzinfo
    from zoneinfo import ZoneInfo

TO = "\N{EN DASH}"
NEAR_DAYS = {0: "today", 1: "tomorrow"}  # by how many days ahead
FIRST_YEAR, LAST_YEAR = 1971, 2200  # of moments that can be asked about


class MomentError(ValueError):
    """What was typed names no moment."""


def moments(text: str, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the instants that a typed date and time names: two, where its hour comes twice.

    Args:
        text: ISO 8601; without an offset it is meant on the wall clock of ``zone``; empty: none is named.
        zone: of the door.

    Raises:
        MomentError: when it is no date and time, or one that the zone's clocks skip.
    """
    if not text.strip():
        return ()
    try:
        typed = datetime.fromisoformat(text.strip())
    except ValueError:
        typed = datetime.min.replace(tzinfo=UTC)
    if not FIRST_YEAR <= typed.year <= LAST_YEAR:
        raise MomentError(f'AT={text!r} is no date and time to ask about; an example: AT="2026-01-14 10:20"')
    if typed.tzinfo is not None:
        return (typed.astimezone(UTC),)
    turns = sorted({typed.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)})
    if turns[0].astimezone(zone).replace(tzinfo=None) != typed:
        before, later = (f"{turn.astimezone(zone):%H:%M}" for turn in turns)
        raise MomentError(
            f"AT={text!r} does not exist in {zone}: its clocks go forward then and skip that time; "
            f"ask about {before} or {later} of that day"
        )
    return tuple(turns)


def midnight(day: date, zone: tzinfo | None) -> datetime:
    """Return when a day begins on a zone's wall clock."""
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def wall(instant: datetime, zone: ZoneInfo, *, named: bool = True) -> str:
    """Return an instant on a zone's wall clock, with the zone's name; an hour that comes twice says which turn it is."""
    text = " ".join(_wall_parts(instant, zone))
    return f"{text} ({zone})" if named else text


def _wall_parts(instant: datetime, zone: ZoneInfo) -> tuple[str, str, str]:
    """Return weekday, date and time of an instant on a zone's wall clock.

    Not with strftime's year: a loan until the end of time is a reservation like any other.
    """
    try:
        local = pd.Timestamp(instant).tz_convert(zone)
        turn = f" {local.tzname()}" if _comes_twice(local, zone) else ""
    except (OverflowError, ValueError):  # the last hours of the calendar are the same day anywhere
        local, turn = pd.Timestamp(instant), ""
    date = f"{local.year:04}-{local.month:02}-{local.day:02}"
    return f"{local:%a}", date, f"{local.hour:02}:{local.minute:02}{turn}"


def window_words(begin: datetime, end: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return a window in short on a zone's wall clock, the day as today or tomorrow; empty where there is none."""
    if pd.isna(begin) or pd.isna(end):
        return ""
    days = {_wall_parts(now + timedelta(days=ahead), zone)[1]: word for ahead, word in NEAR_DAYS.items()}
    (weekday, date, opens), (last_weekday, last_date, shuts) = _wall_parts(begin, zone), _wall_parts(end, zone)
    start = f"{days.get(date, f'{weekday} {date}')} {opens}"
    if date == last_date:
        return f"{start}{TO}{shuts}"
    return f"{start} to {days.get(last_date, f'{last_weekday} {last_date}')} {shuts}"


def _comes_twice(local: pd.Timestamp, zone: ZoneInfo) -> bool:
    plain = datetime(local.year, local.month, local.day, local.hour, local.minute)  # noqa: DTZ001 - a wall clock's
    offsets = {plain.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
    return len(offsets) > 1
