"""Whose DAGs a process that reads a DAG file needs: a task's own, or everybody's."""

from __future__ import annotations

import logging
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import get_parsing_context
from airflow.sdk.definitions.param import ParamsDict

from hector_salto.integration_files import load_all
from hector_salto.workflow.run_link import LINKED_TASKS, DoorsRunLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG, CronTriggerTimetable

    from hector_salto.integration import Integration

if not TYPE_CHECKING:
    try:
        from airflow.sdk import CronTriggerTimetable
    except ImportError:  # Airflow 3.1
        from airflow.timetables.trigger import CronTriggerTimetable

LOG = logging.getLogger(__name__)
KINDS = ("sync", "cleanup", "approval", "watch")

unbuilt: list[str] = []  # what building a DAG raised in this process, each naming the integration file

# Airflow computes a new DAG's next time anew each time it reads the DAG file (every 30 seconds). A time that has just come is
# kept for this long, or reading the file in that very moment would move the first run to the next day.
JUST_COME = timedelta(minutes=1)


def next_times(cron: str | None, timezone: str) -> CronTriggerTimetable | None:
    """Return a schedule whose first time is the next one, also when the DAG is unpaused later; None: triggered runs only.

    It takes a DAG without a start date: Airflow runs the last missed time of one with a date in the past as soon as it is unpaused.
    """
    return CronTriggerTimetable(cron, timezone=timezone, run_immediately=JUST_COME) if cron else None


def nightly(name: str) -> str:
    """Return a time of day between 02:00 and 04:59 as cron, the same for a name at all times: not all sites at once."""
    minute = zlib.crc32(name.encode()) % (3 * 60)
    return f"{minute % 60} {2 + minute // 60} * * *"


def integrations_of(kind: str) -> dict[str, Integration]:
    """The integrations to build a DAG ``salto_<kind>__<name>`` for; files that cannot be used: see broken_integrations.py.

    A task reads its DAG file anew. With many sites, building the DAGs of all others took it longer than its own work.
    """
    wanted = get_parsing_context().dag_id
    known = load_all()[0]
    return {name: one for name, one in known.items() if wanted in {None, f"salto_{kind}__{name}"}}


def _finish(dag: DAG) -> None:
    """Give the tasks whose result people look at a link to the run on the page, and leave the DAG's params to the DAG.

    Airflow copies them to each task, and would write them into its database once for each: half of what a sync takes there.
    A task reads them from the run all the same.
    """
    for task in dag.tasks:
        task.params = ParamsDict()
        if task.task_id in LINKED_TASKS:
            task.operator_extra_links = (DoorsRunLink(),)


def dags_of(kind: str, build: Callable[[str, Integration], DAG]) -> dict[str, DAG]:
    """Build the DAG of each integration by its id; what one of them raises takes none away from the others."""
    built = {}
    for name, integration in integrations_of(kind).items():
        dag_id = f"salto_{kind}__{name}"
        try:
            built[dag_id] = build(name, integration)
            _finish(built[dag_id])
        except Exception as error:
            message = (
                f"{name}.yaml: {dag_id} could not be built ({type(error).__name__}: {error}); correct the file, or report "
                "this with the log of the DAG processor"
            )
            LOG.exception("%s", message)
            unbuilt.append(message)
    return built
