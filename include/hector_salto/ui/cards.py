"""What a card of an integration says: its site, its runs, how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hector_salto.access.release import Gate
from hector_salto.alerts.conditions import of_age
from hector_salto.integration_files import integrations_folder
from hector_salto.ledger.doubt import in_doubt
from hector_salto.ledger.overview import current_runs, first_runs, last_greens, last_releases
from hector_salto.ledger.reservation_states import WILL_NOT_OPEN, list_reservations
from hector_salto.ledger.run_queries import RunSummary, run_by_name
from hector_salto.reports.people import NOBODY_KNOWN, People
from hector_salto.reports.text import plan_only_sentence
from hector_salto.ui.dag_runs import (
    ApprovalAnswer,
    DagTimes,
    RunProgress,
    find_approval,
    import_error,
    run_progress,
    sync_dag,
)
from hector_salto.ui.settings_list import Setting, list_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hector_salto.access.release import ReleaseDecision
    from hector_salto.integration import Integration
    from hector_salto.ledger.ledger import Ledger
    from hector_salto.ui.permissions import Visitor

GREEN, OUTSIDE, APPROVED, HELD, FAILED = "green", "will not open", "approved", "held", "failed"
STALE, NEW, RUNNING = "stale", "new", "running"
WORST = (FAILED, HELD, APPROVED, OUTSIDE, GREEN)  # the first of these that any run gives
BEGINNING = timedelta(seconds=30)
AHEAD = timedelta(hours=24)
WORDS = {
    GREEN: "the last sync ended green, and no user with a reservation in the next 24 hours stays outside",
    OUTSIDE: "the last sync ended green, but a door will not open to a user in the next 24 hours",
    APPROVED: "held removals were approved; the sync that lets them through follows",
    HELD: "removals are held back and wait for approval",
    FAILED: "a run ended red, or was cut off",
    NEW: "no sync has been made yet",
    RUNNING: "a sync is under way",
}


@dataclass(frozen=True)
class SiteFacts:
    """What the ledger and Airflow know of one integration.

    Attributes:
        name: of the integration.
        integration: its settings.
        schedule: what Airflow knows of its DAGs.
        runs: its current runs, the newest first.
        latest: the newest sync that was to change something at all reservations; None: none yet.
        last: the newest of them with a plan.
        concerns: runs that did not end well, each with its state, the newest first.
        green: when the last green sync began; None: there was none.
        since: when its first run began; None: there was none.
        release: the last decision of a person about it; None: there was none.
        is_in_doubt: whether a door may stay shut to a user in the next 24 hours.
        has_pool: whether Airflow has the pool of its site.
    """

    name: str
    integration: Integration
    schedule: DagTimes
    runs: list[RunSummary]
    latest: RunSummary | None
    last: RunSummary | None
    concerns: list[tuple[RunSummary, str]]
    green: datetime | None
    since: datetime | None
    release: ReleaseDecision | None
    is_in_doubt: bool
    has_pool: bool

    @property
    def needs_action(self) -> bool:
        return bool(self.concerns) or not self.has_pool

    def matches(self, words: str) -> bool:
        """Return whether its name, its site's name or its site's id holds these words."""
        texts = (self.name, self.integration.site_id, self.last.site_name or "" if self.last is not None else "")
        return any(words.casefold() in text.casefold() for text in texts)


@dataclass(frozen=True)
class Card:
    """One integration.

    Attributes:
        facts: what the ledger and Airflow know of it.
        path: of its file.
        outside: reservations of the next 24 hours whose doors will not open to a user.
        people: who the causes of the concerns name.
        state: the worst that any current run gives.
        told: the state in words.
        stale: since when no sync has succeeded, in words; empty: none is late.
        plans_only: why nothing is sent; empty: plans are applied.
        progress: of the run that is followed, from Airflow; None: none is.
        ended: the run that was followed, once it has ended and the ledger knows it.
        may_trigger: whether the visitor may start a sync.
        may_unpause: whether the visitor may unpause it.
        may_edit: whether the visitor may change its settings.
        import_error: what Airflow says of the integration files while it has no DAG of this one.
    """

    facts: SiteFacts
    path: str
    outside: int
    people: People
    state: str
    told: str
    stale: str
    plans_only: str
    progress: RunProgress | None
    ended: RunSummary | None
    may_trigger: bool
    may_unpause: bool
    may_edit: bool
    import_error: str

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def integration(self) -> Integration:
        return self.facts.integration

    @property
    def schedule(self) -> DagTimes:
        return self.facts.schedule

    @property
    def last(self) -> RunSummary | None:
        return self.facts.last

    @property
    def newest(self) -> RunSummary | None:
        return self.facts.runs[0] if self.facts.runs else None

    @property
    def concerns(self) -> list[tuple[RunSummary, str]]:
        return self.facts.concerns

    @property
    def missing_pool(self) -> str:
        """Return the pool of its site, where Airflow has none and lets us make none; empty: it is there."""
        return "" if self.facts.has_pool else self.integration.pool

    @property
    def running(self) -> bool:
        return self.progress is not None and self.progress.under_way

    @property
    def account_seen(self) -> datetime | None:
        """Return when a run last read the site with the Salto account; None: no run has."""
        return max((run.planned_at for run in self.facts.runs if run.planned_at), default=None)

    @property
    def account_in_doubt(self) -> bool:
        """Return whether the newest sync that has ended came as far as reading the site."""
        ended = (run for run in self.facts.runs if run.kind == "sync" and run.state != RUNNING)
        newest = next(ended, None)
        return newest is not None and not newest.has_plan

    @property
    def settings(self) -> list[Setting]:
        return list_settings(self.integration)


def site_facts(
    kept: Ledger,
    found: Mapping[str, Integration],
    known: Mapping[str, DagTimes],
    missing: frozenset[str],
    now: datetime,
) -> list[SiteFacts]:
    """Return what is known of many integrations, in a few queries for all of them.

    Args:
        kept: the ledger.
        found: the integrations.
        known: what Airflow knows of the DAGs of each.
        missing: pools that Airflow has not, and does not let us make.
        now: aware.
    """
    names = list(found)
    runs, greens, firsts = current_runs(kept, names), last_greens(kept, names), first_runs(kept, names)
    releases, doubted = last_releases(kept, names), in_doubt(kept, runs, now, now + AHEAD)
    facts = []
    for name, integration in found.items():
        latest, last = last_whole(runs[name])
        facts.append(
            SiteFacts(
                name=name,
                integration=integration,
                schedule=known[name],
                runs=runs[name],
                latest=latest,
                last=last,
                concerns=concerns_of(name, runs[name], latest),
                green=greens.get(name),
                since=firsts.get(name),
                release=releases.get(name),
                is_in_doubt=name in doubted,
                has_pool=integration.pool not in missing,
            )
        )
    return facts


def card(kept: Ledger, facts: SiteFacts, who: Visitor, now: datetime, followed: str = "") -> Card:
    """Return a card; ``followed``: id of the run whose progress or end it shows, empty: the one under way."""
    name, integration = facts.name, facts.integration
    outside = _outside(kept, name, now) if facts.is_in_doubt and facts.latest is not None else 0
    state = _state(facts, outside, now) if facts.has_pool else FAILED
    progress = _progress(facts, followed)
    has_ended = progress is not None and not progress.under_way
    return Card(
        facts=facts,
        path=f"{integrations_folder()}/{name}.yaml",
        outside=outside,
        people=People.of(kept.read_snapshot(name, names=("people",)).people) if facts.concerns else NOBODY_KNOWN,
        state=state,
        told=WORDS.get(state, "") if facts.has_pool else "its pool is missing",
        stale=stale_text(integration, facts.green, facts.since, now),
        plans_only=_plans_only(facts),
        progress=progress,
        ended=run_by_name(kept, name, progress.run_id, "sync") if progress is not None and has_ended else None,
        may_trigger=who.may_trigger(sync_dag(name)),
        may_unpause=who.may_unpause(sync_dag(name)),
        may_edit=all(map(who.may_edit_connection, (integration.hector_conn_id, integration.salto_conn_id))),
        import_error=import_error() if not facts.schedule.known and who.may_read_import_errors() else "",
    )


def _progress(facts: SiteFacts, followed: str) -> RunProgress | None:
    """Return how far the run is that a card follows; once that has ended, another one that is under way."""
    under_way = facts.schedule.run_id
    found = run_progress(facts.name, followed) if followed else None
    if found is not None and (found.under_way or not under_way):
        return found
    return run_progress(facts.name, under_way) if under_way else None


def approval_of(name: str, run: RunSummary) -> ApprovalAnswer | None:
    """Return who approved what a run holds, at once: Airflow knows the answer before the approval's own run has kept it."""
    if run.approved_by is not None and run.approved_at is not None:
        return ApprovalAnswer(run.approved_by, run.approved_at)
    return find_approval(name, run.digest) if run.digest is not None else None


def last_whole(runs: list[RunSummary]) -> tuple[RunSummary | None, RunSummary | None]:
    """Return the newest sync that was to change something at all reservations, and the newest of them with a plan.

    One that has just begun knows nothing yet; where none has a plan the second is the first.
    """
    whole = [run for run in runs if run.kind == "sync" and not run.plan_only and run.whole]
    latest = next(iter(whole), None)
    return latest, next((run for run in whole if run.has_plan), latest)


def concerns_of(name: str, runs: list[RunSummary], latest: RunSummary | None) -> list[tuple[RunSummary, str]]:
    """Return the runs that did not end well and say how the integration is, each with its state."""
    return [(run, state) for run in _current(runs, latest) if (state := _end_state(name, run)) != GREEN]


def _current(runs: list[RunSummary], latest: RunSummary | None) -> list[RunSummary]:
    """Return the runs that say how the integration is: of each kind the newest, from the last sync of all reservations on.

    That sync has looked at everything again; the cleanup is a matter of its own.
    """
    found: dict[tuple[object, ...], RunSummary] = {}
    for run in runs:
        if run.kind == "sync" and latest is not None and run.id < latest.id:
            continue
        only = tuple(run.chosen_references or ())
        found.setdefault((run.kind, run.plan_only, only), run)
    return list(found.values())


def _end_state(name: str, run: RunSummary) -> str:
    """Return the state of a run that has ended; one under way is no concern."""
    if run.state in {GREEN, RUNNING}:
        return GREEN
    if not run.held or run.unwell:
        return FAILED
    return HELD if approval_of(name, run) is None else APPROVED


def _outside(kept: Ledger, name: str, now: datetime) -> int:
    """Return how many reservations of the next 24 hours have a door that will not open to a user."""
    rows = list_reservations(kept, name, now, now + AHEAD, now=now)
    return int(rows.loc[rows["state"].eq(WILL_NOT_OPEN), "reference"].nunique())


def _state(facts: SiteFacts, outside: int, now: datetime) -> str:
    """Return the worst state that any current run gives."""
    if facts.schedule.under_way is not None:
        return RUNNING
    if facts.runs and facts.runs[0].state == RUNNING and now - facts.runs[0].began_at < BEGINNING:
        return RUNNING  # between its first line in the ledger and Airflow's
    found = {state for _, state in facts.concerns}
    if facts.latest is not None:
        found |= {FAILED if facts.latest.state == RUNNING else GREEN, OUTSIDE if outside else GREEN}
    return next((state for state in WORST if state in found), NEW)


def _plans_only(facts: SiteFacts) -> str:
    """Return why runs that no person starts send nothing, as far as the last plan shows; empty: they apply their plans."""
    release = facts.release
    if release is not None and release.withdrawn:
        return plan_only_sentence(Gate.WITHDRAWN, facts.name)
    last = next((run for run in facts.runs if run.kind == "sync" and run.has_plan), None)
    if last is None or last.plan_only_because is None:
        return ""
    if release is not None and release.at > last.began_at:  # a person has pressed Sync now since
        return ""
    return plan_only_sentence(Gate(last.plan_only_because), facts.name)


def stale_text(integration: Integration, last: datetime | None, since: datetime | None, now: datetime) -> str:
    """Return since when no sync has succeeded, in words; empty: none is late.

    Args:
        integration: has the interval of its schedule.
        last: when the last green sync began; None: there was none.
        since: when the first run began; None: there was none.
        now: aware.
    """
    interval = integration.interval()
    if interval is None or since is None:
        return ""
    found = of_age(last, since, now, interval)
    return found[0].text if found else ""
