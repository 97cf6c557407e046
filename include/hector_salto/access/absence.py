"""Which removals rest only on what a list does not show, so that the list is read once more before they count.

A list that changes while its pages are read can leave out an entry and still have the right total. So absence is no
evidence yet. What a list shows is: a reservation that is cancelled, a user who is disabled, a window that is over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access.frame_lookup import is_in
from hector_salto.access.operations import GROUP, KINDS, PERSON
from hector_salto.access.people import HectorPeople
from hector_salto.access.reservations import HectorReservations
from hector_salto.access.settings import MARKER_PREFIX
from hector_salto.access.texts import fold_all

if TYPE_CHECKING:
    from hector_salto.access.current import Current


class HectorList(StrEnum):
    """What is read as lists; the value names it in a log."""

    PEOPLE = "Hector's users, groups and departments"
    PLACES = "Hector's places"
    RESERVATIONS = "Hector's reservations"
    SITE_USERS = "Salto's users"
    LOCKS = "Salto's locks"


HECTOR = frozenset({HectorList.PEOPLE, HectorList.PLACES, HectorList.RESERVATIONS})


@dataclass(frozen=True)
class Shown:
    """What the lists showed that a plan was made from.

    Attributes:
        people: Hector's users, groups and departments.
        places: HECTOR_PLACES.
        loaners: Hector's reservations.
        current: Salto.
    """

    people: HectorPeople
    places: pd.DataFrame
    loaners: HectorReservations
    current: Current


def unconfirmed_lists(operations: pd.DataFrame, shown: Shown) -> frozenset[HectorList]:
    """The lists whose silence is the only evidence for some removal among these operations (OPERATIONS)."""
    removals = operations[operations["removal"]]
    if removals.empty and not operations["kind"].eq("user_adopt").any():
        return frozenset()
    groups, people = removals[_about(removals, GROUP)], removals[_about(removals, PERSON)]
    unshown = _unshown(shown)
    listed = {listing: bool(is_in(groups["reference"], references).any()) for listing, references in unshown.items()}
    withdrawn = groups.loc[groups["kind"].eq("group_delete") & groups["cause"].eq("withdrawn"), "reference"]
    idle = people["kind"].eq("user_suspend")
    listed[HectorList.RESERVATIONS] = bool(
        idle.any() or not withdrawn.isin(shown.loaners.reservations["reference"]).all()
    )
    listed[HectorList.PEOPLE] |= _people_in_doubt(people, operations, shown)
    listed[HectorList.SITE_USERS] = bool(_outside(groups["platform_user_id"], shown.current.users["platform_user_id"]))
    listed[HectorList.LOCKS] |= locks_in_doubt(groups, shown.current)
    return frozenset(listing for listing, is_doubtful in listed.items() if is_doubtful)


def locks_in_doubt(operations: pd.DataFrame, current: Current) -> bool:
    """Whether an operation on a group rests on a lock, or on the IQ that keeps its time, that no list shows."""
    inside = current.groups.locks.loc[is_in(current.groups.locks["group_id"], operations["group_id"]), "lock_id"]
    zoneless = current.locks.loc[current.locks["zone"].isna() & current.locks["iq_id"].notna(), "lock_id"]
    return bool(_outside(inside, current.locks["lock_id"]) or is_in(inside, zoneless).any())


def _unshown(shown: Shown) -> dict[HectorList, pd.Series]:
    """References of reservations that name a user, a place or a lock that the list of those does not show."""
    loaners, places = shown.loaners, shown.places
    users = loaners.people[loaners.people["person_type"].eq("user")]
    booked = loaners.places.merge(places[["place_id", "lock_name"]], on="place_id")
    names = fold_all(booked["lock_name"])
    lockless = booked[names.notna() & ~is_in(names, fold_all(shown.current.locks["name"]))]
    return {
        listing: loaners.reservations.loc[
            is_in(loaners.reservations["reservation_id"], rows["reservation_id"]), "reference"
        ]
        for listing, rows in (
            (HectorList.PEOPLE, users[~is_in(users["person_id"], shown.people.users["user_id"])]),
            (HectorList.PLACES, loaners.places[~is_in(loaners.places["place_id"], places["place_id"])]),
            (HectorList.LOCKS, lockless),
        )
    }


def _people_in_doubt(removals: pd.DataFrame, operations: pd.DataFrame, shown: Shown) -> bool:
    """Return whether a user loses access, or their Salto user, because Hector's lists of users do not show them."""
    known = shown.people.users["user_id"]
    adopted = operations.loc[operations["kind"].eq("user_adopt"), "site_user_id"]
    users = shown.current.users
    alias = users.loc[is_in(users["site_user_id"], adopted), "alias"].dropna().str.strip()
    owners = alias[alias.str.startswith(MARKER_PREFIX)].str.removeprefix(MARKER_PREFIX)
    office = removals["kind"].eq("office_off").any() and _dangles(shown.people)
    return bool(office or _outside(removals["user_id"], known) or _outside(owners, known))


def _dangles(people: HectorPeople) -> bool:
    """Whether users or groups name a group or department that is not listed."""
    groups = people.groups["group_id"]
    return (
        _outside(people.user_groups["group_id"], groups)
        or _outside(people.groups["alias_of"], groups)
        or _outside(people.users["department_id"], people.departments["department_id"])
    )


def _outside(ids: pd.Series, known: pd.Series) -> bool:
    """Whether some id, nulls aside, is not among those known."""
    return bool((~is_in(ids.dropna(), known)).any())


def _about(operations: pd.DataFrame, subject: str) -> pd.Series:
    return operations["kind"].map({name: kind.subject == subject for name, kind in KINDS.items()}).astype("bool")


# --- two looks, taken together: what either shows exists ----------------------------------------------------------------


def with_more_people(first: HectorPeople, second: HectorPeople) -> tuple[HectorPeople, int]:
    """The first look with what only the second shows, and how many entries those are."""
    users, groups, departments = (
        _more(first.users, second.users, "user_id"),
        _more(first.groups, second.groups, "group_id"),
        _more(first.departments, second.departments, "department_id"),
    )
    both = HectorPeople(
        users=_append(first.users, users),
        user_groups=_append(first.user_groups, _of(second.user_groups, users, "user_id")),
        groups=_append(first.groups, groups),
        departments=_append(first.departments, departments),
    )
    return both, len(users) + len(groups) + len(departments)


def with_more_places(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The same for HECTOR_PLACES."""
    more = _more(first, second, "place_id")
    return _append(first, more), len(more)


def with_more_loaners(first: HectorReservations, second: HectorReservations) -> tuple[HectorReservations, int]:
    """The same for reservations, each with its own people and places."""
    more = _more(first.reservations, second.reservations, "reservation_id")
    both = HectorReservations(
        reservations=_append(first.reservations, more),
        people=_append(first.people, _of(second.people, more, "reservation_id")),
        places=_append(first.places, _of(second.places, more, "reservation_id")),
    )
    return both, len(more)


def with_more_site_users(current: Current, second: pd.DataFrame) -> tuple[Current, int]:
    """The same for SALTO_USERS."""
    more = _more(current.users, second, "site_user_id")
    more = _more(current.users, more, "platform_user_id")
    return replace(current, users=_append(current.users, more)), len(more)


def with_more_locks(current: Current, second: pd.DataFrame) -> tuple[Current, int]:
    """The same for SALTO_LOCKS; a lock that both show has the zone that either shows."""
    more = _more(current.locks, second, "lock_id")
    zones = current.locks["lock_id"].map(second.set_index("lock_id")["zone"])
    found = int((current.locks["zone"].isna() & zones.notna()).sum())
    locks = current.locks.assign(zone=current.locks["zone"].fillna(zones))
    return replace(current, locks=_append(locks, more)), len(more) + found


def _more(first: pd.DataFrame, second: pd.DataFrame, key: str) -> pd.DataFrame:
    return second[~is_in(second[key], first[key])]


def _of(lines: pd.DataFrame, owners: pd.DataFrame, key: str) -> pd.DataFrame:
    return lines[is_in(lines[key], owners[key])]


def _append(first: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([first, more], ignore_index=True) if len(more) else first
