"""An evening of many sites, simulated with the costs that were measured: how long does it take, and what breaks first?

Every site's sync becomes due at the same minute (or spread over some), as schedules do. A run is its DAG: each task waits
for the scheduler to start it, for a slot of a worker and for a core, then for its requests to Salto, of which a site sends
at most eight at a time and a hundred a second, and all sites together what Salto lets one client send. What breaks first is
the plan: one that began to read more than 15 minutes ago is not applied.

The costs are those of RESULTS.md; the section each comes from stands beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import simpy

from benchmarks.result_section import Chart, Section, Table

if TYPE_CHECKING:
    from collections.abc import Generator

    Steps = Generator[simpy.Event, object, None]

PAGE, CONNECTIONS, RATE, LATENCY = 100, 8, 100.0, 0.1
OLDEST_PLAN = 15.0  # minutes
EVERYDAY, VERIFYING = "everyday", "full verification"
# Tasks of a run in order, with how many of each run beside each other, and their share of what a reservation costs.
TASKS = (
    ("start_run", 1, 0.0),
    ("extract", 1, 0.3),
    ("plan", 1, 0.5),
    ("apply", 1, 0.0),
    ("report", 1, 0.3),
    ("alert", 1, 0.0),
)


@dataclass(frozen=True)
class Costs:
    """What one of each takes on one core of the machine of RESULTS.md, in seconds."""

    task: float = 1.2  # CPU of a task on a small site, its worker's and the api-server's ("Many machines")
    reservation: float = 0.001  # CPU a reservation of the horizon, rules, frames and ledger together ("How it grows")
    start: float = 0.18  # of the scheduler, for each task, what it does between them among it ("Many machines")


@dataclass(frozen=True)
class Site:
    """One site; a seventh of its groups is new since the day before."""

    users: int
    groups: int
    doors: int

    @property
    def changed(self) -> int:
        return max(1, self.groups // 7)

    def requests(self, task: str, kind: str) -> int:
        """To Salto, of one task."""
        lists = 3 + sum(math.ceil(rows / PAGE) for rows in (self.users, self.groups, self.doors))
        details = 3 * self.groups + math.ceil(self.users / PAGE) if kind == VERIFYING else 0
        return {"plan": lists + details, "apply": 5 * self.changed, "report": self.changed}.get(task, 0)


@dataclass(frozen=True)
class Deployment:
    """Where it runs. quota: requests a second that Salto allows one client; None: as many as come."""

    slots: int
    cores: int
    schedulers: int = 1
    spread: float = 0.0  # minutes over which the schedules lie
    quota: float | None = None
    kind: str = VERIFYING


@dataclass
class EveningResult:
    """What became of it. minutes: until the last run had ended; plans: age of each plan in minutes when it was applied."""

    minutes: float = 0.0
    plans: list[float] = field(default_factory=list)
    requests: int = 0

    @property
    def too_old(self) -> int:
        return sum(one > OLDEST_PLAN for one in self.plans)


class Simulation:
    """One evening.

    :param sites: all alike.
    """

    def __init__(self, sites: int, site: Site, house: Deployment, costs: Costs) -> None:
        self._env = simpy.Environment()
        self._site, self._house, self._costs = site, house, costs
        self._scheduler = simpy.PriorityResource(self._env, house.schedulers)
        self._slots = simpy.PriorityResource(self._env, house.slots)
        self._cores = simpy.Resource(self._env, house.cores)
        self._salto = simpy.Resource(self._env, 1)
        self._sites = sites
        self._evening = EveningResult()

    def run(self) -> EveningResult:
        for number in range(self._sites):
            self._env.process(self._sync(self._house.spread * 60 * number / self._sites))
        self._env.run()
        self._evening.minutes = self._env.now / 60
        return self._evening

    def _sync(self, due: float) -> Steps:
        yield self._env.timeout(due)
        began = due
        for depth, (task, beside, share) in enumerate(TASKS):
            together = [self._env.process(self._task(task, depth, share, began)) for _ in range(beside)]
            yield simpy.AllOf(self._env, together)
            began = self._env.now if task == "start_run" else began

    def _task(self, task: str, depth: int, share: float, began: float) -> Steps:
        """Whatever is further on comes first, as compose's weight rule has it: begun runs end before others begin."""
        with self._slots.request(priority=-depth) as slot:
            yield slot
            with self._scheduler.request(priority=-depth) as turn:
                yield turn
                yield self._env.timeout(self._costs.start)
            if task == "apply":
                self._evening.plans.append((self._env.now - began) / 60)
            with self._cores.request() as core:
                yield core
                yield self._env.timeout(self._costs.task + share * self._costs.reservation * self._site.groups)
            yield from self._ask(self._site.requests(task, self._house.kind))

    def _ask(self, requests: int) -> Steps:
        self._evening.requests += requests
        alone = max(requests * LATENCY / CONNECTIONS, requests / RATE)
        began = self._env.now
        if self._house.quota is not None and requests:
            with self._salto.request() as turn:
                yield turn
                yield self._env.timeout(requests / self._house.quota)
        yield self._env.timeout(max(0.0, began + alone - self._env.now))


STEPS = (1, 10, 50, 200, 500, 1_000)
TINY = Site(users=2, groups=2, doors=1)  # those of tests/slow/test_many_machines.py
SMALL, LARGE = Site(users=500, groups=200, doors=50), Site(users=2_000, groups=1_000, doors=200)
EVENINGS = (
    (50, SMALL, Deployment(slots=16, cores=2)),
    (50, SMALL, Deployment(slots=16, cores=4)),
    (200, LARGE, Deployment(slots=16, cores=4)),
    (200, LARGE, Deployment(slots=64, cores=16)),
    (1_000, LARGE, Deployment(slots=64, cores=16)),
    (1_000, LARGE, Deployment(slots=256, cores=64)),
    (1_000, LARGE, Deployment(slots=256, cores=64, schedulers=3)),
    (1_000, LARGE, Deployment(slots=256, cores=64, schedulers=3, kind=EVERYDAY)),
    (1_000, LARGE, Deployment(slots=64, cores=16, quota=100)),
    (1_000, LARGE, Deployment(slots=64, cores=16, quota=100, spread=600)),
    (1_000, LARGE, Deployment(slots=64, cores=16, quota=100, spread=1_380)),
    (1_000, LARGE, Deployment(slots=64, cores=16, quota=100, spread=60, kind=EVERYDAY)),
)


def section() -> Section:
    costs = Costs()
    rows = []
    for sites, site, house in EVENINGS:
        found = Simulation(sites, site, house, costs).run()
        quota = "none" if house.quota is None else f"{house.quota:g}"
        rows.append(
            [sites, sites * site.groups, house.kind, house.slots, house.cores, house.schedulers, house.spread, quota,
             found.requests, found.minutes, max(found.plans), found.too_old]
        )  # fmt: skip
    house = Deployment(slots=64, cores=16)
    points = [(float(number), Simulation(number, LARGE, house, costs).run().minutes) for number in STEPS]
    return Section(
        name="scale",
        title="Simulation: an evening of many sites",
        command='make bench ONLY="scale"',
        about=(
            "[scale.py](scale.py): a discrete simulation of all syncs of an evening with the costs measured in the other "
            f"sections: a task {costs.task:g} s of CPU, a reservation {costs.reservation * 1000:g} ms, the scheduler {costs.start:g} s a "
            f"task, {LATENCY * 1000:g} ms a request to Salto. What to make of it: [docs/scale.md](../docs/scale.md)."
        ),
        tables=[
            Table(
                [
                    "sites",
                    "reservations a week",
                    "runs",
                    "slots",
                    "cores",
                    "schedulers",
                    "spread, min",
                    "Salto's quota, requests/s",
                    "requests",
                    "minutes",
                    "oldest plan, min",
                    "plans too old",
                ],
                rows,
            )
        ],
        charts=[
            Chart("Until the last run has ended", "sites", "minutes", {"64 slots, 16 cores": points}, logarithmic=True)
        ],
        notes=["Simulated, not measured: a machine of this size was not at hand."],
    )
