"""A small school with a running sandbox: a test arranges it, lets the synchronization run, and asks who can open what."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from hector_salto.access.settings import AccessRules
from hector_salto.access.statuses import DEFAULT_ACCESS_STATUSES
from sandbox import HectorState, SaltoState, Sandbox, Scenario, empty, openings, outside
from sandbox.doors import able, merged
from tests.synchronization import Run, Synchronization

NOW = dt.datetime(2026, 1, 14, 15, 0, tzinfo=dt.UTC)  # Wednesday 10:00 in Toronto
RULES = AccessRules()


def hour(number: float) -> dt.datetime:
    """So many hours after NOW."""
    return NOW + dt.timedelta(hours=number)


@dataclass
class Clock:
    """What both servers take for now; reading what nobody answers yet may move it."""

    now: dt.datetime = NOW

    def __call__(self) -> dt.datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@dataclass
class World:
    """Rooms r1, r2, ... with doors of the same name; people by their first names; bookings by their references."""

    sandbox: Sandbox
    clock: Clock
    sync: Synchronization
    people: dict[str, str] = field(default_factory=dict)
    rooms: dict[str, str] = field(default_factory=dict)
    doors: dict[str, str] = field(default_factory=dict)
    bookings: dict[str, str] = field(default_factory=dict)

    @property
    def hector(self):
        return self.sandbox.hector

    @property
    def salto(self):
        return self.sandbox.salto

    def room(self, *names):
        for name in names:
            self.doors[name] = self.salto.add_lock(name)
            self.rooms[name] = self.hector.add_place(name, name)
        return self

    def person(self, *names):
        for name in names:
            if self.salto.tag_numbered(name) is None:
                self.salto.enrol_tag(name)
            self.people[name] = self.hector.add_user(email=f"{name}@school.example", unique_code=name, first_name=name)
        return self

    def book(self, reference, who, where, start=1.0, finish=2.0, **changes):
        others = [self.people[name] for name in changes.pop("others", ())]
        places = [self.rooms[name] for name in ([where] if isinstance(where, str) else where)]
        span = (hour(start), hour(finish)) if isinstance(start, int | float) else (start, finish)
        self.bookings[reference] = self.hector.add_loaner(
            self.people[who], places, *span, reference=reference, participants=others, **changes
        )
        return self

    def move(self, reference, *, start=None, finish=None, where=None, who=None):
        loaner = self.bookings[reference]
        row = self.hector.loaners[loaner]
        if start is not None:
            self.hector.move(loaner, hour(start), hour(finish))
        if where is not None:
            places = [self.rooms[name] for name in ([where] if isinstance(where, str) else where)]
            row["lines"] = [{"id": self.hector.new_id("ln"), "type": "place", "place_id": place} for place in places]
        if who is not None:
            row["borrower"] = {"type": "user", "id": self.people[who]}
        return self

    def run(self, rules=RULES, **options) -> Run:
        return self.sync.run(rules, self.clock.now, **options)

    def plan(self, rules=RULES, **options):
        return self.sync.plan(rules, self.clock.now, **options)[1]

    def member(self, name):
        return self.salto.member_of_email(f"{name}@school.example")

    def group(self, reference):
        found = [group for group in self.salto.groups.values() if group.name == f"Hector_{reference}"]
        assert len(found) == 1, f"{len(found)} groups Hector_{reference}"
        return found[0]

    def openings(self, *, need_tag=True):
        return openings(self.salto, hour(-48), hour(24 * 12), need_tag=need_tag)

    def who_opens(self):
        """(person, door, hours after NOW from, to) of everything that opens."""
        return sorted(
            (
                opening.email.split("@")[0],
                opening.lock_name,
                (opening.begin - NOW).total_seconds() / 3600,
                (opening.end - NOW).total_seconds() / 3600,
            )
            for opening in self.openings()
        )

    def assert_settled(self, rules=RULES):
        """Nothing is left to do, and nothing exists twice."""
        names = [group.name for group in self.salto.groups.values()]
        emails = [(person.email or person.id).casefold() for person in self.salto.persons.values()]
        assert len(set(names)) == len(names), names
        assert len(set(emails)) == len(emails), emails
        left = self.plan(rules).operations
        assert left.empty, left[["kind", "key"]]


@contextlib.contextmanager
def world(scenario: Scenario | None = None, now: dt.datetime = NOW, **behaviour):
    clock = Clock(now)
    with Sandbox(scenario or empty(), clock=clock) as sandbox:
        if behaviour:
            sandbox.change(**behaviour)
        yield World(sandbox, clock, Synchronization(sandbox, sleep=clock.sleep))


@contextlib.contextmanager
def world_copy(build: Callable[[World], object]):
    """A house as ``build`` leaves it; built once, copied for each test."""
    if build not in _BUILT_WORLDS:
        with world() as first:
            build(first)
            names = {name: dict(getattr(first, name)) for name in ("people", "rooms", "doors", "bookings")}
            created = first.sync.created
            _BUILT_WORLDS[build] = (
                first.hector.to_json(),
                first.salto.to_json(),
                first.sandbox.credentials,
                names,
                created,
            )
    hector, salto, credentials, names, created = _BUILT_WORLDS[build]
    with world(Scenario(HectorState.from_json(hector), SaltoState.from_json(salto), credentials)) as copy:
        copy.sync.created = created
        for name, ids in names.items():
            getattr(copy, name).update(ids)
        yield copy


_BUILT_WORLDS: dict[Callable[[World], object], tuple] = {}


@dataclass
class WriteWatch:
    """Looks after every single write whether somebody can open what they could neither before nor may after it all."""

    house: World
    states: list = field(default_factory=list)

    def __enter__(self):
        self.before = self._read_openings()
        self.house.sandbox.after_write = lambda _state, request: self.states.append((request, self._read_openings()))
        return self

    def __exit__(self, *_):
        self.house.sandbox.after_write = None
        self.after = self._read_openings()

    def _read_openings(self):
        return self.house.openings(), self.house.openings(need_tag=False)

    def unsafe(self):
        """What opened in between that was neither of before nor of after, with the write that opened it."""
        allowed = [before + after for before, after in zip(self.before, self.after, strict=True)]
        return [
            (f"{request.method} {request.path}", wrong)
            for request, seen in self.states
            for now, fine in zip(seen, allowed, strict=True)
            if (wrong := outside(now, fine))
        ]


# --- what should be open, from Hector's rows alone: written a second time, in plain Python ----------------------------


def should_open(hector, salto, now, grace=15, horizon=7):
    """(person id, lock id) -> spans, of the reservations that earn access, whoever can open anything at all."""
    users = [row for row in hector.users.values() if row["status"] == "active" and (row["email"] or "").strip()]
    emails = [row["email"].strip().casefold() for row in users]
    usable = {
        row["id"]: row["email"].strip().casefold()
        for row in users
        if emails.count(row["email"].strip().casefold()) == 1
    }
    references = [row["reference"] for row in hector.loaners.values()]
    margin = dt.timedelta(minutes=grace)
    found: dict[tuple[str, str], list] = {}
    for row in hector.loaners.values():
        begin, finish = (dt.datetime.fromisoformat(row[name]).astimezone(dt.UTC) for name in ("start", "finish"))
        window = (begin - margin, finish + margin)
        earns = (
            row["status"]["code"] in DEFAULT_ACCESS_STATUSES
            and not row["blocking"]
            and references.count(row["reference"]) == 1
            and row["reference"].strip()
            and begin < finish
            and now < window[1]
            and window[0] <= now + dt.timedelta(days=horizon)
            and window[1] - window[0] <= dt.timedelta(days=31)
        )
        doors = {lock for line in row["lines"] if (lock := _door(hector, salto, line))} if earns else set()
        if len({salto.iqs[salto.locks[lock].iq_id].time_zone for lock in doors}) != 1:
            continue
        for party in [row["borrower"], *(row.get("participants") or [])]:
            member = _member(salto, party, usable)
            for lock in doors if member and able(salto, member, need_tag=False) else ():
                found.setdefault((member.person_id, lock), []).append(window)
    return {key: merged(spans) for key, spans in found.items()}


def _door(hector, salto, line):
    place = hector.places.get(line.get("place_id") or "")
    values = [value["value"] for value in place["attributes"] if value["key"] == "salto_lock_id"] if place else []
    wanted = (values[0] or "").strip().casefold() if values else ""
    locks = [lock.id for lock in salto.locks.values() if wanted and lock.name.strip().casefold() == wanted]
    return locks[0] if len(locks) == 1 else None


def _member(salto, party, usable):
    if party["type"] != "user" or party["id"] not in usable:
        return None
    marked = [member for member in salto.members.values() if member.alias == f"hector:{party['id']}"]
    return marked[0] if marked else salto.member_of_email(usable[party["id"]])


def does_open(salto, begin, end, prefix="Hector_"):
    """The oracle's answer in the same shape, of groups whose schedules all end."""
    found: dict[tuple[str, str], list] = {}
    endless = {g.name for g in salto.groups.values() if any(s.end_date is None for s in g.schedules)}
    for opening in openings(salto, begin, end, need_tag=False):
        if opening.group_name.startswith(prefix) and opening.group_name not in endless:
            found.setdefault((opening.platform_user_id, opening.lock_id), []).append((opening.begin, opening.end))
    return {key: merged(spans) for key, spans in found.items()}


def foreign_state(salto, names=()):
    """Everything in Salto that is nobody's business but its owners', as text: groups, people and tags of other hands; ``names``: ids of members and persons who are Hector's."""
    rows = json.loads(salto.to_json())
    ours = {key for key, row in rows["members"].items() if (row["alias"] or "").startswith("hector:") or key in names}
    people = {row["person_id"] for key, row in rows["members"].items() if key in ours} | set(names)
    groups = {
        key: row
        for key, row in rows["groups"].items()
        if not row["name"].startswith("Hector_") or any(s["end_date"] is None for s in row["schedules"])
    }
    return json.dumps(
        {
            "members": {key: row for key, row in rows["members"].items() if key not in ours},
            "persons": {key: row for key, row in rows["persons"].items() if key not in people},
            "groups": groups,
            **{name: rows[name] for name in ("site", "tags", "locks", "iqs", "other_sites")},
        },
        sort_keys=True,
        indent=1,
    )


def local_time(day: dt.date, clock: str, zone: str) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.fromisoformat(clock), ZoneInfo(zone))
