"""What Salto KS reports, and which of its access groups are ours (design section 4, "Ours among the groups")."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.frame_lookup import is_in
from hector_salto.access.problems import problems
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.access.windows import LATEST_ZONE, find_zone, find_zones, schedule_ends

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class Groups:
    """The site's groups whose name starts with Hector_, and what is in them.

    groups: SALTO_GROUPS; users: SALTO_GROUP_USERS; locks: SALTO_GROUP_LOCKS; schedules: SALTO_SCHEDULES.
    """

    groups: pd.DataFrame
    users: pd.DataFrame
    locks: pd.DataFrame
    schedules: pd.DataFrame


@dataclass(frozen=True)
class Current:
    """One complete read of a site.

    users: SALTO_USERS; tags: SALTO_TAGS; locks: SALTO_LOCKS; ``seats`` None: unlimited; ``seats_used`` None: unknown;
    verified_at: when every group's details were last read, aware; None: never; user_groups: SALTO_USER_GROUPS of the
    few users about whom a plan had to know it; former_schedules: SALTO_SCHEDULES that groups without any were last seen
    with, because Salto may remove what has expired (docs/assumptions.md, schedule-expired).
    """

    site_zone: str
    seats: int | None
    seats_used: int | None
    own_platform_user_id: str
    owner_platform_user_id: str | None
    users: pd.DataFrame
    tags: pd.DataFrame
    locks: pd.DataFrame
    groups: Groups
    site_name: str = ""
    site_id: str = ""
    verified_at: pd.Timestamp | None = None
    user_groups: pd.DataFrame = field(default_factory=lambda: schemas.frame(schemas.SALTO_USER_GROUPS, []))
    former_schedules: pd.DataFrame = field(default_factory=lambda: schemas.frame(schemas.SALTO_SCHEDULES, []))


def groups_named_like_ours(groups: pd.DataFrame) -> pd.DataFrame:
    """Only these are worth reading in detail."""
    return groups[groups["name"].str.startswith(GROUP_PREFIX)].reset_index(drop=True)


def bare_groups(groups: Groups) -> list[str]:
    """Ids of the groups named like ours that have no schedule."""
    named = groups_named_like_ours(groups.groups)
    return named.loc[~is_in(named["group_id"], groups.schedules["group_id"]), "group_id"].tolist()


def our_groups(
    current: Current, *, wanted: Collection[str] | pd.Series, as_of: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The groups that are ours, and a problem for each look-alike.

    Cases:
        every schedule has an end date         -> ours; over when the last of them is
        no schedule, and its last ones had one -> the same
        no schedule, named like a wanted group -> ours (a run died between group and schedule)
        no schedule, no members and no locks   -> ours (the same, and the reservation has gone since)
        anything else                          -> a look-alike: reported, never touched

    Args:
        wanted: names of the groups of current reservations.
        as_of: aware instant.

    Returns:
        columns ``group_id``, ``name``, ``ends`` (UTC, null without schedule), ``over`` (bool); and PROBLEMS.
    """
    groups = current.groups
    table = groups_named_like_ours(groups.groups)
    former = current.former_schedules
    former = former[~is_in(former["group_id"], groups.schedules["group_id"])]
    ends = _ends(
        replace(groups, schedules=pd.concat([groups.schedules, former], ignore_index=True)),
        current.locks,
        current.site_zone,
    )
    by_group = ends.assign(open_ended=ends["end"].isna()).groupby("group_id")
    # Joined, not mapped: pandas cannot map through an empty series of instants, as a site without our groups has it.
    table = table.join(by_group.agg(ends=("end", "max"), open_ended=("open_ended", "any")), on="group_id")
    bare = table["open_ended"].isna()
    empty = ~is_in(table["group_id"], groups.users["group_id"]) & ~is_in(table["group_id"], groups.locks["group_id"])
    empty &= table["user_count"].eq(0) & table["lock_count"].eq(0)
    closed = table["open_ended"].eq(other=False)
    ours = closed | (bare & (is_in(table["name"], pd.Series(wanted, dtype="str")) | empty))
    table = table.assign(over=table["ends"].notna() & (table["ends"] <= as_of))
    return (
        table.loc[ours, ["group_id", "name", "ends", "over"]].reset_index(drop=True),
        problems("look_alike", table[~ours].rename(columns={"name": "group_name"})),
    )


def _ends(groups: Groups, locks: pd.DataFrame, site_zone: str) -> pd.DataFrame:
    """Return the end of each schedule in each zone of its group's locks (the site's when it has none).

    Where a zone is not known, a group is over only when it is over everywhere: a live group never goes because of a zone.
    """
    zones = groups.locks.merge(locks[["lock_id", "zone"]], on="lock_id")[["group_id", "zone"]].drop_duplicates()
    table = groups.schedules[["group_id", "end_date"]].merge(zones, on="group_id", how="left")
    known = find_zones(table["zone"]).mask(~is_in(table["group_id"], zones["group_id"]), find_zone(site_zone))
    return table.assign(end=schedule_ends(table, known.fillna(LATEST_ZONE)))
