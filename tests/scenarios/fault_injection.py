"""One answer of one run is spoilt: what became of the run, judged by what the contracts allow and by who can open what."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, replace

import pandas as pd
import pytest

from hector.client import HectorReader
from hector_salto.access.dependencies import rows
from hector_salto.access.desired import build_desired_state
from hector_salto.access.plan import make_plan
from hector_salto.access.results import DONE
from hector_salto.access.schemas import SchemaError
from hector_salto.http_client.errors import FatalError, RestError
from hector_salto.reports.text import decision_lines, plan_lines, problem_lines
from salto.site_state import read_current
from sandbox.doors import merged
from sandbox.faults import drop, run_after
from sandbox.hector_state import HectorState
from sandbox.web import Reply
from tests.scenarios.corrupt_payloads import ODD_TEXTS, corrupt
from tests.scenarios.payload_shapes import allowed
from tests.scenarios.test_apply import TEACHERS as RULES
from tests.scenarios.test_apply import everything
from tests.scenarios.world import WriteWatch, does_open, foreign_state, hour, should_open, world, world_copy
from tests.synchronization import FINGERPRINT, Synchronization

REFUSED, SAME, ANOTHER_TRUTH = "refused", "read as it was", "another truth"


def town(h):
    """In the next run every kind of write; besides, people, tags, doors and groups of other hands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("salto.plan_executor.WRITE_THREADS", 1)  # so that the same things get the same ids each time
        everything(h)
    salto = h.salto
    cleaner = salto.add_member("cleaner@elsewhere.example", alias="cleaning", tag="c1")
    for name in ("Cleaning", "Hector_Staff"):
        group = salto.add_group(name, users=[salto.person_of(cleaner).id], locks=list(salto.locks)[:2])
        salto.add_schedule(group, "06:00", "08:00")
    h.hector.add_department("Music")
    h.hector.add_user(email="nobody@school.example", unique_code="gone", status="disabled")


@contextlib.contextmanager
def town_copy():
    """A copy of the town, whose lists have several pages."""
    with world_copy(town) as h:
        h.sandbox.change(page_size=3, hector_page_size=3)
        yield h


# --- what a run reads -------------------------------------------------------------------------------------------------


def kind_of(server, path):
    """Of what a request asks: "Hector: users", "Salto: group locks", "Salto: token"."""
    parts = path.partition("?")[0].strip("/").split("/")
    if server == "hector":
        return f"Hector: {parts[-1]}"
    if parts[0] == "connect" or len(parts) <= 3:
        return f"Salto: {parts[1] if len(parts) == 2 else 'site'}"
    if len(parts) == 6 and parts[3] == "access_groups":
        return f"Salto: {'' if parts[5] == 'time_schedules' else 'group '}{parts[5]}"
    return f"Salto: {parts[3]}"


def hector_tables(reader: HectorReader, now):
    people, places = reader.users(FINGERPRINT), reader.places()
    begin, end = now - RULES.grace_after, now + RULES.horizon + RULES.grace_before + pd.Timedelta(minutes=1)
    loaners = reader.loaners(begin, end)
    return {"people": people, "places": places, "loaners": loaners} | {
        "attribute": reader.has_lock_attribute(),
        "environment": reader.environment(),
    }


def salto_tables(sync: Synchronization):
    return {"current": read_current(sync.reader, FINGERPRINT)}


def as_text(value):
    """Any of what is read or planned, every table of it, as comparable text."""
    if isinstance(value, pd.DataFrame):
        return value.to_csv()
    parts = value if isinstance(value, dict) else getattr(value, "__dict__", None)
    return repr({key: as_text(part) for key, part in parts.items()} if parts is not None else value)


@dataclass
class Baseline:
    """What a run of the town is told, reads and plans when nothing is spoilt; ``said``: replies by kind and address."""

    original: dict[str, dict[str, Reply]]
    read: dict[str, object]
    plan: str = ""

    def plan_text(self, read):
        """The plan, as text, of what was read; for the rest the truth stands in."""
        read, now = self.read | read, pd.Timestamp(hour(0))
        desired = build_desired_state(read["people"], read["places"], read["loaners"], RULES, as_of=now)
        made = make_plan(desired, read["current"], RULES, as_of=now)
        told = [*decision_lines(made.decisions), *plan_lines(rows(made.operations)), *problem_lines(made.problems)]
        assert len(told) > len(made.decisions) + len(made.problems)  # what a log says of it can be said
        return as_text(replace(made, members=made.members.sort_values(list(made.members.columns), ignore_index=True)))

    def matches(self, read):
        return as_text(read) == as_text({key: self.read[key] for key in read}) or self.plan_text(read) == self.plan


@functools.cache
def baseline():
    said = {}
    with town_copy() as h:
        for faults in (h.sandbox.hector_faults, h.sandbox.salto_faults):
            faults.when(lambda _call: True, run_after(lambda call, reply: record_reply(said, call, reply)))
        sync = fresh_sync(h)
        found = Baseline(said, hector_tables(sync.hector, h.clock.now) | salto_tables(sync))
    found.plan = found.plan_text({})
    return found


def record_reply(said, call, reply):
    said.setdefault(kind_of(call.server, call.path), {})[call.raw_target] = reply
    return reply


def fresh_sync(h):
    """A process of its own: no token, no connection, no site is remembered."""
    return Synchronization(h.sandbox, sleep=h.clock.sleep)


def clear_faults(h):
    h.sandbox.hector_faults.clear()
    h.sandbox.salto_faults.clear()


# --- one answer to a read ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Corruption:
    """Which answer is spoilt, and how: everything follows from the seed."""

    seed: object
    kind: str
    target: str
    once: bool

    @classmethod
    def of(cls, seed):
        dice = random.Random(f"which {seed}")  # noqa: S311 - a die, no secret
        said = baseline().original
        kind = dice.choice(sorted(said))
        return cls(seed, kind, dice.choice(sorted(said[kind])), dice.random() < 0.25)

    @property
    def is_hectors(self):
        return self.kind.startswith("Hector")

    @property
    def original(self):
        return baseline().original[self.kind][self.target]

    @property
    def corrupt_reply(self):
        return corrupt(self.original, self.seed)

    @property
    def is_allowed(self):
        """Whether the contract allows the spoilt answer: then it may be believed."""
        try:
            told = json.loads(self.corrupt_reply.body.decode("utf-8-sig"))
        except ValueError:
            return False
        return allowed(self.kind, told, json.loads(self.original.body))

    def inject(self, h):
        faults = h.sandbox.hector_faults if self.is_hectors else h.sandbox.salto_faults
        times = {"times": 1} if self.once else {}
        faults.on(
            "*", f"^{re.escape(self.target)}$", run_after(lambda _call, reply: corrupt(reply, self.seed)), **times
        )


def count_results(seeds):
    """Spoils one answer for each seed; how often the run was refused, read what was true, or was told another truth."""
    found, others = Counter(), []
    with town_copy() as h:
        for spoiling in map(Corruption.of, seeds):
            with note_input(spoiling):
                became = run_corrupted_read(h, spoiling)
            found[became] += 1
            others += [spoiling] * (became == ANOTHER_TRUTH)
    for spoiling in others:
        with note_input(spoiling):
            check_whole_run(spoiling)
    return found


@contextlib.contextmanager
def note_input(what):
    """A failure inside says of which input."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"with {what}")
        raise


def run_corrupted_read(h, spoiling):
    """Reads with one answer spoilt, and compares plans; nothing may be written by that."""
    spoiling.inject(h)
    sync = fresh_sync(h)
    try:
        read = hector_tables(sync.hector, h.clock.now) if spoiling.is_hectors else salto_tables(sync)
        if baseline().matches(read):
            return SAME
    except (RestError, SchemaError) as error:
        assert_clear_error(error)
        return REFUSED
    finally:
        clear_faults(h)
        assert h.sandbox.writes == []
    assert spoiling.is_allowed, "it is no answer of the contract, but was believed"
    return ANOTHER_TRUTH


def assert_clear_error(error):
    """It says who answered, over which connection, and what to do next."""
    text = str(error)
    assert isinstance(error, RestError), f"{type(error).__name__}: {text}"
    assert error.connection in {"hector_test", "salto_test"}
    assert error.connection in text
    assert error.next_step in text
    assert len(text) < 1000, text


# --- another truth ----------------------------------------------------------------------------------------------------


def hector_as_corrupted(h, spoiling):
    """Hector as the spoilt answer shows it; of Salto's answers Hector knows nothing."""
    state = HectorState.from_json(h.hector.to_json())
    known = getattr(state, spoiling.kind.removeprefix("Hector: "), None)
    if known is not None:
        for row in json.loads(spoiling.original.body)["items"]:
            del known[row["id"]]
        items = json.loads(spoiling.corrupt_reply.body.decode("utf-8-sig"))["items"]
        known.update((row["id"], with_lock_key(row)) for row in items)
    return state


def with_lock_key(row):
    """A place whose lock's name stands under its key, as ``should_open`` looks for it; any other row as it is."""
    if "attributes" not in row:
        return row
    values = [dict.fromkeys(("key", "name", "value")) | value for value in row["attributes"]]
    if not any(value["key"] == "salto_lock_id" for value in values):
        values = [value | {"key": "salto_lock_id"} for value in values if value["name"] == "Salto Lock Id"]
    return row | {"attributes": values}


def check_whole_run(spoiling):
    """A whole run that believes the spoilt answer, then one that hears the truth: nobody ever opens what no truth gives."""
    with town_copy() as h:
        strangers, before = foreign_state(h.salto, hector_member_ids(h)), does_open(h.salto, *SPAN)
        spoiling.inject(h)
        sync = fresh_sync(h)
        _, plan = sync.plan(RULES, h.clock.now)
        clear_faults(h)
        with OpeningsLog(h) as seen:
            apply_plan(sync, plan)
        expected = should_open(hector_as_corrupted(h, spoiling), h.salto, h.clock.now)
        for opened in seen:
            assert is_within(opened, before, expected)
        left = plan.decisions["decision"].eq("left_as_is").any()  # its groups keep what they were
        if spoiling.is_hectors and not plan.holds and not left:
            assert does_open(h.salto, *SPAN) == expected
        assert_clean_run(h)
        assert foreign_state(h.salto, hector_member_ids(h)) == strangers


def check_corrupted_reply(seed):
    """A whole run that hears a spoilt reply to a write, or to what it reads between writes; then a clean one."""
    dice = random.Random(f"reply {seed}")  # noqa: S311 - a die, no secret
    method, path = dice.choice(ASKED_WHILE_WRITING)
    with town_copy() as h:
        strangers = foreign_state(h.salto, hector_member_ids(h))
        sync = fresh_sync(h)
        _, plan = sync.plan(RULES, h.clock.now)
        hit = []

        def spoil(_call, reply):
            hit.append(reply)
            return corrupt(reply, seed)

        h.sandbox.salto_faults.on(method, path, run_after(spoil), times=dice.choice([1, 1, 2, 1000]))
        with WriteWatch(h) as watch:
            apply_plan(sync, plan)
            clear_faults(h)
            assert_clean_run(h)
        assert hit, f"{method} {path} was not asked"
        assert watch.unsafe() == []
        assert foreign_state(h.salto, hector_member_ids(h)) == strangers


SPAN = hour(-48), hour(24 * 12)
GROUP, USER = r"/access_groups/[^/?]+", r"/users/[^/?]+"
ASKED_WHILE_WRITING = [
    ("POST", r"/access_groups$"),
    ("DELETE", rf"{GROUP}$"),
    ("POST", r"/time_schedules$"),
    ("PATCH", r"/time_schedules/"),
    ("DELETE", r"/time_schedules/"),
    ("PATCH", rf"{GROUP}/users$"),
    ("PATCH", rf"{GROUP}/locks$"),
    ("POST", r"/users$"),
    ("PATCH", rf"{USER}$"),
    ("PATCH", rf"{USER}/subscription$"),
    ("DELETE", rf"{USER}$"),
    ("GET", r"/users/search"),
    ("GET", r"/roles"),
    ("GET", rf"{GROUP}/time_schedules"),
    ("GET", rf"{USER}$"),
]


class OpeningsLog(list):
    """Who could open what after every single write, and at the end."""

    def __init__(self, h):
        super().__init__()
        self._house = h

    def __enter__(self):
        self._house.sandbox.after_write = lambda _state, _request: self._record()
        return self

    def __exit__(self, *_):
        self._house.sandbox.after_write = None
        self._record()

    def _record(self):
        self.append(does_open(self._house.salto, *SPAN))


def is_within(opened, *sources):
    """True when every span of ``opened`` lies in those of the sources together."""
    for key, spans in opened.items():
        room = merged(span for source in sources for span in source.get(key, []))
        if not all(any(low <= begin and end <= high for low, high in room) for begin, end in spans):
            return False
    return True


def hector_member_ids(h):
    """Ids of the town's people in Salto, however it knows them."""
    persons = {key for key, person in h.salto.persons.items() if (person.email or "").endswith("@school.example")}
    return persons | {key for key, member in h.salto.members.items() if member.person_id in persons}


def apply_plan(sync, plan):
    """Sends a plan; that the run has to stop is an end like any other."""
    try:
        sync.apply(plan)
    except FatalError as error:
        assert_clear_error(error)


def assert_clean_run(h):
    """A clean run: everything done, nothing left, nothing twice, and whoever may open opens."""
    h.clock.sleep(60)  # what was deleted is gone
    found = h.run(RULES)
    assert found.all_done, found.outcomes[found.outcomes["state"].ne(DONE)]
    h.assert_settled(RULES)
    assert does_open(h.salto, *SPAN) == should_open(h.hector, h.salto, h.clock.now)


# --- legal, but odd ---------------------------------------------------------------------------------------------------


def build_odd_town(h, dice):
    """People, rooms, doors, bookings, tags and foreign things with names that no form would ask for."""

    def odd():
        return dice.choice(ODD_TEXTS)

    def spare():
        return f"{odd()} {h.hector.counter}"

    hector, salto, hours = h.hector, h.salto, iter(range(1, 100, 3))
    rooms, people = [], []
    for _ in range(3):
        name = spare()
        salto.add_lock(dice.choice([name, name.upper(), f" {name}\t"]))
        rooms.append(rename_row(hector.places, hector.add_place(odd(), dice.choice([name, f"  {name} "])), dice))
    for number in range(4):
        code = spare()
        salto.enrol_tag(code)
        email = dice.choice(
            ["o'brien+{}@school.example", "ÄNNE{}@schüle.example", " =1+1{}@X.Example\t", "Ştraße{}@\u0131.test"]
        )
        user = hector.add_user(email=email.format(number), unique_code=code, first_name=odd(), last_name=odd())
        people.append(rename_row(hector.users, user, dice))
    for _ in range(5):
        start, others = h.clock.now + dt.timedelta(hours=next(hours)), dice.sample(people, 2)
        booking = hector.add_loaner(
            others[0],
            dice.choice(rooms),
            start,
            start + dt.timedelta(hours=2),
            reference=spare(),
            participants=others[1:],
        )
        rename_row(hector.loaners, booking, dice)
    stranger = salto.add_member(f"{odd()}@elsewhere.example", alias=odd(), first_name=odd(), last_name=odd())
    for name in (odd(), f"Hector_{odd()}"):
        group = salto.add_group(name, users=[salto.person_of(stranger).id], locks=list(salto.locks)[:1])
        salto.add_schedule(group, "06:00", "08:00")


def rename_row(table, key, dice):
    """The row under an odd id, which is opaque text to everybody."""
    row = table.pop(key)
    row["id"] = f"{dice.choice(ODD_TEXTS)}{key}{dice.choice(['', ' ', '/', '?', '#', ''])}"
    table[row["id"]] = row
    return row["id"]


def check_odd_names(seed):
    """Runs of a town of odd names, before and after changes; now and then a reply is lost, so that names are searched."""
    dice = random.Random(f"odd {seed}")  # noqa: S311 - a die, no secret
    with world() as h:
        build_odd_town(h, dice)
        strangers = foreign_state(h.salto)
        if dice.random() < 0.5:
            h.sandbox.salto_faults.on("POST", "/(users|access_groups)$", drop(after=True), times=2)
        for _ in range(2):
            found = h.run(RULES)
            assert found.all_done, found.outcomes[found.outcomes["state"].ne(DONE)]
            h.assert_settled(RULES)
            assert does_open(h.salto, *SPAN) == should_open(h.hector, h.salto, h.clock.now)
            assert foreign_state(h.salto) == strangers
            change_reservations(h, dice)


def change_reservations(h, dice):
    """A booking is cancelled, one moves, two people swap their tags, and one leaves."""
    loaners, users = (list(rows.values()) for rows in (h.hector.loaners, h.hector.users))
    gone, moved = dice.sample(loaners, 2)
    h.hector.set_status(gone["id"], "cancelled", at=h.clock.now)
    h.hector.move(moved["id"], hour(100), hour(101))
    one, other, leaver = dice.sample(users, 3)
    one["unique_code"], other["unique_code"] = other["unique_code"], one["unique_code"]
    leaver["status"] = "archived"
