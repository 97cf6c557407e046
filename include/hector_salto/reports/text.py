"""Lines of text about a run: plan, outcomes, problems, decisions. Ids and references only; no email, no tag number."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from hector_salto.access import access_check
from hector_salto.access.operations import PHASES, describe_operation, reason_held
from hector_salto.access.release import Gate
from hector_salto.access.results import DONE
from hector_salto.access.schemas import WEEKDAYS
from hector_salto.access.windows import LAST_SECOND, SCHEDULE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hector_salto.access.dependencies import Operation

# What an operation finds and what it makes, by kind; those of windows and groups say which.
BEFORE_AFTER = {
    "group_delete": ("access group", "no access group"),
    "member_remove": ("in the access group", "not in the access group"),
    "lock_remove": ("door in the access group", "door not in the access group"),
    "schedule_delete": ("", "no such window"),
    "tag_off": ("tag assigned", "no tag"),
    "office_off": ("office mode on", "office mode off"),
    "user_suspend": ("subscribed", "suspended"),
    "user_delete": ("user of the site", "no user of the site"),
    "schedule_change": ("", ""),
    "schedule_create": ("no window", ""),
    "group_create": ("no access group", ""),
    "user_adopt": ("user without our mark", "user marked as ours"),
    "user_email": ("another email than in Hector", "the email in Hector"),
    "user_subscribe": ("suspended", "subscribed"),
    "user_create": ("no user of the site", "user of the site"),
    "tag_on": ("no such tag assigned", "tag assigned"),
    "office_on": ("office mode off", "office mode on"),
    "lock_add": ("door not in the access group", "door in the access group"),
    "member_add": ("not in the access group", "in the access group"),
}
MIDNIGHT = "24:00"
WHO = {"hector_admin": "Hector admin", "salto_admin": "Salto admin", "operator": "operator"}


# What a broken link means to a person at the door, in a few words.
SHORT_CAUSE = {
    access_check.BOOKING: "the reference is not unique",
    access_check.STATUS: "Hector grants no access",
    access_check.PERSON: "not active in Hector, or without an email",
    access_check.PLACE: "the place names no lock of the site",
    access_check.WINDOW: "another time",
    access_check.GROUP: "no access group yet",
    access_check.SCHEDULE: "the window in Salto is another",
    access_check.DOOR: "the door is not in the access group",
    access_check.MEMBER: "not in the access group",
    access_check.SEAT: "no seat, or blocked",
    access_check.TAG: "no tag that works",
    access_check.LOCK: "the door is offline or in privacy mode",
}
NOT_FINISHED = "the last run did not bring it in place"


PLAN_ONLY_BECAUSE = {
    Gate.NOT_RELEASED: "no person has let integration {name} loose on this site yet",
    Gate.SITE_CHANGED: "integration {name} has another Salto site than the one a person let it loose on",
    Gate.HECTOR_CHANGED: "integration {name} has another Hector than the one a person let it loose with",
    Gate.WITHDRAWN: "a person asked integration {name} for plans only",
}


def plan_only_sentence(because: Gate, integration: str) -> str:
    """Return why a run only plans although that was not asked for, and what changes that."""
    why = PLAN_ONLY_BECAUSE[because].format(name=integration)
    return f"plans only, nothing is sent: {why}. Read the plan, then press Sync now once (or make sync INTEGRATION={integration})"


def many(number: int, noun: str) -> str:
    """A number with what it counts: 1 problem, 2 problems."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def window(operation: Mapping[Any, Any]) -> str:
    """The schedule an operation sets, on the wall clock of the locks; empty when it sets none."""
    if operation["after"] is None or "start_date" not in str(operation["after"]):
        return ""
    meant = json.loads(str(operation["after"]))
    begin, end = (datetime.fromisoformat(meant[name]) for name in ("start_date", "end_date"))
    end += timedelta(seconds=end.second == LAST_SECOND)  # a frame includes its last second; people read its end
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"


def before_after(operation: Mapping[Any, Any]) -> tuple[str, str]:
    """What an operation finds and what it makes, in words; never an email or a name."""
    kind = str(operation["kind"])
    found, made = BEFORE_AFTER[kind]
    if kind in {"schedule_change", "schedule_delete"}:
        found = _schedule(operation["before"])
    if kind in {"schedule_change", "schedule_create", "group_create"}:
        made = _schedule(operation["after"])
    if kind == "group_create":
        made = f"access group, {made}"
    if found == made:  # the same to the minute, but not as Salto keeps it
        found, made = f"{found}{_as_written(operation['before'])}", f"{made}{_as_written(operation['after'])}"
    return found, made


def _schedule(value: object) -> str:
    """A schedule as JSON in words."""
    return schedule_words(json.loads(str(value)) if value is not None else {})


def schedule_words(schedule: object) -> str:
    """Return a schedule in words. One that was changed manually may repeat, or have no end."""
    if not isinstance(schedule, dict) or not set(SCHEDULE_COLUMNS) <= set(schedule):
        return "another window"
    days = [_short(day) for day in WEEKDAYS if schedule[day]]
    opens, shuts = str(schedule["start_time"])[:5], _end_of(str(schedule["end_time"])[:5])
    first, last = _moment(schedule["start_date"]), _moment(schedule["end_date"], end=True)
    if first is not None and last is not None:
        if days == [_day(first)] and _one_day(first, last) == (opens, shuts):
            return f"window {_day(first)} {first:%Y-%m-%d} {opens} to {shuts}"
        if (opens, shuts) == ("00:00", MIDNIGHT) and set(days) == _weekdays_between(first, last):
            return f"window {_day(first)} {first:%Y-%m-%d %H:%M} to {_day(last)} {last:%Y-%m-%d %H:%M}"
    begin = "without a beginning" if first is None else f"from {first:%Y-%m-%d %H:%M}"
    end = "without an end" if last is None else f"to {last:%Y-%m-%d %H:%M}"
    return f"window {', '.join(days) or 'on no day'} {opens} to {shuts}, {begin} {end}"


def _as_written(value: object) -> str:
    schedule = json.loads(str(value)) if value is not None else {}
    parts = [
        f"{name} {schedule[name]}" for name in ("start_time", "end_time", "start_date", "end_date") if name in schedule
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _short(weekday: str) -> str:
    return weekday[:3].title()


def _day(moment: datetime) -> str:
    """Not strftime's: that one speaks the language of the machine."""
    return _short(WEEKDAYS[moment.weekday()])


def _one_day(first: datetime, last: datetime) -> tuple[str, str] | None:
    """The times that say the same as these dates, when they lie within one day."""
    if first.date() == last.date():
        return f"{first:%H:%M}", f"{last:%H:%M}"
    whole = last == datetime.combine(first.date(), datetime.min.time()) + timedelta(days=1)
    return (f"{first:%H:%M}", MIDNIGHT) if whole else None


def _weekdays_between(first: datetime, last: datetime) -> set[str]:
    """The weekdays from one moment to just before another."""
    span = ((last - timedelta(seconds=1)).date() - first.date()).days
    return {_day(first + timedelta(days=day)) for day in range(min(span, 6) + 1)}


def _end_of(time: str) -> str:
    """Salto names the last open minute; people read the end."""
    hours, _, minutes = time.partition(":")
    if not (hours.isdigit() and minutes.isdigit()):
        return time
    end = int(hours) * 60 + int(minutes) + 1
    return f"{end // 60:02}:{end % 60:02}"


def _moment(value: object, *, end: bool = False) -> datetime | None:
    """A schedule's date on the wall clock; None where there is none that can be read."""
    try:
        moment = datetime.fromisoformat(str(value)).replace(tzinfo=None)
        if end and len(str(value)) == len("2026-01-14"):
            moment += timedelta(days=1)
        return moment + timedelta(seconds=end and moment.second == LAST_SECOND)
    except (ValueError, OverflowError):
        return None


def plan_lines(operations: list[Operation]) -> Iterator[str]:
    """The plan as it will be applied, one line an operation."""
    if not operations:
        yield "plan: nothing has to change"
        return
    yield f"plan: {many(len(operations), 'operation')}"
    for number, operation in enumerate(operations, 1):
        when = window(operation)
        held = " HELD" if operation["state"] != "ready" else ""
        why = f"{operation['reason']}; {reason_held(operation)}" if held else operation["reason"]
        yield (
            f"plan {number}/{len(operations)} [{PHASES[int(str(operation['phase']))]}]{held} {describe_operation(operation)}"
            f"{' ' + when if when else ''}: {operation['cause']}, {why}"
        )


def decision_lines(decisions: pd.DataFrame) -> Iterator[str]:
    """Every reservation that was read, with what was decided about it and why."""
    for row in decisions.to_dict("records"):
        window_ = (
            "no window" if pd.isna(row["window_start"]) else f"{utc(row['window_start'])} to {utc(row['window_end'])}"
        )
        yield f"reservation {row['reference']}: {row['decision']} ({window_}): {row['reason']}"


def problem_lines(problems: pd.DataFrame) -> Iterator[str]:
    """Every problem with who must act and the next step."""
    for row in problems.sort_values(["who", "code", "subject"]).to_dict("records"):
        yield f"problem {row['code']} for the {WHO[row['who']]}: {row['message']}. Next step: {row['next_step']}"


def outcome_counts(outcomes: pd.DataFrame) -> str:
    if outcomes.empty:
        return "nothing had to be sent"
    counts = outcomes["state"].value_counts().sort_index()
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def failure_lines(operations: pd.DataFrame, outcomes: pd.DataFrame) -> Iterator[str]:
    """Each operation that is not done, with the cause."""
    joined = operations.merge(outcomes.rename(columns={"state": "outcome"}), on="key")
    bad = joined[joined["outcome"].ne(DONE)]
    for row in bad.astype("object").where(bad.notna(), None).to_dict("records"):
        yield f"{row['outcome']}: {describe_operation(row)}: {row['message'] or row['reason']}"


def utc(instant: pd.Timestamp) -> str:
    """Written by hand: a loan until the end of time is a booking like any other, and pandas formats no year after 9999."""
    date = f"{instant.year:04}-{instant.month:02}-{instant.day:02}"
    return f"{date} {instant.hour:02}:{instant.minute:02} UTC"
