"""The memory of the Salto sandbox: what a site holds, and short ways for a test to arrange it."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Callable  # noqa: TC003 - pydantic reads the annotations at run time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from sandbox.schedules import Schedule, has_ended, stored_schedule

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")
NAMESPACE = uuid.UUID("6a1fb3a4-6d0e-4a53-9d2c-3f0e5d1c7b10")
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


@dataclass
class Site:
    """A site; ``subscribed_user_amount`` is seats allowed, null means unlimited."""

    id: str
    customer_reference: str
    site_uid: str
    time_zone: str
    country_code: str = "CA"
    subscribed_user_amount: int | None = None
    subscription_valid: bool = True
    installation_state: str = "released"


@dataclass
class Person:
    """A platform user: its id is the one that access groups know."""

    id: str
    first_name: str
    last_name: str
    email: str | None = None
    has_profile: bool = False
    managed_here: bool = True


@dataclass
class Member:
    """A person on this site: its id is the one that ``/users/{id}`` knows."""

    id: str
    person_id: str
    roles: list[str]
    alias: str | None = None
    tag_id: str | None = None
    easy_office_mode: bool = False
    manual_office_mode: bool = False
    blocked: bool = False
    subscription_state: str = "subscribed"
    override_privacy_mode: bool = False
    use_pin: bool = False
    created_at: dt.datetime | None = None
    deleted_at: dt.datetime | None = None


@dataclass
class Tag:
    """An enrolled tag; who holds it stands with the member."""

    id: str
    number: str
    blocked: bool = False
    is_pod_tag: bool = False
    owned_here: bool = True


@dataclass
class Iq:
    """A gateway: its zone is the wall-clock of the schedules of its locks."""

    id: str
    name: str
    time_zone: str | None
    online: bool = True


@dataclass
class Lock:
    """A door."""

    id: str
    name: str
    iq_id: str
    mac: str
    online: bool = True
    locked_state: str = "locked"
    privacy_mode: bool = False
    look_back_days: int = 7  # keys that the audit trail lets in while the lock is offline


@dataclass
class Group:
    """An access group: platform users, locks and schedules."""

    id: str
    name: str
    users: list[str] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)


@dataclass
class Invitation:
    """A mail that Salto would have sent."""

    email: str
    at: dt.datetime
    cause: str


@dataclass
class SaltoState:
    """Everything the Salto sandbox knows; tests may change it while the server runs.

    Mutators return ids: ``add_member`` the site user id (``person_of`` gives the platform id), all others the id of what
    they made. ``lock`` guards compound changes; single assignments need none.
    """

    site: Site
    seed: int = 1
    counter: int = 0
    acting_member_id: str = ""
    other_sites: list[Site] = field(default_factory=list)
    persons: dict[str, Person] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    iqs: dict[str, Iq] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    invitations: list[Invitation] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()

    def to_json(self) -> str:
        with self.lock:
            return _adapter().dump_json(self, indent=1).decode()

    @classmethod
    def from_json(cls, text: str) -> SaltoState:
        return _adapter().validate_json(text)

    def new_id(self, kind: str) -> str:
        """The next id; the same calls after the same seed give the same ids."""
        with self.lock:
            self.counter += 1
            return str(uuid.uuid5(NAMESPACE, f"{self.seed}/{kind}/{self.counter}"))

    # Arranging

    def add_person(
        self,
        email: str | None = None,
        first_name: str = "Ana",
        last_name: str = "Roy",
        *,
        has_profile: bool = False,
        managed_here: bool = True,
    ) -> str:
        """A person on the platform who is not on this site."""
        person = Person(self.new_id("person"), first_name, last_name, email, has_profile, managed_here)
        with self.lock:
            self.persons[person.id] = person
        return person.id

    def add_member(  # noqa: PLR0913 - a test names only what matters to it
        self,
        email: str | None = None,
        first_name: str = "Ana",
        last_name: str = "Roy",
        *,
        roles: Iterable[str] = ("site_user",),
        alias: str | None = None,
        tag: str | None = None,
        has_profile: bool = False,
        manual_office_mode: bool = False,
        subscription_state: str = "subscribed",
        blocked: bool = False,
    ) -> str:
        person_id = self.add_person(email, first_name, last_name, has_profile=has_profile)
        member = Member(self.new_id("member"), person_id, list(roles), alias, blocked=blocked)
        member.manual_office_mode, member.subscription_state = manual_office_mode, subscription_state
        with self.lock:
            self.members[member.id] = member
        if tag is not None:
            self.give_tag(member.id, tag)
        return member.id

    def enrol_tag(self, number: str, *, blocked: bool = False) -> str:
        tag = Tag(self.new_id("tag"), number, blocked)
        with self.lock:
            self.tags[tag.id] = tag
        return tag.id

    def give_tag(self, member_id: str, number: str | None) -> None:
        """Put a tag into somebody's hand, enrolling it first when it is new; None takes theirs away."""
        with self.lock:
            tag = self.tag_numbered(number) if number else None
            self.members[member_id].tag_id = (tag.id if tag else self.enrol_tag(number)) if number else None

    def add_iq(self, name: str, time_zone: str | None, *, online: bool = True) -> str:
        iq = Iq(self.new_id("iq"), name, time_zone, online)
        with self.lock:
            self.iqs[iq.id] = iq
        return iq.id

    def add_lock(self, name: str, iq_id: str | None = None, *, online: bool = True) -> str:
        """A lock on the given IQ, else on the first one of the site."""
        with self.lock:
            lock_id = self.new_id("lock")
            mac = lock_id.replace("-", "")[:10].upper()
            self.locks[lock_id] = Lock(lock_id, name, iq_id or next(iter(self.iqs)), mac, online)
        return lock_id

    def rename_lock(self, lock_id: str, name: str) -> None:
        self.locks[lock_id].name = name

    def add_group(self, name: str, *, users: Iterable[str] = (), locks: Iterable[str] = ()) -> str:
        """A group of platform users and locks; it grants nothing before it has a schedule."""
        group = Group(self.new_id("group"), name, list(users), list(locks))
        with self.lock:
            self.groups[group.id] = group
        return group.id

    def add_schedule(  # noqa: PLR0913 - a schedule is these six values
        self,
        group_id: str,
        start_time: str = "00:00",
        end_time: str = "23:59",
        *,
        days: Iterable[int] = EVERY_DAY,
        start_date: str | None = None,
        end_date: str | None = None,
    ) -> str:
        """A schedule, normalised as the API would; ``days`` counts from Monday = 0."""
        names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
        sent = {
            "start_time": start_time,
            "end_time": end_time,
            "start_date": start_date,
            "end_date": end_date,
            **{names[day]: True for day in days},
        }
        schedule = stored_schedule(self.new_id("schedule"), sent)
        with self.lock:
            self.groups[group_id].schedules.append(schedule)
        return schedule.id

    def accept_invitation(self, member_id: str) -> None:
        """The person completes the profile: from now on names and email are theirs alone."""
        self.person_of(member_id).has_profile = True

    def remove_member(self, member_id: str) -> None:
        """Take a person off the site at once, as the end of a deletion does."""
        with self.lock:
            self.forget_rights(member_id)
            member = self.members.pop(member_id)
            if not self.persons[member.person_id].has_profile:
                del self.persons[member.person_id]

    def forget_rights(self, member_id: str) -> None:
        """No group, no tag: what a deletion takes away first."""
        with self.lock:
            member = self.members[member_id]
            member.tag_id = None
            for group in self.groups.values():
                group.users = [user for user in group.users if user != member.person_id]

    # Looking

    def person_of(self, member_id: str) -> Person:
        return self.persons[self.members[member_id].person_id]

    def member_of(self, person_id: str) -> Member | None:
        return self._first(self.members, lambda member: member.person_id == person_id)

    def member_of_email(self, email: str) -> Member | None:
        wanted = email.casefold()
        return self._first(self.members, lambda m: (self.persons[m.person_id].email or "").casefold() == wanted)

    def person_of_email(self, email: str) -> Person | None:
        return self._first(self.persons, lambda person: (person.email or "").casefold() == email.casefold())

    def tag_numbered(self, number: str) -> Tag | None:
        return self._first(self.tags, lambda tag: tag.number == number)

    def lock_named(self, name: str) -> Lock | None:
        return self._first(self.locks, lambda lock: lock.name == name)

    def group_named(self, name: str) -> Group | None:
        return self._first(self.groups, lambda group: group.name == name)

    def holder_of(self, tag_id: str) -> Member | None:
        return self._first(self.members, lambda member: member.tag_id == tag_id)

    def _first(self, rows: dict[str, T], wanted: Callable[[T], bool]) -> T | None:
        with self.lock:
            return next((row for row in rows.values() if wanted(row)), None)

    def seats_used(self) -> int:
        with self.lock:
            living = [member for member in self.members.values() if member.deleted_at is None]
        return sum(member.subscription_state == "subscribed" for member in living)

    def seat_free(self) -> bool:
        allowed = self.site.subscribed_user_amount
        return allowed is None or self.seats_used() < allowed

    def settle(self, now: dt.datetime, delete_lag: float) -> None:
        """Finish the deletions whose lag is over."""
        with self.lock:
            for member in list(self.members.values()):
                if member.deleted_at and now >= member.deleted_at + dt.timedelta(seconds=delete_lag):
                    self.remove_member(member.id)

    def drop_expired_schedules(self, now: dt.datetime) -> None:
        """Remove what opens nothing any more, by the clock of the site."""
        wall_clock = now.astimezone(ZoneInfo(self.site.time_zone)).replace(tzinfo=None)
        with self.lock:
            for group in self.groups.values():
                group.schedules = [one for one in group.schedules if not has_ended(one, wall_clock)]


@cache
def _adapter() -> TypeAdapter[SaltoState]:
    return TypeAdapter(SaltoState)
