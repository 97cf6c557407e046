"""Lines of text about a run: plan, outcomes, problems, decisions. Ids and references only; no email, no tag number."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.access.operations import PHASES
from include.access.outcomes import DONE
from include.access.windows import LAST_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from include.access.order import Operation

WHO = {"hector_admin": "Hector admin", "salto_admin": "Salto admin", "operator": "operator"}


def told(operation: Mapping[Any, Any]) -> str:
    """One operation in words, by ids and references: whom, which group, which door."""
    parts = [str(operation["kind"])]
    for label, column in (
        ("", "group_name"),
        ("user ", "user_id"),
        ("door ", "lock_name"),
        ("tag id ", "tag_id"),
        ("schedule ", "schedule_id"),
    ):
        if operation[column] is not None:
            parts.append(f"{label}{operation[column]}")
    if operation["user_id"] is None and operation["platform_user_id"] is not None:
        parts.append(f"Salto user {operation['platform_user_id']}")
    return " ".join(parts)


def window(operation: Mapping[Any, Any]) -> str:
    """The schedule an operation sets, on the wall clock of the locks; empty when it sets none."""
    if operation["after"] is None or "start_date" not in str(operation["after"]):
        return ""
    meant = json.loads(str(operation["after"]))
    begin, end = (datetime.fromisoformat(meant[name]) for name in ("start_date", "end_date"))
    end += timedelta(seconds=end.second == LAST_SECOND)  # a frame includes its last second; people read its end
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"


def plan_lines(operations: list[Operation]) -> Iterator[str]:
    """The plan as it will be applied, one line an operation."""
    if not operations:
        yield "plan: nothing has to change"
        return
    yield f"plan: {len(operations)} operations"
    for number, operation in enumerate(operations, 1):
        when = window(operation)
        held = " HELD" if operation["state"] != "ready" else ""
        yield (
            f"plan {number}/{len(operations)} [{PHASES[int(str(operation['phase']))]}]{held} {told(operation)}"
            f"{' ' + when if when else ''}: {operation['cause']}, {operation['reason']}"
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
        yield f"{row['outcome']}: {told(row)}: {row['message'] or row['reason']}"


def utc(instant: pd.Timestamp) -> str:
    """Written by hand: a loan until the end of time is a booking like any other, and pandas formats no year after 9999."""
    date = f"{instant.year:04}-{instant.month:02}-{instant.day:02}"
    return f"{date} {instant.hour:02}:{instant.minute:02} UTC"
