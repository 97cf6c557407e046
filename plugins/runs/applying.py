"""Sends a plan's operations; the outcome of each is kept, also when the run has to stop."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hector.hook import HectorHook
from include.access import schemas
from include.access.outcomes import DONE
from include.access.plan import fingerprint_of, members_by_group
from include.report.words import outcome_counts
from runs import history
from runs.bookkeeping import Book
from runs.failures import ChangedPlanError, StalePlanError
from runs.opening import as_of
from runs.remembering import site_id_of
from runs.sent import keep_made, no_fingerprint
from salto.apply import Application
from salto.hook import SaltoHook
from salto.sending import Site

if TYPE_CHECKING:
    from include.integrations.integration import Integration
    from runs.bookkeeping import RunJournal
    from runs.folder import RunFolder

LOG = logging.getLogger(__name__)
OLDEST_PLAN = timedelta(minutes=15)


def apply(
    integration: Integration, folder: RunFolder, now: datetime, fingerprint: str, *, fingerprinted: bool = True
) -> dict[str, int]:
    """Send the plan's operations; one outcome each is kept even when the run has to stop.

    Args:
        fingerprint: of the plan as the task that made it told Airflow; the folder may be within others' reach.
        fingerprinted: false for the cleanup, which compares no tags.

    Raises:
        ChangedPlanError: when the plan in the folder is not the one that was made.
        StalePlanError: when the run started reading more than 15 minutes ago.
        StopError: when nothing can work any more.
    """
    age = now - as_of(folder)
    if age > OLDEST_PLAN:
        raise StalePlanError(
            f"the plan is {int(age.total_seconds() // 60)} minutes old, the limit is 15; start a new run"
        )
    operations = folder.read("operations", schemas.OPERATIONS)
    if fingerprint_of(operations) != fingerprint:
        raise ChangedPlanError(
            "the plan in the run's folder is not the one that was made, so nothing is sent; find out who can write to "
            f"{folder}, then start a new run"
        )
    journal = Book.of(folder).journal()
    _activate(integration, folder, journal)
    if operations.empty:
        folder.write("outcomes", schemas.frame(schemas.OUTCOMES, []))
        return {}
    hook = SaltoHook(integration.salto_conn_id)
    tags = HectorHook(integration.hector_conn_id).fingerprint if fingerprinted else no_fingerprint
    reader = hook.reader(integration.site_id, site_id_of(folder))
    site = Site(reader, hook.writer(integration.site_id, journal), tags)
    members = members_by_group(folder.read("members", schemas.SALTO_GROUP_USERS))
    short = bool((folder.read_json("plan") or {}).get("seats_short"))
    application = Application(site, operations, members, seats_short=short, diary=journal)
    history.note_removals(folder, operations)
    try:
        application.run()
    finally:
        folder.write("outcomes", application.outcomes)
        keep_made(folder, application.made)
        history.settle_removals(folder, operations, application.outcomes)
    LOG.info("applied: %s", outcome_counts(application.outcomes))
    return {str(state): int(count) for state, count in application.outcomes["state"].value_counts().items()}


def _activate(integration: Integration, folder: RunFolder, journal: RunJournal) -> None:
    """Activating the integration makes the place attribute, once (guide, "Users & Locks"). All reads were complete."""
    if (folder.read_json("activation") or {"attribute_exists": True})["attribute_exists"]:
        return
    HectorHook(integration.hector_conn_id).writer(journal).create_lock_attribute()
    LOG.info("made the place attribute Salto Lock Id in Hector: fill it with the names of the locks")


def sent_anything(folder: RunFolder) -> bool:
    """Whether there is anything new to read back."""
    return folder.has("outcomes") and bool(folder.read("outcomes", schemas.OUTCOMES)["state"].eq(DONE).any())
