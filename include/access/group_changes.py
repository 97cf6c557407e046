"""What must change in access groups: whole groups, their one schedule, their locks and their members.

Rules: design section 4 ("Reservations", "Window -> time schedule", "Ours among the groups").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.access.operations import as_json, operations
from include.access.rules import GROUP_PREFIX
from include.access.windows import SCHEDULE_COLUMNS, same_schedule, to_minute

if TYPE_CHECKING:
    from include.access.current import Groups


@dataclass(frozen=True)
class WantedGroups:
    """The groups that should exist.

    groups: reference, group_name and SCHEDULE_COLUMNS; locks: reference, lock_id, lock;
    members: reference, user_id, platform_user_id (null: made in this run);
    unmoved: platform user ids whose memberships are neither given nor taken (Hector contradicts itself about them).
    """

    groups: pd.DataFrame
    locks: pd.DataFrame
    members: pd.DataFrame
    unmoved: frozenset[str]


def group_operations(
    wanted: WantedGroups, ours: pd.DataFrame, current: Groups, names: dict[str, str]
) -> list[pd.DataFrame]:
    """Operations (OPERATIONS) that turn our current groups into the wanted ones.

    Args:
        wanted: the groups that should exist.
        ours: from ``current.our_groups``, without those that must be left as they are.
        current: what is in the site's groups.
        names: Hector user id of each platform user that the rules know, for the plan's readers.
    """
    twins = wanted.groups.merge(ours.rename(columns={"name": "group_name"}), on="group_name")
    kept = _best(twins, wanted, current)
    pairs = wanted.groups.merge(kept, on="group_name", how="left")
    have = pairs[pairs["group_id"].notna()]
    return [
        *_deleted(ours[~ours["group_id"].isin(kept["group_id"])], current, set(wanted.groups["group_name"])),
        *_created(pairs[pairs["group_id"].isna()]),
        *_schedules(have, current.schedules),
        *_locks(pairs, wanted.locks, current.locks),
        *_members(pairs, wanted, current.users, names),
    ]


def _best(twins: pd.DataFrame, wanted: WantedGroups, current: Groups) -> pd.DataFrame:
    """One group a name: the one that matches best stays (schedule, then members and locks, then the lowest id)."""
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
    best = scored.sort_values(["group_name", "fits", "score", "group_id"]).drop_duplicates("group_name")
    return best[["group_name", "group_id"]]


def _deleted(groups: pd.DataFrame, current: Groups, wanted: set[str]) -> list[pd.DataFrame]:
    twin = groups["name"].isin(wanted)
    cause = pd.Series("withdrawn", index=groups.index).mask(groups["over"], "expired").mask(twin, "drift")
    reason = cause.map(
        {
            "withdrawn": "no reservation gives this access any more",
            "expired": "its window is over",
            "drift": "another group of this name is the one that is kept",
        }
    )
    sizes = {
        "users": groups["group_id"].map(current.users["group_id"].value_counts()).fillna(0).astype("int64"),
        "locks": groups["group_id"].map(current.locks["group_id"].value_counts()).fillna(0).astype("int64"),
    }
    before = [as_json({"users": int(u), "locks": int(k)}) for u, k in zip(sizes["users"], sizes["locks"], strict=True)]
    reference = groups["name"].str.removeprefix(GROUP_PREFIX)
    rows = groups.assign(
        group_name=groups["name"], reference=reference, before=pd.Series(before, index=groups.index, dtype="str")
    )
    return [operations("group_delete", rows, cause=cause, reason=reason, unit="reservation " + reference)]


def _created(groups: pd.DataFrame) -> list[pd.DataFrame]:
    rows = groups.assign(group_id=None, after=_schedule_json(groups))
    return [operations("group_create", rows, cause="new", reason="a reservation opens this window", unit=_unit(groups))]


def _schedule_json(rows: pd.DataFrame, suffix: str = "") -> pd.Series:
    columns = [f"{name}{suffix}" for name in SCHEDULE_COLUMNS]
    records = rows[columns].to_dict("records")
    texts = [as_json({name: row[f"{name}{suffix}"] for name in SCHEDULE_COLUMNS}) for row in records]
    return pd.Series(texts, index=rows.index, dtype="str")


def _unit(rows: pd.DataFrame) -> pd.Series:
    return "reservation " + rows["reference"]


def _schedule_pairs(groups: pd.DataFrame, schedules: pd.DataFrame) -> pd.DataFrame:
    """Each wanted group with each schedule it carries (suffix _now), and whether they mean the same."""
    now = schedules.rename(columns={name: f"{name}_now" for name in SCHEDULE_COLUMNS})
    pairs = groups.merge(now, on="group_id")
    current = pairs[[f"{name}_now" for name in SCHEDULE_COLUMNS]].set_axis(list(SCHEDULE_COLUMNS), axis=1)
    return pairs.assign(same=same_schedule(pairs[list(SCHEDULE_COLUMNS)], current))


def _schedules(groups: pd.DataFrame, schedules: pd.DataFrame) -> list[pd.DataFrame]:
    """Exactly one schedule a group: the fitting one stays, else one is changed; all others go."""
    pairs = _schedule_pairs(groups, schedules).sort_values(
        ["group_id", "same", "schedule_id"], ascending=[True, False, True]
    )
    pairs = pairs.assign(before=_schedule_json(pairs, "_now"), after=_schedule_json(pairs))
    first = ~pairs.duplicated("group_id")
    extra, changed = pairs[~first], pairs[first & ~pairs["same"]]
    bare = groups[~groups["group_id"].isin(pairs["group_id"])]
    return [
        operations(
            "schedule_delete", extra, cause="drift", reason="a group has exactly one schedule", unit=_unit(extra)
        ),
        operations(
            "schedule_change",
            changed,
            cause="moved",
            reason="the reservation's window is another one",
            unit=_unit(changed),
            removal=_narrowed(changed),
        ),
        operations(
            "schedule_create",
            bare.assign(after=_schedule_json(bare)),
            cause="drift",
            reason="a group without a schedule opens nothing",
            unit=_unit(bare),
        ),
    ]


def _narrowed(pairs: pd.DataFrame) -> pd.Series:
    """True where the new window leaves out a moment of the old one."""
    starts_later = ~(to_minute(pairs["start_date"]) <= to_minute(pairs["start_date_now"]))
    end, end_now = to_minute(pairs["end_date"], end_of_day=True), to_minute(pairs["end_date_now"], end_of_day=True)
    ends_earlier = ~(end >= end_now)
    return starts_later | ends_earlier


def _locks(pairs: pd.DataFrame, wanted: pd.DataFrame, current: pd.DataFrame) -> list[pd.DataFrame]:
    identity = pairs[["reference", "group_name", "group_id"]]
    want = wanted.merge(identity, on="reference").rename(columns={"lock": "lock_name"})
    have = current.merge(identity.dropna(subset="group_id"), on="group_id")
    both = want.merge(have[["group_id", "lock_id"]], on=["group_id", "lock_id"], how="outer", indicator=True)
    new = both[both["_merge"].eq("left_only")]
    stale = both.loc[both["_merge"].eq("right_only"), ["group_id", "lock_id"]].merge(identity, on="group_id")
    fresh = new["group_id"].isna()
    cause = pd.Series("moved", index=new.index).mask(fresh, "new")
    return [
        operations(
            "lock_remove", stale, cause="moved", reason="the reservation no longer has this door", unit=_unit(stale)
        ),
        operations("lock_add", new, cause=cause, reason="the reservation has this door", unit=_unit(new)),
    ]


def _members(
    pairs: pd.DataFrame, wanted: WantedGroups, current: pd.DataFrame, names: dict[str, str]
) -> list[pd.DataFrame]:
    identity = pairs[["reference", "group_name", "group_id"]]
    want = wanted.members.merge(identity, on="reference")
    have = current.merge(identity.dropna(subset="group_id"), on="group_id")
    have = have[~have["platform_user_id"].isin(wanted.unmoved)]
    known = have[["group_id", "platform_user_id"]].assign(there=True)
    want = want.merge(known, on=["group_id", "platform_user_id"], how="left")
    new = want[want["there"].isna() | want["platform_user_id"].isna()]
    right = want[["group_id", "platform_user_id"]].dropna().assign(right=True)
    stale = have.merge(right, on=["group_id", "platform_user_id"], how="left")
    stale = stale[stale["right"].isna()]
    stale = stale.assign(user_id=stale["platform_user_id"].map(names))
    cause = pd.Series("moved", index=new.index).mask(new["group_id"].isna(), "new")
    return [
        operations(
            "member_remove", stale, cause="moved", reason="not among the reservation's people", unit=_unit(stale)
        ),
        operations("member_add", new, cause=cause, reason="among the reservation's people", unit=_unit(new)),
    ]
