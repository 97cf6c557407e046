"""Let one run at a time change a site, each plan once, and only for the integration that owns the site.

A site is known by its UUID in Salto, whatever an integration file calls it. Its row counts the plans that were applied
to it: a plan that was read at another count than the present one is out of date.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from hector_salto.ledger.tables import Run, SiteRow, writable

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Row, Update

    from hector_salto.ledger.ledger import Ledger

LEASE = timedelta(minutes=1)  # a process that was killed renews nothing, and another run takes over
LONGEST_ID = 200  # of a site, in an index of PostgreSQL; Salto's own have 36 letters
_COLUMNS: tuple[Any, ...] = tuple(SiteRow.__table__.columns)


class SiteEntry(StrEnum):
    """Answer to a run that asks for a site."""

    ENTERED = "entered"
    BUSY = "busy"  # another run is applying its plan
    OWNED = "owned"  # by another integration


class Verdict(StrEnum):
    """Answer to a run that is about to apply its plan."""

    CURRENT = "current"
    APPLIED_BEFORE = "applied_before"  # this plan, or an earlier one of this run
    SUPERSEDED = "superseded"  # a sync that asked Hector later has been applied
    CHANGED = "changed"  # another run has applied a plan since this one was read
    LOST = "lost"  # another run has taken over the site


@dataclass(frozen=True, slots=True)
class Owner:
    """An integration of one Airflow.

    Attributes:
        integration: name of its file.
        instance: id of the Airflow that runs it.
    """

    integration: str
    instance: str


@dataclass(frozen=True, slots=True)
class SiteState:
    """A site in the ledger.

    Attributes:
        applied: number of plans that were applied.
        busy_with: the run that is applying its plan now; null: none is.
        owner: null: nothing was ever applied, or the site was released.
        owned_since: when the owner applied its first plan.
    """

    applied: int = 0
    busy_with: int | None = None
    owner: Owner | None = None
    owned_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class OtherRun:
    """The run that got ahead of another."""

    integration: str
    kind: str
    airflow_run_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One process that wants to change a site.

    Attributes:
        site_id: UUID of the site.
        owner: for whom.
        run_id: of the row in ``runs``.
        holder: id of the process, new for each attempt.
    """

    site_id: str
    owner: Owner
    run_id: int
    holder: str


def site_key(site_id: str) -> str:
    """Return a site's id as the ledger keeps it."""
    return writable(site_id[:LONGEST_ID])


def site_states(ledger: Ledger, now: datetime) -> dict[str, SiteState]:
    """Return every known site by UUID. Read it before Salto: what is applied later shows as another count."""
    with ledger.reading() as connection:
        return {row.site_id: _state(row, now) for row in connection.execute(select(*_COLUMNS))}


def enter(ledger: Ledger, claim: Claim, present: frozenset[str], now: datetime) -> tuple[SiteEntry, SiteState]:
    """Reserve a site for one process, and make its integration the owner when there is none.

    Args:
        present: names of the integration files of this Airflow; an owner without one has given up the site.
    """
    site_id, owner = site_key(claim.site_id), claim.owner
    with ledger.transaction() as connection:
        row = _lock_row(connection, site_id)
        state = _state(row, now)
        if not may_write(state, owner, present):
            return SiteEntry.OWNED, state
        if state.busy_with is not None and row.holder != claim.holder:
            return SiteEntry.BUSY, state
        values: dict[str, object] = {"run_id": claim.run_id, "holder": claim.holder, "held_until": now + LEASE}
        if state.owner != owner:
            values |= {"integration": owner.integration, "instance": owner.instance, "owned_since": now}
            _release_others(connection, site_id, owner)
        connection.execute(update(SiteRow).where(SiteRow.site_id == site_id).values(**values))
    return SiteEntry.ENTERED, state


def may_write(state: SiteState, owner: Owner, present: frozenset[str]) -> bool:
    """Tell whether a site has no owner, this one, or one of this Airflow whose file is gone."""
    found = state.owner
    return found in {None, owner} or (found.instance == owner.instance and found.integration not in present)


def check_plan(ledger: Ledger, claim: Claim, now: datetime, *, writes: bool) -> Verdict:
    """Decide whether a run may apply its plan; if so, note that it does, before anything is sent.

    Args:
        writes: the plan holds operations, so that plans of others become out of date.
    """
    site_id, this = site_key(claim.site_id), Run.id == claim.run_id
    with ledger.transaction() as connection:
        site = _lock_row(connection, site_id)
        run = connection.execute(select(Run.kind, Run.site_id, Run.site_applied, Run.applied_at).where(this)).one()
        if site.holder != claim.holder:
            return Verdict.LOST
        if run.applied_at is not None:
            return Verdict.APPLIED_BEFORE
        if run.kind == "sync" and _is_superseded(connection, site_id, claim.run_id):
            return Verdict.SUPERSEDED
        if run.site_id != site_id or run.site_applied != site.applied:
            return Verdict.CHANGED
        connection.execute(update(Run).where(this).values(applied_at=now))
        if writes:
            connection.execute(update(SiteRow).where(SiteRow.site_id == site_id).values(applied=site.applied + 1))
    return Verdict.CURRENT


def renew(ledger: Ledger, claim: Claim, now: datetime) -> bool:
    """Extend a reservation; false: another run has taken over the site."""
    with ledger.transaction() as connection:
        return bool(connection.execute(_mine(claim).values(held_until=now + LEASE)).rowcount)


def leave(ledger: Ledger, claim: Claim) -> None:
    """End a reservation."""
    with ledger.transaction() as connection:
        connection.execute(_mine(claim).values(run_id=None, holder=None, held_until=None))


def release(ledger: Ledger, site_id: str, now: datetime) -> SiteState | None:
    """Take a site from its owner, unless a run is applying its plan; return how it was before, None for an unknown site."""
    key = site_key(site_id)
    with ledger.transaction() as connection:
        row = connection.execute(select(*_COLUMNS).where(SiteRow.site_id == key).with_for_update()).first()
        if row is None:
            return None
        state = _state(row, now)
        if state.busy_with is None:
            free = (
                update(SiteRow).where(SiteRow.site_id == key).values(integration=None, instance=None, owned_since=None)
            )
            connection.execute(free)
    return state


def others_at(ledger: Ledger, site_id: str, integration: str) -> frozenset[str]:
    """Return the other integrations whose last run was for this site, also when it was refused."""
    last = select(func.max(Run.id)).where(Run.site_id.is_not(None), Run.integration != integration)
    query = select(Run.integration).where(Run.id.in_(last.group_by(Run.integration)), Run.site_id == site_key(site_id))
    with ledger.reading() as connection:
        return frozenset(connection.execute(query).scalars())


def note_site(ledger: Ledger, run_id: int, site_id: str) -> None:
    """Record which site a run is for, before it is known whether it may plan for it."""
    with ledger.transaction() as connection:
        connection.execute(update(Run).where(Run.id == run_id).values(site_id=site_key(site_id)))


def ahead_of(ledger: Ledger, site_id: str, run_id: int) -> OtherRun | None:
    """Return the run of a site that applied its plan last, for the message to one that may not."""
    others = (Run.site_id == site_key(site_id), Run.id != run_id, Run.applied_at.is_not(None))
    query = select(Run.integration, Run.kind, Run.airflow_run_id).where(*others).order_by(Run.applied_at.desc())
    with ledger.reading() as connection:
        row = connection.execute(query.limit(1)).first()
    return None if row is None else OtherRun(row.integration, row.kind, row.airflow_run_id)


def is_held(connection: Connection, holder: str, now: datetime) -> bool:
    """Tell whether a process still has the site that it reserved."""
    query = select(SiteRow.site_id).where(SiteRow.holder == holder, SiteRow.held_until > now)
    return connection.execute(query.limit(1)).first() is not None


def _mine(claim: Claim) -> Update:
    return update(SiteRow).where(SiteRow.site_id == site_key(claim.site_id), SiteRow.holder == claim.holder)


def _lock_row(connection: Connection, site_id: str) -> Row[Any]:
    """Return a site's row, made when it is new, which no other process reads for update until this one is done."""
    query = select(*_COLUMNS).where(SiteRow.site_id == site_id).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        with suppress(IntegrityError), connection.begin_nested():  # another process may make it at the same moment
            connection.execute(insert(SiteRow).values(site_id=site_id, applied=0))
        row = connection.execute(query).one()
    return row


def _state(row: Row[Any], now: datetime) -> SiteState:
    owner = None if row.integration is None else Owner(row.integration, row.instance)
    busy_with = row.run_id if row.holder is not None and row.held_until > now else None
    return SiteState(row.applied, busy_with, owner, row.owned_since if owner else None)


def _release_others(connection: Connection, site_id: str, owner: Owner) -> None:
    """Release the site that an integration named before: it names one."""
    mine = (SiteRow.integration == owner.integration, SiteRow.instance == owner.instance, SiteRow.site_id != site_id)
    connection.execute(update(SiteRow).where(*mine).values(integration=None, instance=None, owned_since=None))


def _is_superseded(connection: Connection, site_id: str, run_id: int) -> bool:
    """Tell whether a sync that began after a run was applied; the order of rows needs no clock."""
    applied = (Run.site_id == site_id, Run.kind == "sync", Run.applied_at.is_not(None), Run.id > run_id)
    return connection.execute(select(Run.id).where(*applied).limit(1)).first() is not None
