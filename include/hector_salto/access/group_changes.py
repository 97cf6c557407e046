"""What must change in access groups: whole groups, their one schedule, their locks and their members.

Rules: design section 4 ("Reservations", "Window -> time schedule", "Ours among the groups").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access.frame_lookup import both_ways, is_in, lookup
from hector_salto.access.operations import as_json, operations
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.access.text_columns import json_objects
from hector_salto.access.windows import SCHEDULE_COLUMNS, same_schedule, to_minute

if TYPE_CHECKING:
    from hector_salto.access.current import Groups


@dataclass(frozen=True)
class WantedGroups:
    """The groups that should exist.

    groups: reference, group_name and SCHEDULE_COLUMNS, numbered from 0; locks: reference, lock_id, lock;
    members: reference, user_id, platform_user_id (null: made in this run), sorted by the first two;
    ``row`` of locks and members: that of their group;
    unmoved: platform user ids whose memberships are neither given nor taken (Hector contradicts itself about them);
    claims: reference, platform_user_id of those of them whom the reservation may mean;
    ended: names of groups whose reservation Hector shows as returned, completed or over.
    """

    groups: pd.DataFrame
    locks: pd.DataFrame
    members: pd.DataFrame
    unmoved: frozenset[str]
    claims: pd.DataFrame
    ended: frozenset[str] = frozenset()


def group_operations(
    wanted: WantedGroups, ours: pd.DataFrame, current: Groups, names: pd.DataFrame
) -> list[pd.DataFrame]:
    """Operations (OPERATIONS) that turn our current groups into the wanted ones.

    Args:
        wanted: the groups that should exist.
        ours: from ``current.our_groups``, without those that must be left as they are.
        current: what is in the site's groups.
        names: platform_user_id, user_id of everybody whom the rules know, for the plan's readers.
    """
    shared = ours.duplicated("name", keep=False)
    twins = wanted.groups.merge(ours[shared].rename(columns={"name": "group_name"}), on="group_name")
    candidates = ours[~shared | is_in(ours["group_id"], _best(twins, wanted, current))]
    group_id = lookup(wanted.groups["group_name"], candidates["name"], candidates["group_id"])
    pairs = wanted.groups.assign(group_id=group_id)
    have = pairs[pairs["group_id"].notna()]
    changes = [*_schedules(have, current.schedules), *_locks(pairs, wanted.locks, current.locks)]
    return [
        *_deletions(ours[~is_in(ours["group_id"], have["group_id"])], current, wanted),
        *_creations(pairs[pairs["group_id"].isna()]),
        *changes,
        *_members(pairs, wanted, current.users, names),
        *_removals_of_unclaimed(pairs, wanted, current.users, changes),
    ]


def _best(twins: pd.DataFrame, wanted: WantedGroups, current: Groups) -> pd.Series:
    """The id of one group a name: the one that matches best stays (schedule, then members and locks, then the lowest id)."""
    if twins.empty:  # nearly always; and asking which fits best means looking through all members
        return twins["group_id"]
    exact = _schedule_pairs(twins, current.schedules)
    fitting = exact.loc[exact["same"], "group_id"]
    people = current.users.merge(twins[["group_id", "reference"]], on="group_id").merge(
        wanted.members[["reference", "platform_user_id"]], on=["reference", "platform_user_id"]
    )
    doors = current.locks.merge(twins[["group_id", "reference"]], on="group_id").merge(
        wanted.locks[["reference", "lock_id"]], on=["reference", "lock_id"]
    )
    found = pd.concat([people["group_id"], doors["group_id"]]).value_counts()
    scored = twins.assign(
        fits=~twins["group_id"].isin(fitting), score=-twins["group_id"].map(found).fillna(0).astype("int64")
    )
    return scored.sort_values(["group_name", "fits", "score", "group_id"]).drop_duplicates("group_name")["group_id"]


def _deletions(groups: pd.DataFrame, current: Groups, wanted: WantedGroups) -> list[pd.DataFrame]:
    twin = is_in(groups["name"], wanted.groups["group_name"])
    cause = pd.Series("withdrawn", index=groups.index).mask(groups["name"].isin(wanted.ended), "ended")
    cause = cause.mask(groups["over"], "expired").mask(twin, "leftover")
    reason = cause.map(
        {
            "withdrawn": "no reservation gives this access any more",
            "ended": "Hector shows its reservation as returned, completed or over",
            "expired": "its window is over",
            "leftover": "another group of this name is the one that is kept",
        }
    )
    users, locks = _sizes(groups, current.users), _sizes(groups, current.locks)
    before = [as_json({"users": u, "locks": k}) for u, k in zip(users.tolist(), locks.tolist(), strict=True)]
    reference = groups["name"].str.removeprefix(GROUP_PREFIX)
    rows = groups.assign(
        group_name=groups["name"], reference=reference, before=pd.Series(before, index=groups.index, dtype="str")
    )
    return [operations("group_delete", rows, cause=cause, reason=reason, unit="reservation " + reference)]


def _sizes(groups: pd.DataFrame, inside: pd.DataFrame) -> pd.Series:
    """How many are in each."""
    counts = inside.loc[is_in(inside["group_id"], groups["group_id"]), "group_id"].value_counts()
    return groups["group_id"].map(counts).fillna(0).astype("int64")


def _creations(groups: pd.DataFrame) -> list[pd.DataFrame]:
    rows = groups.assign(group_id=None, after=_own_json(groups))
    return [operations("group_create", rows, cause="new", reason="a reservation opens this window", unit=_unit(groups))]


def _schedule_json(rows: pd.DataFrame) -> pd.Series:
    """The schedules that the groups carry now (suffix _now), as Salto shows them."""
    records = rows[[f"{name}_now" for name in SCHEDULE_COLUMNS]].to_dict("records")
    texts = [as_json({name: row[f"{name}_now"] for name in SCHEDULE_COLUMNS}) for row in records]
    return pd.Series(texts, index=rows.index, dtype="str")


def _own_json(rows: pd.DataFrame) -> pd.Series:
    """As ``_schedule_json``, of schedules that windows.py wrote."""
    return json_objects({name: rows[name] for name in SCHEDULE_COLUMNS})


def _unit(rows: pd.DataFrame) -> pd.Series:
    return "reservation " + rows["reference"]


def _schedule_pairs(groups: pd.DataFrame, schedules: pd.DataFrame) -> pd.DataFrame:
    """Each wanted group with each schedule it carries (suffix _now), and whether they mean the same."""
    now = schedules.rename(columns={name: f"{name}_now" for name in SCHEDULE_COLUMNS})
    pairs = groups.merge(now, on="group_id")
    # What windows.py wrote is a date, so the same text means the same; only the others must be read.
    same = pd.Series(data=True, index=pairs.index)
    for name in SCHEDULE_COLUMNS:
        shown = pairs[f"{name}_now"]
        same &= pairs[name] == (shown.str.slice(0, 5) if name in {"start_time", "end_time"} else shown)
    others = pairs[~same]
    current = others[[f"{name}_now" for name in SCHEDULE_COLUMNS]].set_axis(list(SCHEDULE_COLUMNS), axis=1)
    read = same_schedule(others[list(SCHEDULE_COLUMNS)], current)
    return pairs.assign(same=same | read.reindex(pairs.index, fill_value=False))


def _schedules(groups: pd.DataFrame, schedules: pd.DataFrame) -> list[pd.DataFrame]:
    """Exactly one schedule a group: the fitting one stays, else one is changed; all others go."""
    found = _schedule_pairs(groups, schedules)
    pairs = found[~found["same"] | found.duplicated("group_id", keep=False)]
    pairs = pairs.sort_values(["group_id", "same", "schedule_id"], ascending=[True, False, True])
    pairs = pairs.assign(before=_schedule_json(pairs), after=_own_json(pairs))
    first = ~pairs.duplicated("group_id")
    extra, changed = pairs[~first], pairs[first & ~pairs["same"]]
    bare = groups[~is_in(groups["group_id"], found["group_id"])]
    return [
        operations(
            "schedule_delete", extra, cause="leftover", reason="a group has exactly one schedule", unit=_unit(extra)
        ),
        operations(
            "schedule_change",
            changed,
            cause="moved",
            reason="the reservation's window is another one",
            unit=_unit(changed),
            removal=_window_shrinks(changed),
        ),
        operations(
            "schedule_create",
            bare.assign(after=_own_json(bare)),
            cause="leftover",
            reason="a group without a schedule opens nothing",
            unit=_unit(bare),
        ),
    ]


def _window_shrinks(pairs: pd.DataFrame) -> pd.Series:
    """True where the new window leaves out a moment of the old one."""
    starts_later = ~(to_minute(pairs["start_date"]) <= to_minute(pairs["start_date_now"]))
    end, end_now = to_minute(pairs["end_date"], end_of_day=True), to_minute(pairs["end_date_now"], end_of_day=True)
    ends_earlier = ~(end >= end_now)
    return starts_later | ends_earlier


def _locks(pairs: pd.DataFrame, wanted: pd.DataFrame, current: pd.DataFrame) -> list[pd.DataFrame]:
    want = _of_groups(wanted, pairs).rename(columns={"lock": "lock_name"})
    there, right = both_ways(want[["group_id", "lock_id"]], current[["group_id", "lock_id"]])
    new, stale = want[~there], _in_groups(current[~right], pairs)
    fresh = new["group_id"].isna()
    cause = pd.Series("moved", index=new.index).mask(fresh, "new")
    return [
        operations(
            "lock_remove", stale, cause="moved", reason="the reservation no longer has this door", unit=_unit(stale)
        ),
        operations("lock_add", new, cause=cause, reason="the reservation has this door", unit=_unit(new)),
    ]


def _of_groups(lines: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Wanted locks or members with the name and the id of their group."""
    row = lines["row"].to_numpy()
    return lines.assign(**{name: pairs[name].array.take(row) for name in ("group_name", "group_id")})


def _in_groups(lines: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Locks or members that stand in one of these groups, with its reference and name."""
    return lines.merge(pairs.loc[pairs["group_id"].notna(), ["reference", "group_name", "group_id"]], on="group_id")


def _members(
    pairs: pd.DataFrame, wanted: WantedGroups, current: pd.DataFrame, names: pd.DataFrame
) -> list[pd.DataFrame]:
    want = _of_groups(wanted.members, pairs)
    have = current[~current["platform_user_id"].isin(wanted.unmoved)]
    there, right = both_ways(want[["group_id", "platform_user_id"]], have[["group_id", "platform_user_id"]])
    new, stale = want[~there], _in_groups(have[~right], pairs)
    known = lookup(stale["platform_user_id"], names["platform_user_id"], names["user_id"])
    stale = stale.assign(user_id=known)
    cause = pd.Series("moved", index=new.index).mask(new["group_id"].isna(), "new")
    return [
        operations(
            "member_remove", stale, cause="moved", reason="not among the reservation's people", unit=_unit(stale)
        ),
        operations("member_add", new, cause=cause, reason="among the reservation's people", unit=_unit(new)),
    ]


WIDENING = frozenset({"lock_add", "schedule_change", "schedule_create"})


def _removals_of_unclaimed(
    pairs: pd.DataFrame, wanted: WantedGroups, current: pd.DataFrame, changes: list[pd.DataFrame]
) -> list[pd.DataFrame]:
    """Return removals of unmoved members whom their group's reservation cannot mean, where the group changes.

    Their place stays as it is only while the group stays as it is: they must not follow it to another door or day.
    """
    if not wanted.unmoved:
        return []
    groups = pd.concat([table.loc[table["kind"].isin(WIDENING), "group_id"] for table in changes]).dropna()
    here = current["platform_user_id"].isin(wanted.unmoved) & is_in(current["group_id"], groups)
    rows = _in_groups(current[here], pairs)
    claimed, _ = both_ways(rows[["reference", "platform_user_id"]], wanted.claims)
    stale = rows[~claimed]
    reason = "not among the reservation's people, and the access group changes"
    return [operations("member_remove", stale, cause="moved", reason=reason, unit=_unit(stale))]
