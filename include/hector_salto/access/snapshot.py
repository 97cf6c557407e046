"""What one look at Hector and Salto showed, in the words of the ledger: who has booked what, and what Salto holds.

The chain of ``why``, the check of tomorrow's doors and the search for drift all ask this, whether it comes from a run
under way, from the ledger (as of any moment) or from Salto now.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.places import place_locks
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.access.texts import comparable, fold_all
from hector_salto.access.windows import is_known_zone, wall_clock

if TYPE_CHECKING:
    from hector_salto.access.current import Current
    from hector_salto.access.people import HectorPeople
    from hector_salto.access.reservations import HectorReservations

SCHEMAS = {
    "reservations": schemas.SEEN_RESERVATIONS,
    "borrowers": schemas.SEEN_BORROWERS,
    "rooms": schemas.SEEN_ROOMS,
    "people": schemas.SEEN_PEOPLE,
    "places": schemas.SEEN_PLACES,
    "locks": schemas.SEEN_LOCKS,
    "groups": schemas.SEEN_GROUPS,
    "members": schemas.SEEN_MEMBERS,
    "doors": schemas.SEEN_DOORS,
    "schedules": schemas.SEEN_SCHEDULES,
}
KEYS = {
    "reservations": ["reservation_id"],
    "borrowers": ["reservation_id", "user_id"],
    "rooms": ["reservation_id", "place_id"],
    "people": ["person"],
    "places": ["place_id"],
    "locks": ["lock_id"],
    "groups": ["group_id"],
    "members": ["group_id", "platform_user_id"],
    "doors": ["group_id", "lock_id"],
    "schedules": ["group_id", "schedule_id"],
}


@dataclass(frozen=True)
class Snapshot:
    """One look. Tables by the schemas SEEN_*; ``groups``, ``members``, ``doors``, ``schedules``: groups named like ours."""

    reservations: pd.DataFrame
    borrowers: pd.DataFrame
    rooms: pd.DataFrame
    people: pd.DataFrame
    places: pd.DataFrame
    locks: pd.DataFrame
    groups: pd.DataFrame
    members: pd.DataFrame
    doors: pd.DataFrame
    schedules: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def empty_snapshot() -> Snapshot:
    return Snapshot(**{name: schemas.frame(schema, []) for name, schema in SCHEMAS.items()})


def take_snapshot(  # noqa: PLR0913 - the two reads and what was made of them, each named
    hector: HectorPeople,
    places: pd.DataFrame,
    loaners: HectorReservations,
    current: Current,
    *,
    decisions: pd.DataFrame,
    matches: pd.DataFrame,
) -> Snapshot:
    """One look at both.

    Args:
        hector, places, loaners: what Hector showed.
        current: what Salto showed.
        decisions: DECISIONS about every reservation.
        matches: platform_user_id, user_id of those on the site who stand for a Hector user (``Plan.matches``).
    """
    booked = loaners.reservations.merge(decisions.drop(columns="reference"), on="reservation_id")
    borrowers = loaners.people[loaners.people["person_type"].eq("user")].rename(columns={"person_id": "user_id"})
    salto = _in_salto(current)
    return replace(
        salto,
        reservations=_as(schemas.SEEN_RESERVATIONS, booked),
        borrowers=_as(schemas.SEEN_BORROWERS, borrowers.drop_duplicates(["reservation_id", "user_id"])),
        rooms=_rooms(loaners.places, places, current.locks),
        places=_places(places, current.locks),
        people=_people(hector.users, current, matches),
    )


def snapshot_of_groups(current: Current) -> Snapshot:
    """What a look without Hector and users shows: the cleanup's."""
    return _in_salto(current)


def _in_salto(current: Current) -> Snapshot:
    groups = current.groups
    return replace(
        empty_snapshot(),
        locks=_as(schemas.SEEN_LOCKS, current.locks),
        groups=_as(schemas.SEEN_GROUPS, groups.groups),
        members=_as(schemas.SEEN_MEMBERS, groups.users.drop_duplicates()),
        doors=_as(schemas.SEEN_DOORS, groups.locks.drop_duplicates()),
        schedules=_as(schemas.SEEN_SCHEDULES, groups.schedules),
    )


def _as(schema: schemas.Schema, table: pd.DataFrame) -> pd.DataFrame:
    columns = list(schema.columns)
    rows = table[columns].sort_values(columns[:2], ignore_index=True)
    return schemas.validate(schema, rows)


def _lock_of_places(places: pd.DataFrame, locks: pd.DataFrame) -> pd.Series:
    """The one lock that each place names, by place id."""
    found, _ = place_locks(places, locks)
    return found.drop_duplicates("place_id").set_index("place_id")["lock_id"]


def _places(places: pd.DataFrame, locks: pd.DataFrame) -> pd.DataFrame:
    rows = places.rename(columns={"name": "place_name"})
    rows = rows.assign(lock_id=rows["place_id"].map(_lock_of_places(places, locks)).astype("str"))
    return _as(schemas.SEEN_PLACES, rows)


def _rooms(lines: pd.DataFrame, places: pd.DataFrame, locks: pd.DataFrame) -> pd.DataFrame:
    known = _lock_of_places(places, locks)
    shown = places.set_index("place_id")
    rows = lines.drop_duplicates(["reservation_id", "place_id"])
    rows = rows.assign(
        place_name=rows["place_id"].map(shown["name"]),
        lock_name=rows["place_id"].map(shown["lock_name"]),
        lock_id=rows["place_id"].map(known),
    )
    return _as(schemas.SEEN_ROOMS, rows.astype({"place_name": "str", "lock_name": "str", "lock_id": "str"}))


def _people(users: pd.DataFrame, current: Current, matches: pd.DataFrame) -> pd.DataFrame:
    """Hector's users with the site user who stands for each, then everybody else on the site."""
    own = {current.own_platform_user_id, current.owner_platform_user_id}
    aside = (
        current.users["above_site_user"] | current.users["pod_or_guest"] | current.users["platform_user_id"].isin(own)
    )
    site = current.users.assign(managed=~aside).merge(matches, on="platform_user_id", how="left")
    site = site.merge(_tag_states(current.tags), on="site_user_id", how="left")
    site = site.assign(first=site["user_id"].notna() & ~site.duplicated("user_id"))
    hector = users.merge(
        site[site["first"]].rename(columns={"email": "salto_email", "tag": "salto_tag"}), on="user_id", how="left"
    )
    hector = hector.assign(person="hector:" + hector["user_id"], hector_status=hector["status"])
    others = site[~site["first"] | ~site["user_id"].isin(users["user_id"])]
    others = others.assign(person="salto:" + others["platform_user_id"], salto_tag=others["tag"], tag=None)
    rows = pd.concat([hector, others.assign(user_id=None, hector_status=None)], ignore_index=True)
    held, code = rows["salto_tag"].notna(), rows["tag"].notna()
    flags = {
        name: rows[name].eq(other=True).fillna(value=False).astype("bool")
        for name in ("blocked", "office_mode", "managed")
    }
    rows = rows.assign(
        **flags,
        email=rows["email"].astype("str").str.strip().where(rows["email"].notna()),
        name=_names(rows),
        has_code=code,
        code_shared=_has_shared_code(rows["tag"], rows["hector_status"]),
        has_tag=held,
        own_tag=(rows["salto_tag"] == rows["tag"]).fillna(value=False).astype("bool") & held & code,
        tag_blocked=rows["tag_blocked"].eq(other=True).fillna(value=False).astype("bool"),
    )
    return _as(schemas.SEEN_PEOPLE, rows)


def _has_shared_code(codes: pd.Series, status: pd.Series) -> pd.Series:
    """Return which active users of Hector have a unique code that another active user has too."""
    own = codes.where(status.astype("str").str.strip().str.lower().eq("active"))
    return own.notna() & own.duplicated(keep=False)


def _names(rows: pd.DataFrame) -> pd.Series:
    """First and last name in one; null where there is neither."""
    whole = rows["first_name"].astype("str").fillna("").str.cat(rows["last_name"].astype("str").fillna(""), sep=" ")
    whole = whole.str.split().str.join(" ")
    return whole.where(whole.ne(""))


def _tag_states(tags: pd.DataFrame) -> pd.DataFrame:
    held = tags.dropna(subset="site_user_id")
    states = held.groupby("site_user_id").agg(tag_blocked=("blocked", "any"), tag_id=("tag_id", "min"))
    return states.reset_index().astype({"site_user_id": "str", "tag_id": "str"})


# --- who can enter ----------------------------------------------------------------------------------------------------


def open_groups(seen_: Snapshot, at: pd.Timestamp) -> pd.DataFrame:
    """Groups whose schedule is open at an instant, at each of their locks: group_id, lock_id.

    Access at an instant: inside the date frame, the weekday on, inside the daily window, on the wall clock of the
    lock's IQ (salto_connect_api.md, 5.1).
    """
    pairs = seen_.doors.merge(seen_.locks[["lock_id", "zone"]], on="lock_id").merge(seen_.schedules, on="group_id")
    parts = [rows[_covers(rows, at.tz_convert(str(zone)))] for zone, rows in _by_zone(pairs)]
    empty = pairs.iloc[:0]
    return pd.concat([empty, *parts])[["group_id", "lock_id"]].drop_duplicates(ignore_index=True)


def _by_zone(pairs: pd.DataFrame) -> list[tuple[object, pd.DataFrame]]:
    return [(zone, rows) for zone, rows in pairs.groupby("zone") if is_known_zone(str(zone))]


def _covers(schedules: pd.DataFrame, wall: pd.Timestamp) -> pd.Series:
    day = schedules[wall.day_name().lower()].astype("bool")
    clock = wall.strftime("%H:%M:%S")
    ends = schedules["end_time"].where(schedules["end_time"].str.len().gt(5), schedules["end_time"] + ":59")
    inside = schedules["start_time"].le(clock) & ends.ge(clock)
    naive = wall.tz_localize(None).floor("s")
    starts, stops = wall_clock(schedules["start_date"]), wall_clock(schedules["end_date"], end_of_day=True)
    return day & inside & (starts.isna() | (starts <= naive)) & (stops.isna() | (stops >= naive))


def may_enter(seen_: Snapshot, at: pd.Timestamp) -> pd.DataFrame:
    """Everybody whose tag opens a lock at an instant through a group named like ours.

    Returns:
        lock_id, lock_name, group_id, group_name, reference, platform_user_id, user_id, email (nulls: Hector does not
        have them), sorted.
    """
    rows = open_groups(seen_, at).merge(seen_.members, on="group_id")
    rows = rows.merge(seen_.groups.rename(columns={"name": "group_name"}), on="group_id")
    rows = rows.merge(seen_.locks.rename(columns={"name": "lock_name"})[["lock_id", "lock_name"]], on="lock_id")
    able = seen_.people[can_open(seen_.people)].dropna(subset="platform_user_id")
    rows = rows.merge(able[["platform_user_id", "user_id", "email"]], on="platform_user_id")
    rows = rows.assign(reference=rows["group_name"].str.removeprefix(GROUP_PREFIX))
    columns = ["lock_id", "lock_name", "group_id", "group_name", "reference", "platform_user_id", "user_id", "email"]
    return rows[columns].sort_values(["lock_name", "group_name", "platform_user_id"], ignore_index=True)


def can_open(people: pd.DataFrame) -> pd.Series:
    """Whose tag opens doors at all: subscribed, not blocked, with a tag that works."""
    return (
        people["subscription_state"].eq("subscribed") & ~people["blocked"] & people["has_tag"] & ~people["tag_blocked"]
    )


def same_email(people: pd.DataFrame, email: str) -> pd.DataFrame:
    return people[fold_all(people["email"]).eq(comparable(email))]
