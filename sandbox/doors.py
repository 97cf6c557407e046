"""Who can open which door when, from the raw state of Salto alone: the oracle of the tests.

It knows nothing of Hector and shares no code with the rules or with the API: it reads the stored strings again.
A minute belongs to an opening when its first second does.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sandbox.salto_state import Group, Member, SaltoState
    from sandbox.schedules import Schedule

Span = tuple[dt.datetime, dt.datetime]
DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
LAST_SECOND = 59


@dataclass(frozen=True, order=True)
class Opening:
    """One person can open one door from ``begin`` (included) to ``end`` (excluded), because of one group."""

    lock_name: str
    begin: dt.datetime
    end: dt.datetime
    email: str
    group_name: str
    office_mode: bool
    platform_user_id: str
    lock_id: str


def may_open(
    state: SaltoState, platform_user_id: str, lock_id: str, instant_utc: dt.datetime, *, need_tag: bool = True
) -> bool:
    """True when the door opens for the person at this instant."""
    member = state.member_of(platform_user_id)
    if member is None or not able(state, member, need_tag=need_tag):
        return False
    return any(
        platform_user_id in group.users and group_opens(state, group, lock_id, instant_utc)
        for group in state.groups.values()
    )


def able(state: SaltoState, member: Member, *, need_tag: bool = True) -> bool:
    """True when the person can open anything at all: on the site, with a seat, not blocked, with a tag that works."""
    if not state.site.subscription_valid or member.deleted_at is not None:
        return False
    if member.blocked or member.subscription_state != "subscribed":
        return False
    tag = state.tags.get(member.tag_id or "")
    return not need_tag or (tag is not None and not tag.blocked)


def group_opens(state: SaltoState, group: Group, lock_id: str, instant_utc: dt.datetime) -> bool:
    """True when the group opens this door at this instant, by the wall-clock of the door's IQ."""
    if lock_id not in group.locks or lock_id not in state.locks:
        return False
    local = instant_utc.astimezone(_zone(state, lock_id)).replace(tzinfo=None)
    return any(schedule_opens(schedule, local) for schedule in group.schedules)


def schedule_opens(schedule: Schedule, local: dt.datetime) -> bool:
    """The three conditions of Salto: in the frame of dates, on a weekday that is on, inside the daily window."""
    frame_begin, frame_end = _frame(schedule)
    day = dt.datetime.combine(local, dt.time())
    begin, end = _daily(schedule)
    return frame_begin <= local < frame_end and schedule.days[local.weekday()] and day + begin <= local < day + end


def openings(state: SaltoState, begin: dt.datetime, end: dt.datetime, *, need_tag: bool = True) -> list[Opening]:
    """Every opening between two instants, to the minute, sorted by door and time."""
    found: list[Opening] = []
    with state.lock:
        for group in list(state.groups.values()):
            people = [m for m in map(state.member_of, group.users) if m and able(state, m, need_tag=need_tag)]
            for lock_id in group.locks if people else ():
                spans = _group_spans(state, group, lock_id, begin, end)
                found += [_opening(state, member, lock_id, span, group) for member in people for span in spans]
    return sorted(found)


def outside(found: Iterable[Opening], allowed: Iterable[Opening]) -> list[Opening]:
    """What of the found openings no allowed one covers, for the same person and door."""
    rooms: dict[tuple[str, str], list[Span]] = {}
    for opening in allowed:
        rooms.setdefault((opening.platform_user_id, opening.lock_id), []).append((opening.begin, opening.end))
    rest: list[Opening] = []
    for opening in found:
        spans = merged(rooms.get((opening.platform_user_id, opening.lock_id), []))
        gaps = _minus((opening.begin, opening.end), spans)
        rest += [replace(opening, begin=gap[0], end=gap[1]) for gap in gaps]
    return rest


def merged(spans: Iterable[Span]) -> list[Span]:
    """The union of spans; those that touch become one."""
    union: list[Span] = []
    for begin, end in sorted(spans):
        if union and begin <= union[-1][1]:
            union[-1] = (union[-1][0], max(end, union[-1][1]))
        else:
            union.append((begin, end))
    return union


def _minus(span: Span, taken: list[Span]) -> Iterator[Span]:
    cursor, last = span
    for begin, end in taken:
        if cursor < min(begin, last):
            yield cursor, min(begin, last)
        cursor = max(cursor, end)
    if cursor < last:
        yield cursor, last


def _opening(state: SaltoState, member: Member, lock_id: str, span: Span, group: Group) -> Opening:
    return Opening(
        lock_name=state.locks[lock_id].name,
        begin=span[0],
        end=span[1],
        email=state.persons[member.person_id].email or "",
        group_name=group.name,
        office_mode=member.manual_office_mode,
        platform_user_id=member.person_id,
        lock_id=lock_id,
    )


def _group_spans(state: SaltoState, group: Group, lock_id: str, begin: dt.datetime, end: dt.datetime) -> list[Span]:
    if lock_id not in state.locks:
        return []
    zone = _zone(state, lock_id)
    exact = [span for schedule in group.schedules for span in _schedule_spans(schedule, zone, begin, end)]
    whole = [
        (max(_minute_up(first), _minute_up(begin)), min(_minute_up(last), _minute_up(end))) for first, last in exact
    ]
    return merged(span for span in whole if span[0] < span[1])


def _schedule_spans(schedule: Schedule, zone: ZoneInfo, begin: dt.datetime, end: dt.datetime) -> Iterator[Span]:
    """Between two clock changes local and real time differ by a constant, so each stretch is plain arithmetic."""
    frame_begin, frame_end = _frame(schedule)
    daily_begin, daily_end = _daily(schedule)
    for first, last, offset in _stretches(zone, begin.astimezone(dt.UTC), end.astimezone(dt.UTC)):
        local_first = max((first + offset).replace(tzinfo=None), frame_begin)
        local_last = min((last + offset).replace(tzinfo=None), frame_end)
        day = dt.datetime.combine(local_first, dt.time())
        while day < local_last:
            span = max(day + daily_begin, local_first), min(day + daily_end, local_last)
            if schedule.days[day.weekday()] and span[0] < span[1]:
                yield span[0].replace(tzinfo=dt.UTC) - offset, span[1].replace(tzinfo=dt.UTC) - offset
            day += DAY


@lru_cache(maxsize=256)
def _stretches(
    zone: ZoneInfo, begin: dt.datetime, end: dt.datetime
) -> list[tuple[dt.datetime, dt.datetime, dt.timedelta]]:
    stretches = []
    while begin < end:
        offset = _offset(zone, begin)
        change = begin
        while change < end and _offset(zone, change) == offset:
            change += DAY / 4
        last = (
            end if change >= end and _offset(zone, end) == offset else _change_between(zone, change - DAY / 4, change)
        )
        stretches.append((begin, min(last, end), offset))
        begin = last
    return stretches


def _change_between(zone: ZoneInfo, before: dt.datetime, after: dt.datetime) -> dt.datetime:
    """The first second of the new offset."""
    while after - before > SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0) if middle.replace(microsecond=0) > before else before + SECOND
        before, after = (middle, after) if _offset(zone, middle) == _offset(zone, before) else (before, middle)
    return after


def _offset(zone: ZoneInfo, instant: dt.datetime) -> dt.timedelta:
    return instant.astimezone(zone).utcoffset() or dt.timedelta()


def _zone(state: SaltoState, lock_id: str) -> ZoneInfo:
    return ZoneInfo(state.iqs[state.locks[lock_id].iq_id].time_zone or state.site.time_zone)


def _minute_up(instant: dt.datetime) -> dt.datetime:
    whole = instant.astimezone(dt.UTC).replace(second=0, microsecond=0)
    return whole if whole == instant else whole + dt.timedelta(minutes=1)


def _daily(schedule: Schedule) -> tuple[dt.timedelta, dt.timedelta]:
    return _since_midnight(schedule.start_time), _through(_since_midnight(schedule.end_time))


def _since_midnight(text: str) -> dt.timedelta:
    hour, minute, second = (int(part) for part in text.split(":"))
    return dt.timedelta(hours=hour, minutes=minute, seconds=second)


def _through(end: dt.timedelta) -> dt.timedelta:
    # An end of 12:14:59 means through the last second of 12:14; any other end is the exact instant.
    return end + SECOND if int(end.total_seconds()) % 60 == LAST_SECOND else end


def _frame(schedule: Schedule) -> Span:
    begin = _local(schedule.start_date, dt.time()) or dt.datetime.min  # noqa: DTZ901 - wall-clock without a zone
    end = _local(schedule.end_date, dt.time(23, 59, 59))
    if end is None:
        return begin, dt.datetime.max  # noqa: DTZ901
    return begin, end + SECOND if end.second == LAST_SECOND else end


def _local(text: str | None, time_if_none: dt.time) -> dt.datetime | None:
    """A stored date as wall-clock: a date alone is widened, a trailing Z means nothing."""
    if text is None:
        return None
    moment = dt.datetime.fromisoformat(text.removesuffix("Z"))
    return moment if "T" in text else dt.datetime.combine(moment, time_if_none)
