"""A whole sync (Hector, rules, plan, apply, read back) against two ways that are simpler to write.

*everything read*: the product's first run of a day. *everyday*: it reads what can have changed since the last run.

Yardsticks, on the same site with the same changes:

*plain script*: the same requests in the same order, one after the other, a connection for each, as most public clients
of Salto do it (``requests.get`` and ``requests.post``, no session, no threads). It runs the product's own rules, so only
the sending differs.

*all anew*: take every group of ours away and make the wanted ones, through the product's fast clients, eight requests
at a time. It compares nothing and reads little, so it is short to write; but while it runs, doors are shut that should
be open. For how long is counted in the sandbox: from each group's DELETE to the last request that arms it again.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.clients import Clients, PlainTransport, serial_rate_limit
from benchmarks.result_section import Chart, Ratio, Section, Table
from benchmarks.sample_site import RULES, SampleSize, change_reservations, group_names, seconds_locked_out, site_in_step
from benchmarks.server import server
from hector_salto.access.read_cache import Remembered
from hector_salto.access.schemas import WEEKDAYS
from hector_salto.access.settings import MARKER_PREFIX
from hector_salto.access.windows import schedules
from salto.models import AccessSchedule

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import pandas as pd

    from benchmarks.server import Server
    from hector_salto.access.desired import Desired

CONNECTIONS = 8
LATENCIES = (0.0, 50.0, 100.0)
SCHOOL = SampleSize(people=300, bookings=150, doors=50)
CHANGED = 10  # one of so many bookings changes
FULL, EVERYDAY, SCRIPT, RECREATE = "everything read", "everyday", "plain script", "all anew"


@dataclass(frozen=True)
class SyncResult:
    """One way at one latency; ``shut``: seconds that each group's doors were shut although they should open."""

    way: str
    latency_ms: float
    seconds: float
    requests: int
    writes: int
    shut: tuple[float, ...] = ()


def section() -> Section:
    return build_section(measure())


def build_section(found: list[SyncResult]) -> Section:
    base = {one.latency_ms: one.seconds for one in found if one.way == FULL}
    rows = [
        [one.way, f"{one.latency_ms:.0f}", one.seconds, one.seconds / base[one.latency_ms], one.requests, one.writes,
         len(one.shut), statistics.median(one.shut or [0.0]), max(one.shut, default=0.0)]
        for one in found
    ]  # fmt: skip
    header = ["way", "ms", "s", "x everything read", "requests", "writes", "groups shut", "s shut, median", "longest"]
    return Section(
        name="whole_sync",
        title="A whole sync against simpler ways",
        command='make bench ONLY="whole_sync"',
        about=(
            f"[whole_sync.py](whole_sync.py): {SCHOOL.bookings} bookings, {SCHOOL.people} people, {SCHOOL.doors} doors, in "
            f"step; then one booking of {CHANGED} changes. Requests to both services. *Groups shut*: groups that stood "
            "before and stand after, and whose doors did not open in between."
        ),
        tables=[Table(header, rows)],
        notes=[
            "Without latency the product waits for the budget it keeps for Salto, 100 requests a second; the script keeps none."
        ],
        ratios=_ratios(found),
        charts=[Chart("A whole sync", "latency", "s", _lines(found), logarithmic=True)],
    )


def _ratios(found: list[SyncResult]) -> list[Ratio]:
    by = {(one.way, one.latency_ms): one for one in found}
    pairs = ((FULL, SCRIPT), (EVERYDAY, SCRIPT), (FULL, RECREATE), (EVERYDAY, RECREATE))
    return [
        Ratio(f"whole sync, {latency:.0f} ms: {ours} / {other}", by[ours, latency].seconds / by[other, latency].seconds)
        for latency in dict.fromkeys(one.latency_ms for one in found)
        for ours, other in pairs
    ]


def _lines(found: list[SyncResult]) -> dict[str, list[tuple[float | str, float]]]:
    lines: dict[str, list[tuple[float | str, float]]] = {}
    for one in found:
        lines.setdefault(one.way, []).append((f"{one.latency_ms:.0f} ms", one.seconds))
    return lines


def measure(
    school: SampleSize = SCHOOL, latencies: tuple[float, ...] = LATENCIES, changed: int = CHANGED
) -> list[SyncResult]:
    """Each way at each latency, on a site of its own."""
    ways: dict[str, Callable[[Server], Callable[[], object]]] = {
        FULL: lambda salto: lambda: _sync(Clients(salto)),
        EVERYDAY: _everyday_sync,
        SCRIPT: lambda salto: lambda: _sync(Clients(salto, pacing=serial_rate_limit, kind=PlainTransport)),
        RECREATE: lambda salto: lambda: _recreate_everything(Clients(salto)),
    }
    found = []
    with server(site_in_step, school) as both:
        for latency in latencies:
            for way, prepare in ways.items():
                both.replace_state(site_in_step, school)
                run = prepare(both)
                before = both.ask(group_names)
                both.ask(change_reservations, changed)
                both.delay(latency)
                found.append(_time_sync(way, run, both, latency, before))
    return found


def _time_sync(way: str, run: Callable[[], object], both: Server, latency: float, before: dict[str, str]) -> SyncResult:
    both.reset_counts()
    began = time.perf_counter()
    run()
    seconds = time.perf_counter() - began
    salto, hector = both.requests("salto"), both.requests("hector")
    return SyncResult(way, latency, seconds, salto.all + hector.all, salto.writes, both.ask(seconds_locked_out, before))


def _everyday_sync(both: Server) -> Callable[[], object]:
    """Something has run before, and is remembered."""
    known = Remembered(Clients(both).plan_sync(RULES).current)
    return lambda: _sync(Clients(both), known)


def _sync(clients: Clients, known: Remembered | None = None) -> None:
    made = clients.plan_sync(RULES, known)
    application = clients.executor_for(made.plan)
    application.run()
    clients.read_back(made, application, RULES)


# --- the way that compares nothing ------------------------------------------------------------------------------------


def _recreate_everything(clients: Clients) -> None:
    reader = clients.reader()
    writer = clients.writer(reader)
    desired = clients.desired(RULES, datetime.now(UTC))
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        users, locks = pool.submit(reader.users, _no_tag), pool.submit(reader.locks, reader.site.zone)
        list(pool.map(writer.delete_group, reader.groups()["group_id"]))
        wanted = _target_groups(desired, users.result(), locks.result())

        def make(name: str, schedule: AccessSchedule, doors: list[str], people: list[str]) -> None:
            group = writer.create_group(name)
            writer.create_schedule(group, schedule)
            writer.change_group_locks(group, add=doors)
            writer.change_group_users(group, add=people)

        list(pool.map(make, *zip(*wanted, strict=True)))


def _no_tag(number: str | None) -> str | None:  # noqa: ARG001 - tags are left alone
    return None


def _target_groups(
    desired: Desired, users: pd.DataFrame, locks: pd.DataFrame
) -> list[tuple[str, AccessSchedule, list[str], list[str]]]:
    """Name, schedule, locks and people of each group."""
    zone = str(locks["zone"].iloc[0])
    timed = schedules(desired.bookings.assign(zone=zone))
    people = desired.members.assign(alias=MARKER_PREFIX + desired.members["user_id"]).merge(users, on="alias")
    doors = desired.rooms.merge(locks, left_on="lock_name", right_on="name")
    inside = people.groupby("reference")["platform_user_id"].agg(list)
    opened = doors.groupby("reference")["lock_id"].agg(list)
    return [
        (row["group_name"], _schedule(row), opened[row["reference"]], inside[row["reference"]])
        for row in timed.to_dict("records")
    ]


def _schedule(row: dict[Hashable, object]) -> AccessSchedule:
    times = {name: str(row[name]) for name in ("start_time", "end_time", "start_date", "end_date")}
    return AccessSchedule(days=tuple(bool(row[day]) for day in WEEKDAYS), **times)
