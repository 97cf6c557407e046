"""The plan: what must change in Salto so that it holds what Hector says, in order, with what is held back and why.

desired state + current state -> operations, problems, decisions. Pure: the clock and the settings are arguments.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.access import schemas
from include.access.bookings import ACCESS, NO_ACCESS
from include.access.columns import among, looked_up, places_of
from include.access.current import our_groups
from include.access.desired import left_groups
from include.access.drift import Account, drift_problems, drifted, marked
from include.access.group_changes import WantedGroups, group_operations
from include.access.guards import Hold, Live, Situation, guarded
from include.access.history import NOTHING_YET, History, Read
from include.access.operations import HELD, in_order
from include.access.order import resting_on, with_dependents_held
from include.access.people import Untouchable, matched_people, salto_people
from include.access.places import place_locks
from include.access.problems import all_problems, problems
from include.access.refusals import Refusal
from include.access.rules import GROUP_PREFIX, AccessRules
from include.access.tags import TagMoves, tag_moves
from include.access.user_changes import SUBSCRIBED, Seats, user_operations
from include.access.windows import SCHEDULE_COLUMNS, is_known_zone, schedules

if TYPE_CHECKING:
    from collections.abc import Collection

    from include.access.current import Current
    from include.access.desired import Desired


@dataclass(frozen=True)
class Plan:
    """What a run will do, and what it found.

    operations: OPERATIONS in the order they are applied; problems: PROBLEMS; decisions: DECISIONS;
    members: group_id, platform_user_id of our groups before the run (what depends on what, see ``order``);
    timetable: group_name, user_id, lock, window_start, window_end of everything that should be open;
    matches: platform_user_id, user_id of everybody on the site who stands for a Hector user;
    left: OPERATIONS that would repair what was changed by hand, left out because the site only wants it reported;
    seats_short: not everybody who needs a seat will get one; holds and digest: what the guards hold back, and what
    approves it; approved: keys that an approval lets through, and ``approved_set`` the name of their set.
    """

    operations: pd.DataFrame
    problems: pd.DataFrame
    decisions: pd.DataFrame
    members: pd.DataFrame
    timetable: pd.DataFrame
    seats_short: bool
    matches: pd.DataFrame
    left: pd.DataFrame
    holds: tuple[Hold, ...] = ()
    digest: str | None = None
    approved: frozenset[str] = frozenset()
    approved_set: str | None = None

    @property
    def held(self) -> pd.DataFrame:
        return self.operations[self.operations["state"].eq(HELD)]

    @property
    def fingerprint(self) -> str:
        """Equal for equal plans, whatever made them."""
        return fingerprint_of(self.operations)


def fingerprint_of(operations: pd.DataFrame) -> str:
    return "sha256:" + hashlib.sha256(operations.to_json(orient="records").encode()).hexdigest()


def make_plan(  # noqa: PLR0913 - the inputs of a plan, each named
    desired: Desired,
    current: Current,
    rules: AccessRules,
    *,
    as_of: pd.Timestamp,
    references: Collection[str] | None = None,
    approve: str | None = None,
    history: History = NOTHING_YET,
    previous: Previous | None = None,
) -> Plan:
    """Compare the desired with the current state.

    Args:
        as_of: aware; windows over at it are expired.
        references: only these reservations and their people; None: all.
        approve: digest of a held set that may go through.
        history: what earlier runs saw and did.
        previous: how Salto was last seen; None: nothing is called drift.
    """
    salto = salto_people(
        current.users,
        Untouchable(current.own_platform_user_id, current.owner_platform_user_id, rules.protected_emails),
    )
    gone = salto[salto["marker"].notna() & ~among(salto["marker"], desired.present["user_id"]) & ~salto["protected"]]
    people, people_problems = matched_people(desired.people, salto, gone["marker"])
    people = people.assign(email_holder=_email_holders(people, salto))
    gone = gone[~among(gone["site_user_id"], people["site_user_id"].dropna())]
    doors = _Doors.of(desired, current)
    wanted, chosen = _wanted(desired, doors, people, salto, current)
    people = people.join(_first_windows(wanted.members, chosen), on="user_id")
    people = people[people["site_user_id"].notna() | _needed(people, rules)]

    ours, look_alikes = our_groups(
        current.groups, current.locks, current.site_zone, wanted=wanted.groups["group_name"], as_of=as_of
    )
    left = left_groups(desired.decisions, GROUP_PREFIX)
    ours = ours[~ours["name"].isin(left)].reset_index(drop=True)
    matches = _matches(people, salto)
    group_tables = group_operations(wanted, ours, current.groups, matches)
    moves = tag_moves(people, current.tags, salto, desired.frozen["user_id"])
    user_tables, user_problems, seats_short = user_operations(
        people, gone, moves, Seats(current.seats, current.seats_used), rules
    )
    operations = in_order([*group_tables, *user_tables])
    scope_problems = schemas.frame(schemas.PROBLEMS, [])
    members = _memberships(ours, current)
    if references is not None:
        operations, waiting = _narrowed(operations, references, desired.members, moves, members_by_group(members))
        scope_problems = pd.concat([_not_found(references, desired), waiting])
    operations, undone = _drifted(operations, previous, rules, members)
    live = Live(groups=int((~ours["over"]).sum()), users=int((salto["marker"].notna() & ~salto["protected"]).sum()))
    read = Read(users=int(desired.read["users"].iloc[0]), reservations=int(desired.read["reservations"].iloc[0]))
    found = guarded(operations, Situation(live, read, history, members), rules.limits, approve=approve)
    inside = members_by_group(members if found.holds else members.iloc[:0])  # without a hold nothing builds on one
    return Plan(
        operations=with_dependents_held(found.operations, inside),
        problems=all_problems(
            [
                desired.problems,
                people_problems,
                doors.problems,
                look_alikes,
                user_problems,
                moves.problems,
                scope_problems,
                drift_problems(undone),
                _unmatched(approve if found.approved_set is None else None),
                *_closed_people(people),
            ]
        ),
        decisions=_decided(desired.decisions, chosen, doors),
        members=members,
        timetable=_timetable(wanted, chosen),
        seats_short=seats_short,
        matches=matches,
        left=undone,
        holds=found.holds,
        digest=found.digest,
        approved=found.approved,
        approved_set=found.approved_set,
    )


@dataclass(frozen=True)
class Previous:
    """How the last runs left Salto.

    unsure: units (of OPERATIONS) that a run changed after that without another look; left: key and ``after`` of what the
    last run knew to be drift and did not repair: it was seen since then, but is no less drift for that.
    """

    accounts: tuple[Account, ...] = ()
    unsure: frozenset[str] = frozenset()
    left: frozenset[tuple[str, str | None]] = frozenset()


def _drifted(
    operations: pd.DataFrame, previous: Previous | None, rules: AccessRules, members: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The operations, those that repair drift marked or (``drift: report``) left out with what would build on them."""
    nothing = schemas.frame(schemas.OPERATIONS, [])
    if previous is None:
        return operations, nothing
    by_hand = drifted(operations, previous.accounts, unsure=previous.unsure) | _was_left(operations, previous.left)
    operations = marked(operations, by_hand)
    if rules.drift == "repair" or not by_hand.any():
        return operations, nothing
    left, kept = operations[by_hand], operations[~by_hand].reset_index(drop=True)
    unsafe = resting_on(kept, left, members_by_group(members))
    return kept[~unsafe].reset_index(drop=True), left.reset_index(drop=True)


def _was_left(operations: pd.DataFrame, left: frozenset[tuple[str, str | None]]) -> pd.Series:
    after = operations["after"].astype("object").where(operations["after"].notna(), None)
    pairs = zip(operations["key"], after, strict=True)
    return pd.Series([pair in left for pair in pairs], index=operations.index, dtype="bool")


def expired_plan(current: Current, *, as_of: pd.Timestamp) -> Plan:
    """The cleanup's plan: outdated groups of ours go; nothing else, and Hector is not needed."""
    ours, look_alikes = our_groups(current.groups, current.locks, current.site_zone, wanted=(), as_of=as_of)
    none = schemas.frame(schemas.DESIRED_BOOKINGS, [])
    nothing = WantedGroups(
        groups=pd.DataFrame(columns=["reference", "group_name", *SCHEDULE_COLUMNS]).astype("str"),
        locks=_with_row(pd.DataFrame(columns=["reference", "lock_id", "lock"]).astype("str"), none),
        members=_with_row(pd.DataFrame(columns=["reference", "user_id", "platform_user_id"]).astype("str"), none),
        unmoved=frozenset(),
    )
    nobody = pd.DataFrame(columns=["platform_user_id", "user_id"]).astype("str")
    over = ours[ours["over"]].reset_index(drop=True)
    return Plan(
        operations=in_order(group_operations(nothing, over, current.groups, nobody)),
        problems=all_problems([look_alikes]),
        decisions=schemas.frame(schemas.DECISIONS, []),
        members=_memberships(over, current),
        timetable=_timetable(nothing, none),
        seats_short=False,
        matches=nobody,
        left=schemas.frame(schemas.OPERATIONS, []),
    )


def members_by_group(members: pd.DataFrame) -> dict[str, frozenset[str]]:
    """Platform user ids by group id."""
    rows = members.sort_values("group_id")
    first = np.flatnonzero(~rows["group_id"].duplicated())
    parts = np.split(rows["platform_user_id"].to_numpy(dtype="object"), first[1:])
    # Not strict: of no rows at all, numpy makes one empty part.
    return {group: frozenset(part) for group, part in zip(rows["group_id"].iloc[first], parts, strict=False)}


@dataclass(frozen=True)
class _Doors:
    """The locks of each reservation: reference, lock_id, lock, zone; references dropped for their zones."""

    locks: pd.DataFrame
    dropped: pd.Series
    problems: pd.DataFrame

    @classmethod
    def of(cls, desired: Desired, current: Current) -> _Doors:
        found, place_problems = place_locks(desired.places, current.locks)
        locks = desired.rooms[["reference", "place_id"]].merge(found, on="place_id")
        locks = locks.drop(columns="place_id").drop_duplicates(["reference", "lock_id"])
        known = {zone: is_known_zone(zone) for zone in locks["zone"].dropna().unique()}
        unknown = ~locks["zone"].map(known).eq(other=True)
        zones = locks.loc[~unknown, ["reference", "zone"]].drop_duplicates()
        several = zones[zones.duplicated("reference", keep=False)].sort_values(["reference", "zone"])
        differing = several.groupby("reference")["zone"].agg(", ".join)
        dropped = pd.concat([locks.loc[unknown, "reference"], pd.Series(differing.index, dtype="str")])
        return cls(
            locks=locks[~among(locks["reference"], dropped)].reset_index(drop=True),
            dropped=dropped.drop_duplicates(),
            problems=pd.concat(
                [
                    place_problems,
                    problems("zone_unknown", locks[unknown].rename(columns={"lock": "lock_name"})),
                    problems("zones_differ", differing.rename("zones").reset_index()),
                ]
            ),
        )


def _wanted(
    desired: Desired, doors: _Doors, people: pd.DataFrame, salto: pd.DataFrame, current: Current
) -> tuple[WantedGroups, pd.DataFrame]:
    """The groups that should exist, and the bookings they come from: somebody, some lock, one zone."""
    unmoved = _unmoved(desired.frozen, people, salto)
    usable = people.loc[people["usable"], ["user_id", "platform_user_id"]]
    members = desired.members.merge(usable, on="user_id")
    kept = _kept(current, unmoved)
    bookings, locks = desired.bookings, doors.locks
    somebody = among(bookings["reference"], members["reference"]) | among(bookings["group_name"], kept)
    door = places_of(bookings["reference"], locks["reference"])
    choice = somebody & door.ge(0)
    chosen = bookings[choice].reset_index(drop=True)
    timed = schedules(chosen.assign(zone=locks["zone"].array.take(door[choice].to_numpy())))
    return (
        WantedGroups(
            groups=timed[["reference", "group_name", *SCHEDULE_COLUMNS]],
            locks=_with_row(locks, chosen)[["row", "reference", "lock_id", "lock"]],
            members=_with_row(members, chosen)[["row", "reference", "user_id", "platform_user_id"]],
            unmoved=unmoved,
        ),
        chosen,
    )


def _with_row(lines: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """The lines of the chosen bookings, with the ``row`` of each one's booking: compared once, counted on from there."""
    rows = lines.assign(row=places_of(lines["reference"], chosen["reference"]))
    return rows[rows["row"].ge(0)].reset_index(drop=True)


def _unmoved(frozen: pd.DataFrame, people: pd.DataFrame, salto: pd.DataFrame) -> frozenset[str]:
    """Salto users about whom the data contradict each other: their memberships stay as they are."""
    unusable = people[~people["usable"]]
    ids = pd.concat([frozen["user_id"], unusable["user_id"]])
    emails = pd.concat([frozen["email"], unusable["email"]])
    clash = among(salto["marker"], ids) | (among(salto["email"], emails) & salto["marker"].isna())
    return frozenset(salto.loc[clash, "platform_user_id"])


def _kept(current: Current, unmoved: frozenset[str]) -> pd.Series:
    """Names of groups that hold somebody whose membership stays as it is."""
    holding = current.groups.users.loc[current.groups.users["platform_user_id"].isin(unmoved), "group_id"]
    return current.groups.groups.loc[among(current.groups.groups["group_id"], holding), "name"]


def _first_windows(members: pd.DataFrame, bookings: pd.DataFrame) -> pd.Series:
    starts = members[["user_id"]].assign(first_window=bookings["window_start"].array.take(members["row"].to_numpy()))
    return pd.Series(starts.groupby("user_id")["first_window"].min())


def _needed(people: pd.DataFrame, rules: AccessRules) -> pd.Series:
    everybody = pd.Series(rules.provision_users == "all", index=people.index)
    return (everybody | people["first_window"].notna()) & people["usable"]


def _email_holders(people: pd.DataFrame, salto: pd.DataFrame) -> pd.Series:
    """The site user, other than their own, who has the person's email now."""
    known = salto.dropna(subset="email").sort_values("site_user_id")
    holder = looked_up(people["email"], known["email"], known["site_user_id"])
    return holder.where(holder.ne(people["site_user_id"]))


def _matches(people: pd.DataFrame, salto: pd.DataFrame) -> pd.DataFrame:
    """Hector user id by platform user id: by match, else by marker."""
    marked = salto.loc[salto["marker"].notna(), ["platform_user_id", "marker"]].rename(columns={"marker": "user_id"})
    matched = people.loc[people["platform_user_id"].notna(), ["platform_user_id", "user_id"]]
    both = pd.concat([marked, matched]).drop_duplicates("platform_user_id", keep="last")
    return both.sort_values("platform_user_id", ignore_index=True)


def _narrowed(
    operations: pd.DataFrame,
    references: Collection[str],
    members: pd.DataFrame,
    moves: TagMoves,
    inside: dict[str, frozenset[str]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Only the operations of these reservations and their people, with the tags that must first come off others.

    Returns:
        the operations, and a problem for each person who gets something only in a run of all reservations.
    """
    users = set(members.loc[members["reference"].isin(list(references)), "user_id"])
    tags = set(moves.on.loc[moves.on["user_id"].isin(users), "tag_id"])
    group_ = operations["reference"].isin(list(references))
    person_ = operations["reference"].isna() & operations["user_id"].isin(users)
    freed = operations["kind"].eq("tag_off") & operations["tag_id"].isin(tags)
    inscope = group_ | person_ | freed
    kept = operations[inscope].reset_index(drop=True)
    unsafe = resting_on(kept, operations[~inscope], inside)
    return kept[~unsafe].reset_index(drop=True), problems("waits_for_all", kept[unsafe].drop(columns="reference"))


def _not_found(references: Collection[str], desired: Desired) -> pd.DataFrame:
    missing = sorted(set(references) - set(desired.decisions["reference"]))
    return problems("reference_not_found", pd.DataFrame({"reference": missing}, dtype="str"))


def _unmatched(approve: str | None) -> pd.DataFrame:
    """An approval that let nothing through: of a set that has changed or gone since, or mistyped."""
    given = [approve.strip()] if approve and approve.strip() else []
    return problems("approval_unmatched", pd.DataFrame({"approve": given}, dtype="str"))


def _memberships(ours: pd.DataFrame, current: Current) -> pd.DataFrame:
    users = current.groups.users
    return users[among(users["group_id"], ours["group_id"])].reset_index(drop=True)


def _closed_people(people: pd.DataFrame) -> list[pd.DataFrame]:
    """People with a reservation whose door will stay shut for a reason that only somebody's hand can change."""
    booked = people[people["first_window"].notna() & people["usable"]]
    asleep = booked["subscription_state"].notna() & booked["subscription_state"].ne(SUBSCRIBED) & ~booked["ours"]
    bare = booked["tag"].isna() & booked["salto_tag"].isna()
    return [
        problems("user_blocked", booked[booked["blocked"]]),
        problems("user_suspended", booked[asleep & ~booked["blocked"]]),
        problems("code_missing", booked[bare]),
    ]


def _decided(decisions: pd.DataFrame, chosen: pd.DataFrame, doors: _Doors) -> pd.DataFrame:
    """Hector's decisions, corrected by what Salto has: no lock of that name, locks in several zones, nobody left."""
    hoped = decisions["decision"].eq(ACCESS)
    shut = hoped & ~among(decisions["reference"], chosen["reference"])  # few, so the rest is asked of them alone
    refused = decisions.loc[shut, "reference"]
    of_dropped, has_door = among(refused, doors.dropped), among(refused, doors.locks["reference"])
    dropped, doorless, alone = (
        which.reindex(decisions.index, fill_value=False)
        for which in (of_dropped, ~of_dropped & ~has_door, ~of_dropped & has_door)
    )
    reason = decisions["reason"].mask(dropped, str(Refusal.ZONES))
    reason = reason.mask(doorless, str(Refusal.NO_LOCK_OF_SITE))
    reason = reason.mask(alone, str(Refusal.NO_SALTO_USER))
    decision = decisions["decision"].mask(dropped | doorless | alone, NO_ACCESS)
    return schemas.checked(schemas.DECISIONS, decisions.assign(decision=decision, reason=reason))


def _timetable(wanted: WantedGroups, chosen: pd.DataFrame) -> pd.DataFrame:
    people = wanted.members[["row", "reference", "user_id"]].assign(place=range(len(wanted.members)))
    rows = people.merge(wanted.locks[["row", "lock"]], on="row")
    booked = rows["row"].to_numpy()
    rows = rows.assign(**{name: chosen[name].array.take(booked) for name in ("window_start", "window_end")})
    # Members stand sorted by reference and user, so their places say the same as those two texts, in no time.
    begin = chosen["window_start"].astype("int64").to_numpy()[booked]
    order = np.lexsort((pd.factorize(rows["lock"], sort=True)[0], rows["place"], begin))
    columns = ["reference", "user_id", "lock", "window_start", "window_end"]
    return rows[columns].take(order).reset_index(drop=True)
