"""The desired state: everything Hector has to say about a run, before Salto is asked anything."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.people import DEPARTED, select_desired_users
from hector_salto.access.reservations import LEFT, eligible_reservations

if TYPE_CHECKING:
    from hector_salto.access.people import HectorPeople
    from hector_salto.access.reservations import HectorReservations
    from hector_salto.access.settings import AccessRules


@dataclass(frozen=True)
class Desired:
    """Tables of the desired state.

    people: DESIRED_PEOPLE; frozen: user_id, email of users who share an email; present: user_id of everybody who is part of Hector
    (those absent from it are no longer part of Hector); bookings: DESIRED_BOOKINGS; members: DESIRED_MEMBERS;
    rooms: DESIRED_PLACES; places: HECTOR_PLACES; decisions: DECISIONS; problems: PROBLEMS; ended: group_name of
    reservations that Hector itself shows as returned, completed or over; frozen_members: reference, user_id of people
    about whom Hector contradicts itself;
    read: one row, how many ``users`` and ``reservations`` Hector showed.
    """

    people: pd.DataFrame
    frozen: pd.DataFrame
    present: pd.DataFrame
    bookings: pd.DataFrame
    members: pd.DataFrame
    rooms: pd.DataFrame
    places: pd.DataFrame
    decisions: pd.DataFrame
    problems: pd.DataFrame
    ended: pd.DataFrame
    frozen_members: pd.DataFrame
    read: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def build_desired_state(
    hector: HectorPeople, places: pd.DataFrame, loaners: HectorReservations, rules: AccessRules, *, as_of: pd.Timestamp
) -> Desired:
    """What should exist, from complete reads of Hector.

    Args:
        as_of: aware; the moment the run started reading, never a DAG's logical date.
    """
    people, frozen, people_problems = select_desired_users(hector, rules)
    earned = eligible_reservations(loaners, places, people, frozen, hector, rules, as_of=as_of)
    status = hector.users["status"].str.strip().str.lower()
    read = {"users": len(hector.users), "reservations": len(loaners.reservations)}
    return Desired(
        people=people,
        frozen=frozen,
        present=hector.users.loc[~status.isin(DEPARTED), ["user_id"]].reset_index(drop=True),
        bookings=earned.bookings,
        members=earned.members,
        rooms=earned.places,
        places=schemas.validate(schemas.HECTOR_PLACES, places),
        decisions=earned.decisions,
        problems=pd.concat([people_problems, earned.problems], ignore_index=True),
        ended=earned.ended,
        frozen_members=earned.frozen_members,
        read=pd.DataFrame([read]),
    )


def left_groups(decisions: pd.DataFrame, prefix: str) -> frozenset[str]:
    """Names of groups that must stay as they are: several reservations share the reference."""
    return frozenset(prefix + decisions.loc[decisions["decision"].eq(LEFT), "reference"])
