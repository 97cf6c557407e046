"""Which reservations earn access, for whom, and where: Hector's side of the desired state.

Rules: design section 4, "Reservations"; guard "window". What this file does not know: Salto's locks, users and zones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.access import schemas
from include.access.problems import problems
from include.access.rules import GROUP_PREFIX
from include.access.statuses import STATUSES, canonical_status
from include.access.windows import LONGEST, windows

if TYPE_CHECKING:
    from include.access.people import HectorPeople
    from include.access.rules import AccessRules

ACCESS, NO_ACCESS, LEFT = "access", "no_access", "left_as_is"


@dataclass(frozen=True)
class HectorLoaners:
    """Hector's reservations of the horizon (RESERVATIONS, RESERVATION_PEOPLE, RESERVATION_PLACES)."""

    reservations: pd.DataFrame
    people: pd.DataFrame
    places: pd.DataFrame


@dataclass(frozen=True)
class Bookings:
    """The reservations that earn access.

    bookings: DESIRED_BOOKINGS; members: DESIRED_MEMBERS (only desired people); places: DESIRED_PLACES;
    decisions: DECISIONS of every reservation read; left: names of groups that must be left as they are;
    problems: PROBLEMS.
    """

    bookings: pd.DataFrame
    members: pd.DataFrame
    places: pd.DataFrame
    decisions: pd.DataFrame
    left: frozenset[str]
    problems: pd.DataFrame


def earning_bookings(  # noqa: PLR0913, PLR0917 - the six things a booking depends on, each named
    loaners: HectorLoaners,
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
    frozen_bookings = loaners.people.loc[loaners.people["person_id"].isin(frozen["user_id"]), "reservation_id"]
    alive = judged["verdict"].eq("")
    no_person = alive & ~judged["reservation_id"].isin(members["reservation_id"])
    no_person &= ~judged["reservation_id"].isin(frozen_bookings)
    judged.loc[no_person, "verdict"] = "nobody among its borrower and participants can be given access"
    no_room = judged["verdict"].eq("") & ~judged["reservation_id"].isin(rooms["reservation_id"])
    judged.loc[no_room, "verdict"] = "none of its places has a lock"
    chosen = judged[judged["verdict"].eq("")]
    references = chosen.set_index("reservation_id")["reference"]
    return Bookings(
        bookings=schemas.checked(schemas.DESIRED_BOOKINGS, chosen[list(schemas.DESIRED_BOOKINGS.columns)]),
        members=_of(members, references, schemas.DESIRED_MEMBERS),
        places=_of(rooms, references, schemas.DESIRED_PLACES),
        decisions=_decisions(judged),
        left=frozenset(judged.loc[judged["left"], "group_name"]),
        problems=pd.concat([_problems(judged), member_problems, room_problems]),
    )


def _judge(reservations: pd.DataFrame, rules: AccessRules, as_of: pd.Timestamp) -> pd.DataFrame:
    """Each reservation with ``verdict`` (empty: earns access), ``problem`` (code or empty) and ``left``."""
    status = canonical_status(reservations["status"])
    backwards = reservations["finish"] <= reservations["start"]
    # A reservation that ends before it starts is reported until both of its ends are past.
    over = reservations[["window_end", "start"]].max(axis=1).where(backwards, reservations["window_end"]) <= as_of
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
        # A shared reference matters only while one of its reservations does.
        left=twice & reservations["reference"].isin(reservations.loc[relevant, "reference"]),
    )
    # Cases, the first that holds decides:
    for case, verdict, problem in (
        (twice, "its reference is not unique, so its group is left as it is", "reference_twice"),
        (reservations["blocking"], "it is a blocking event", ""),
        (over, "its window is over", ""),
        (beyond, "its window starts beyond the horizon", ""),
        (blank, "its reference is blank", "reference_blank"),
        (unknown, "its status is unknown", "status_unknown"),
        (~status.isin(rules.access_statuses), "its status grants no access", ""),
        (backwards, "it does not finish after its start", "window_backwards"),
        (too_long, "its window is longer than 31 days", "window_too_long"),
    ):
        first = case & judged["verdict"].eq("")
        judged.loc[first, ["verdict", "problem"]] = [verdict, problem]
    judged.loc[twice & ~judged["left"], "problem"] = ""
    return judged


def _problems(judged: pd.DataFrame) -> pd.DataFrame:
    counts = judged["reference"].map(judged["reference"].value_counts())
    named = judged.assign(count=counts)
    codes = [code for code in named["problem"].unique() if code]
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
    alive = judged.loc[judged["verdict"].eq(""), ["reservation_id", "reference"]]
    users = people[people["person_type"].eq("user")].rename(columns={"person_id": "user_id"})
    users = users.merge(alive, on="reservation_id").drop_duplicates(["reservation_id", "user_id"])
    known = users["user_id"].isin(desired_people["user_id"])
    others = users[~known & ~users["user_id"].isin(frozen["user_id"])]
    others = others.merge(hector.users[["user_id", "status", "email"]], on="user_id", how="left")
    unknown = others["status"].isna()
    inactive = ~unknown & others["status"].str.strip().str.lower().ne("active")
    found = [
        problems("user_unknown", others[unknown]),
        problems("user_not_active", others[inactive]),
        problems("email_missing", others[~unknown & ~inactive]),
    ]
    return users.loc[known, ["reservation_id", "user_id"]], pd.concat(found)


def _rooms(judged: pd.DataFrame, lines: pd.DataFrame, places: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Places of the reservations that name a lock, and problems about places Hector does not show."""
    alive = judged.loc[judged["verdict"].eq(""), ["reservation_id", "reference"]]
    rooms = lines.merge(alive, on="reservation_id").drop_duplicates(["reservation_id", "place_id"])
    known = rooms["place_id"].isin(places["place_id"])
    rooms_known = rooms[known].merge(places[["place_id", "lock_name"]], on="place_id")
    named = rooms_known["lock_name"].notna() & rooms_known["lock_name"].astype("str").str.strip().ne("")
    return rooms_known.loc[named, ["reservation_id", "place_id", "lock_name"]], problems("place_unknown", rooms[~known])


def _of(rows: pd.DataFrame, references: pd.Series, schema: schemas.Schema) -> pd.DataFrame:
    kept = rows.assign(reference=rows["reservation_id"].map(references)).dropna(subset="reference")
    kept = kept[list(schema.columns)].sort_values(list(schema.columns)[:2])
    return schemas.checked(schema, kept)


def _decisions(judged: pd.DataFrame) -> pd.DataFrame:
    verdict = judged["verdict"]
    decision = pd.Series(NO_ACCESS, index=judged.index).mask(verdict.eq(""), ACCESS).mask(judged["left"], LEFT)
    table = judged.assign(decision=decision, reason=verdict.where(verdict.ne(""), "its window opens its doors"))
    table = table[list(schemas.DECISIONS.columns)].sort_values(["reference", "reservation_id"])
    return schemas.checked(schemas.DECISIONS, table)
