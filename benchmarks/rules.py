"""The rules and the plan beside the bare merges of the same tables: seconds, memory, and how both grow.

python -m benchmarks.rules [--users 100000 --reservations 200000 --doors 2000]

In one process and in turns: (i) ``desired_state`` and ``make_plan``; (ii) ``bare_merges``: the joins that anybody needs
who compares these tables, and nothing else. Medians of several rounds. Each size has a process of its own, so that the
high-water mark of its memory is that of the rules; the tables wait for it as Parquet files, as in a run's folder.

Two scenarios: *everyday*, when nearly everything is in place and some of it changes; *first*, when nothing is in Salto
yet and the plan is all of it: some twenty times as many operations, whose rows no merge writes.

``seen`` and ``risks`` come after the plan and are no part of the ratio; they are shown beside it.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from benchmarks.synthetic_site import AS_OF, RULES, Size, SyntheticSite, build_site
from hector_salto.access.desired import Desired, build_desired_state
from hector_salto.access.plan import Plan, make_plan
from hector_salto.access.settings import GROUP_PREFIX, MARKER_PREFIX
from hector_salto.access.snapshot import take_snapshot
from hector_salto.access.texts import fold_all
from hector_salto.access.upcoming_failures import risks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Made = TypeVar("Made")
ROUNDS = 5
EVERYDAY, FIRST = "everyday", "first"  # nearly everything is in place; nothing is in Salto yet
STEPS = (1_000, 10_000, 50_000, 100_000, 200_000)  # reservations; users and doors alike
WARM = 500  # reservations of the round before the first
MIB, ROOT = 2**20, Path(__file__).resolve().parent.parent
COLUMNS = (  # of a row of ``measure``, in the order in which ``main`` prints them
    "scenario", "reservations", "rows", "operations", "desired_seconds", "plan_seconds", "rules_seconds",
    "merges_seconds", "ratio", "peak_mib", "grown_mib", "bytes_a_row", "seen_seconds", "risks_seconds",
)  # fmt: skip


# --- the yardstick ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyedTables:
    """The tables with the keys they are joined by, made beforehand: folding a text is no part of a merge.

    They carry what the rules read of them, and what the plan shows; no other column.
    """

    reservations: pd.DataFrame
    lines: pd.DataFrame
    rooms: pd.DataFrame
    users: pd.DataFrame
    places: pd.DataFrame
    site_users: pd.DataFrame
    tags: pd.DataFrame
    locks: pd.DataFrame
    groups: pd.DataFrame
    inside: pd.DataFrame
    doors: pd.DataFrame
    schedules: pd.DataFrame

    @classmethod
    def of(cls, both: SyntheticSite) -> KeyedTables:
        site, booked = both.current, both.loaners.reservations
        alias = site.users["alias"]
        return cls(
            reservations=booked.assign(group_name=GROUP_PREFIX + booked["reference"]),
            lines=both.loaners.people.rename(columns={"person_id": "user_id"})[["reservation_id", "user_id"]],
            rooms=both.loaners.places,
            users=both.people.users.assign(email=fold_all(both.people.users["email"])),
            places=both.places.assign(wanted=fold_all(both.places["lock_name"]))[["place_id", "wanted"]],
            site_users=site.users.assign(
                user_id=alias.str.removeprefix(MARKER_PREFIX).where(alias.str.startswith(MARKER_PREFIX)),
                email=fold_all(site.users["email"]),
            ).drop(columns=["alias", "role_codes", "tag"]),
            tags=site.tags,
            locks=site.locks.assign(wanted=fold_all(site.locks["name"]))[["lock_id", "name", "zone", "wanted"]],
            groups=site.groups.groups.rename(columns={"name": "group_name"}),
            inside=site.groups.users,
            doors=site.groups.locks,
            schedules=site.groups.schedules,
        )


def bare_merges(at: KeyedTables) -> list[pd.DataFrame]:
    """The joins that comparing the two sides takes, each once and plain; what they find is not looked at.

    people: who of Hector is who in Salto, by the marker in the alias and by email (two joins, for the marker decides
        where both find somebody); the tag that each one's code names; the tag that each user of the site carries.
    members: the reservations' people, with their user in Hector and their user in Salto: whom a group should hold.
    rooms: the reservations' places, with the lock that each place names: what a group should open.
    groups: the groups that should be beside those that are, by name (outer: the missing are made, the others go); what
        schedule each carries; and the zone its locks stand in, for only there its end is a moment.
    both: members that should be beside those that are (outer: given and taken), and the same for the locks.
    timetable: everybody with every lock of their reservation: what the plan says should be open.
    """
    by_marker = at.users.merge(at.site_users, on="user_id", how="left", suffixes=("", "_salto"))
    by_email = at.users.merge(at.site_users.dropna(subset="email"), on="email", how="left", suffixes=("", "_salto"))
    wanted_tags = at.users.merge(at.tags, on="tag", how="left")
    carried_tags = at.site_users.merge(at.tags, on="site_user_id", how="left")
    groups = at.reservations.merge(at.groups, on="group_name", how="outer")
    members = at.lines.merge(groups, on="reservation_id").merge(at.users[["user_id", "status"]], on="user_id")
    members = members.merge(at.site_users[["user_id", "platform_user_id"]], on="user_id", how="left")
    rooms = at.rooms.merge(groups, on="reservation_id").merge(at.places, on="place_id").merge(at.locks, on="wanted")
    scheduled = groups.merge(at.schedules, on="group_id")
    ends = at.schedules.merge(at.doors.merge(at.locks[["lock_id", "zone"]], on="lock_id"), on="group_id", how="left")
    both_members = members.merge(at.inside, on=["group_id", "platform_user_id"], how="outer", indicator=True)
    both_doors = rooms.merge(at.doors, on=["group_id", "lock_id"], how="outer", indicator=True)
    timetable = members[["reservation_id", "user_id"]].merge(rooms[["reservation_id", "lock_id"]], on="reservation_id")
    people = [by_marker, by_email, wanted_tags, carried_tags]
    return [*people, groups, scheduled, ends, both_members, both_doors, timetable]


# --- measuring, in a process of its own -------------------------------------------------------------------------------


def measure(
    size: Size, steps: Iterable[int] = STEPS, *, scenarios: Iterable[str] = (EVERYDAY, FIRST), rounds: int = ROUNDS
) -> list[dict[str, Any]]:
    """One row a scenario and size, with the keys COLUMNS.

    Args:
        size: the largest: users and doors keep its proportions to the reservations.
        steps: numbers of reservations.
        scenarios: EVERYDAY, FIRST.
        rounds: of which the medians are given.

    Returns:
        ``rows``: of all tables that the rules are given; seconds: medians; ``ratio``: rules to merges;
        ``peak_mib``: high-water mark of the process when the rules have ended; ``grown_mib``: the same without what it
        took before it read the tables (interpreter and libraries); ``bytes_a_row``: grown by ``rows``.
    """
    sizes = [_scale_size(size, step) for step in steps]
    return [_run_in_process(of, scenario, rounds) for scenario in scenarios for of in sizes]


def _scale_size(size: Size, reservations: int) -> Size:
    def share(count: int) -> int:
        return max(count * reservations // size.reservations, 1)

    return Size(share(size.users), reservations, share(size.doors))


def _run_in_process(size: Size, scenario: str, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="hector-salto-bench-") as home:
        for name, table in build_site(size, first=scenario == FIRST).tables().items():
            table.to_parquet(Path(home) / f"{name}.parquet")
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.rules", "--tables", home, "--rounds", str(rounds)]
        ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return {"scenario": scenario, **asdict(size), **json.loads(ended.stdout)}


def _measure_rounds(home: Path, rounds: int) -> dict[str, Any]:
    """What the process of one size finds out: memory in its first round, then seconds in turns with the merges."""
    _run_everything(build_site(_scale_size(Size(), WARM)))  # so that what is imported when first needed is not counted
    before = _peak_memory()
    both = SyntheticSite.of({path.stem: pd.read_parquet(path) for path in sorted(home.glob("*.parquet"))})
    rows = sum(map(len, both.tables().values()))
    _plan(both)
    peak = _peak_memory()
    keyed = KeyedTables.of(both)
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        _time_step(taken, "merges", lambda: bare_merges(keyed))
        desired = _time_step(taken, "desired", lambda: _build_desired(both))
        made = _time_step(taken, "plan", partial(make_plan, desired, both.current, RULES, as_of=AS_OF))
    _snapshot_after(both, made, taken)
    seconds = {f"{name}_seconds": statistics.median(times) for name, times in taken.items()}
    rules = statistics.median(map(sum, zip(taken["desired"], taken["plan"], strict=True)))
    return {
        "rows": rows,
        "operations": len(made.operations),
        **seconds,
        "rules_seconds": rules,
        "ratio": rules / seconds["merges_seconds"],
        "peak_mib": peak / MIB,
        "grown_mib": (peak - before) / MIB,
        "bytes_a_row": (peak - before) / rows,
    }


def _build_desired(both: SyntheticSite) -> Desired:
    return build_desired_state(both.people, both.places, both.loaners, RULES, as_of=AS_OF)


def _plan(both: SyntheticSite) -> Plan:
    return make_plan(_build_desired(both), both.current, RULES, as_of=AS_OF)


def _run_everything(both: SyntheticSite) -> None:
    """Everything once."""
    bare_merges(KeyedTables.of(both))
    _snapshot_after(both, _plan(both), {})


def _snapshot_after(both: SyntheticSite, made: Plan, taken: dict[str, list[float]]) -> None:
    looked = _time_step(
        taken,
        "seen",
        lambda: take_snapshot(
            both.people, both.places, both.loaners, both.current, decisions=made.decisions, matches=made.matches
        ),
    )
    _time_step(taken, "risks", lambda: risks(looked, as_of=AS_OF))


def _time_step(taken: dict[str, list[float]], name: str, do: Callable[[], Made]) -> Made:
    gc.collect()  # nobody pays for another's rubbish
    began = time.process_time()
    made = do()
    taken.setdefault(name, []).append(time.process_time() - began)
    return made


def _peak_memory() -> int:
    """Bytes. On Linux ``ru_maxrss`` begins with what the parent took, so the kernel's own mark is read there."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = Size()
    parser.add_argument("--users", type=int, default=size.users)
    parser.add_argument("--reservations", type=int, default=size.reservations)
    parser.add_argument("--doors", type=int, default=size.doors)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--tables", type=Path, help=argparse.SUPPRESS)  # how a process of its own is asked
    given = parser.parse_args()
    if given.tables:
        sys.stdout.write(json.dumps(_measure_rounds(given.tables, given.rounds)))
        return 0
    size = Size(given.users, given.reservations, given.doors)
    steps = [step for step in STEPS if step < size.reservations] + [size.reservations]
    sys.stdout.write(f"{_title(size, given.rounds)}\n{'  '.join(COLUMNS)}\n")
    for scenario in (EVERYDAY, FIRST):
        for step in steps:
            (row,) = measure(size, [step], scenarios=[scenario], rounds=given.rounds)
            sys.stdout.write("  ".join(f"{_format_value(row[name]):>{len(name)}}" for name in COLUMNS) + "\n")
            sys.stdout.flush()
    return 0


def _title(size: Size, rounds: int) -> str:
    there = f"{size.users} users, {size.reservations} reservations, {size.doors} doors"
    return f"{there}, Python {platform.python_version()}, pandas {pd.__version__}, median of {rounds}"


def _format_value(value: str | float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
