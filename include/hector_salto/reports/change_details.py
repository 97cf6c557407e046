"""What a plan's operations do not say themselves: what became of each, whom and which doors it concerns, and why.

The plan names ids, and its bytes are hashed; who lost which door, and what Hector says about it, is joined here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hector_salto.access.dependencies import rows
from hector_salto.access.operations import HELD, reason_held
from hector_salto.access.texts import few
from hector_salto.reports.zones import DoorZones

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from hector_salto.access.dependencies import Operation
    from hector_salto.reports.summary import Tables

PLANNED = "planned"
NOT_SHOWN = "Hector no longer shows the reservation: it was deleted, or moved out of the horizon"
# What people or places must have for a reservation to open doors; these problems say why one does not.
EXPLAINING = frozenset(
    {
        "email_missing",
        "email_invalid",
        "email_twice",
        "user_not_active",
        "user_status_unknown",
        "user_unknown",
        "salto_user_twice",
        "lock_unknown",
        "lock_ambiguous",
        "place_unknown",
        "zones_differ",
        "zone_unknown",
    }
)


@dataclass(frozen=True)
class Hector:
    """decisions: DECISIONS; reservations: RESERVATIONS; people: RESERVATION_PEOPLE; places: RESERVATION_PLACES."""

    decisions: pd.DataFrame
    reservations: pd.DataFrame
    people: pd.DataFrame
    places: pd.DataFrame


@dataclass(frozen=True)
class Before:
    """Our groups before the run: members: group_id, platform_user_id; doors: group_id, lock_id; matches: platform_user_id,
    user_id; locks: lock_id, name, zone.
    """

    members: pd.DataFrame
    doors: pd.DataFrame
    matches: pd.DataFrame
    locks: pd.DataFrame


def rows_of(operations: pd.DataFrame | None) -> list[Operation]:
    """Operations as plain rows; none where the run never came so far."""
    return [] if operations is None else rows(operations)


class ChangeDetails:
    """What the operations themselves do not say: what became of them, whom and which doors they concern, and why."""

    def __init__(self, tables: Tables, site_zone: str | None = None) -> None:
        outcomes, before = tables.outcomes, tables.before
        self._outcomes = {} if outcomes is None else outcomes.set_index("key")[["state", "message"]].T.to_dict()
        self._people: dict[str, list[str]] = {}
        self._doors: dict[str, list[str]] = {}
        self._groups: dict[str, list[str]] = {}
        self._locks: dict[str, str] = {}
        if before is not None:
            self._remember(before)
        for row in rows_of(tables.operations):
            self._add_new(row)
        self.named = tables.people.by_label
        self.zones = (
            None if before is None else DoorZones(before.doors, before.locks, rows_of(tables.operations), site_zone)
        )
        self._why = None if tables.hector is None else _Why(tables.hector, tables.problems)

    def _remember(self, before: Before) -> None:
        names: dict[str, str] = dict(before.matches[["platform_user_id", "user_id"]].itertuples(index=False))
        self._locks = dict(before.locks[["lock_id", "name"]].itertuples(index=False))
        for group, person in before.members[["group_id", "platform_user_id"]].itertuples(index=False):
            self._people.setdefault(group, []).append(_person(names.get(person), person))
            self._groups.setdefault(person, []).append(group)
        for group, lock in before.doors[["group_id", "lock_id"]].itertuples(index=False):
            self._doors.setdefault(group, []).append(self._locks.get(lock, lock))

    def _add_new(self, row: Operation) -> None:
        """Who and what comes into a group that is made in this run: known by its name."""
        if row["group_id"] is None and row["kind"] == "member_add":
            self._people.setdefault(_group(row), []).append(_person(row["user_id"], row["platform_user_id"]))
        if row["group_id"] is None and row["kind"] == "lock_add":
            self._doors.setdefault(_group(row), []).append(str(row["lock_name"]))

    def outcome(self, row: Operation) -> tuple[str, str]:
        """State and message."""
        planned = HELD if row["state"] == HELD else PLANNED
        found = self._outcomes.get(row["key"], {"state": planned, "message": ""})
        return str(found["state"]), str(found["message"])

    def windows(self, words: str, row: Operation) -> str:
        """Return words that may name a window, with the zone of its doors where it is not the site's."""
        return words if self.zones is None else self.zones.name_zone(words, row)

    def door(self, row: Operation) -> str | None:
        """An operation that takes a door out names only the lock's id."""
        named = row["lock_name"] or self._locks.get(str(row["lock_id"])) or row["lock_id"]
        return None if named is None else str(named)

    def people(self, row: Operation) -> list[str]:
        """Whom the operation concerns, by id."""
        if row["user_id"] is not None or row["platform_user_id"] is not None:
            return [_person(row["user_id"], row["platform_user_id"])]
        return sorted(self._people.get(_group(row), ()))

    def doors(self, row: Operation) -> list[str]:
        """Which doors the operation concerns: those of its group, or of all groups of its person."""
        if (door := self.door(row)) is not None:
            return [door]
        own = row["group_id"] is None and row["group_name"] is None
        groups = self._groups.get(str(row["platform_user_id"]), ()) if own else (_group(row),)
        return sorted({door for group in groups for door in self._doors.get(group, ())})

    def why(self, row: Operation) -> str:
        """The reason in Hector for what is withdrawn, else the plan's own."""
        found = self._why.of(row, self.people(row)[:1]) if self._why is not None else None
        if found is None:
            found = str(row["reason"])
        return f"{found}; {reason_held(row)}" if row["state"] == HELD else found


def _group(row: Operation) -> str:
    """The key of a group among both those that are there, and those that are made in this run."""
    return str(row["group_id"]) if row["group_id"] is not None else f"new {row['group_name']}"


def _person(user_id: object, platform_user_id: object) -> str:
    return f"user {user_id}" if isinstance(user_id, str) else f"Salto user {platform_user_id}"


class _Why:
    """What Hector says about reservations whose access, or part of it, is withdrawn."""

    def __init__(self, hector: Hector, problems: pd.DataFrame | None) -> None:
        statuses = hector.reservations.set_index("reservation_id")["status"]
        decided = hector.decisions.assign(status=hector.decisions["reservation_id"].map(statuses))
        self._decided = decided.drop_duplicates("reference").set_index("reference")[["reason", "status"]].T.to_dict()
        references = hector.decisions.set_index("reservation_id")["reference"]
        self._people = _lists(hector.people, references, "person_id", "user ")
        self._places = _lists(hector.places, references, "place_id", "place ")
        explaining = [] if problems is None else problems[problems["code"].isin(EXPLAINING)].to_dict("records")
        self._problems: dict[str | None, list[tuple[str, str]]] = {}
        for row in explaining:
            reference = row["reference"] if isinstance(row["reference"], str) else None
            self._problems.setdefault(reference, []).append((row["subject"], row["message"]))

    def of(self, row: Operation, whom: Iterable[str]) -> str | None:
        """None: the operation's own reason says it."""
        kind, reference = row["kind"], str(row["reference"])
        if kind == "group_delete" and row["cause"] in {"withdrawn", "ended"}:
            return self._reservation(reference)
        if (kind, row["cause"]) == ("member_remove", "moved"):
            return self._member(reference, *whom)
        if (kind, row["cause"]) == ("lock_remove", "moved"):
            messages = self._messages(reference, self._places.get(reference, ()))
            return _because("none of the reservation's places names this door any more", messages)
        return None

    def _reservation(self, reference: str) -> str:
        decided = self._decided.get(reference)
        if decided is None:
            return NOT_SHOWN
        subjects = {*self._people.get(reference, ()), *self._places.get(reference, ())}
        said = f"Hector shows the reservation with status {decided['status']}: {decided['reason']}"
        own = [message for _, message in self._problems.get(reference, ())]
        return _because(said, [*own, *self._messages(reference, subjects)])

    def _member(self, reference: str, whom: str) -> str | None:
        if whom not in self._people.get(reference, ()):
            return f"Hector does not name {whom} in the reservation"
        messages = self._messages(reference, [whom])
        return _because("named in the reservation, but not to be given access", messages) if messages else None

    def _messages(self, reference: str, subjects: Collection[str]) -> list[str]:
        """What is wrong with these people and places, as far as it hurts this reservation."""
        known = [*self._problems.get(reference, ()), *self._problems.get(None, ())]
        return [message for subject, message in known if subject in subjects]


def _lists(lines: pd.DataFrame, references: pd.Series, column: str, label: str) -> dict[str, list[str]]:
    """Of each reference what its reservation names, as subjects of problems."""
    named = lines.assign(reference=lines["reservation_id"].map(references)).dropna(subset="reference")
    return {str(one): [label + name for name in found] for one, found in named.groupby("reference")[column]}


def _because(said: str, messages: list[str]) -> str:
    return f"{said} ({few(list(dict.fromkeys(messages)), between='; ')})" if messages else said
