"""When a reservation opens its doors, and the one Salto time schedule that says so on a lock's wall clock.

Window = [start - grace before, finish + grace after) in real time (design, section 4). Salto repeats schedules weekly
on the wall clock of the lock's IQ (salto_connect_api.md, 5.1), so both dates are always set: no weekday may recur.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import pandas as pd

from hector_salto.access.schemas import WEEKDAYS
from hector_salto.access.texts import plain

if TYPE_CHECKING:
    from hector_salto.access.settings import AccessRules

LONGEST = pd.Timedelta(days=31)
LAST_SECOND = 59
LATEST_ZONE = "Etc/GMT+12"  # where every wall-clock moment comes last: what is over here is over everywhere
QUARTER = pd.Timedelta(minutes=15)
INSTANT = pd.Timedelta(microseconds=1)
SCHEDULE_COLUMNS = (*WEEKDAYS, "start_time", "end_time", "start_date", "end_date")


def windows(reservations: pd.DataFrame, rules: AccessRules) -> pd.DataFrame:
    """Reservations with their ``window_start`` and ``window_end`` (UTC, end exclusive)."""
    return reservations.assign(
        window_start=reservations["start"] - rules.grace_before,
        window_end=reservations["finish"] + rules.grace_after,
    )


def is_known_zone(zone: str | None) -> bool:
    try:
        ZoneInfo(zone or "")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a malformed key, or one that names a folder
        return False
    return True


@cache
def find_zone(zone: str | None) -> str | None:
    """Return the zone as this machine's tzdata spells it; None when it knows none of that name."""
    name = plain(zone or "")
    if is_known_zone(name):
        return name
    return _zones_by_lower_name().get(name.casefold())


@cache
def _zones_by_lower_name() -> dict[str, str]:
    return {name.casefold(): name for name in sorted(available_timezones())}


def normalize_zone(zone: str | None) -> str | None:
    """Return a known zone as this machine spells it, any other as it is."""
    return find_zone(zone) or zone


def find_zones(zones: pd.Series) -> pd.Series:
    """Return each zone as this machine spells it, null where it knows none of that name."""
    names = {zone: find_zone(str(zone)) for zone in zones.dropna().unique()}
    return zones.map(names).astype("str").where(zones.map(names).notna())


def schedules(bookings: pd.DataFrame) -> pd.DataFrame:
    """The time schedule of each booking, in the wall clock of its ``zone``.

    Args:
        bookings: columns ``window_start``, ``window_end`` (UTC, exclusive), ``zone`` (a known IANA name); others stay.

    Returns:
        The same rows with the columns of SCHEDULE_COLUMNS: seven flags, ``HH:MM`` times, ISO dates without offset.
        ``end_time`` names the last open minute, because Salto widens a sent 12:15 to 12:15:59.
    """
    parts = [_in_zone(rows, str(zone)) for zone, rows in bookings.groupby("zone", sort=True)]
    if len(parts) == 1 and len(parts[0]) == len(bookings):
        return parts[0]
    if not parts:
        dtypes = {column: "bool" if column in WEEKDAYS else "str" for column in SCHEDULE_COLUMNS}
        return bookings.assign(**{column: pd.Series(dtype=dtype) for column, dtype in dtypes.items()})
    return pd.concat(parts).loc[bookings.index]


def _in_zone(bookings: pd.DataFrame, zone: str) -> pd.DataFrame:
    wall = pd.DataFrame(
        {
            "first": _wall(bookings["window_start"], zone),
            "last": _wall(bookings["window_end"] - INSTANT, zone),  # the last open minute
            "end": _wall(bookings["window_end"], zone),
        }
    )
    _mend_folds(wall, bookings, zone)
    one_day = wall["first"].dt.normalize() == wall["last"].dt.normalize()
    # Salto wants start_time before end_time: a window inside one minute is framed by its dates alone, like a long one.
    one_day &= wall["first"].dt.floor("min") < wall["last"].dt.floor("min")
    days = _days_between(wall)
    # Over several days the frame's end is what closes the door, and a frame includes its last second; within one day
    # end_time closes it, and the frame's end is the window's.
    end_date = wall["end"].where(one_day, wall["end"] - pd.Timedelta(seconds=1))
    start_date = _iso(wall["first"])
    return bookings.assign(
        **days,
        start_time=start_date.str.slice(11, 16).where(one_day, "00:00"),
        end_time=_iso(wall["last"]).str.slice(11, 16).where(one_day, "23:59"),
        start_date=start_date,
        end_date=_iso(end_date),
    )


def _iso(clock: pd.Series) -> pd.Series:
    """Wall-clock times as 2026-01-14T10:45:00, whole seconds: each one once, because most windows share theirs."""
    codes, known = pd.factorize(clock.to_numpy().astype("datetime64[s]"), use_na_sentinel=False)
    texts = pd.array(np.datetime_as_string(known), dtype="str")
    return pd.Series(texts.take(codes), index=clock.index)


def _wall(instants: pd.Series, zone: str) -> pd.Series:
    return pd.Series(instants.dt.tz_convert(zone).dt.tz_localize(None))


def _days_between(wall: pd.DataFrame) -> dict[str, pd.Series]:
    first_day = wall["first"].dt.normalize()
    span = (wall["last"].dt.normalize() - first_day).dt.days
    weekday = first_day.dt.day_of_week
    return {name: (day - weekday) % 7 <= span for day, name in enumerate(WEEKDAYS)}


def _mend_folds(wall: pd.DataFrame, bookings: pd.DataFrame, zone: str) -> None:
    """Widen, in place, windows that hold an autumn clock change to every wall-clock minute they touch.

    From 00:45 to the second 01:15 is a window of an hour and a half, in which 01:40 comes once; its mere ends would
    close the door at 01:15, come back, and close it again. A wall clock cannot tell the two hours apart: a user who has
    booked gets in, and what opens too long lies inside the hour that exists twice (docs: known limits).
    """
    for change, before, after in _folds(bookings, zone):
        begun = bookings["window_start"] < change
        inside, upto = begun & (change < bookings["window_end"]), begun & (change <= bookings["window_end"])
        wall["first"] = wall["first"].mask(inside & (wall["first"] > after), after)
        wall["last"] = wall["last"].mask(upto & (wall["last"] < before - INSTANT), before - INSTANT)
        wall["end"] = wall["end"].mask(upto & (wall["end"] < before), before)


def _folds(bookings: pd.DataFrame, zone: str) -> list[tuple[pd.Timestamp, pd.Timestamp, pd.Timestamp]]:
    """Each instant at which the zone's clocks go back while some window is open, with the wall clock before and after.

    Clocks change at a quarter of an hour of UTC (every zone of today does).
    """
    begin, end = bookings["window_start"].min().floor("15min"), bookings["window_end"].max() + QUARTER
    grid = pd.Series(pd.date_range(begin, end, freq=QUARTER))
    clock = _wall(grid, zone)
    return [(grid[row], clock[row - 1] + QUARTER, clock[row]) for row in grid.index[clock.diff() < pd.Timedelta(0)]]


def same_schedule(left: pd.DataFrame, right: pd.DataFrame) -> pd.Series:
    """True where two aligned tables of SCHEDULE_COLUMNS mean the same, at minute precision."""
    same = pd.Series(data=True, index=left.index)
    for day in WEEKDAYS:
        same &= left[day].astype("bool") == right[day].astype("bool")
    for column in ("start_time", "end_time"):
        same &= left[column].str.slice(0, 5) == right[column].str.slice(0, 5)
    same &= to_minute(left["start_date"]) == to_minute(right["start_date"])
    same &= to_minute(left["end_date"], end_of_day=True) == to_minute(right["end_date"], end_of_day=True)
    return same


def wall_clock(dates: pd.Series, *, end_of_day: bool = False) -> pd.Series:
    """Salto's dates as naive wall-clock times; null where missing or not a date.

    Date-only values are widened to the start, or with ``end_of_day`` to the end, of their day; a trailing Z or offset
    has no meaning on a lock (salto_connect_api.md, 5.1).
    """
    bare = dates.astype("str").str.replace(r"(Z|[+-]\d{2}:?\d{2})$", "", regex=True).where(dates.notna())
    date_only = bare.str.fullmatch(r"\d{4}-\d{2}-\d{2}").fillna(value=False).astype("bool")
    parsed = pd.to_datetime(bare, format="ISO8601", errors="coerce").astype("datetime64[us]")
    widened = parsed + pd.Timedelta(hours=23, minutes=59, seconds=59)
    return parsed.where(~date_only, widened) if end_of_day else parsed


def to_minute(dates: pd.Series, *, end_of_day: bool = False) -> pd.Series:
    return pd.Series(wall_clock(dates, end_of_day=end_of_day).dt.floor("min"))


def schedule_ends(schedules_: pd.DataFrame, zones: pd.Series) -> pd.Series:
    """The instant (UTC) after which each schedule opens nothing; null for open-ended ones.

    A frame includes its last second, so an end of 12:14:59 is over at 12:15:00. In the hour that exists twice the
    later reading counts: too late a removal hurts no user, too early a one locks a user out.
    """
    ends = wall_clock(schedules_["end_date"], end_of_day=True)
    ends = ends.where(ends.dt.second != LAST_SECOND, ends + pd.Timedelta(seconds=1))
    instants = pd.Series(pd.NaT, index=ends.index, dtype="datetime64[us, UTC]")
    for zone in zones.dropna().unique():
        here = zones.eq(zone) & ends.notna()
        if here.any():
            later = [False] * int(here.sum())  # ambiguous=False: standard time, the later of the two
            local = ends[here].dt.tz_localize(zone, ambiguous=pd.Series(later).to_numpy(), nonexistent="shift_forward")
            instants = instants.mask(here, local.dt.tz_convert("UTC").astype("datetime64[us, UTC]"))
    return instants
