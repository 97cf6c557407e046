"""Gives one run at a time a site to itself while it applies its plan, whatever DAG, pool or terminal it comes from."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hector_salto.integration_files import names_of_files
from hector_salto.ledger import site_claims
from hector_salto.ledger.ledger import LedgerError
from hector_salto.ledger.site_claims import LEASE, Claim, OtherRun, Owner, SiteEntry, SiteState, Verdict
from hector_salto.workflow.failures import OtherOwnerError, OtherRunError, StalePlanError
from hector_salto.workflow.run_folder import instance_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hector_salto.ledger.ledger import Ledger
    from hector_salto.workflow.recorder import Book

LOG = logging.getLogger(__name__)
POLL = 1.0  # seconds between two tries to enter a busy site


@contextmanager
def lock_site(book: Book, site_id: str, patience: float) -> Iterator[Claim]:
    """Reserve a site until the block ends; the reservation of a process that is killed expires.

    Args:
        patience: seconds to wait for a run that is applying its plan.

    Raises:
        OtherOwnerError: when another integration owns the site.
        OtherRunError: when another run is still applying its plan.
    """
    claim = Claim(site_id, owner_of(book.integration), book.run_id, secrets.token_hex(16))
    _enter(book.ledger, claim, patience)
    done = threading.Event()
    renewing = threading.Thread(target=_keep_renewing, args=(book.ledger, claim, done), daemon=True)
    renewing.start()
    try:
        yield claim
    finally:
        done.set()
        renewing.join()
        _leave(book.ledger, claim)


def owner_of(integration: str) -> Owner:
    """Return an integration of this Airflow as the ledger knows it."""
    return Owner(integration, instance_id())


def refuse_other_owner(integration: str, site_id: str, state: SiteState) -> None:
    """Raise an error when another integration owns a site.

    Raises:
        OtherOwnerError: naming the owner, and how it gives the site up.
    """
    if not site_claims.may_write(state, owner_of(integration), names_of_files()):
        raise OtherOwnerError(_ownership_error(integration, site_id, state))


def check_plan(book: Book, claim: Claim, *, writes: bool) -> Verdict:
    """Decide whether a run may apply its plan, see ``hector_salto.ledger.site_claims``."""
    return site_claims.check_plan(book.ledger, claim, datetime.now(UTC), writes=writes)


def refuse(book: Book, claim: Claim, verdict: Verdict) -> None:
    """Raise the error for a plan that may not be applied.

    Raises:
        StalePlanError: when it was applied before, or another run got ahead.
        OtherRunError: when another run has taken over the site.
    """
    if verdict is Verdict.APPLIED_BEFORE:
        raise StalePlanError("this run has applied its plan already, so nothing is sent; start a new run")
    other = other_run(book, claim)
    if verdict is Verdict.LOST:
        raise OtherRunError(f"{other} has taken over the site, so nothing is sent; start a new run")
    if verdict is Verdict.SUPERSEDED:
        raise StalePlanError(f"{other} began after this run and was applied, so nothing is sent; start a new run")
    if verdict is Verdict.CHANGED:
        raise StalePlanError(f"{other} changed the site after this plan was made, so nothing is sent; start a new run")


def other_run(book: Book, claim: Claim) -> str:
    """Name the run that applied its plan to a site last."""
    found = site_claims.ahead_of(book.ledger, claim.site_id, claim.run_id)
    return _name_of_run(found) if found else "another run"


def _name_of_run(run: OtherRun) -> str:
    return f"{run.kind} {run.airflow_run_id} of {run.integration}"


def _enter(ledger: Ledger, claim: Claim, patience: float) -> None:
    present, end, waits = names_of_files(), time.monotonic() + patience, False
    while True:
        entry, state = site_claims.enter(ledger, claim, present, datetime.now(UTC))
        if entry is SiteEntry.ENTERED:
            return
        if entry is SiteEntry.OWNED:
            raise OtherOwnerError(_ownership_error(claim.owner.integration, claim.site_id, state))
        if time.monotonic() >= end:
            raise OtherRunError(
                "another run is still applying its plan to this site, so nothing is sent; start a new run when it ended"
            )
        if not waits:
            LOG.info("site %s busy: waiting for the run that is applying its plan", claim.site_id)
        waits = True
        time.sleep(POLL)


def _ownership_error(integration: str, site_id: str, state: SiteState) -> str:
    owner = state.owner
    if owner is None:
        raise ValueError("a site without an owner is refused to none")
    since = f"since {state.owned_since:%Y-%m-%d %H:%M} UTC" if state.owned_since else ""
    if owner.instance == instance_id():
        step = f"remove {integration}.yaml, or remove {owner.integration}.yaml to hand the site over"
        return f"site {site_id} belongs to the integration {owner.integration} {since}, so {integration} does not change it; {step}"
    step = (
        "remove one of the two; when that Airflow no longer runs, or its runs' folder was lost, "
        f"`python -m commands ledger release --site {site_id}` releases the site"
    )
    return (
        f"site {site_id} belongs to the integration {owner.integration} of another Airflow ({owner.instance}) {since}, "
        f"so {integration} does not change it; {step}"
    )


def _keep_renewing(ledger: Ledger, claim: Claim, done: threading.Event) -> None:
    while not done.wait(LEASE.total_seconds() / 4):
        try:
            if not site_claims.renew(ledger, claim, datetime.now(UTC)):
                LOG.error("site %s lost: another run has taken it over, nothing more is sent", claim.site_id)
                return
        except LedgerError as error:
            LOG.warning("site %s not renewed: %s", claim.site_id, error)


def _leave(ledger: Ledger, claim: Claim) -> None:
    try:
        site_claims.leave(ledger, claim)
    except LedgerError as error:
        LOG.warning("site %s stays reserved until %s have passed: %s", claim.site_id, LEASE, error)
