"""Which reservations earn access, for whom, and where: Hector's side of the desired state.

Rules: design section 4, "Reservations"; guard "window". What this file does not know: Salto's locks, users and zones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.frame_lookup import is_in
from hector_salto.access.problems import problems
from hector_salto.access.refusals import Refusal
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.access.statuses import ENDED, STATUSES, canonical_status
from hector_salto.access.texts import fold_all
from hector_salto.access.windows import LONGEST, windows

if TYPE_CHECKING:
    from hector_salto.access.people import HectorPeople
    from hector_salto.access.settings import AccessRules

ACCESS, NO_ACCESS, LEFT = "access", "no_access", "left_as_is"


@dataclass(frozen=True)
class HectorReservations:
    """Hector's reservations of the horizon (RESERVATIONS, RESERVATION_PEOPLE, RESERVATION_PLACES)."""

    reservations: pd.DataFrame
    people: pd.DataFrame
    places: pd.DataFrame


@dataclass(frozen=True)
class Bookings:
    """The reservations that earn access.

    bookings: DESIRED_BOOKINGS; members: DESIRED_MEMBERS (only desired people); places: DESIRED_PLACES;
    decisions: DECISIONS of every reservation read; left: names of groups that must be left as they are;
    ended: names of groups whose reservation Hector shows as returned, completed or over; frozen_members: reference,
    user_id of people about whom Hector contradicts itself; problems: PROBLEMS.
    """

    bookings: pd.DataFrame
    members: pd.DataFrame
    places: pd.DataFrame
    decisions: pd.DataFrame
    left: frozenset[str]
    ended: pd.DataFrame
    frozen_members: pd.DataFrame
    problems: pd.DataFrame


def eligible_reservations(  # noqa: PLR0913, PLR0917 - the six things a booking depends on, each named
    loaners: HectorReservations,
    places: pd.DataFrame,
    desired_people: pd.DataFrame,
    frozen: pd.DataFrame,
    hector: HectorPeople,
    rules: AccessRules,
    *,
    as_of: pd.Timestamp,
) -> Bookings:
    """Every reservation with its decision; those with access also with members and places.

    Args:
        loaners, places, hector: what Hector shows (HECTOR_PLACES for places).
        desired_people, frozen: from ``people.desired_people``.
        as_of: aware instant; a window over at it, or starting beyond the horizon from it, grants nothing.
    """
    judged = _judge(windows(loaners.reservations, rules), rules, as_of)
    members, member_problems = _members(judged, loaners.people, desired_people, frozen, hector)
    rooms, room_problems = _rooms(judged, loaners.places, places)
    frozen_lines = loaners.people[loaners.people["person_id"].isin(frozen["user_id"])]
    frozen_bookings = frozen_lines["reservation_id"]
    alive = judged["verdict"].eq("")
    no_person = alive & ~_has_line(judged, members)
    no_person &= ~is_in(judged["reservation_id"], frozen_bookings)
    judged.loc[no_person, "verdict"] = str(Refusal.NO_USER)
    no_room = judged["verdict"].eq("") & ~_has_line(judged, rooms)
    judged.loc[no_room, "verdict"] = str(Refusal.NO_LOCK)
    # The attribute is gone, or was never filled: that says nothing about a reservation whose group is there.
    judged.loc[no_room & bool(fold_all(places["lock_name"]).isna().all()), "left"] = True
    chosen = judged["verdict"].eq("")
    bookings = judged.loc[chosen, list(schemas.DESIRED_RESERVATIONS.columns)]
    return Bookings(
        bookings=schemas.validate(schemas.DESIRED_RESERVATIONS, bookings),
        members=_of(members, chosen, schemas.DESIRED_MEMBERS),
        places=_of(rooms, chosen, schemas.DESIRED_PLACES),
        decisions=_decisions(judged),
        left=frozenset(judged.loc[judged["left"], "group_name"]),
        frozen_members=_frozen_members(frozen_lines, judged),
        ended=judged.loc[judged["ended"], ["group_name"]].sort_values("group_name", ignore_index=True),
        problems=pd.concat([_problems(judged), member_problems, room_problems]),
    )


def _frozen_members(lines: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    found = lines.rename(columns={"person_id": "user_id"}).merge(
        judged[["reservation_id", "reference"]], on="reservation_id"
    )
    return found[["reference", "user_id"]].drop_duplicates().sort_values(["reference", "user_id"], ignore_index=True)


def _judge(reservations: pd.DataFrame, rules: AccessRules, as_of: pd.Timestamp) -> pd.DataFrame:
    """Each reservation with ``verdict`` (empty: earns access), ``problem`` (code or empty) and ``left``."""
    status = canonical_status(reservations["status"])
    backwards = reservations["finish"] <= reservations["start"]
    # A reservation that ends before it starts is reported until both of its ends are past.
    later = backwards & (reservations["start"] > reservations["window_end"])
    over = reservations["window_end"].mask(later, reservations["start"]) <= as_of
    beyond = reservations["window_start"] > as_of + rules.horizon
    relevant = ~reservations["blocking"] & ~over & ~beyond
    too_long = reservations["window_end"] - reservations["window_start"] > LONGEST
    blank = reservations["reference"].str.strip().eq("")
    twice = reservations.duplicated("reference", keep=False) & ~blank
    unknown = ~status.isin(STATUSES)
    judged = reservations.assign(
        status=status,
        group_name=GROUP_PREFIX + reservations["reference"],
        verdict="",
        problem="",
        ended=(status.isin(ENDED) | over) & ~twice & ~reservations["blocking"],
        # A shared reference matters only while one of its reservations does.
        left=twice & is_in(reservations["reference"], reservations.loc[twice & relevant, "reference"]),
    )
    # Cases, the first that holds decides:
    for case, verdict, problem in (
        (twice, Refusal.REFERENCE_TWICE, "reference_twice"),
        (reservations["blocking"], Refusal.BLOCKING, ""),
        (over, Refusal.OVER, ""),
        (beyond, Refusal.AHEAD, ""),
        (blank, Refusal.REFERENCE_BLANK, "reference_blank"),
        (unknown, Refusal.STATUS_UNKNOWN, "status_unknown"),
        (~status.isin(rules.access_statuses), Refusal.STATUS, ""),
        (backwards, Refusal.BACKWARDS, "window_backwards"),
        (too_long, Refusal.TOO_LONG, "window_too_long"),
    ):
        first = case & judged["verdict"].eq("")
        judged.loc[first, ["verdict", "problem"]] = [str(verdict), problem]
    judged.loc[twice & ~judged["left"], "problem"] = ""
    return judged


def _problems(judged: pd.DataFrame) -> pd.DataFrame:
    named = judged[judged["problem"].ne("")]
    named = named.assign(count=named["reference"].map(named["reference"].value_counts()))  # all that share one are here
    codes = list(named["problem"].unique())
    found = [problems(code, named[named["problem"].eq(code)]) for code in codes]
    return pd.concat(found) if found else schemas.frame(schemas.PROBLEMS, [])


def _members(
    judged: pd.DataFrame,
    people: pd.DataFrame,
    desired_people: pd.DataFrame,
    frozen: pd.DataFrame,
    hector: HectorPeople,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Borrower and participants of type user who are desired people, and problems about the others."""
    alive = _alive(judged)
    users = people[people["person_type"].eq("user")].rename(columns={"person_id": "user_id"})
    users = users.merge(alive, on="reservation_id").drop_duplicates(["reservation_id", "user_id"])
    known = is_in(users["user_id"], desired_people["user_id"])
    others = users[~known]
    others = others[~is_in(others["user_id"], frozen["user_id"])]
    others = others.merge(hector.users[["user_id", "status", "email"]], on="user_id", how="left")
    unknown = others["status"].isna()
    inactive = ~unknown & others["status"].str.strip().str.lower().ne("active")
    found = [
        problems("user_unknown", others[unknown]),
        problems("user_not_active", others[inactive]),
        problems("email_missing", others[~unknown & ~inactive]),
    ]
    return users.loc[known, ["row", "reference", "user_id"]], pd.concat(found)


def _rooms(judged: pd.DataFrame, lines: pd.DataFrame, places: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Places of the reservations that name a lock, and problems about places Hector does not show."""
    alive = _alive(judged)
    rooms = lines.merge(alive, on="reservation_id").drop_duplicates(["reservation_id", "place_id"])
    known = is_in(rooms["place_id"], places["place_id"])
    rooms_known = rooms[known].merge(places[["place_id", "lock_name"]], on="place_id")
    named = rooms_known["lock_name"].notna() & rooms_known["lock_name"].astype("str").str.strip().ne("")
    columns = ["row", "reference", "place_id", "lock_name"]
    return rooms_known.loc[named, columns], problems("place_unknown", rooms[~known])


def _alive(judged: pd.DataFrame) -> pd.DataFrame:
    """Those that may still earn access, with their ``row`` in the table, so that what is joined finds back to it."""
    numbered = judged[["reservation_id", "reference"]].assign(row=np.arange(len(judged)))
    return numbered[judged["verdict"].eq("")]


def _has_line(judged: pd.DataFrame, lines: pd.DataFrame) -> pd.Series:
    """True for the reservations that some line names."""
    found = np.zeros(len(judged), dtype="bool")
    found[lines["row"]] = True
    return pd.Series(found, index=judged.index)


def _of(rows: pd.DataFrame, chosen: pd.Series, schema: schemas.Schema) -> pd.DataFrame:
    kept = rows.loc[chosen.to_numpy()[rows["row"]], list(schema.columns)]
    return schemas.validate(schema, kept.sort_values(list(schema.columns)[:2]))


def _decisions(judged: pd.DataFrame) -> pd.DataFrame:
    verdict = judged["verdict"]
    decision = pd.Series(NO_ACCESS, index=judged.index).mask(verdict.eq(""), ACCESS).mask(judged["left"], LEFT)
    table = judged.assign(decision=decision, reason=verdict.where(verdict.ne(""), "its window opens its doors"))
    table = table[list(schemas.DECISIONS.columns)].sort_values(["reference", "reservation_id"])
    return schemas.validate(schemas.DECISIONS, table)
