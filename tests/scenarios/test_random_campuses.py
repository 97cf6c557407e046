"""Random small campuses and random changes: safe after every write, in step after every run, foreign things untouched."""

import datetime as dt
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hector_salto.access.settings import AccessRules, Limits, OfficeMode
from hector_salto.access.statuses import DEFAULT_ACCESS_STATUSES
from sandbox import empty
from tests.effort import EFFORT
from tests.scenarios.world import World, WriteWatch, does_open, foreign_state, hour, should_open, world

NAMES = ("ana", "ben", "cleo", "dan")
ROOMS = ("r1", "r2", "r3")
STARTS = st.integers(1, 60).map(lambda number: number / 2)
LENGTHS = st.sampled_from([0.5, 1.0, 3.0, 14.0, 30.0])
PEOPLE = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)
PLACES = st.lists(st.sampled_from(ROOMS), min_size=1, max_size=2, unique=True)
UNLIMITED = Limits(hold_above=1000)
SETTINGS = st.sampled_from(
    [
        {"delete_users": True},
        {"delete_users": False},
        {"provision_users": "with_reservations"},
        {"provision_users": "all"},
        {"office_mode": OfficeMode(groups=("Teachers",))},
        {"office_mode": OfficeMode()},
        {"access_statuses": frozenset({"out"})},
        {"access_statuses": DEFAULT_ACCESS_STATUSES},
        {"horizon": dt.timedelta(days=1)},
        {"horizon": dt.timedelta(days=7)},
        {"protected_emails": frozenset({"ana@school.example"})},
        {"protected_emails": frozenset()},
    ]
)
DECIDING = ("grace_before", "grace_after", "horizon", "access_statuses")  # what should_open takes for granted


class Campus(RuleBasedStateMachine):
    """Hands change Hector and Salto between two runs; a run is watched at every write."""

    house: World
    remembers = False  # runs that read only what can have changed (test_remembered)

    @initialize(zone=st.sampled_from(["America/Toronto", "Europe/Berlin", "Asia/Kolkata"]))
    def opened(self, zone):
        self._manager = world(empty(zone=zone))
        self.house = self._manager.__enter__()
        self.house.sync.remembers = self.remembers
        self.house.room(*ROOMS).person(*NAMES)
        teachers = self.house.hector.add_group("Teachers")
        for name in NAMES[:2]:
            self.house.hector.users[self.house.people[name]]["group_ids"] = [teachers]
        self.rules = AccessRules(limits=UNLIMITED)
        self.dirty = True
        self._foreign_things()

    def _foreign_things(self):
        salto = self.house.salto
        cleaner = salto.add_member("cleaner@elsewhere.example", alias="cleaning", tag="c1")
        for name in ("Cleaning", "Hector_Staff"):
            group = salto.add_group(name, users=[salto.person_of(cleaner).id], locks=list(salto.locks)[:2])
            salto.add_schedule(group, "06:00", "08:00")

    def teardown(self):
        if hasattr(self, "_manager"):
            self._manager.__exit__(None, None, None)

    def _reference(self, data):
        return data.draw(st.sampled_from(sorted(self.house.bookings)))

    @rule(people=PEOPLE, places=PLACES, start=STARTS, length=LENGTHS)
    def booked(self, people, places, start, length):
        self.dirty = True
        reference = str(100 + len(self.house.bookings))
        self.house.book(reference, people[0], places, start, start + length, others=people[1:])

    @precondition(lambda self: self.house.bookings)
    @rule(data=st.data(), start=STARTS, length=LENGTHS, places=st.one_of(st.none(), PLACES))
    def moved(self, data, start, length, places):
        self.dirty = True
        self.house.move(self._reference(data), start=start, finish=start + length, where=places)

    @precondition(lambda self: self.house.bookings)
    @rule(data=st.data(), who=st.sampled_from(NAMES))
    def given_to_somebody_else(self, data, who):
        self.dirty = True
        self.house.move(self._reference(data), who=who)

    @precondition(lambda self: self.house.bookings)
    @rule(data=st.data(), status=st.sampled_from(["cancelled", "new", "out", "returned"]))
    def status_changed(self, data, status):
        self.dirty = True
        self.house.hector.set_status(self.house.bookings[self._reference(data)], status, at=hour(0))

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def tags_swapped(self, one, other):
        self.dirty = True
        users, people = self.house.hector.users, self.house.people
        first, second = users[people[one]], users[people[other]]
        first["unique_code"], second["unique_code"] = second["unique_code"], first["unique_code"]

    @rule(name=st.sampled_from(NAMES), code=st.sampled_from([None, "lost", *NAMES]))
    def code_changed(self, name, code):
        self.dirty = True
        self.house.hector.users[self.house.people[name]]["unique_code"] = code

    @rule(name=st.sampled_from(NAMES), status=st.sampled_from(["active", "archived"]))
    def came_or_left(self, name, status):
        self.dirty = True
        self.house.hector.users[self.house.people[name]]["status"] = status

    @rule(one=st.sampled_from(ROOMS), other=st.sampled_from(ROOMS))
    def doors_renamed(self, one, other):
        self.dirty = True
        salto, doors = self.house.salto, self.house.doors
        names = salto.locks[doors[one]].name, salto.locks[doors[other]].name
        salto.rename_lock(doors[one], names[1])
        salto.rename_lock(doors[other], names[0])

    @rule(before=st.sampled_from([0, 15, 90]), after=st.sampled_from([0, 15, 240]))
    def grace_changed(self, before, after):
        self.dirty = True
        grace = {"grace_before": dt.timedelta(minutes=before), "grace_after": dt.timedelta(minutes=after)}
        self.rules = replace(self.rules, **grace)

    @rule(setting=SETTINGS)
    def setting_changed(self, setting):
        self.dirty = True
        self.rules = replace(self.rules, **setting)

    @precondition(lambda self: any(g.name.startswith("Hector_1") for g in self.house.salto.groups.values()))
    @rule(data=st.data(), name=st.sampled_from(NAMES), door=st.sampled_from(ROOMS))
    def put_into_our_group_by_hand(self, data, name, door):
        member = self.house.member(name)
        groups = [g for g in self.house.salto.groups.values() if g.name.startswith("Hector_1")]
        group = data.draw(st.sampled_from(sorted(groups, key=lambda g: g.name)))
        if member and member.person_id not in group.users:
            group.users.append(member.person_id)
        if self.house.doors[door] not in group.locks:
            group.locks.append(self.house.doors[door])
        self.dirty = True

    @precondition(lambda self: self.dirty)
    @rule()
    def held_then_approved(self):
        """No removal without approval; what builds on one waits; then exactly that set goes."""
        strict = replace(self.rules, limits=Limits(hold_above=0, hold_above_percent=0))
        with WriteWatch(self.house) as watch:
            first = self.house.run(strict)
        assert watch.unsafe() == []
        with WriteWatch(self.house) as watch:
            approved = self.house.run(strict, approve=first.plan.digest)
        assert watch.unsafe() == []
        assert approved.plan.held_operations.empty
        assert approved.plan.approved == set(
            first.plan.held_operations.loc[first.plan.held_operations["removal"], "key"]
        )

    @precondition(lambda self: self.dirty and self.house.bookings)
    @rule(data=st.data())
    def only_one_brought_in_step(self, data):
        with WriteWatch(self.house) as watch:
            self.house.run(self.rules, references=[self._reference(data)])
        assert watch.unsafe() == []

    @precondition(lambda self: self.dirty)
    @rule()
    def synchronized(self):
        h = self.house
        before = foreign_state(h.salto, self._known())
        with WriteWatch(h) as watch:
            found = h.run(self.rules)

        assert found.all_done, found.outcomes
        assert watch.unsafe() == []
        assert foreign_state(h.salto, self._known()) == before
        if all(getattr(self.rules, name) == getattr(AccessRules(), name) for name in DECIDING):
            opened = does_open(h.salto, hour(-48), hour(24 * 12))
            assert opened == should_open(h.hector, h.salto, h.clock.now)
        h.assert_settled(self.rules)
        self.dirty = False

    def _known(self):
        return {key for key, member in self.house.salto.members.items() if (member.alias or "").startswith("hector:")}


Campus.TestCase.settings = settings(
    max_examples=4 * EFFORT,
    stateful_step_count=12,
    derandomize=EFFORT == 1,  # the sample is always the same; a sweep is always another one
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestRandomCampuses = Campus.TestCase
