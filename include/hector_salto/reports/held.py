"""What a run holds back, as the person who decides about it has to see it: who loses which door when, and why Hector says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hector_salto.access.operations import DEPENDS, HELD
from hector_salto.access.windows import is_known_zone
from hector_salto.access.withdrawals import HectorSays
from hector_salto.reports.people import People, Person
from hector_salto.reports.summary import DID
from hector_salto.reports.text import schedule_words
from hector_salto.reports.zones import DoorZones

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from hector_salto.access.snapshot import Snapshot

TABLES = ("people", "groups", "members", "doors", "locks", "schedules")
TITLES = {
    HectorSays.CANCELLED: "Hector shows these reservations as cancelled or refused",
    HectorSays.ENDED: "Hector shows these reservations with a status that opens no door (returned, completed, not approved)",
    HectorSays.DELETED: "Hector no longer shows these reservations: they were deleted, or moved out of the horizon",
    HectorSays.MOVED: "Hector shows these reservations with another time, other users or other doors",
    HectorSays.NO_USER: "No user of these reservations can be given access",
    HectorSays.NO_LOCK: "No place of these reservations names a lock of this site",
    HectorSays.USER_GONE: "These users are no longer part of Hector",
    HectorSays.NO_RESERVATION: "These users have no reservation in the horizon",
    HectorSays.CORRECTED: "Salto holds what Hector does not say: it was changed manually, or an earlier run left it unfinished",
    HectorSays.UNKNOWN: "Why is not known: the data of these reservations contradict each other, or their status is unknown",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """One held removal.

    Attributes:
        unit: the reservation or user it belongs to.
        did: what is removed.
        users: who loses access.
        doors: names of the doors.
        when: the windows, on the doors' wall clock; empty: none of its own.
        inside: users whose window is open now, by label.
    """

    unit: str
    did: str
    users: tuple[Person, ...]
    doors: tuple[str, ...]
    when: str
    inside: frozenset[str]


@dataclass(frozen=True, slots=True)
class Reason:
    """Held removals of which Hector says the same."""

    code: str
    title: str
    losses: tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """All that a run holds back.

    Attributes:
        reasons: its removals, by what Hector says.
        waiting: how many other operations build on them.
        inside: users who would lose access and whose window is open now.
    """

    reasons: tuple[Reason, ...]
    waiting: int
    inside: tuple[Person, ...]

    @property
    def removals(self) -> int:
        return sum(len(reason.losses) for reason in self.reasons)


def list_held(
    operations: Iterable[Mapping[str, Any]], seen: Snapshot, now: datetime, site_zone: str | None = None
) -> HeldBack:
    """Return what these operations of a run hold back, at a site as it was seen; windows name the zone where it is not the site's."""
    held = [one for one in operations if one["state"] == HELD]
    removals = [one for one in held if one["held_by"] != DEPENDS]
    site, people = _Site(seen, now, site_zone), People.of(seen.people)
    losses = [(one["hector_says"] or HectorSays.UNKNOWN, _loss(one, site, people)) for one in removals]
    reasons = [
        Reason(str(code), TITLES[code], tuple(loss for said, loss in losses if said == code))
        for code in HectorSays
        if any(said == code for said, _ in losses)
    ]
    inside = sorted({label for _, loss in losses for label in loss.inside})
    return HeldBack(tuple(reasons), len(held) - len(removals), tuple(people.by_label(label) for label in inside))


def _loss(operation: Mapping[str, Any], site: _Site, people: People) -> Loss:
    groups = site.groups(operation)
    users = site.users(operation)
    persons = tuple(people.user(None, one) for one in users) or tuple(
        people.user(one) for one in [operation["user_id"]] if one
    )
    open_now = any(site.is_open(group) for group in groups)
    own = operation["group_id"] is not None
    return Loss(
        unit=str(operation["unit"]),
        did=DID[str(operation["kind"])],
        users=persons,
        doors=site.door_names(operation, groups),
        when="; ".join(site.windows(group) for group in groups) if own else "",
        inside=frozenset(person.label for person in persons) if open_now else frozenset(),
    )


class _Site:
    """Groups with their members, doors and windows.

    :param seen: the site.
    :param now: aware.
    :param zone: the site's; None: not known.
    """

    def __init__(self, seen: Snapshot, now: datetime, zone: str | None) -> None:
        self._now = now
        self._marks = DoorZones(seen.doors, seen.locks, (), zone)
        self._members = _pairs(seen.members, "group_id", "platform_user_id")
        self._groups_of = _pairs(seen.members, "platform_user_id", "group_id")
        self._locks = _pairs(seen.doors, "group_id", "lock_id")
        self._names: dict[str, str] = dict(seen.locks[["lock_id", "name"]].itertuples(index=False))
        self._zones: dict[str, object] = dict(seen.locks[["lock_id", "zone"]].itertuples(index=False))
        self._by_user: dict[str, str] = dict(
            seen.people.dropna(subset=["user_id", "platform_user_id"])[["user_id", "platform_user_id"]].itertuples(
                index=False
            )
        )
        self._schedules: dict[str, list[dict[str, Any]]] = {}
        for row in seen.schedules.to_dict("records"):
            self._schedules.setdefault(str(row["group_id"]), []).append({str(name): row[name] for name in row})

    def groups(self, operation: Mapping[str, Any]) -> list[str]:
        """Return its group, or all groups of its user."""
        if operation["group_id"] is not None:
            return [str(operation["group_id"])]
        return sorted(self._groups_of.get(self._platform_id(operation) or "", ()))

    def users(self, operation: Mapping[str, Any]) -> list[str]:
        """Return its user, or all members of its group, by platform id."""
        one = self._platform_id(operation)
        return [one] if one else sorted(self._members.get(str(operation["group_id"]), ()))

    def door_names(self, operation: Mapping[str, Any], groups: Iterable[str]) -> tuple[str, ...]:
        """Return the door that goes, or all doors of these groups."""
        if operation["lock_id"] is not None:
            return (str(operation["lock_name"] or self._names.get(operation["lock_id"], operation["lock_id"])),)
        locks = {lock for group in groups for lock in self._locks.get(group, ())}
        return tuple(sorted(str(self._names.get(lock, lock)) for lock in locks))

    def windows(self, group: str) -> str:
        mark = self._marks.of_group(group)
        found = "; ".join(schedule_words(row) for row in self._schedules.get(group, ()))
        return f"{found} ({mark})" if found and mark else found

    def is_open(self, group: str) -> bool:
        """Return whether a window of the group is open now, on the wall clock of its doors."""
        zones = [zone for lock in self._locks.get(group, ()) if is_known_zone(zone := str(self._zones.get(lock)))]
        if not zones:
            return False
        wall = self._now.astimezone(ZoneInfo(zones[0])).replace(tzinfo=None)
        return any(_contains(row, wall) for row in self._schedules.get(group, ()))

    def _platform_id(self, operation: Mapping[str, Any]) -> str | None:
        found = operation["platform_user_id"] or self._by_user.get(str(operation["user_id"]))
        return str(found) if found else None


def _contains(schedule: Mapping[str, Any], wall: datetime) -> bool:
    """Our windows begin and end with their dates; one whose dates cannot be read counts as open: it may be."""
    try:
        begin, end = (
            datetime.fromisoformat(str(schedule[name])).replace(tzinfo=None) for name in ("start_date", "end_date")
        )
    except ValueError:
        return True
    return begin <= wall <= end


def _pairs(table: pd.DataFrame, first: str, second: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one, other in table[[first, second]].itertuples(index=False):
        found.setdefault(str(one), []).append(str(other))
    return found
