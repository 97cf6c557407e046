"""Ends a run: green or red, with every cause named."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from include.access import schemas
from include.access.operations import HELD
from include.access.order import rows
from include.report.words import failure_lines, outcome_counts, plan_lines, problem_lines
from runs.failures import RunError, kept

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from runs.folder import RunFolder

LOG = logging.getLogger(__name__)
SETTLING = (0.0, 3.0, 10.0)  # seconds: Salto shows what was written "within a few seconds" (contract, 5.3)


def report(
    folder: RunFolder,
    steps: tuple[str, ...],
    remaining: Callable[[], pd.DataFrame] | None,
    *,
    promise: str = "Salto holds what Hector says",
) -> None:
    """End the run: green when all of the plan holds in Salto, problems or not; red otherwise, naming each cause.

    Args:
        folder: the run's.
        steps: the steps whose failure ends the run red.
        remaining: reads Salto again and gives the operations that are still missing; None: nothing was sent.
        promise: what a green run has brought about.

    Raises:
        RunError: with every cause, when the run is red.
    """
    causes = kept(folder, steps)
    if folder.has("operations"):
        causes += _unfinished(folder)
        if folder.has("outcomes") and not causes and remaining is not None:
            causes += _not_in_place(remaining)
    elif not causes:
        causes = ["the run ended before a plan was made, and nothing was written to Salto; see the failed task's log"]
    if causes:
        for cause in causes:
            LOG.error(cause)
        raise RunError("; ".join(causes[:10]) + (f"; and {len(causes) - 10} more" if len(causes) > 10 else ""))  # noqa: PLR2004 - a sentence, not a list
    waiting = 0 if folder.has("outcomes") else len(folder.read("operations", schemas.OPERATIONS))
    LOG.info("green: %s", f"plan only, {waiting} operations were not sent" if waiting else promise)


def _unfinished(folder: RunFolder) -> list[str]:
    operations, found = folder.read("operations", schemas.OPERATIONS), folder.read("problems", schemas.PROBLEMS)
    for line in problem_lines(found):
        LOG.warning(line)
    red = [f"{row.message}. Next step: {row.next_step}" for row in found[found["red"]].itertuples()]
    held = operations[operations["state"].eq(HELD)]
    plan_ = folder.read_json("plan") or {}
    if len(held):
        why = "; ".join(hold["why"] for hold in plan_["holds"])
        red.append(
            f"{len(held)} operations are held ({why}); if they are meant, run again with approve: {plan_['digest']}"
        )
    if folder.has("outcomes"):
        outcomes = folder.read("outcomes", schemas.OUTCOMES)
        LOG.info("applied: %s", outcome_counts(outcomes))
        red += list(failure_lines(operations[operations["state"].ne(HELD)], outcomes))
    return red


def _not_in_place(remaining: Callable[[], pd.DataFrame]) -> list[str]:
    for wait in SETTLING:
        time.sleep(wait)
        left = remaining()
        if left.empty:
            return []
    return [f"not in place after the run: {line}" for line in plan_lines(rows(left))]
