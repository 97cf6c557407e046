"""Sends a plan's operations; the outcome of each is kept, also when the run has to stop."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hector.hook import hector_hook
from hector_salto.access import schemas
from hector_salto.access.plan import fingerprint_of, members_by_group
from hector_salto.access.results import DONE
from hector_salto.http_client.fingerprint import no_fingerprint
from hector_salto.ledger.site_claims import Verdict
from hector_salto.reports.text import outcome_counts
from hector_salto.workflow import release, run_history, run_start
from hector_salto.workflow.applied_changes import keep_made
from hector_salto.workflow.failures import ChangedPlanError, StalePlanError
from hector_salto.workflow.planning import plan_again
from hector_salto.workflow.recorder import Book
from hector_salto.workflow.report_guard import remember_reports
from hector_salto.workflow.site_lock import check_plan, lock_site, other_run, refuse
from hector_salto.workflow.storage import UnreadableFileError
from salto.hook import SaltoHook
from salto.operation_sender import SiteClients
from salto.plan_executor import PlanExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from hector_salto.integration import Integration
    from hector_salto.ledger.site_claims import Claim
    from hector_salto.workflow.recorder import AuditLog
    from hector_salto.workflow.run_folder import RunFolder

LOG = logging.getLogger(__name__)
PLANNED_AGAIN = "planned_again"  # in the folder of a run whose plan was made again as it was to be applied


def apply(
    integration: Integration, folder: RunFolder, now: datetime, fingerprint: str, *, fingerprinted: bool = True
) -> dict[str, int]:
    """Send the plan's operations; one outcome each is kept even when the run has to stop.

    The site is the run's own meanwhile. When another run changed it after the plan was made, the plan is made again.

    Args:
        fingerprint: of the plan as the task that made it returned it; the folder may be within others' reach.
        fingerprinted: false for the cleanup, which compares no tags.

    Raises:
        ChangedPlanError: when the plan in the folder is not the one that was made.
        StalePlanError: when the run started reading more than 15 minutes ago, or its plan may not be applied any more.
        OtherRunError: when another run has the site.
        OtherOwnerError: when another integration owns the site.
        StopError: when nothing can work any more.
    """
    clock = _since(now)
    run_start.refuse_outdated(folder, now)
    book = Book.of(folder)
    if (site_id := book.ledger.plan_site(book.run_id)) is None:
        raise StalePlanError("the ledger has no plan of this run, so nothing is sent; start a new run")
    with lock_site(book, site_id, run_start.seconds_left(folder, now)) as claim:
        operations = _current_plan(integration, folder, (book, claim), fingerprint, clock)
        remember_reports(folder)
        journal = book.journal(claim.holder)
        _activate(integration, folder, journal)
        if operations.empty:
            folder.write("outcomes", schemas.frame(schemas.OUTCOMES, []))
            return {}
        hook = SaltoHook(integration.salto_conn_id)
        tags = hector_hook(integration).fingerprint if fingerprinted else no_fingerprint
        reader = hook.reader(integration.site_id, site_id)
        site = SiteClients(reader, hook.writer(integration.site_id, journal), tags)
        return _send(folder, site, operations, journal)


def _send(folder: RunFolder, site: SiteClients, operations: pd.DataFrame, journal: AuditLog) -> dict[str, int]:
    members = members_by_group(folder.read("members", schemas.SALTO_GROUP_USERS))
    short = bool((folder.read_json("plan") or {}).get("seats_short"))
    application = PlanExecutor(site, operations, members, seats_short=short, recorder=journal)
    run_history.note_removals(folder, operations)
    with ExitStack() as ending:  # each of them, last first, whatever becomes of the others
        ending.callback(lambda: run_history.settle_removals(folder, operations, application.outcomes))
        ending.callback(lambda: keep_made(folder, application.created_ids))
        ending.callback(lambda: folder.write("outcomes", application.outcomes))
        application.run()
    LOG.info("applied: %s", outcome_counts(application.outcomes))
    return {str(state): int(count) for state, count in application.outcomes["state"].value_counts().items()}


def _since(now: datetime) -> Callable[[], datetime]:
    """Return a clock that goes on from a moment, in whole seconds."""
    began = time.monotonic()
    return lambda: now + timedelta(seconds=int(time.monotonic() - began))


def _current_plan(
    integration: Integration,
    folder: RunFolder,
    entered: tuple[Book, Claim],
    fingerprint: str,
    clock: Callable[[], datetime],
) -> pd.DataFrame:
    """Return the operations (OPERATIONS) of a plan that no other run has outdated, and note that it is applied.

    Raises:
        ChangedPlanError: when the plan in the folder is not the one that was made.
        StalePlanError: when the plan may not be applied any more.
    """
    run_start.refuse_outdated(folder, clock())  # the run may have waited for the site
    operations = _check_fingerprint(folder, fingerprint)
    verdict = check_plan(*entered, writes=not operations.empty)
    if verdict is Verdict.CHANGED:  # no other run changes the site now, so once is enough
        LOG.info("plan outdated: %s changed the site after it was made; planning again", other_run(*entered))
        folder.write_json(PLANNED_AGAIN, {"after": other_run(*entered)})
        operations = _check_fingerprint(folder, plan_again(integration, folder))
        if release.plans_only(folder):
            raise StalePlanError("this integration only plans now, so nothing is sent; see the page's card")
        run_start.refuse_outdated(folder, clock())
        verdict = check_plan(*entered, writes=not operations.empty)
    refuse(*entered, verdict)
    return operations


def _check_fingerprint(folder: RunFolder, fingerprint: str) -> pd.DataFrame:
    operations = folder.read("operations", schemas.OPERATIONS)
    if fingerprint_of(operations) == fingerprint:
        return operations
    if folder.read_json(PLANNED_AGAIN) is None:
        raise ChangedPlanError(
            "the plan in the run's folder is not the one that was made, so nothing is sent; find out who can write to "
            f"{folder}, then start a new run"
        )
    raise StalePlanError(
        "this run made its plan again, because another run had changed the site, and ended before it had applied it; a "
        "task that is tried again applies only the first plan, so nothing is sent: start a new run"
    )


def _activate(integration: Integration, folder: RunFolder, journal: AuditLog) -> None:
    """Activating the integration makes the place attribute, once (guide, "Users & Locks"). All reads were complete."""
    if (folder.read_json("activation") or {"attribute_exists": True})["attribute_exists"]:
        return
    hector_hook(integration).writer(journal).create_lock_attribute()
    LOG.info("made the place attribute Salto Lock Id in Hector: fill it with the names of the locks")


def has_sent(folder: RunFolder) -> bool:
    """Whether there is anything new to read back; False when that cannot be read, which the report says."""
    try:
        return folder.has("outcomes") and bool(folder.read("outcomes", schemas.OUTCOMES)["state"].eq(DONE).any())
    except UnreadableFileError:
        return False
