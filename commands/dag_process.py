"""Runs one DAG in this process, as `airflow dags test` does, and reports our log records through a pipe.

What a terminal shows comes from here, so it depends neither on how Airflow formats its logs nor on its version.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from io import TextIOBase

OUR_LOGGERS = ("hector_salto", "salto", "hector")
EVENTS = "HECTOR_SALTO_EVENTS"  # number of the file descriptor that the starting process reads; never set by a user


class EventHandler(logging.Handler):
    """Write each record as one line of JSON: logger, level, event, task."""

    def __init__(self, stream: TextIOBase) -> None:
        super().__init__(logging.INFO)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = {
                "logger": record.name,
                "level": record.levelname.lower(),
                "event": record.getMessage(),
                "task": _current_task(),
            }
            self._stream.write(json.dumps(event) + "\n")
            self._stream.flush()
        except BrokenPipeError:  # the terminal has gone; the run ends properly all the same
            logging.getLogger(record.name.split(".")[0]).removeHandler(self)


def _current_task() -> str | None:
    from airflow.sdk import get_current_context  # noqa: PLC0415 - Airflow is imported once its settings are in place

    try:
        return str(get_current_context()["ti"].task_id)
    except RuntimeError:  # outside a task: the DAG is being built
        return None


def dag_bag() -> Any:  # noqa: ANN401 - Airflow's class, which moved
    """Return what Airflow finds in its folder of DAG files."""
    try:
        module = import_module("airflow.dag_processing.dagbag")
    except ImportError:  # Airflow 3.1
        module = import_module("airflow.models.dagbag")
    return module.DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])


def import_errors() -> dict[str, str]:
    """Return the DAG files that Airflow cannot import, with the traceback of each."""
    return {str(file): str(error) for file, error in dag_bag().import_errors.items()}


def main() -> None:
    """Run Airflow's own command with the arguments given, or report the import errors."""
    events = os.fdopen(int(os.environ[EVENTS]), "w", encoding="utf-8")
    if sys.argv[1:] == ["import-errors"]:
        json.dump(import_errors(), events)
        events.close()
        return
    handler = EventHandler(events)
    for name in OUR_LOGGERS:
        logging.getLogger(name).addHandler(handler)
    from airflow.__main__ import main as airflow  # noqa: PLC0415 - as above

    airflow()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
