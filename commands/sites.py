"""`python -m commands ledger release`: takes a site from an owner that no longer runs; upgrades and checks the ledger; closes runs that were cut off."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.settings import migrate_database, set_airflow_home
from commands.why import OWN_STORE
from hector_salto.access.texts import few

if TYPE_CHECKING:
    from rich.console import Console

    from hector_salto.ledger.ledger import Ledger

RELEASED, NOT_RELEASED = 0, 1
INTERRUPTED_MESSAGE = (
    "the run was cut off by make down; look at what it had sent (calls in the ledger), then start a new run"
)


def release_site(site_id: str, console: Console) -> int:
    """Release a site, so that the next integration which applies a plan to it owns it."""
    from hector_salto.ledger import site_claims  # noqa: PLC0415 - with the ledger

    kept, now = _ledger(), datetime.now(UTC)
    before = site_claims.release(kept, site_id, now)
    if before is None:
        known = few(sorted(site_claims.site_states(kept, now))) or "none"
        told = f"the ledger knows no site {site_id!r}; known: {known}"
    elif before.busy_with is not None:
        told = (
            f"site {site_id} not released: run {before.busy_with} is applying its plan; wait a minute, then try again"
        )
    elif before.owner is None:
        told = f"site {site_id} has no owner already"
    else:
        console.print(
            f"site {site_id} released (it belonged to {before.owner.integration} of the Airflow {before.owner.instance}): "
            "the next integration that applies a plan to it owns it",
            highlight=False,
            soft_wrap=True,
        )
        return RELEASED
    console.print(told, style="yellow", markup=False, highlight=False, soft_wrap=True)
    return NOT_RELEASED


def upgrade_ledger(console: Console) -> int:
    """Bring the ledger's tables to the installed version."""
    _prepare()
    from hector_salto.workflow import recorder  # noqa: PLC0415 - imports Airflow

    console.print(recorder.upgrade_ledger(), highlight=False)
    return RELEASED


def check_ledger(console: Console) -> int:
    """Say which version the ledger has; status 0 when it is the one that this code needs."""
    _prepare()
    from hector_salto.workflow import recorder  # noqa: PLC0415 - imports Airflow

    is_new, told = recorder.check_ledger("`python -m commands ledger upgrade`")
    console.print(told, style=None if is_new else "yellow", highlight=False, soft_wrap=True)
    return RELEASED if is_new else NOT_RELEASED


def close_interrupted_runs(kept: Ledger, names: list[str], now: datetime) -> int:
    """End in the ledger the runs of these integrations whose processes were ended; return how many."""
    runs = [run for name in names for run in kept.unfinished(name)]
    for run in runs:
        kept.close_run(run.id, now, INTERRUPTED_MESSAGE)
    return len(runs)


def close_runs_after_down(names: list[str]) -> int:
    """End in the ledger what `make down` has cut off; return how many runs."""
    return close_interrupted_runs(_ledger(), names, datetime.now(UTC))


def _prepare() -> None:
    set_airflow_home()  # Airflow makes its home as it is imported
    os.environ.setdefault(*OWN_STORE)
    migrate_database()


def _ledger() -> Ledger:
    _prepare()
    from hector_salto.workflow.recorder import ledger  # noqa: PLC0415 - imports Airflow

    return ledger()
