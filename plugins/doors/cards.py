"""What a card of an integration says: its site, its runs, how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from doors.schedule import Schedule, sync_dag
from include.access.release import Gate
from include.alerts.conditions import of_age
from include.integrations.integration import integrations_folder
from include.ledger.questions import first_run, last_success
from include.ledger.runs import RunLine, last_runs
from include.report.words import plan_only_sentence

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from doors.visitor import Visitor
    from include.integrations.integration import Integration
    from include.ledger.ledger import Ledger

GREEN, HELD, FAILED, STALE, NEW, RUNNING = "green", "held", "failed", "stale", "new", "running"
BEGINNING = timedelta(seconds=30)
LOOKED_AT = 20  # runs among which the last sync of all reservations is sought
WORDS = {
    GREEN: "the last sync ended green",
    HELD: "removals are held back and wait for approval",
    FAILED: "the last sync ended red, or was cut off",
    NEW: "no sync has been made yet",
    RUNNING: "a sync is under way",
}


@dataclass(frozen=True)
class Card:
    """One integration. ``last``: the last sync that was to change something; plans_only: why nothing is sent; may: what the visitor may press."""

    name: str
    integration: Integration
    path: Path
    schedule: Schedule
    last: RunLine | None
    newest: RunLine | None
    state: str
    told: str
    stale: str
    plans_only: str
    may_trigger: bool
    may_unpause: bool

    @property
    def running(self) -> bool:
        return self.schedule.under_way is not None

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The settings of its file, one a line."""
        return [(key, _shown(value)) for key, value in _flat(self.integration.model_dump())]


def card(kept: Ledger, name: str, integration: Integration, schedule: Schedule, who: Visitor, now: datetime) -> Card:  # noqa: PLR0913, PLR0917 - what a card is made of
    runs = last_runs(kept, name, limit=LOOKED_AT, kind="sync")
    whole = [run for run in runs if not run.plan_only and run.whole]
    latest = next(iter(whole), None)
    last = next((run for run in whole if run.planned), latest)  # one that has just begun knows nothing yet
    state = _state(latest, schedule, now)
    return Card(
        name=name,
        integration=integration,
        path=integrations_folder() / f"{name}.yaml",
        schedule=schedule,
        last=last,
        newest=runs[0] if runs else None,
        state=state,
        told=WORDS.get(state, ""),
        stale=_stale(kept, name, integration, now),
        plans_only=_plans_only(kept, name, runs),
        may_trigger=who.may_trigger(sync_dag(name)),
        may_unpause=who.may_unpause(sync_dag(name)),
    )


def _state(last: RunLine | None, schedule: Schedule, now: datetime) -> str:
    if schedule.under_way is not None:
        return RUNNING
    if last is None:
        return NEW
    if last.state == GREEN:
        return GREEN
    if last.state == RUNNING and now - last.began_at < BEGINNING:
        return RUNNING  # between its first line in the ledger and Airflow's
    return HELD if last.held and not last.unwell else FAILED


def _plans_only(kept: Ledger, name: str, runs: list[RunLine]) -> str:
    """Return why runs that no person starts send nothing, as far as the last plan shows; empty: they apply their plans."""
    release = kept.last_release(name)
    if release is not None and release.withdrawn:
        return plan_only_sentence(Gate.WITHDRAWN, name)
    last = next((run for run in runs if run.planned), None)
    if last is None or last.plan_only_because is None:
        return ""
    if release is not None and release.at > last.began_at:  # a person has pressed Sync now since
        return ""
    return plan_only_sentence(Gate(last.plan_only_because), name)


def _stale(kept: Ledger, name: str, integration: Integration, now: datetime) -> str:
    interval, since = integration.interval(), first_run(kept, name)
    if interval is None or since is None:
        return ""
    found = of_age(last_success(kept, name), since, now, interval)
    return found[0].text if found else ""


def _flat(fields: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in fields.items():
        found += _flat(value, f"{before}{key}.") if isinstance(value, dict) else [(f"{before}{key}", value)]
    return found


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value)
