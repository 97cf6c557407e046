"""How an error ends a task: what a second try may mend is left to Airflow's retries, anything else fails at once.

Each failure is also kept in the run's folder, so that the report at the end of the run can say what happened.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from include.access.schemas import SchemaError
from include.integrations.integration import IntegrationError
from rest.errors import IncompleteReadError, MalformedAnswerError, RestError, StopError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runs.folder import RunFolder

LOG = logging.getLogger(__name__)
WORTH_ANOTHER_TRY = (UnavailableError, IncompleteReadError, MalformedAnswerError)


class StalePlanError(Exception):
    """The plan is too old to be applied: start a new run."""


class ChangedPlanError(Exception):
    """The plan was changed between the task that made it and the one that applies it."""


class HistoryError(Exception):
    """What earlier runs left to be remembered cannot be read."""


class RunError(Exception):
    """A run that did not end well; the message names each cause."""


@contextmanager
def told_to(folder: RunFolder, step: str) -> Iterator[None]:
    """Sort what goes wrong inside, keep it for the report, and let Airflow see it."""
    try:
        yield
        folder.forget(f"failure_{step}")  # an earlier try of this task may have failed
    except WORTH_ANOTHER_TRY as error:
        _keep(folder, step, str(error), error)
        raise
    except (RestError, SchemaError, IntegrationError, StalePlanError, ChangedPlanError, HistoryError) as error:
        _keep(folder, step, str(error), error)
        raise AirflowFailException(str(error)) from error
    except AirflowException:
        raise  # skipped, or failed on purpose with a sentence of its own
    except Exception as error:
        _keep(folder, step, f"failed in a way nobody foresaw ({type(error).__name__}); report it with this task's log")
        raise


def _keep(folder: RunFolder, step: str, sentence: str, error: Exception | None = None) -> None:
    LOG.error("%s: %s", step, sentence)
    remedy = f"{error.connection} {error.next_step}" if isinstance(error, StopError) else sentence
    folder.write_json(f"failure_{step}", {"step": step, "sentence": sentence, "remedy": remedy})


def kept(folder: RunFolder, steps: tuple[str, ...]) -> list[str]:
    """What failed in this run, by step; steps that one and the same remedy mends are told once."""
    found = [failure for failure in (folder.read_json(f"failure_{step}") for step in steps) if failure]
    first = {failure["remedy"]: failure for failure in reversed(found)}
    return [f"{failure['step']}: {failure['sentence']}" for failure in found if first[failure["remedy"]] is failure]
