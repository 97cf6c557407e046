"""How Salto KS stores a time schedule: what it refuses, and how a sent time comes back."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field, replace
from typing import Any

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:\.\d+)?Z?)?")


class ScheduleError(ValueError):
    """The schedule would be refused with 400/1101."""


@dataclass
class Schedule:
    """One weekly window in its frame of dates, as the API gives it back."""

    id: str
    start_time: str
    end_time: str
    start_date: str | None = None
    end_date: str | None = None
    days: list[bool] = field(default_factory=lambda: [True] * 7)


def stored_schedule(schedule_id: str, sent: dict[str, Any]) -> Schedule:
    """The schedule that a body of the API becomes; weekdays left out are off."""
    schedule = Schedule(
        id=schedule_id,
        start_time=_normal_time(sent["start_time"], last_second=False),
        end_time=_normal_time(sent["end_time"], last_second=True),
        start_date=sent.get("start_date"),
        end_date=sent.get("end_date"),
        days=[bool(sent.get(day)) for day in WEEKDAYS],
    )
    _check(schedule)
    return schedule


def changed_schedule(schedule: Schedule, sent: dict[str, Any]) -> Schedule:
    """The schedule after a partial body; what was not sent stays."""
    days = [sent.get(day, on) for day, on in zip(WEEKDAYS, schedule.days, strict=True)]
    changed = replace(schedule, days=days)
    if "start_time" in sent:
        changed.start_time = _normal_time(sent["start_time"], last_second=False)
    if "end_time" in sent:
        changed.end_time = _normal_time(sent["end_time"], last_second=True)
    changed.start_date = sent.get("start_date", schedule.start_date)
    changed.end_date = sent.get("end_date", schedule.end_date)
    _check(changed)
    return changed


def schedule_json(schedule: Schedule, *, midnights: bool = True) -> dict[str, Any]:
    """As the API shows it; without ``midnights`` a day's first and last second are left out."""
    ends = {"start_date": schedule.start_date, "end_date": schedule.end_date}
    if not midnights:
        for name, edge in (("start_date", "T00:00:00"), ("end_date", "T23:59:59")):
            ends[name] = (ends[name] or "").removesuffix(edge) or None
    return {
        "id": schedule.id,
        **dict(zip(WEEKDAYS, schedule.days, strict=True)),
        "start_time": schedule.start_time,
        "end_time": schedule.end_time,
        **ends,
    }


def _normal_time(sent: str | None, *, last_second: bool) -> str:
    match = TIME.fullmatch(sent or "")
    if match is None:
        raise ScheduleError("a time must be HH:MM or HH:MM:SS.")
    hour, minute, second = match.groups(default="00")
    # Measured on the live service: an end of 18:00 comes back as 18:00:59, a start of 09:00 as 09:00:00.
    return f"{hour}:{minute}:{'59' if last_second and second == '00' else second}"


def has_ended(schedule: Schedule, wall_clock: dt.datetime) -> bool:
    """Whether its last second is over; naive wall-clock time."""
    end = _moment(schedule.end_date, "23:59:59")
    return end is not None and end < wall_clock


def _check(schedule: Schedule) -> None:
    if schedule.start_time[:5] >= schedule.end_time[:5]:
        raise ScheduleError("start_time must be before end_time.")
    if not any(schedule.days):
        raise ScheduleError("at least one weekday must be selected.")
    begin = _moment(schedule.start_date, "00:00:00")
    end = _moment(schedule.end_date, "23:59:59")
    if begin and end and begin >= end:
        raise ScheduleError("start_date must be before end_date.")


def _moment(sent: str | None, time_if_none: str) -> dt.datetime | None:
    if sent is None:
        return None
    match = MOMENT.fullmatch(sent)
    if match is None:
        raise ScheduleError("a date must be YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS.")
    try:
        return dt.datetime.fromisoformat(f"{match[1]}T{match[2] or time_if_none}")
    except ValueError as error:
        raise ScheduleError("a date does not exist in the calendar.") from error
