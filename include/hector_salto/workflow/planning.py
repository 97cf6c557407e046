"""Compares the desired with Salto's current state, through clients that cannot write."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING

import pandas as pd

from hector.hook import hector_hook
from hector_salto.access import schemas
from hector_salto.access.absence import HECTOR, HectorList, Shown, locks_in_doubt, unconfirmed_lists
from hector_salto.access.dependencies import rows
from hector_salto.access.guard_history import baseline
from hector_salto.access.plan import make_cleanup_plan, make_plan
from hector_salto.access.problems import all_problems, problems
from hector_salto.access.read_cache import scope_of
from hector_salto.access.references import resolve_references, spellings
from hector_salto.access.release import Trigger
from hector_salto.access.snapshot import Snapshot, snapshot_of_groups, take_snapshot
from hector_salto.access.texts import comparable, few
from hector_salto.access.withdrawals import hector_says
from hector_salto.http_client.clock_skew import require_same_time
from hector_salto.http_client.fingerprint import no_fingerprint
from hector_salto.integration_files import load_all, names_of_files
from hector_salto.ledger.ledger import READ_BY_CLEANUP, Selection
from hector_salto.ledger.site_claims import SiteState, note_site, others_at, site_key, site_states
from hector_salto.reports.summary import INVITING
from hector_salto.reports.text import decision_lines, plan_lines, problem_lines
from hector_salto.workflow import recorder, release, run_history
from hector_salto.workflow.applied_changes import read_applied
from hector_salto.workflow.extraction import hector_clock, hector_of, query_start, read_again, read_desired
from hector_salto.workflow.failures import StalePlanError
from hector_salto.workflow.recorder import Book
from hector_salto.workflow.run_start import as_of
from hector_salto.workflow.site_cache import current_of, keep_current, load_site_cache, read_at_of, site_id_of
from hector_salto.workflow.site_lock import refuse_other_owner
from salto.hook import SaltoHook
from salto.site_state import TAG_KINDS, LiveSiteState, read_after

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hector_salto.access.current import Current
    from hector_salto.access.plan import Plan
    from hector_salto.access.read_cache import Remembered
    from hector_salto.integration import Integration
    from hector_salto.workflow.run_folder import RunFolder
    from salto.client import SaltoReader

LOG = logging.getLogger(__name__)
READINGS = 5  # of one plan: each reads something that no reading before it has


@dataclass(frozen=True)
class Verification:
    """A fresh read of Salto, and what a plan made from it would still change (OPERATIONS)."""

    current: Current
    remaining: pd.DataFrame
    matches: pd.DataFrame
    read_at: datetime  # when reading began, before the plan was made
    again_at: datetime  # when reading again what the run has sent began


def plan(
    integration: Integration,
    folder: RunFolder,
    *,
    references: Collection[str] | None,
    approve: str | None,
    verify: bool = False,
) -> dict[str, int | str]:
    """Compare with Salto's current state, through a client that cannot write.

    Args:
        references: only these reservations; None: all.
        approve: digest of a held set that may go through.
        verify: read every group in detail, whatever is remembered.

    Raises:
        RestError: when a read of Salto is not complete, or the account may not act: nothing is written then.
        StalePlanError: when the run has sent its plan already.
        OtherOwnerError: when another integration owns the site.
    """
    site = _SiteBefore.of(folder)
    read_at, references = datetime.now(UTC), resolve_given_references(folder, references)
    reading = _Reading(integration, folder, read_at, references, verify=verify)
    require_same_time([hector_clock(folder), reading.reader.clock()])
    made, current = _plan_with_confirmation(integration, folder, reading, references=references, approve=approve)
    facts = site.facts(current)
    token = folder.read("token", schemas.PROBLEMS)
    unknown = _none_found(folder, made, references)
    made = replace(
        made,
        problems=all_problems(
            [
                made.problems,
                _shared_site_problem(integration, folder, current.site_id),
                _short(integration),
                token,
                unknown,
            ]
        ),
    )
    _keep_plan(folder, made)
    keep_current(folder, current, made.matches, read_at)
    release.decide(integration, folder, current.site_id)
    _record(folder, made, facts)
    _observe(integration, folder, made, current, read_at)
    _log_plan(made, _approver(folder, approve) if made.approved else "")
    return _counts(made)


def _log_plan(made: Plan, approver: str) -> None:
    for line in decision_lines(made.decisions):
        LOG.info(line)
    for line in plan_lines(rows(made.operations)):
        LOG.info(line)
    invited = made.operations.loc[made.operations["kind"].isin(INVITING), "user_id"]
    if len(invited):
        ids = few(list(invited))
        LOG.info(
            "Salto will send up to %d invitations, it invites every email it is given: users %s", len(invited), ids
        )
    retagged = made.operations.loc[made.operations["kind"].isin(TAG_KINDS), "user_id"].unique()
    if len(retagged):
        ids = few(sorted(retagged))
        LOG.info(
            "Salto may notify up to %d users that their tag changes (a switch of the site): users %s",
            len(retagged),
            ids,
        )
    for hold in made.holds:
        LOG.warning("held by the guard %s: %s; approve with %s", hold.guard, hold.why, made.digest)
    if made.approved:
        LOG.info("let through by approval: %d removals%s", len(made.approved), approver)
    for line in problem_lines(made.problems):
        LOG.warning(line)


def _plan_with_confirmation(
    integration: Integration,
    folder: RunFolder,
    reading: _Reading,
    *,
    references: Collection[str] | None,
    approve: str | None,
) -> tuple[Plan, Current]:
    """The plan, after a second look at each list whose silence alone would take something away."""
    looked: set[HectorList] = set()
    while True:
        compare = _comparison(integration, folder, references=references, approve=approve)
        made, current = reading.plan_until_read(compare)
        doubtful = unconfirmed_lists(made.operations, Shown(*hector_of(folder), current)) - looked
        if not doubtful:
            return made, current
        for listing in sorted(doubtful):
            again = read_again(integration, folder, listing) if listing in HECTOR else reading.reread(listing)
            _log_second_look(listing, again)
        looked |= doubtful


def _log_second_look(listing: HectorList, more: int) -> None:
    if more:
        LOG.warning(
            "the second read of %s shows %d that the first does not: nothing is removed for their absence",
            listing,
            more,
        )
    else:
        LOG.info("%s read once more, as the plan removes what they do not show: both reads agree", listing)


def resolve_given_references(folder: RunFolder, given: Collection[str] | None) -> Collection[str] | None:
    """Return the references that a run was given, as Hector or the ledger knows them; None: all."""
    if not given:
        return None
    known = set(folder.read("reservations", schemas.RESERVATIONS)["reference"])
    book = Book.of(folder)
    for text in {one for typed in given for one in spellings(typed)} - known:
        seen_before = book.ledger.read_snapshot(
            book.integration, about=Selection(reference=text), names=("reservations",)
        )
        known |= set(seen_before.reservations["reference"])
    return resolve_references(given, known)


def _none_found(folder: RunFolder, made: Plan, references: Collection[str] | None) -> pd.DataFrame:
    """A red problem when a person asked for reservations of which Hector shows none and nothing is to be done."""
    started = (folder.read_json("run") or {}).get("trigger")
    quiet = references is None or started in {Trigger.WATCH.value, Trigger.APPROVAL.value}
    if (
        quiet
        or len(made.operations)
        or not made.decisions[made.decisions["reference"].isin(list(references or ()))].empty
    ):
        return problems("references_unknown", pd.DataFrame())
    return problems("references_unknown", pd.DataFrame([{"names": few(sorted(references or ()))}]))


def _comparison(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> Callable[[Current], Plan]:
    """Makes the run's plan from whatever Salto shows."""
    desired, moment, book = read_desired(folder), as_of(folder), Book.of(folder)
    began = moment.to_pydatetime()
    recalled = run_history.load_guard_history(run_history.name_of(folder), began)
    recalled = replace(recalled, read=baseline(recalled.read, book.ledger.reads(book.integration, began), began))
    previous_of = cache(partial(book.previous, began))
    rules = integration.rules()
    saving = rules.provision_users == "with_reservations"
    created_on = cache(partial(book.ledger.created_users, book.integration))

    def compare(current: Current) -> Plan:
        return make_plan(
            desired,
            book.with_former_schedules(current),
            rules,
            as_of=moment,
            references=references,
            approve=approve,
            history=recalled,
            previous=previous_of(current.site_id),
            created=created_on(site_key(current.site_id)) if saving else frozenset(),
        )

    return compare


def _tag_fingerprints(integration: Integration, folder: RunFolder) -> tuple[Callable[[str | None], str | None], str]:
    """What stands in for tag numbers, and its mark.

    Raises:
        StalePlanError: Hector's users were read with another token.
    """
    fingerprint = hector_hook(integration).fingerprint
    check = fingerprint(integration.hector_conn_id)
    if (folder.read_json("fingerprint") or {}).get("check") != check:
        raise StalePlanError("Hector's token changed while the run was under way; start a new run")
    return fingerprint, str(check)


def _reader(integration: Integration, known: Remembered | None) -> SaltoReader:
    """The reading client; a site that is known is not looked for among all of the account's."""
    site_id = None if known is None else known.current.site_id or None
    return SaltoHook(integration.salto_conn_id).reader(integration.site_id, site_id)


class _Reading:
    """Reads Salto as far as a plan needs it.

    :param references: only what these reservations need; None: all.
    :param verify: everything, whatever is remembered.
    """

    def __init__(
        self,
        integration: Integration,
        folder: RunFolder,
        read_at: datetime,
        references: Collection[str] | None,
        *,
        verify: bool,
    ) -> None:
        fingerprint, check = _tag_fingerprints(integration, folder)
        known = None if verify else load_site_cache(folder, check)
        if known is not None and known.is_due(as_of(folder), few=bool(references)):
            LOG.info("everything is read: the last time is %s", known.current.verified_at)
            known = None
        reader = _reader(integration, known)
        self._folder, self._references, self.reader = folder, references, reader
        self._remembered = known
        self._reading = LiveSiteState(reader, fingerprint, known, read_at)
        self._current: Current | None = None

    def plan_until_read(self, compare: Callable[[Current], Plan]) -> tuple[Plan, Current]:
        """The plan, made again until it changes nothing that was not read for it."""
        self._current = self._current or self._first()
        for _ in range(READINGS):
            made = compare(self._current)
            deeper = self._reading.refresh_for_plan(made)
            if deeper is None:
                return made, self._current
            self._current = deeper
        self._current = self._reading.refresh_all()
        return compare(self._current), self._current

    def reread(self, listing: HectorList) -> int:
        """How many entries only a second read of this list shows; they count from now on."""
        self._current, more = self._reading.reread(listing)
        return more

    def _first(self) -> Current:
        if self._remembered is None:
            return self._reading.refresh_all()
        chosen = self._references
        scope = scope_of(read_desired(self._folder), chosen, self._remembered) if chosen else None
        return self._reading.refresh_changed() if scope is None else self._reading.refresh_scope(scope)


def _record(folder: RunFolder, made: Plan, facts: dict[str, object]) -> None:
    """Write the plan and what it was made from into the ledger."""
    people, _, loaners = hector_of(folder)
    read = {"users_read": len(people.users), "reservations_read": len(loaners.reservations)}
    said = hector_says(made.operations, made.decisions, loaners.reservations)
    folder.write("hector_says", said.rename("hector_says").to_frame())
    told = replace(made, operations=made.operations.assign(hector_says=said))
    recorder.record_plan(folder, told, **read, **facts, **_gate_facts(folder))


def _observe(integration: Integration, folder: RunFolder, made: Plan, current: Current, read_at: datetime) -> None:
    moment = query_start(integration, folder).to_pydatetime()
    Book.of(folder).observe(snapshot_of_run(folder, current, made.matches), read_at=read_at, still_read=moment)


@dataclass(frozen=True)
class _SiteBefore:
    """The ledger's sites before Salto is read: what another run applies later makes the plan out of date."""

    integration: str
    run_id: int
    states: dict[str, SiteState]

    @classmethod
    def of(cls, folder: RunFolder) -> _SiteBefore:
        """Read the sites for a run.

        Raises:
            StalePlanError: when the run has applied a plan already.
        """
        book = Book.of(folder)
        book.refuse_another_plan()
        return cls(book.integration, book.run_id, site_states(book.ledger, datetime.now(UTC)))

    def facts(self, current: Current) -> dict[str, object]:
        """Return what the ledger keeps of the site with each run.

        Raises:
            OtherOwnerError: when another integration owns the site.
        """
        site_id = site_key(current.site_id)
        state = self.states.get(site_id, SiteState())
        book = Book(self.integration, self.run_id)
        note_site(book.ledger, self.run_id, site_id)  # also of a run that is refused: the owner's report names it
        refuse_other_owner(self.integration, site_id, state)
        applied = state.applied if state.busy_with in {None, self.run_id} else None
        return {"site_id": site_id, "site_applied": applied} | _site_facts(current)


def _site_facts(current: Current) -> dict[str, object]:
    """What the ledger keeps of the site with each run."""
    return {
        "site_name": current.site_name or None,
        "site_zone": current.site_zone,
        "seats": current.seats,
        "seats_used": current.seats_used,
    }


def _gate_facts(folder: RunFolder) -> dict[str, object]:
    """Return what the ledger keeps of a run that only plans because no person has let its integration loose."""
    because = release.plan_only_because(folder)
    return {} if because is None else {"plan_only": True, "whole": False, "plan_only_because": because.value}


def snapshot_of_run(folder: RunFolder, current: Current, matches: pd.DataFrame) -> Snapshot:
    """Hector as the run read it, with Salto as it is now."""
    people, places, loaners = hector_of(folder)
    decisions = folder.read("decisions", schemas.DECISIONS)
    return take_snapshot(people, places, loaners, current, decisions=decisions, matches=matches)


def _approver(folder: RunFolder, approve: str | None) -> str:
    given = run_history.approval_of(run_history.name_of(folder), approve)
    return f", given by {given['by']} at {given['at']}" if given else ", given as a run parameter"


def _short(integration: Integration) -> pd.DataFrame:
    why = integration.horizon_warning
    return problems("horizon_short", pd.DataFrame([{"why": why}] if why else []))


def _shared_site_problem(integration: Integration, folder: RunFolder, site_id: str) -> pd.DataFrame:
    """Return the problem of a site that several files name alike, or call differently: the ledger knows what they mean."""
    book = Book.of(folder)
    alike = [
        name
        for name, one in load_all()[0].items()
        if one.salto_conn_id == integration.salto_conn_id and comparable(one.site_id) == comparable(integration.site_id)
    ]
    meant = others_at(book.ledger, site_id, book.integration) & names_of_files()
    names = sorted({book.integration, *alike, *meant})
    row = {"site_id": comparable(integration.site_id), "names": few(names)}
    return problems("site_shared", pd.DataFrame([row] if len(names) > 1 else []))


def plan_cleanup(integration: Integration, folder: RunFolder) -> dict[str, int | str]:
    """Outdated groups of ours; Hector is not asked.

    Raises:
        StalePlanError: when the run has sent its plan already.
        RetentionError: when a setting of what the cleanup removes at its end is wrong.
    """
    recorder.check_retention()
    site = _SiteBefore.of(folder)
    read_at = datetime.now(UTC)
    known = load_site_cache(folder, None)
    reader = _reader(integration, known)
    require_same_time([reader.clock()])
    reading = LiveSiteState(reader, no_fingerprint, known, read_at)
    current = reading.refresh_groups()
    made = _cleanup_plan(folder, current)
    if (deeper := reading.refresh_for_plan(made)) is not None:
        current = deeper
        made = _cleanup_plan(folder, current)
    if locks_in_doubt(made.operations, current):
        current, more = reading.reread(HectorList.LOCKS)
        _log_second_look(HectorList.LOCKS, more)
        made = _cleanup_plan(folder, current)
    facts = site.facts(current)
    _keep_plan(folder, made)
    keep_current(folder, current, made.matches, read_at)
    release.decide(integration, folder, current.site_id)
    recorder.record_plan(folder, made, **facts, **_gate_facts(folder))
    Book.of(folder).observe(snapshot_of_groups(current), read_at=read_at, names=READ_BY_CLEANUP)
    for line in (*plan_lines(rows(made.operations)), *problem_lines(made.problems)):
        LOG.info(line)
    return _counts(made)


def _cleanup_plan(folder: RunFolder, current: Current) -> Plan:
    return make_cleanup_plan(Book.of(folder).with_former_schedules(current), as_of=as_of(folder))


def _keep_plan(folder: RunFolder, made: Plan) -> None:
    """Write the plan; the table operations last, because a run that has it has a plan."""
    folder.write("left", made.left)
    folder.write("problems", made.problems)
    folder.write("decisions", made.decisions)
    folder.write("members", made.members)
    folder.write("timetable", made.timetable)
    folder.write_json(
        "plan",
        {
            "fingerprint": made.fingerprint,
            "digest": made.digest,
            "holds": [asdict(hold) for hold in made.holds],
            "seats_short": made.seats_short,
            "approved": sorted(made.approved),
            "approved_set": made.approved_set,
            "approved_guards": sorted(made.approved_guards),
        },
    )
    folder.write("operations", made.operations)


def _counts(made: Plan) -> dict[str, int | str]:
    """What goes through Airflow's own store: counts, and what ``apply`` checks the folder's plan against."""
    return {
        "fingerprint": made.fingerprint,
        "operations": len(made.operations),
        "held": len(made.held_operations),
        "problems": len(made.problems),
    }


def plan_again(integration: Integration, folder: RunFolder) -> str:
    """Make a run's plan anew from Salto as it is now; return the fingerprint."""
    run = folder.read_json("run") or {}
    conf = run.get("conf") or {}
    if run.get("kind") == "cleanup":
        return str(plan_cleanup(integration, folder)["fingerprint"])
    options = {"references": conf.get("references") or None, "approve": conf.get("approve")}
    return str(plan(integration, folder, **options, verify=bool(conf.get("verify")))["fingerprint"])


def verify_sync(
    integration: Integration, folder: RunFolder, *, references: Collection[str] | None, approve: str | None
) -> Verification:
    """Salto now, and the operations a fresh comparison would still make (the same desired state and ``as_of``)."""
    again_at, references = datetime.now(UTC), resolve_given_references(folder, references)
    fingerprint, _ = _tag_fingerprints(integration, folder)
    compare = _comparison(integration, folder, references=references, approve=approve)
    current = _after(integration, folder, fingerprint)
    made = compare(current)
    return Verification(current, made.operations, made.matches, read_at_of(folder).to_pydatetime(), again_at)


def look_for_outdated(integration: Integration, folder: RunFolder) -> Verification:
    """The same for a cleanup."""
    again_at = datetime.now(UTC)
    current = _after(integration, folder, no_fingerprint)
    made = _cleanup_plan(folder, current)
    return Verification(current, made.operations, made.matches, read_at_of(folder).to_pydatetime(), again_at)


def _after(integration: Integration, folder: RunFolder, fingerprint: Callable[[str | None], str | None]) -> Current:
    """The site after the run has sent what it had to send: that is read again, nothing else can be another."""
    before, _ = current_of(folder)
    reader = SaltoHook(integration.salto_conn_id).reader(integration.site_id, site_id_of(folder))
    return read_after(reader, fingerprint, before, read_applied(folder))
