"""What a card of an integration says: its site, its runs, how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hector_salto.access.release import Gate
from hector_salto.alerts.conditions import of_age
from hector_salto.integration_files import integrations_folder
from hector_salto.ledger.queries import first_run, last_success
from hector_salto.ledger.reservation_states import WILL_NOT_OPEN, list_reservations
from hector_salto.ledger.run_queries import RunSummary, last_runs
from hector_salto.reports.people import NOBODY_KNOWN, People
from hector_salto.reports.text import plan_only_sentence
from hector_salto.ui.dag_runs import ApprovalAnswer, DagTimes, find_approval, import_error, sync_dag

if TYPE_CHECKING:
    from datetime import datetime

    from hector_salto.integration import Integration
    from hector_salto.ledger.ledger import Ledger
    from hector_salto.ui.permissions import Visitor

GREEN, OUTSIDE, APPROVED, HELD, FAILED = "green", "will not open", "approved", "held", "failed"
STALE, NEW, RUNNING = "stale", "new", "running"
WORST = (FAILED, HELD, APPROVED, OUTSIDE, GREEN)  # the first of these that any run gives
BEGINNING = timedelta(seconds=30)
AHEAD = timedelta(hours=24)
LOOKED_AT = 30  # runs among which the last sync of all reservations is sought
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
class Card:
    """One integration. ``last``: the last sync that was to change something; newest: the last run of any kind;
    concerns: runs that did not end well, each with its state, the newest first; outside: reservations of the next 24
    hours whose doors will not open to a user; people: who the causes of the concerns name; plans_only: why nothing is sent; may: what the visitor may press;
    import_error: what Airflow says of the integration files while it has no DAG of this one; missing_pool: the pool of
    its site, where Airflow has none and lets us make none.
    """

    name: str
    integration: Integration
    path: str
    schedule: DagTimes
    last: RunSummary | None
    newest: RunSummary | None
    concerns: list[tuple[RunSummary, str]]
    outside: int
    people: People
    state: str
    told: str
    stale: str
    plans_only: str
    may_trigger: bool
    may_unpause: bool
    may_edit: bool
    import_error: str
    missing_pool: str

    @property
    def running(self) -> bool:
        return self.schedule.under_way is not None

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The settings of its file, one a line."""
        return [(key, _text_of(value)) for key, value in _flat(self.integration.model_dump())]


def card(  # noqa: PLR0913, PLR0917 - what a card is made of
    kept: Ledger,
    name: str,
    integration: Integration,
    schedule: DagTimes,
    who: Visitor,
    now: datetime,
    *,
    has_pool: bool,
) -> Card:
    runs = last_runs(kept, name, limit=LOOKED_AT)
    syncs = [run for run in runs if run.kind == "sync"]
    latest, last = last_whole(runs)
    concerns = concerns_of(name, runs, latest)
    outside = _outside(kept, name, now) if latest is not None else 0
    state = _state(runs, latest, schedule, concerns, outside, now) if has_pool else FAILED
    return Card(
        name=name,
        integration=integration,
        path=f"{integrations_folder()}/{name}.yaml",
        schedule=schedule,
        last=last,
        newest=runs[0] if runs else None,
        concerns=concerns,
        outside=outside,
        people=People.of(kept.read_snapshot(name, names=("people",)).people) if concerns else NOBODY_KNOWN,
        state=state,
        told=WORDS.get(state, "") if has_pool else "its pool is missing",
        stale=stale_text(integration, last_success(kept, name), first_run(kept, name), now),
        plans_only=_plans_only(kept, name, syncs),
        may_trigger=who.may_trigger(sync_dag(name)),
        may_unpause=who.may_unpause(sync_dag(name)),
        may_edit=all(map(who.may_edit_connection, (integration.hector_conn_id, integration.salto_conn_id))),
        import_error=import_error() if not schedule.known and who.may_read_import_errors() else "",
        missing_pool="" if has_pool else integration.pool,
    )


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


def _state(  # noqa: PLR0913, PLR0917 - what a state is made of
    runs: list[RunSummary],
    latest: RunSummary | None,
    schedule: DagTimes,
    concerns: list[tuple[RunSummary, str]],
    outside: int,
    now: datetime,
) -> str:
    """Return the worst state that any current run gives."""
    if schedule.under_way is not None:
        return RUNNING
    if runs and runs[0].state == RUNNING and now - runs[0].began_at < BEGINNING:
        return RUNNING  # between its first line in the ledger and Airflow's
    found = {state for _, state in concerns}
    if latest is not None:
        found |= {FAILED if latest.state == RUNNING else GREEN, OUTSIDE if outside else GREEN}
    return next((state for state in WORST if state in found), NEW)


def _plans_only(kept: Ledger, name: str, runs: list[RunSummary]) -> str:
    """Return why runs that no person starts send nothing, as far as the last plan shows; empty: they apply their plans."""
    release = kept.last_release(name)
    if release is not None and release.withdrawn:
        return plan_only_sentence(Gate.WITHDRAWN, name)
    last = next((run for run in runs if run.has_plan), None)
    if last is None or last.plan_only_because is None:
        return ""
    if release is not None and release.at > last.began_at:  # a person has pressed Sync now since
        return ""
    return plan_only_sentence(Gate(last.plan_only_because), name)


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


def _flat(fields: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in fields.items():
        found += _flat(value, f"{before}{key}.") if isinstance(value, dict) else [(f"{before}{key}", value)]
    return found


def _text_of(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value)
