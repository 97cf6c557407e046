"""Whose DAGs a process that reads a DAG file needs: a task's own, or everybody's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import CronTriggerTimetable, get_parsing_context

from include.integrations.integration import load_all

if TYPE_CHECKING:
    from include.integrations.integration import Integration

# Airflow computes a new DAG's next time anew each time it reads the DAG file (every 30 seconds). A time that has just come is
# kept for this long, or reading the file in that very moment would move the first run to the next day.
JUST_COME = timedelta(minutes=1)


def next_times(cron: str | None, timezone: str) -> CronTriggerTimetable | None:
    """Return a schedule whose first time is the next one, also when the DAG is unpaused later; None: triggered runs only.

    It takes a DAG without a start date: Airflow runs the last missed time of one with a date in the past as soon as it is unpaused.
    """
    return CronTriggerTimetable(cron, timezone=timezone, run_immediately=JUST_COME) if cron else None


def integrations_of(kind: str) -> dict[str, Integration]:
    """The integrations to build a DAG ``salto_<kind>__<name>`` for; files that cannot be used: see broken_integrations.py.

    A task reads its DAG file anew. With many sites, building the DAGs of all others took it longer than its own work.
    """
    wanted = get_parsing_context().dag_id
    known = load_all()[0]
    return {name: one for name, one in known.items() if wanted in {None, f"salto_{kind}__{name}"}}
