"""Who should enter a door at a moment, who can, and what is booked there next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from hector_salto.access.refusals import Refusal
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.access.snapshot import may_enter
from hector_salto.access.texts import comparable, few, fold_all
from hector_salto.reports.clock import wall
from hector_salto.reports.explain import NO_LOCK, SHOWN, Explanation, check_reservations, door_events, needs_no_door
from hector_salto.reports.text import many

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hector_salto.access.snapshot import Snapshot
    from hector_salto.reports.explain import AccessPath, Sources


@dataclass(frozen=True)
class Doors:
    """What a name means: locks of that name or of a place of that name (SEEN_LOCKS), and rooms booked there (SEEN_ROOMS)."""

    name: str
    locks: pd.DataFrame
    rooms: pd.DataFrame


def doors_called(seen: Snapshot, name: str) -> Doors:
    """Return the locks and rooms of a door: by the name or id of a lock or place, whatever its case."""
    sought = comparable(name)
    place = fold_all(seen.places["place_name"]).eq(sought) | seen.places["place_id"].eq(name.strip())
    lock = fold_all(seen.locks["name"]).eq(sought) | seen.locks["lock_id"].eq(name.strip())
    locks = seen.locks[lock | seen.locks["lock_id"].isin(seen.places[place]["lock_id"].dropna())]
    named = {*fold_all(locks["name"]).dropna(), sought}
    here = seen.rooms["lock_id"].isin(locks["lock_id"]) | fold_all(seen.rooms["lock_name"]).isin(named)
    here |= fold_all(seen.rooms["place_name"]).eq(sought) | seen.rooms["place_id"].eq(name.strip())
    return Doors(name.strip(), locks, seen.rooms[here])


def who_may_enter(
    sources: Sources, door: str, *, now: pd.Timestamp, at: pd.Timestamp | None, since: pd.DataFrame
) -> Explanation:
    """Return every user who should enter a door at a moment and whether they can, and all others who can.

    Args:
        sources: what is known.
        door: name or id of a lock or a place.
        now: aware.
        at: the moment asked about; None: now, and what is booked next is listed too.
        since: group_id, platform_user_id, run, since (see ``questions.memberships_since``); empty: not known.
    """
    found = doors_called(sources.snapshot, door)
    moment = now if at is None else at
    here = replace(sources, snapshot=replace(sources.snapshot, rooms=found.rooms))
    rows = _reservations(here.snapshot)
    inside = rows[(rows["window_start"] <= moment) & (rows["window_end"] > moment)]
    ways = _paths_of_reservations(here, inside, (moment, moment))
    if found.locks.empty and not ways:  # a place without a lock, or no door
        return _no_such_door(sources, door)
    entering = _entering(sources, found, moment, since)
    used = {(way.reference, way.user_id) for way in ways if way.opens}
    apart = [(one["reference"], one["user_id"]) not in used for one in entering.to_dict("records")]
    others = entering[pd.Series(apart, index=entering.index, dtype="bool")]
    opens = all(way.opens for way in ways) if ways else bool(len(others)) and not _offline(found)
    lines = [_headline(sources, found, ways, others, moment), *_users(sources, ways, entering)]
    lines += [_other(sources, row) for row in others.to_dict("records")[:SHOWN]]
    lines += _quiet(inside)
    if at is None:
        lines += _next(here, found, rows[rows["window_start"] > now], now)
    lines.append(
        f"  ({sources.looked}; only access groups named {GROUP_PREFIX}... are looked at: others may open it too)"
    )
    return Explanation(opens=opens, head=lines, notes=door_events(sources, found.locks["lock_id"]))


def _reservations(seen: Snapshot) -> pd.DataFrame:
    return seen.reservations[seen.reservations["reservation_id"].isin(seen.rooms["reservation_id"])]


def _paths_of_reservations(
    sources: Sources, rows: pd.DataFrame, when: tuple[pd.Timestamp, pd.Timestamp | None], *, ahead: bool = False
) -> list[AccessPath]:
    """Return the ways of all users whom reservations should let in, those who cannot enter first."""
    asked = rows[~needs_no_door(rows) | (ahead & rows["reason"].eq(Refusal.AHEAD))]
    ways = check_reservations(sources, asked, when).ways if len(asked) else []
    return sorted((way for way in ways if way.says != NO_LOCK), key=lambda way: way.opens)


def _entering(sources: Sources, found: Doors, moment: pd.Timestamp, since: pd.DataFrame) -> pd.DataFrame:
    entering = may_enter(sources.snapshot, moment)
    entering = entering[entering["lock_id"].isin(found.locks["lock_id"])]
    if since.empty:
        return entering.assign(run=None, since=None)
    return entering.merge(since, on=["group_id", "platform_user_id"], how="left")


def _offline(found: Doors) -> list[str]:
    """Names of the locks that learn of nothing new, or refuse valid users."""
    well = found.locks["online"] & found.locks["iq_online"] & ~found.locks["privacy_mode"]
    return [str(name) for name in found.locks[~well]["name"]]


def _headline(
    sources: Sources, found: Doors, ways: list[AccessPath], others: pd.DataFrame, moment: pd.Timestamp
) -> str:
    about = f"{found.name} at {sources.local(moment)}"
    shut = sum(not way.opens for way in ways)
    if not ways and len(others) and not _offline(found):
        return f"open: no reservation is for {about}, but {many(len(others), 'user')} can enter"
    if not ways:
        return f"closed: no reservation should open {about}"
    if not shut:
        return f"open: {len(ways)} of {many(len(ways), 'user')} who should enter {about} can"
    return f"closed: {shut} of {many(len(ways), 'user')} who should enter {about} cannot"


def _users(sources: Sources, ways: list[AccessPath], entering: pd.DataFrame) -> list[str]:
    given = {(row["reference"], row["user_id"]): row for row in entering.to_dict("records")}
    lines = []
    for way in ways[:SHOWN]:
        who = f"{way.whom} in reservation {way.reference}"
        if way.opens:
            lines.append(f"  can   {who}{_since(sources, given.get((way.reference, way.user_id)))}")
        else:
            step = f"; next step: {way.next_step}" if way.next_step else ""
            lines.append(f"  NO    {who}: {_fault(way)}{step}")
    more = len(ways) - SHOWN
    return [*lines, f"  and {many(more, 'more user')}"] if more > 0 else lines


def _fault(way: AccessPath) -> str:
    """Return the broken link, with the problem whose next step follows: a remedy without its cause helps no one."""
    return "; ".join(filter(None, (way.first_fault, way.because)))


def _since(sources: Sources, row: Mapping[Any, Any] | None) -> str:
    if row is None or row["since"] is None or pd.isna(row["since"]):
        return ""
    given = pd.Timestamp(row["since"])
    aware = given.tz_localize("UTC") if given.tzinfo is None else given
    return f", at {row['lock_name']}, since {sources.local(aware)} (run {row['run']})"


def _other(sources: Sources, row: Mapping[Any, Any]) -> str:
    """Return a line about a user who can enter although no reservation of the moment says so."""
    who = row["email"] if isinstance(row["email"], str) else f"Salto user {row['platform_user_id']}"
    seen = sources.snapshot
    endless = set(seen.schedules.loc[seen.schedules["end_date"].isna(), "group_id"])
    if row["group_id"] in endless:
        through = f"access group {row['group_name']}, which has no end date and is never changed"
    else:
        through = f"access group {row['group_name']}, which no reservation of this moment asks for"
    return f"  also  {who} through {through}, at {row['lock_name']}{_since(sources, row)}"


def _quiet(inside: pd.DataFrame) -> list[str]:
    """Return what Hector says no to: no one waits for it."""
    return [
        f"  no access by reservation {row['reference']} (status {row['status']}): {row['reason']}"
        for row in inside[needs_no_door(inside)].to_dict("records")[:SHOWN]
    ]


def _next(sources: Sources, found: Doors, rows: pd.DataFrame, now: pd.Timestamp) -> list[str]:
    """Return what is booked next at a door, and whether it will open to each user."""
    begins = rows.set_index("reference")["window_start"].to_dict()
    ends = rows.set_index("reference")["window_end"].to_dict()
    ways = sorted(_paths_of_reservations(sources, rows, (now, None), ahead=True), key=lambda way: begins[way.reference])
    ahead = set(rows[rows["reason"].eq(Refusal.AHEAD)]["reference"])
    zone = sources.zone_of(found.locks["lock_id"])
    lines = []
    for way in ways[:SHOWN]:
        span = f"{wall(begins[way.reference], zone, named=False)} to {wall(ends[way.reference], zone, named=False)}"
        who = f"{span}: {way.whom} in reservation {way.reference}"
        if way.opens:
            lines.append(f"  will  {who}")
        elif way.reference in ahead:
            lines.append(f"  later {who}: its access is prepared when it comes into the horizon")
        else:
            lines.append(f"  NOT   {who}: {_fault(way)}{f'; next step: {way.next_step}' if way.next_step else ''}")
    more = [f"  and {many(len(ways) - SHOWN, 'more user')}"] if len(ways) > SHOWN else []
    return [f"  next at {found.name} ({zone}):", *lines, *more] if lines else []


def _no_such_door(sources: Sources, door: str) -> Explanation:
    seen = sources.snapshot
    place = seen.places[fold_all(seen.places["place_name"]).eq(comparable(door)) | seen.places["place_id"].eq(door)]
    if len(place):
        named = place["lock_name"].iloc[0]
        says = (
            f"names the lock {named!r}, which is not one lock of the site"
            if isinstance(named, str)
            else "names no lock"
        )
        line = f"closed: place {place['place_name'].iloc[0]} {says} ({sources.looked})"
        step = "next step: fill the place attribute Salto Lock Id with the lock's name as the Salto dashboard shows it"
        return Explanation(opens=False, head=[line, step])
    known = few(sorted(seen.locks["name"]), SHOWN)
    line = f"closed: no lock and no place is called {door} ({sources.looked}); locks: {known}"
    return Explanation(opens=False, head=[line, "next step: check the name"], known=False)
