"""The plan: what must change in Salto so that it holds what Hector says, in order, with what is held back and why.

desired state + current state -> operations, problems, decisions. Pure: the clock and the settings are arguments.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.current import our_groups
from hector_salto.access.dependencies import (
    additions_that_would_widen,
    missing_basis,
    unsafe_without,
    with_dependents_held,
    without_malformed,
)
from hector_salto.access.desired import left_groups
from hector_salto.access.drift import DriftBaseline, drift_problems, mark_drift, repairs_drift, undone_problems
from hector_salto.access.frame_lookup import index_in, is_in, lookup
from hector_salto.access.group_changes import WantedGroups, group_operations
from hector_salto.access.guard_history import NOTHING_YET, GuardHistory, ReadCounts
from hector_salto.access.guards import GuardContext, Guarded, Hold, LiveCounts, apply_guards
from hector_salto.access.operations import EVIDENT, HELD, in_order, in_order_of_kinds
from hector_salto.access.people import ProtectedUsers, match_users, salto_people
from hector_salto.access.places import locks_without_place, place_locks, unclear_doors
from hector_salto.access.problems import all_problems, problems
from hector_salto.access.refusals import Refusal
from hector_salto.access.reservations import ACCESS, LEFT, NO_ACCESS
from hector_salto.access.settings import GROUP_PREFIX, AccessRules
from hector_salto.access.tags import TagMoves, tag_moves
from hector_salto.access.texts import few
from hector_salto.access.user_changes import (
    SUBSCRIBED,
    Seats,
    Suspendable,
    UserOperations,
    seats_lacking,
    user_operations,
    with_seats,
)
from hector_salto.access.windows import SCHEDULE_COLUMNS, find_zone, find_zones, schedules

if TYPE_CHECKING:
    from collections.abc import Collection

    from hector_salto.access.current import Current
    from hector_salto.access.desired import Desired


FEW_CANDIDATES = 10  # users whose access groups a run of some references reads beyond the seats it lacks


@dataclass(frozen=True)
class Plan:
    """What a run will do, and what it found.

    operations: OPERATIONS in the order they are applied; problems: PROBLEMS; decisions: DECISIONS;
    members: group_id, platform_user_id of our groups before the run (what depends on what, see ``order``);
    timetable: group_name, user_id, lock, window_start, window_end of everything that should be open;
    matches: platform_user_id, user_id of everybody on the site who stands for a Hector user;
    left: OPERATIONS that would repair what was changed by hand, left out because the site only wants it reported;
    seats_short: users need more seats than are free now, so they take them one by one; holds and digest: what the guards hold back, and what
    approves it; approved: keys that an approval lets through, ``approved_set`` the name of their set, and
    ``approved_guards`` the guards that held it; seat_candidates: site user ids of users who may be suspended once their
    access groups were read.
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
    approved_guards: frozenset[str] = frozenset()
    seat_candidates: tuple[str, ...] = ()

    @property
    def held_operations(self) -> pd.DataFrame:
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
    history: GuardHistory = NOTHING_YET,
    previous: LastState | None = None,
    created: frozenset[str] = frozenset(),
) -> Plan:
    """Compare the desired with the current state.

    Args:
        as_of: aware; windows over at it are expired.
        references: only these reservations and their people; None: all.
        approve: digest of a held set that may go through.
        history: what earlier runs saw and did.
        previous: how Salto was last seen; None: nothing is called drift.
        created: Hector user ids of users whom the sync created, as far as is known: others are never suspended.
    """
    users = _match_users(desired, current, rules)
    groups = _find_groups(desired, current, users, rules, as_of=as_of)
    draft = _list_operations(desired, current, rules, users, groups, created)
    scope = _limit_to_scope(draft, references, desired, current, groups.members)
    operations, undone = _mark_drift(scope.operations, previous, rules, groups.members)
    context = GuardContext(_live(users, groups), _read(desired), history, groups.members)
    found = apply_guards(operations, context, rules.limits, approve=approve)
    sendable, lacking, seats_short = with_seats(_hold_dependents(found, groups.members), draft.seats, current.users)
    tables = [
        desired.problems,
        users.problems,
        groups.doors.problems,
        *_site_problems(desired, current, groups, as_of),
        groups.look_alikes,
        draft.users.problems,
        lacking,
        draft.moves.problems,
        scope.problems,
        drift_problems(undone),
        undone_problems(operations, rules.drift),
        problems("operation_malformed", draft.malformed),
        _unmatched_approval(approve if found.approved_set is None else None),
        *_users_shut_out(groups.people),
    ]
    return Plan(
        operations=sendable,
        problems=all_problems(tables),
        decisions=_correct_decisions(desired.decisions, groups.chosen, groups.doors),
        members=groups.members,
        timetable=_timetable(groups.wanted, groups.chosen),
        seats_short=seats_short,
        matches=groups.matches,
        left=undone,
        holds=found.holds,
        digest=found.digest,
        approved=found.approved,
        approved_set=found.approved_set,
        approved_guards=found.approved_guards,
        seat_candidates=scope.seat_candidates,
    )


def _site_problems(desired: Desired, current: Current, groups: _Groups, as_of: pd.Timestamp) -> list[pd.DataFrame]:
    return [_site_zone_unknown(current), _doors_held_open(desired, current, groups, as_of)]


def _doors_held_open(desired: Desired, current: Current, groups: _Groups, as_of: pd.Timestamp) -> pd.DataFrame:
    """Problems of locks of Hector's places that are open in office mode outside every window (contract, 11.2)."""
    held = current.locks[current.locks["held_open"]]
    if held.empty:
        return problems("door_held_open", held)
    now = groups.chosen[(groups.chosen["window_start"] <= as_of) & (as_of < groups.chosen["window_end"])]
    live = groups.wanted.locks.loc[is_in(groups.wanted.locks["reference"], now["reference"]), "lock_id"]
    bookable = place_locks(desired.places, held)[0]["lock_id"]
    left = held[is_in(held["lock_id"], bookable) & ~is_in(held["lock_id"], live)]
    return problems("door_held_open", left.assign(lock=left["name"]))


def _hold_dependents(found: Guarded, members: pd.DataFrame) -> pd.DataFrame:
    # Without a hold nothing builds on one.
    return with_dependents_held(found.operations, members_by_group(members if found.holds else members.iloc[:0]))


@dataclass(frozen=True)
class _Users:
    """Who stands for whom.

    Attributes:
        people: Hector users, each with the site user who stands for them, if any.
        gone: site users of ours who stand for a Hector user that has gone.
        salto: every user of the site.
        problems: PROBLEMS.
    """

    people: pd.DataFrame
    gone: pd.DataFrame
    salto: pd.DataFrame
    problems: pd.DataFrame


def _match_users(desired: Desired, current: Current, rules: AccessRules) -> _Users:
    protected = ProtectedUsers(current.own_platform_user_id, current.owner_platform_user_id, rules.protected_emails)
    salto = salto_people(current.users, protected)
    gone = salto[salto["marker"].notna() & ~is_in(salto["marker"], desired.present["user_id"]) & ~salto["protected"]]
    people, found = match_users(desired.people, salto, gone["marker"])
    people = people.assign(email_holder=_email_holders(people, salto))
    # Who is not usable may be there twice: their places stay as they are, whatever their address.
    unsendable = people["usable"] & people["site_user_id"].isna() & people["address"].isna()
    found = pd.concat([found, _without_address(people[unsendable], desired, rules)])
    people = people[~unsendable]
    gone = gone[~is_in(gone["site_user_id"], people["site_user_id"].dropna())]
    return _Users(people, gone, salto, found)


@dataclass(frozen=True)
class _Groups:
    """Which access groups should exist, and which of ours do.

    Attributes:
        wanted: what should exist; ``chosen`` are the reservations it comes from.
        people: Hector users who need a site user, with the start of their first window.
        ours: groups of ours, as Salto holds them; ``members`` are group_id, platform_user_id of them.
        look_alikes: PROBLEMS of groups that look like ours.
        matches: platform_user_id, user_id of site users who stand for a Hector user.
    """

    doors: _Doors
    wanted: WantedGroups
    chosen: pd.DataFrame
    people: pd.DataFrame
    ours: pd.DataFrame
    members: pd.DataFrame
    look_alikes: pd.DataFrame
    matches: pd.DataFrame


def _find_groups(
    desired: Desired, current: Current, users: _Users, rules: AccessRules, *, as_of: pd.Timestamp
) -> _Groups:
    doors = _Doors.of(desired, current)
    wanted, chosen = _select_groups(desired, doors, users.people, users.salto, current)
    left = left_groups(desired.decisions, GROUP_PREFIX) | doors.left
    people = users.people.join(_first_windows(wanted.members, chosen), on="user_id")
    people = _with_those_left(people, current, left, as_of)
    people = people[people["site_user_id"].notna() | _needs_site_user(people, rules)]
    ours, look_alikes = our_groups(current, wanted=[*wanted.groups["group_name"], *left], as_of=as_of)
    ours = ours[~ours["name"].isin(left)].reset_index(drop=True)
    members = _memberships(ours, current)
    return _Groups(doors, wanted, chosen, people, ours, members, look_alikes, _matches(people, users.salto))


@dataclass(frozen=True)
class _Draft:
    """Every operation that would bring the site in step, before scope, drift, guards and seats.

    Attributes:
        operations: OPERATIONS in order; ``malformed`` are those that can never be sent.
        users: the changes of users; ``moves`` those of tags.
    """

    operations: pd.DataFrame
    malformed: pd.DataFrame
    users: UserOperations
    moves: TagMoves
    seats: Seats


def _list_operations(  # noqa: PLR0913, PLR0917 - the stages before it, each named
    desired: Desired, current: Current, rules: AccessRules, users: _Users, groups: _Groups, created: frozenset[str]
) -> _Draft:
    changes = group_operations(groups.wanted, groups.ours, current.groups, groups.matches)
    moves = tag_moves(groups.people, current.tags, users.salto, desired.frozen["user_id"])
    leave = _suspendable(created, current, groups.ours, changes, groups.members)
    of_users = user_operations(groups.people, users.gone, moves, rules, leave)
    operations, malformed = without_malformed(
        in_order_of_kinds([*changes, *of_users.tables]), lambda: members_by_group(groups.members)
    )
    return _Draft(operations, malformed, of_users, moves, Seats(current.seats, current.seats_used))


@dataclass(frozen=True)
class _Scope:
    """The operations (OPERATIONS) of the references that were asked for, and PROBLEMS of those that wait."""

    operations: pd.DataFrame
    problems: pd.DataFrame
    seat_candidates: tuple[str, ...]


def _limit_to_scope(
    draft: _Draft, references: Collection[str] | None, desired: Desired, current: Current, members: pd.DataFrame
) -> _Scope:
    if references is None:
        return _Scope(draft.operations, schemas.frame(schemas.PROBLEMS, []), draft.users.seat_candidates)
    operations, waiting = _limit_operations(
        draft.operations, references, desired.members, draft.moves, members_by_group(members)
    )
    found = pd.concat([_not_found(references, desired), waiting])
    operations, lacking = _with_seats_given_back(operations, draft.operations, draft.seats, current.users)
    return _Scope(operations, found, draft.users.seat_candidates[: lacking + FEW_CANDIDATES] if lacking else ())


def _live(users: _Users, groups: _Groups) -> LiveCounts:
    ours = users.salto["marker"].notna() & ~users.salto["protected"]
    return LiveCounts(groups=int((~groups.ours["over"]).sum()), users=int(ours.sum()))


def _read(desired: Desired) -> ReadCounts:
    counts = desired.read.iloc[0]
    return ReadCounts(users=int(counts["users"]), reservations=int(counts["reservations"]))


def _suspendable(
    created: frozenset[str], current: Current, ours: pd.DataFrame, changes: list[pd.DataFrame], members: pd.DataFrame
) -> Suspendable:
    """Return whose seat may be given back; groups that are left as they are count as not ours."""
    known = current.user_groups
    foreign = known["group_id"].notna() & ~is_in(known["group_id"], ours["group_id"])
    going = pd.concat([schemas.frame(schemas.OPERATIONS, []), *changes], ignore_index=True)
    counted = ~going["cause"].isin(EVIDENT)
    groups = going.loc[counted & going["kind"].eq("group_delete") & going["cause"].ne("leftover"), "group_id"]
    losing = pd.concat(
        [
            members.loc[is_in(members["group_id"], groups), "platform_user_id"],
            going.loc[counted & going["kind"].eq("member_remove"), "platform_user_id"],
        ]
    )
    return Suspendable(
        created=created,
        asked=frozenset(known["site_user_id"]),
        elsewhere=frozenset(known.loc[foreign, "site_user_id"]),
        losing=frozenset(losing.dropna()),
    )


def _with_seats_given_back(
    operations: pd.DataFrame, whole: pd.DataFrame, seats: Seats, users: pd.DataFrame
) -> tuple[pd.DataFrame, int]:
    """Add as many suspensions of users who no longer need their seat as a run of some references lacks seats.

    Returns:
        The operations in order, and how many seats are still lacking.
    """
    lacking = seats_lacking(operations, seats, users)
    if not lacking:
        return operations, 0
    spare = whole[whole["kind"].eq("user_suspend") & whole["cause"].eq("ended")]
    spare = spare[~spare["key"].isin(operations["key"])].head(lacking)
    return in_order([operations, spare]), lacking - len(spare)


@dataclass(frozen=True)
class LastState:
    """How the last runs left Salto.

    unsure: units (of OPERATIONS) that a run changed after that without another look; left: key and ``after`` of what the
    last run knew to be drift and did not repair: it was seen since then, but is no less drift for that.
    """

    accounts: tuple[DriftBaseline, ...] = ()
    unsure: frozenset[str] = frozenset()
    left: frozenset[tuple[str, str | None]] = frozenset()


def _mark_drift(
    operations: pd.DataFrame, previous: LastState | None, rules: AccessRules, members: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The operations, those that repair drift marked or (``drift: report``) left out with what would build on them."""
    nothing = schemas.frame(schemas.OPERATIONS, [])
    if previous is None:
        return operations, nothing
    by_hand = repairs_drift(operations, previous.accounts, unsure=previous.unsure) | _was_left(
        operations, previous.left
    )
    operations = mark_drift(operations, by_hand)
    if rules.drift == "repair" or not by_hand.any():
        return operations, nothing
    while (widening := by_hand & additions_that_would_widen(operations, operations[~by_hand])).any():
        by_hand &= ~widening  # what is undone may itself be a change that others must not follow
    left, kept = operations[by_hand], operations[~by_hand].reset_index(drop=True)
    unsafe = missing_basis(kept, left)
    unsafe |= unsafe_without(kept, left, members_by_group(members))
    return kept[~unsafe].reset_index(drop=True), left.reset_index(drop=True)


def _was_left(operations: pd.DataFrame, left: frozenset[tuple[str, str | None]]) -> pd.Series:
    after = operations["after"].astype("object").where(operations["after"].notna(), None)
    pairs = zip(operations["key"], after, strict=True)
    return pd.Series([pair in left for pair in pairs], index=operations.index, dtype="bool")


def make_cleanup_plan(current: Current, *, as_of: pd.Timestamp) -> Plan:
    """The cleanup's plan: outdated groups of ours go; nothing else, and Hector is not needed."""
    ours, look_alikes = our_groups(current, wanted=(), as_of=as_of)
    none = schemas.frame(schemas.DESIRED_RESERVATIONS, [])
    nothing = WantedGroups(
        groups=pd.DataFrame(columns=["reference", "group_name", *SCHEDULE_COLUMNS]).astype("str"),
        locks=_with_row(pd.DataFrame(columns=["reference", "lock_id", "lock"]).astype("str"), none),
        members=_with_row(pd.DataFrame(columns=["reference", "user_id", "platform_user_id"]).astype("str"), none),
        unmoved=frozenset(),
        claims=pd.DataFrame(columns=["reference", "platform_user_id"]).astype("str"),
    )
    nobody = pd.DataFrame(columns=["platform_user_id", "user_id"]).astype("str")
    over = ours[ours["over"]].reset_index(drop=True)
    return Plan(
        operations=in_order(group_operations(nothing, over, current.groups, nobody)),
        problems=all_problems([look_alikes, _zones_unknown(ours[~ours["over"]], current), _site_zone_unknown(current)]),
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
    """The locks of each reservation.

    Attributes:
        locks: reference, lock_id, lock, zone of those that one schedule can serve.
        dropped: references whose locks' zones one schedule cannot serve, or that this machine does not know.
        left: names of groups that stay as they are, because a door inside them may be what the reservation means.
        problems: PROBLEMS.
    """

    locks: pd.DataFrame
    dropped: pd.Series
    left: frozenset[str]
    problems: pd.DataFrame

    @classmethod
    def of(cls, desired: Desired, current: Current) -> _Doors:
        found, place_problems = place_locks(desired.places, current.locks)
        locks = desired.rooms[["reference", "place_id"]].merge(found, on="place_id")
        locks = locks.drop(columns="place_id").drop_duplicates(["reference", "lock_id"])
        shown, locks = locks["zone"], locks.assign(zone=find_zones(locks["zone"]))
        unknown = locks["zone"].isna()
        differing = _differing_zones(locks[~unknown], desired.bookings)
        served = locks[~unknown & ~is_in(locks["reference"], differing["reference"])]
        unserved = locks[~is_in(locks["lock_id"] + locks["reference"], served["lock_id"] + served["reference"])]
        dropped = unserved["reference"].drop_duplicates()
        return cls(
            locks=served.reset_index(drop=True),
            dropped=dropped[~is_in(dropped, served["reference"])],
            left=_left_doors(desired, current, unserved[["reference", "lock_id"]]),
            problems=pd.concat(
                [
                    place_problems,
                    _zone_problems(locks[unknown].assign(zone=shown[unknown])),
                    problems("zones_differ", differing),
                ]
            ),
        )


def _differing_zones(locks: pd.DataFrame, bookings: pd.DataFrame) -> pd.DataFrame:
    """References whose locks need different schedules, with their ``zones``.

    Zones are compared by what they mean while the window is open, not by their names.
    """
    zones = locks[["reference", "zone"]].drop_duplicates().sort_values(["reference", "zone"])
    several = zones[zones.duplicated("reference", keep=False)]
    timed = schedules(several.merge(bookings[["reference", "window_start", "window_end"]], on="reference"))
    meant = timed[["reference", *SCHEDULE_COLUMNS]].drop_duplicates()
    differing = several[several["reference"].isin(meant.loc[meant.duplicated("reference"), "reference"])]
    names = differing.groupby("reference")["zone"].agg(lambda found: few(list(found)))
    return names.astype("str").rename("zones").reset_index()


def _left_doors(desired: Desired, current: Current, unserved: pd.DataFrame) -> frozenset[str]:
    """Names of groups that hold a door which their reservation may mean, although it cannot be served now.

    Args:
        unserved: reference, lock_id of locks whose zone cannot be served.
    """
    several, lost = unclear_doors(desired.rooms, current.locks)
    doubtful = pd.concat([unserved, several])
    if doubtful.empty and lost.empty:
        return frozenset()
    groups = current.groups.groups[["group_id", "name"]]
    inside = current.groups.locks.merge(groups, on="group_id")
    inside = inside.assign(reference=inside["name"].str.removeprefix(GROUP_PREFIX))
    meant = inside.merge(doubtful.drop_duplicates(), on=["reference", "lock_id"])["name"]
    orphans = locks_without_place(desired.places, current.locks)
    perhaps = inside["reference"].isin(lost) & inside["lock_id"].isin(orphans)
    return frozenset(meant) | frozenset(inside.loc[perhaps, "name"])


def _zone_problems(locks: pd.DataFrame) -> pd.DataFrame:
    """One problem a row of reference, lock, zone (as Salto shows it)."""
    return problems(
        "zone_unknown",
        locks.assign(
            subject="lock " + locks["lock"],
            about=" of reservation " + locks["reference"],
            shown_zone=[_zone_text(zone) for zone in locks["zone"]],
        ),
    )


def _zone_text(zone: object) -> str:
    shown = isinstance(zone, str) and bool(zone.strip())
    return f"the time zone {zone!r}, which this machine does not know" if shown else "no time zone"


def _zones_unknown(ours: pd.DataFrame, current: Current) -> pd.DataFrame:
    """Problems of the locks in these groups whose zone is not known."""
    locks = current.locks[find_zones(current.locks["zone"]).isna()].rename(columns={"name": "lock"})
    inside = current.groups.locks.merge(locks[["lock_id", "lock", "zone"]], on="lock_id")
    inside = inside.merge(ours[["group_id", "name"]], on="group_id")
    return _zone_problems(inside.assign(reference=inside["name"].str.removeprefix(GROUP_PREFIX)))


def _site_zone_unknown(current: Current) -> pd.DataFrame:
    known = find_zone(current.site_zone) is not None
    subject = f"site {current.site_name}".strip()
    row = {"subject": subject, "about": "", "shown_zone": _zone_text(current.site_zone)}
    return problems("zone_unknown", pd.DataFrame([] if known else [row]))


def _without_address(people: pd.DataFrame, desired: Desired, rules: AccessRules) -> pd.DataFrame:
    """Problems of users whose email is no address, where Salto would need it to make them."""
    booked = is_in(people["user_id"], desired.members["user_id"])
    return problems("email_invalid", people[booked | (rules.provision_users == "all")])


def _with_those_left(people: pd.DataFrame, current: Current, left: frozenset[str], as_of: pd.Timestamp) -> pd.DataFrame:
    """A user in a group that is left as it is needs their seat from now on."""
    groups = current.groups.groups.loc[current.groups.groups["name"].isin(left), "group_id"]
    inside = current.groups.users.loc[is_in(current.groups.users["group_id"], groups), "platform_user_id"]
    here = people["platform_user_id"].notna() & is_in(people["platform_user_id"], inside)
    return people.assign(first_window=people["first_window"].mask(here & people["first_window"].isna(), as_of))


def _select_groups(
    desired: Desired, doors: _Doors, people: pd.DataFrame, salto: pd.DataFrame, current: Current
) -> tuple[WantedGroups, pd.DataFrame]:
    """The groups that should exist, and the reservations they come from: at least one user and one lock, one zone."""
    possible = _conflicting_users(desired.frozen, people, salto)
    unmoved = frozenset(possible["platform_user_id"])
    usable = people.loc[people["usable"], ["user_id", "platform_user_id"]]
    members = desired.members.merge(usable, on="user_id")
    kept = _frozen_groups(current, unmoved)
    bookings, locks = desired.bookings, doors.locks
    somebody = is_in(bookings["reference"], members["reference"]) | is_in(bookings["group_name"], kept)
    door = index_in(bookings["reference"], locks["reference"])
    choice = somebody & door.ge(0) & ~bookings["group_name"].isin(doors.left)
    chosen = bookings[choice].reset_index(drop=True)
    timed = schedules(chosen.assign(zone=locks["zone"].array.take(door[choice].to_numpy())))
    return (
        WantedGroups(
            groups=timed[["reference", "group_name", *SCHEDULE_COLUMNS]],
            locks=_with_row(locks, chosen)[["row", "reference", "lock_id", "lock"]],
            members=_with_row(members, chosen)[["row", "reference", "user_id", "platform_user_id"]],
            unmoved=unmoved,
            claims=_claims(possible, desired),
            ended=frozenset(desired.ended["group_name"]),
        ),
        chosen,
    )


def _with_row(lines: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """The lines of the chosen bookings, with the ``row`` of each one's booking: compared once, counted on from there."""
    rows = lines.assign(row=index_in(lines["reference"], chosen["reference"]))
    return rows[rows["row"].ge(0)].reset_index(drop=True)


def _conflicting_users(frozen: pd.DataFrame, people: pd.DataFrame, salto: pd.DataFrame) -> pd.DataFrame:
    """Return the Salto users about whom the data contradict each other, each with every Hector user it may stand for.

    Their memberships stay as they are. Columns: platform_user_id, user_id.
    """
    columns = ["user_id", "email"]
    unclear = pd.concat([frozen[columns], people.loc[~people["usable"], columns]])
    marked = salto.loc[is_in(salto["marker"], unclear["user_id"]), ["platform_user_id", "marker"]]
    unmarked = salto.loc[salto["marker"].isna() & salto["email"].notna(), ["platform_user_id", "email"]]
    emailed = unmarked.merge(unclear, on="email")
    both = [marked.rename(columns={"marker": "user_id"}), emailed[["platform_user_id", "user_id"]]]
    return pd.concat(both, ignore_index=True)


def _claims(possible: pd.DataFrame, desired: Desired) -> pd.DataFrame:
    """Return reference, platform_user_id of contradicted Salto users whom the reservation may mean."""
    named = pd.concat([desired.members, desired.frozen_members], ignore_index=True)
    return named.merge(possible, on="user_id")[["reference", "platform_user_id"]].drop_duplicates()


def _frozen_groups(current: Current, unmoved: frozenset[str]) -> pd.Series:
    """Names of groups with a member whose membership stays as it is."""
    holding = current.groups.users.loc[current.groups.users["platform_user_id"].isin(unmoved), "group_id"]
    return current.groups.groups.loc[is_in(current.groups.groups["group_id"], holding), "name"]


def _first_windows(members: pd.DataFrame, bookings: pd.DataFrame) -> pd.Series:
    starts = members[["user_id"]].assign(first_window=bookings["window_start"].array.take(members["row"].to_numpy()))
    return pd.Series(starts.groupby("user_id")["first_window"].min())


def _needs_site_user(people: pd.DataFrame, rules: AccessRules) -> pd.Series:
    everybody = pd.Series(rules.provision_users == "all", index=people.index)
    return (everybody | people["first_window"].notna()) & people["usable"]


def _email_holders(people: pd.DataFrame, salto: pd.DataFrame) -> pd.Series:
    """The site user, other than their own, who has the person's email now."""
    known = salto.dropna(subset="email").sort_values("site_user_id")
    holder = lookup(people["email"], known["email"], known["site_user_id"])
    return holder.where(holder.ne(people["site_user_id"]))


def _matches(people: pd.DataFrame, salto: pd.DataFrame) -> pd.DataFrame:
    """Hector user id by platform user id: by match, else by marker."""
    marked = salto.loc[salto["marker"].notna(), ["platform_user_id", "marker"]].rename(columns={"marker": "user_id"})
    matched = people.loc[people["platform_user_id"].notna(), ["platform_user_id", "user_id"]]
    both = pd.concat([marked, matched]).drop_duplicates("platform_user_id", keep="last")
    return both.sort_values("platform_user_id", ignore_index=True)


def _limit_operations(
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
    unsafe = unsafe_without(kept, operations[~inscope], inside)
    return kept[~unsafe].reset_index(drop=True), problems("waits_for_all", kept[unsafe].drop(columns="reference"))


def _not_found(references: Collection[str], desired: Desired) -> pd.DataFrame:
    missing = sorted(set(references) - set(desired.decisions["reference"]))
    return problems("reference_not_found", pd.DataFrame({"reference": missing}, dtype="str"))


def _unmatched_approval(approve: str | None) -> pd.DataFrame:
    """An approval that let nothing through: of a set that has changed or gone since, or mistyped."""
    given = [approve.strip()] if approve and approve.strip() else []
    return problems("approval_unmatched", pd.DataFrame({"approve": given}, dtype="str"))


def _memberships(ours: pd.DataFrame, current: Current) -> pd.DataFrame:
    users = current.groups.users
    return users[is_in(users["group_id"], ours["group_id"])].reset_index(drop=True)


def _users_shut_out(people: pd.DataFrame) -> list[pd.DataFrame]:
    """Users with a reservation whose door will stay shut for a reason that only a person can remove."""
    booked = people[people["first_window"].notna() & people["usable"]]
    asleep = booked["subscription_state"].notna() & booked["subscription_state"].ne(SUBSCRIBED) & ~booked["ours"]
    bare = booked["tag"].isna() & booked["salto_tag"].isna()
    return [
        problems("user_blocked", booked[booked["blocked"]]),
        problems("user_suspended", booked[asleep & ~booked["blocked"]]),
        problems("code_missing", booked[bare]),
    ]


def _correct_decisions(decisions: pd.DataFrame, chosen: pd.DataFrame, doors: _Doors) -> pd.DataFrame:
    """Hector's decisions, corrected by what Salto has: no lock of that name, locks in several zones, no user left."""
    hoped = decisions["decision"].eq(ACCESS)
    shut = hoped & ~is_in(decisions["reference"], chosen["reference"])  # few, so the rest is asked of them alone
    refused = decisions.loc[shut, "reference"]
    left = (GROUP_PREFIX + refused).isin(doors.left)
    dropped = ~left & is_in(refused, doors.dropped)
    doorless = ~left & ~dropped & ~is_in(refused, doors.locks["reference"])
    reason = pd.Series(str(Refusal.NO_SALTO_USER), index=refused.index, dtype="str")
    reason = reason.mask(doorless, str(Refusal.NO_LOCK_OF_SITE))
    reason = reason.mask(dropped, str(Refusal.ZONES))
    reason = reason.mask(left, str(Refusal.DOOR_UNCLEAR))
    decision = pd.Series(NO_ACCESS, index=refused.index, dtype="str").mask(left, LEFT)
    told = decisions.assign(
        decision=decision.reindex(decisions.index).fillna(decisions["decision"]),
        reason=reason.reindex(decisions.index).fillna(decisions["reason"]),
    )
    return schemas.validate(schemas.DECISIONS, told)


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
