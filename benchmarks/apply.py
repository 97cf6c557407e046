"""An application of a plan against the least time its requests can take: requests x latency / connections.

Yardstick: nothing that sends these requests, each answered after the set latency, over so many connections can be
faster. Below 80 ms the site's budget (requests a second) is slower than the connections, and then it is the yardstick:
both ratios stand in the table. Timed is ``salto.plan_executor.PlanExecutor.run`` with the clients, the budget and the journal of
production (a ledger in SQLite); counted is what reached the sandbox meanwhile. ``bare``: threads that do nothing but GET
over one kept connection each, to show what this machine and the sandbox allow.
"""

from __future__ import annotations

import logging
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import requests

from benchmarks.clients import Clients, recorder_for
from benchmarks.result_section import Chart, Ratio, Section, Table
from benchmarks.sample_site import RULES, SampleSize, change_reservations, site_without_groups
from benchmarks.server import Server, server
from hector_salto.access.results import DONE
from hector_salto.http_client.rate_limit import CEILING, RATE, RateLimit
from sandbox import Sandbox, Throttle

CONNECTIONS = 8  # the product's own (include/hector_salto/http_client/rate_limit.py)
FIXED, RISING = "fixed", "rising"
CEILINGS = {FIXED: 0.0, RISING: CEILING}
QUOTA = Throttle(limit=1_200, window_seconds=10)  # above what the fixed budget sends, below what the rising one would
LATENCIES = (0.0, 50.0, 100.0)
QUOTA_MS = 50.0  # where the connections carry more than the fixed budget
GOAL, GOAL_MS = 1.15, 100.0
SCHOOL = SampleSize(people=300, bookings=300, doors=100, strangers=200)
BARE = 400  # requests of the bare client
PLANS = {
    "first": "300 new groups, 200 new people with tags",
    "mixed": "a busy day: moved, cancelled, new, other people",
}


@dataclass(frozen=True)
class AppliedPlan:
    """One application: requests that reached Salto, seconds, seconds of processor time.

    ``budget``: of requests a second; ``quota``: how many Salto takes in ten seconds, and how many it refused.
    """

    plan: str
    budget: str
    quota: str
    latency_ms: float
    operations: int
    requests: int
    seconds: float
    processor: float

    @property
    def ratio(self) -> float | None:
        """Against the connections; None without latency."""
        least = self.requests * self.latency_ms / 1000 / CONNECTIONS
        return self.seconds / least if least else None

    @property
    def limit_ratio(self) -> float:
        """Against whichever is slower, the connections or the budget."""
        return self.seconds / (self.requests * max(self.latency_ms / 1000 / CONNECTIONS, 1 / RATE))


@dataclass(frozen=True)
class BareClient:
    """Requests a second of a client that does nothing else."""

    latency_ms: float
    rate: float

    @property
    def ratio(self) -> float | None:
        return CONNECTIONS * 1000 / self.latency_ms / self.rate if self.latency_ms else None


def section() -> Section:
    return build_section(*measure())


def build_section(applied: list[AppliedPlan], bare: list[BareClient]) -> Section:
    rows = [
        [one.plan, one.budget, one.quota, f"{one.latency_ms:.0f}", one.operations, one.requests, one.seconds, one.requests / one.seconds,
         one.ratio or "-", one.limit_ratio, 1000 * one.processor / one.requests]
        for one in applied
    ]  # fmt: skip
    header = [
        "plan",
        "budget",
        "quota",
        "ms",
        "operations",
        "requests",
        "s",
        "a second",
        "of connections",
        "of the budget",
        "CPU ms each",
    ]
    floor = [[f"{one.latency_ms:.0f}", one.rate, one.ratio or "-"] for one in bare]
    goals = [
        Ratio(f"apply, {one.plan} plan, {one.latency_ms:.0f} ms: wall / (requests x latency / {CONNECTIONS})", one.ratio,
              GOAL if one.latency_ms == GOAL_MS else None)
        for one in applied if one.ratio and one.budget == RISING and one.quota == "none"
    ]  # fmt: skip
    return Section(
        name="apply",
        title="Apply: wall time against what its requests must take",
        command='make bench ONLY="apply"',
        about=(
            f"[apply.py](apply.py): two plans ({'; '.join(f'*{name}*: {what}' for name, what in PLANS.items())}), "
            f"{CONNECTIONS} connections, {RATE:.0f} requests a second ({FIXED}), or from there up to {CEILING:.0f} while Salto refuses "
            "none (rising: the product's), each answered after the set latency. *Of connections* "
            "is the wall time as a multiple of requests x latency / connections, *of the budget* of whichever is slower, "
            "that or the budget."
        ),
        tables=[Table(header, rows), Table(["bare client: ms", "requests a second", "of connections"], floor)],
        notes=[
            f"At 50 ms, {CONNECTIONS} connections could carry 160 requests a second; a fixed budget lets {RATE:.0f} through.",
            f"Quota: {QUOTA.limit:,} requests in {QUOTA.window_seconds:.0f} s, which the fixed budget never reaches.",
        ],
        ratios=goals,
        charts=[Chart("Apply at a set latency", "latency, ms", "wall / least time", _lines(applied, bare), goal=GOAL)],
    )


def _lines(applied: list[AppliedPlan], bare: list[BareClient]) -> dict[str, list[tuple[float | str, float]]]:
    found: dict[str, list[tuple[float | str, float]]] = {}
    for one in applied:
        if one.ratio and one.budget == RISING and one.quota == "none":
            found.setdefault(f"{one.plan} plan", []).append((f"{one.latency_ms:.0f} ms", one.ratio))
            found.setdefault(f"{one.plan} plan, of the budget", []).append(
                (f"{one.latency_ms:.0f} ms", one.limit_ratio)
            )
    return found | {"bare client": [(f"{one.latency_ms:.0f} ms", one.ratio) for one in bare if one.ratio]}


def measure(
    school: SampleSize = SCHOOL, latencies: tuple[float, ...] = LATENCIES, bare: int = BARE
) -> tuple[list[AppliedPlan], list[BareClient]]:
    """Both plans and the bare client at each latency."""
    applied: list[AppliedPlan] = []
    floor: list[BareClient] = []
    with tempfile.TemporaryDirectory() as folder, server(site_without_groups, school) as salto:
        logging.basicConfig(force=True, filename=Path(folder) / "log", level=logging.INFO)  # as a task has one
        for latency in latencies:
            for budget in (RISING, FIXED) if latency == QUOTA_MS else (RISING,):
                salto.replace_state(site_without_groups, school)
                for plan in PLANS:
                    if plan == "mixed":
                        salto.ask(change_reservations, 1)
                    applied.append(_apply_plan(salto, plan, latency, Path(folder), budget))
            floor.append(_run_bare_client(salto, latency, bare))
        if QUOTA_MS in latencies:
            for budget in CEILINGS:
                salto.replace_state(site_without_groups, school)
                applied.append(_apply_plan(salto, "first", QUOTA_MS, Path(folder), budget, QUOTA))
        logging.basicConfig(force=True, level=logging.WARNING)
    return applied, floor


def _apply_plan(  # noqa: PLR0913, PLR0917 - what differs between applications, each named
    salto: Server, plan: str, latency: float, folder: Path, budget: str, quota: Throttle | None = None
) -> AppliedPlan:
    salto.delay(0)
    clients = Clients(salto, pacing=partial(RateLimit, ceiling=CEILINGS[budget]))
    made = clients.plan_sync(RULES).plan
    ledger = folder / f"{plan}{latency}{budget}{quota is not None}.db"
    application = clients.executor_for(made, recorder_for(ledger, made))
    salto.delay(latency)
    salto.ask(_throttle, quota)
    salto.reset_counts()
    processor, began = time.process_time(), time.perf_counter()
    outcomes = application.run()
    seconds, spent = time.perf_counter() - began, time.process_time() - processor
    salto.ask(_throttle, None)
    if not outcomes["state"].eq(DONE).all():
        raise RuntimeError(f"not all was done: {outcomes['state'].value_counts().to_dict()}")
    refused = f"{salto.ask(_count_refused)} refused" if quota else "none"
    return AppliedPlan(plan, budget, refused, latency, len(outcomes), salto.requests().all, seconds, spent)


def _throttle(sandbox: Sandbox, quota: Throttle | None) -> None:
    sandbox.change(salto_throttle=quota)


def _count_refused(sandbox: Sandbox) -> int:
    return sum(row.status == requests.codes.too_many_requests for row in sandbox.requests)


def _run_bare_client(salto: Server, latency: float, count: int) -> BareClient:
    salto.delay(0)
    url, headers = Clients(salto).details_of_a_group()
    salto.delay(latency)

    def work(_: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for _turn in range(count // CONNECTIONS):
                session.get(url, headers=headers, timeout=30).raise_for_status()

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, range(CONNECTIONS)))
    return BareClient(latency, count // CONNECTIONS * CONNECTIONS / (time.perf_counter() - began))
