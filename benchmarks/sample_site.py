"""A site of the size asked for, as the sandbox holds it: Hector's bookings, and Salto before its first run or in step."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd

from hector_salto.access.settings import GROUP_PREFIX, MARKER_PREFIX, AccessRules
from hector_salto.access.windows import SCHEDULE_COLUMNS, schedules, windows
from sandbox import Sandbox, Scenario, empty
from sandbox.salto_state import Group
from sandbox.schedules import stored_schedule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox import HectorState, SaltoState

ZONE = "America/Toronto"
RULES = AccessRules()
GROUP_PATH = re.compile(r"/access_groups/([^/]+)(?:/(users|locks|time_schedules))?$")
FIRST_HOUR, HOURS, DAYS = 8, 10, 6  # bookings of an hour, from tomorrow on


@dataclass(frozen=True)
class SampleSize:
    """How much there is. ``strangers``: people at the end of the list whom Salto has never seen."""

    people: int = 2_000
    bookings: int = 1_000
    doors: int = 200
    strangers: int = 0


def empty_site(school: SampleSize) -> Scenario:
    """Salto has the doors and the tags, and neither people nor groups."""
    return _scenario(school, strangers=school.people, grouped=False)


def site_without_groups(school: SampleSize) -> Scenario:
    """Everybody but the strangers is on the site with their tag; no booking has its group."""
    return _scenario(school, strangers=school.strangers, grouped=False)


def site_in_step(school: SampleSize) -> Scenario:
    """Salto holds what a sync would leave."""
    return _scenario(school, strangers=school.strangers, grouped=True)


def _scenario(school: SampleSize, *, strangers: int, grouped: bool) -> Scenario:
    scenario = empty(zone=ZONE)
    hector, salto = scenario.hector, scenario.salto
    rooms = [_room(hector, salto, number) for number in range(school.doors)]
    users = [_user(hector, number) for number in range(school.people)]
    tags = [salto.enrol_tag(_code(number)) for number in range(school.people)]
    for number, user in enumerate(users[: school.people - strangers]):
        member = salto.add_member(_email(number), "First", f"Last {number}", alias=f"{MARKER_PREFIX}{user}")
        salto.members[member].tag_id = tags[number]
    add_reservations(hector, users, rooms, range(school.bookings))
    if grouped:
        make_groups(hector, salto)
    return scenario


def _room(hector: HectorState, salto: SaltoState, number: int) -> str:
    name = f"Room {number:04}"
    salto.add_lock(name)
    return hector.add_place(name, name)


def _user(hector: HectorState, number: int) -> str:
    return hector.add_user(
        email=_email(number), unique_code=_code(number), first_name="First", last_name=f"Last {number}"
    )


def _email(number: int) -> str:
    return f"person{number}@campus.example"


def _code(number: int) -> str:
    return f"{number:08X}"


def add_reservations(hector: HectorState, users: list[str], rooms: list[str], numbers: Iterable[int]) -> None:
    """Bookings of two people and a room each, side by side until all rooms of an hour are taken."""
    for number in numbers:
        start = hour(number // len(rooms))
        hector.add_loaner(
            users[-1 - number % len(users)],
            rooms[number % len(rooms)],
            start,
            start + dt.timedelta(hours=1),
            reference=str(10_000 + number),
            participants=[users[number * 7 % len(users)]] if number % 2 else [],
        )


def hour(number: int) -> dt.datetime:
    """One of the hours of the next days, within one day of the school's clock."""
    today = dt.datetime.now(ZoneInfo(ZONE)).replace(minute=0, second=0, microsecond=0)
    day, place = divmod(number % (HOURS * DAYS), HOURS)
    return (today + dt.timedelta(days=1 + day)).replace(hour=FIRST_HOUR + place)


def make_groups(hector: HectorState, salto: SaltoState) -> None:
    """The group of every booking, as the sync makes it."""
    members = {member.alias: member.person_id for member in salto.members.values()}
    doors = {lock.name: lock.id for lock in salto.locks.values()}
    timed = schedules(_access_windows(hector))
    for loaner, schedule in zip(hector.loaners.values(), timed[list(SCHEDULE_COLUMNS)].to_dict("records"), strict=True):
        people = [loaner["borrower"]["id"], *(one["id"] for one in loaner["participants"])]
        rooms = [hector.places[line["place_id"]]["name"] for line in loaner["lines"]]
        group = Group(
            salto.new_id("group"),
            f"{GROUP_PREFIX}{loaner['reference']}",
            users=list(dict.fromkeys(members[f"{MARKER_PREFIX}{person}"] for person in people)),
            locks=[doors[room] for room in rooms],
        )
        group.schedules.append(stored_schedule(salto.new_id("schedule"), {str(k): v for k, v in schedule.items()}))
        salto.groups[group.id] = group


def _access_windows(hector: HectorState) -> pd.DataFrame:
    loaners = list(hector.loaners.values())
    times: dict[str, Any] = {
        name: pd.to_datetime([row[name] for row in loaners], utc=True).astype("datetime64[us, UTC]")
        for name in ("start", "finish")
    }
    return windows(pd.DataFrame(times), RULES).assign(zone=ZONE)


# --- what happens between two runs: each is asked of a running sandbox -------------------------------------------------


def add_reservation(sandbox: Sandbox) -> str:
    """Somebody known books a room; gives the reference."""
    hector = sandbox.hector
    users, rooms = list(hector.users), list(hector.places)
    number = len(hector.loaners)
    add_reservations(hector, users, rooms, [number])
    return str(10_000 + number)


def move_reservation(sandbox: Sandbox, reference: str) -> None:
    """A reservation begins and ends half an hour later."""
    hector = sandbox.hector
    loaner = next(loaner for loaner, row in hector.loaners.items() if row["reference"] == reference)
    _move(hector, loaner)


def change_reservations(sandbox: Sandbox, share: int = 5) -> None:
    """Of every ``share * 5`` bookings: one is cancelled, two move, one changes hands, one changes rooms; as many are new."""
    hector = sandbox.hector
    users, rooms = list(hector.users), list(hector.places)
    known = list(hector.loaners)
    for turn, loaner in enumerate(known[::share]):
        _change_reservation(hector, loaner, turn, users, rooms)
    first = len(known)
    add_reservations(hector, users, rooms, range(first, first + len(known) // share // 5))


def _move(hector: HectorState, loaner: str) -> None:
    half = dt.timedelta(minutes=30)
    start, finish = (dt.datetime.fromisoformat(hector.loaners[loaner][name]) for name in ("start", "finish"))
    hector.move(loaner, start + half, finish + half)


def _change_reservation(hector: HectorState, loaner: str, turn: int, users: list[str], rooms: list[str]) -> None:
    row = hector.loaners[loaner]
    match turn % 5:
        case 0:
            hector.set_status(loaner, "cancelled")
        case 1 | 2:
            _move(hector, loaner)
        case 3:
            row["borrower"] = {"type": "user", "id": users[(turn * 13 + 5) % len(users)]}
        case _:
            place = rooms[(turn * 11 + 3) % len(rooms)]
            row["lines"] = [{"id": hector.new_id("ln"), "type": "place", "place_id": place}]


# --- what is asked of a running sandbox afterwards --------------------------------------------------------------------


def group_names(sandbox: Sandbox) -> dict[str, str]:
    """Name by id, of the groups whose doors should go on opening."""
    return {group.id: group.name for group in sandbox.salto.groups.values()}


def seconds_locked_out(sandbox: Sandbox, before: dict[str, str]) -> tuple[float, ...]:
    """Seconds from the removal of each of these groups to the last request that armed the group of its name again."""
    writes = [(row, found) for row in sandbox.writes if (found := GROUP_PATH.search(row.path))]
    now = {group.id: group.name for group in sandbox.salto.groups.values()}
    gone = {before[found[1]]: row.at for row, found in writes if row.method == "DELETE" and found[1] in before}
    armed = {now[found[1]]: row.at for row, found in writes if found[2] and found[1] in now}
    return tuple((armed[name] - at).total_seconds() for name, at in gone.items() if name in armed)
