"""How an error ends a task: what a second try may mend is left to Airflow's retries, anything else fails at once.

Each failure is also kept in the run's folder, so that the report at the end of the run can say what happened.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from hector_salto.access.schemas import SchemaError
from hector_salto.http_client import request_counter
from hector_salto.http_client.errors import (
    FatalError,
    IncompleteReadError,
    MalformedAnswerError,
    RestError,
    UnavailableError,
)
from hector_salto.integration import IntegrationError
from hector_salto.ledger.ledger import LedgerError
from hector_salto.workflow.storage import StorageError, UnreadableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hector_salto.workflow.run_folder import RunFolder

LOG = logging.getLogger(__name__)
WORTH_ANOTHER_TRY = (UnavailableError, IncompleteReadError, MalformedAnswerError, StorageError)


class StalePlanError(Exception):
    """The plan is too old to be applied: start a new run."""


class OtherRunError(Exception):
    """Another run has the site: it is applying its plan, or has taken the site over."""


class OtherOwnerError(Exception):
    """Another integration owns the site; the message names it, and how it gives the site up."""


class ChangedPlanError(Exception):
    """The plan was changed between the task that made it and the one that applies it."""


class HistoryError(Exception):
    """What earlier runs left to be remembered cannot be read."""


class RunError(Exception):
    """A run that did not end well; the message names each cause."""


@contextmanager
def record_step(folder: RunFolder, step: str) -> Iterator[None]:
    """Sort what goes wrong inside, keep it for the report, and let Airflow see it."""
    began, sent = time.monotonic(), request_counter.request_counts()
    try:
        yield
        folder.forget(f"failure_{step}")  # an earlier try of this task may have failed
    except WORTH_ANOTHER_TRY as error:
        _keep(folder, step, str(error), error)
        raise
    except (
        RestError,
        SchemaError,
        IntegrationError,
        StalePlanError,
        OtherRunError,
        OtherOwnerError,
        ChangedPlanError,
        HistoryError,
        LedgerError,
        UnreadableFileError,
    ) as error:
        _keep(folder, step, str(error), error)
        raise AirflowFailException(str(error)) from error
    except AirflowException:
        raise  # skipped, or failed on purpose with a sentence of its own
    except Exception as error:
        _keep(folder, step, f"failed in a way nobody foresaw ({type(error).__name__}); report it with this task's log")
        raise
    finally:
        _record_cost(folder, step, time.monotonic() - began, request_counter.request_counts() - sent)


def _record_cost(folder: RunFolder, step: str, seconds: float, requests: Counter[str]) -> None:
    """What the step took, all its tries together."""
    before = _note(folder, f"spent_{step}") or {"seconds": 0.0, "requests": {}}
    counted = Counter(before["requests"]) + requests
    _write(folder, f"spent_{step}", {"seconds": before["seconds"] + seconds, "requests": dict(counted)})


def _write(folder: RunFolder, name: str, note: dict[str, object]) -> None:
    """Write a note; without room for it the task still ends as it would have."""
    try:
        folder.write_json(name, note)
    except StorageError as error:
        LOG.error("note %s not written: %s", name, error)  # noqa: TRY400 - the sentence says all


def _note(folder: RunFolder, name: str) -> dict[str, Any] | None:
    try:
        return folder.read_json(name)
    except UnreadableFileError as error:
        LOG.warning("note %s passed over: %s", name, error)
        return None


def step_costs(folder: RunFolder, steps: tuple[str, ...]) -> tuple[float, Counter[str]]:
    """Seconds in these steps, and requests by service."""
    found = [one for one in (_note(folder, f"spent_{step}") for step in steps) if one]
    requests: Counter[str] = Counter()
    for one in found:
        requests.update(one["requests"])
    return sum(one["seconds"] for one in found), requests


def _keep(folder: RunFolder, step: str, sentence: str, error: Exception | None = None) -> None:
    LOG.error("%s: %s", step, sentence)
    kind = type(error).__name__ if error is not None else "Unforeseen"
    remedy = f"{error.connection} {error.next_step}" if isinstance(error, FatalError) else sentence
    _write(folder, f"failure_{step}", {"step": step, "sentence": sentence, "remedy": remedy, "kind": kind})


def failures(folder: RunFolder, steps: tuple[str, ...]) -> list[dict[str, Any]]:
    """The failure of each step that failed; a note of one that cannot be read is a failure of its own."""
    found = []
    for step in steps:
        try:
            found.append(folder.read_json(f"failure_{step}"))
        except UnreadableFileError as error:
            sentence = f"failed, and why cannot be read: {error}"
            found.append({"step": step, "sentence": sentence, "remedy": sentence, "kind": type(error).__name__})
    return [one for one in found if one]


def failure_messages(folder: RunFolder, steps: tuple[str, ...]) -> list[str]:
    """What failed in this run, by step; steps that one and the same remedy fixes are listed once."""
    found = failures(folder, steps)
    first = {failure["remedy"]: failure for failure in reversed(found)}
    return [f"{failure['step']}: {failure['sentence']}" for failure in found if first[failure["remedy"]] is failure]
