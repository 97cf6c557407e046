"""The first view: will every user get in today, and who has to act, across all integrations that a visitor may read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hector_salto.ledger.doubt import in_doubt
from hector_salto.ledger.overview import current_runs, first_runs, last_greens, open_problems
from hector_salto.reports.clock import midnight
from hector_salto.reports.shut_doors import ShutDoor, list_shut_doors
from hector_salto.reports.text import WHO
from hector_salto.ui.cards import APPROVED, FAILED, HELD, concerns_of, last_whole, stale_text
from hector_salto.ui.dag_runs import deadlines, schedules, sync_dag
from hector_salto.ui.pages import zone_or_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hector_salto.integration import Integration
    from hector_salto.ledger.ledger import Ledger
    from hector_salto.ledger.overview import OpenProblem
    from hector_salto.ledger.run_queries import RunSummary
    from hector_salto.ui.dag_runs import DagTimes
    from hector_salto.ui.permissions import Visitor

HELD_OPEN = "door_held_open"


@dataclass(frozen=True)
class SiteToday:
    """One integration today.

    Attributes:
        name: of the integration.
        zone: of its site.
        end: of its day, aware.
        run: the last sync of all reservations; None: none yet.
        looked: id of the newest sync that came as far as a plan; 0: none.
        shut: doors that will stay shut.
        concerns: runs that did not end well, each with its state.
        late: since when no sync has succeeded, in words; empty: none is late.
        verified: when the last green sync of all reservations began.
        schedule: what Airflow knows of its DAG.
        may_trigger: whether the visitor may reload.
    """

    name: str
    zone: str
    end: datetime
    run: RunSummary | None
    looked: int
    shut: list[ShutDoor]
    concerns: list[tuple[RunSummary, str]]
    late: str
    verified: datetime | None
    schedule: DagTimes
    may_trigger: bool

    @property
    def red(self) -> list[RunSummary]:
        return [run for run, state in self.concerns if state == FAILED]

    @property
    def held(self) -> list[tuple[RunSummary, str]]:
        return [(run, state) for run, state in self.concerns if state in {HELD, APPROVED}]


@dataclass(frozen=True)
class Today:
    """All of it.

    Attributes:
        sites: of the integrations that the visitor may read.
        deadlines: until when the question about a held set waits, by its digest.
        problems: what the last runs found.
    """

    sites: list[SiteToday]
    deadlines: dict[str, datetime]
    problems: list[OpenProblem]

    @property
    def shut(self) -> list[tuple[SiteToday, ShutDoor]]:
        found = [(site, one) for site in self.sites for one in site.shut]
        return sorted(found, key=lambda pair: pair[1].opens)

    @property
    def doors_shut(self) -> int:
        return len({(site.name, one.door) for site, one in self.shut})

    @property
    def held(self) -> list[tuple[SiteToday, RunSummary, str]]:
        return [(site, run, state) for site in self.sites for run, state in site.held]

    @property
    def unwell(self) -> list[SiteToday]:
        """Return the integrations with a red or late sync, or none yet."""
        return [site for site in self.sites if site.red or site.late or site.run is None]

    @property
    def held_open(self) -> list[OpenProblem]:
        return [one for one in self.problems if one.code == HELD_OPEN]

    @property
    def to_act(self) -> dict[str, int]:
        """Return how many problems wait for whom."""
        counts = Counter(one.who for one in self.problems)
        return {who: counts[who] for who in WHO}

    @property
    def all_well(self) -> bool:
        return bool(self.sites) and not (self.shut or self.held or self.unwell or self.held_open)

    @property
    def verified(self) -> datetime | None:
        """Return since when all is known: the oldest of the last green syncs."""
        return min((site.verified for site in self.sites if site.verified), default=None)


def today_at(kept: Ledger, found: Mapping[str, Integration], visitor: Visitor, now: datetime) -> Today:
    """Return what is so today at the integrations that a visitor may read."""
    names = list(found)
    runs, greens, firsts = current_runs(kept, names), last_greens(kept, names), first_runs(kept, names)
    known, latest_end = schedules(names), now + timedelta(days=1, hours=2)
    doubted = in_doubt(kept, runs, now, latest_end)
    sites = []
    for name, integration in found.items():
        latest, last = last_whole(runs[name])
        zone = zone_or_utc(next((run.site_zone for run in runs[name] if run.site_zone), None))
        end, looked = _end_of_day(now, zone), next((run.id for run in runs[name] if _looked(run)), 0)
        sites.append(
            SiteToday(
                name=name,
                zone=zone,
                end=end,
                run=last,
                looked=looked,
                shut=list_shut_doors(kept, name, now, end, run_id=looked) if name in doubted else [],
                concerns=concerns_of(name, runs[name], latest),
                late=stale_text(integration, greens.get(name), firsts.get(name), now),
                verified=greens.get(name),
                schedule=known[name],
                may_trigger=visitor.may_trigger(sync_dag(name)) if name in doubted else False,
            )
        )
    waiting = {name for name, one in zip(names, sites, strict=True) if one.held}
    return Today(sites, deadlines(waiting), open_problems(kept, names))


def _looked(run: RunSummary) -> bool:
    return run.kind == "sync" and run.has_plan


def _end_of_day(now: datetime, zone: str) -> datetime:
    there = ZoneInfo(zone)
    return midnight(now.astimezone(there).date() + timedelta(days=1), there).astimezone(UTC)
