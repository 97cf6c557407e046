"""Ends in the ledger what Airflow has ended: a run that is cut off cannot tell its end itself."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hector_salto.ledger.ledger import Ledger

LOG = logging.getLogger(__name__)
ENDED = frozenset({"success", "failed"})
FORGOTTEN = timedelta(days=1)  # no run of ours takes as long
CUT_OFF = "the run was cut off before its report: Airflow has it as {state}; look at what it had sent (calls in the ledger), then start a new run"
DELETED = "the run was cut off before its report, and Airflow does not know it any more; start a new run"


def close_ended(book: Ledger, name: str, state_of: Callable[[str, str], str | None], now: datetime) -> int:
    """End the runs of an integration that Airflow has ended; return how many.

    Args:
        book: the ledger.
        name: of the integration.
        state_of: asks Airflow for the state of a run, by DAG and run id; None: it does not know the run.
        now: aware.
    """
    closed = 0
    for run in book.unfinished(name):
        state = state_of(run.dag_id(name), run.airflow_run_id)
        if state in ENDED:
            book.close_run(run.id, now, CUT_OFF.format(state=state))
        elif state is None and now - run.began_at > FORGOTTEN:
            book.close_run(run.id, now, DELETED)
        else:
            continue
        closed += 1
        LOG.warning("run %s of %s closed (Airflow has it as %s)", run.airflow_run_id, name, state or "unknown")
    return closed
