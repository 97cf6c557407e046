"""Drift: manual changes to our groups and users since the last run (issue of every full verification).

An operation repairs drift when Salto was last seen as the operation would make it: what differs now was changed by
another person, not by Hector and not by us.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.frame_lookup import is_in
from hector_salto.access.operations import as_json
from hector_salto.access.problems import problems
from hector_salto.access.windows import SCHEDULE_COLUMNS, same_schedule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hector_salto.access.snapshot import Snapshot

DRIFT = "drift"


@dataclass(frozen=True)
class DriftBaseline:
    """How a run left Salto: what it saw last, and the units (of OPERATIONS) it answers for; None: all of the site.

    Only a run that brings its units in step with Hector answers for them. A cleanup, a plan only or a reload of other
    reservations also looks at Salto, but a manual change before that look is no less drift for it.
    """

    seen: Snapshot
    units: frozenset[str] | None = None


def repairs_drift(
    operations: pd.DataFrame, accounts: Iterable[DriftBaseline], *, unsure: Collection[str] = ()
) -> pd.Series:
    """True for the operations (OPERATIONS) that repair a manual change.

    Args:
        operations: a plan's, in order.
        accounts: how the last runs left Salto; a unit that one of them names is judged by that one.
        unsure: units that a run changed after that without looking again: nothing is said about them.
    """
    found = pd.Series(data=False, index=operations.index)
    kept = list(accounts)
    named = {unit for account in kept if account.units is not None for unit in account.units}
    for account in kept if len(operations) else ():
        here = operations["unit"].isin(list(account.units if account.units is not None else named))
        by_hand = _group_drift(operations, account.seen) | _person_drift(operations, account.seen)
        found |= by_hand & (here if account.units is not None else ~here)
    return found & ~operations["unit"].isin(list(unsure)) & operations["cause"].ne("expired")


def mark_drift(operations: pd.DataFrame, by_hand: pd.Series) -> pd.DataFrame:
    """Those with cause ``drift``, and a reason and a ``before`` that say what was changed."""
    if not by_hand.any():
        return operations
    cause = operations["cause"].mask(by_hand, DRIFT)
    reason = operations["kind"].map(REASONS).astype("str").where(by_hand).fillna(operations["reason"])
    before = operations["before"].mask(by_hand & operations["before"].isna(), operations["kind"].map(BEFORE))
    return schemas.validate(schemas.OPERATIONS, operations.assign(cause=cause, reason=reason, before=before))


REASONS = {
    "member_add": "somebody took this person out by hand",
    "member_remove": "somebody put this person in by hand",
    "lock_add": "somebody took this door out by hand",
    "lock_remove": "somebody put this door in by hand",
    "schedule_change": "somebody changed the window by hand",
    "schedule_create": "somebody removed the window by hand",
    "schedule_delete": "somebody added a window by hand",
    "group_create": "somebody deleted the access group by hand",
    "tag_on": "somebody took the tag off by hand",
    "tag_off": "somebody put a tag on by hand",
    "office_on": "somebody switched office mode off by hand",
    "office_off": "somebody switched office mode on by hand",
    "user_subscribe": "somebody suspended the user by hand",
    "user_suspend": "somebody subscribed the user by hand",
    "user_create": "somebody deleted the user by hand",
}
BEFORE = {
    "member_add": as_json({"member": False}),
    "member_remove": as_json({"member": True}),
    "lock_add": as_json({"door": False}),
    "lock_remove": as_json({"door": True}),
    "group_create": as_json({"group": False}),
    "schedule_create": as_json({"schedule": False}),
    "tag_on": as_json({"tag": False}),
    "tag_off": as_json({"tag": True}),
    "office_on": as_json({"office_mode": False}),
    "office_off": as_json({"office_mode": True}),
    "user_subscribe": as_json({"subscription_state": "suspended"}),
    "user_suspend": as_json({"subscription_state": "subscribed"}),
    "user_create": as_json({"user": False}),
}


def drift_problems(operations: pd.DataFrame) -> pd.DataFrame:
    """A problem for each change by hand that is only reported (``drift: report``), from what would repair it."""
    return _about("drift_reported", operations)


def undone_problems(operations: pd.DataFrame, drift: str) -> pd.DataFrame:
    """Return a problem for each manual addition that ``drift: report`` cannot leave, because its group changes."""
    undone = operations["cause"].eq(DRIFT) if drift == "report" else pd.Series(data=False, index=operations.index)
    return _about("drift_undone", operations[undone])


def _about(code: str, rows: pd.DataFrame) -> pd.DataFrame:
    subject = rows["reference"].map("reservation {}".format, na_action="ignore").astype("str").fillna(rows["unit"])
    door, whom = rows["lock_name"], rows["user_id"].fillna(rows["platform_user_id"])
    about = whom.map(" (user {})".format, na_action="ignore").astype("str").fillna("")
    about += door.map(" (door {})".format, na_action="ignore").astype("str").fillna("")
    return problems(code, rows.assign(subject=subject, about=about, why=rows["reason"]))


def _group_drift(operations: pd.DataFrame, previous: Snapshot) -> pd.Series:
    kind = operations["kind"]
    known = is_in(operations["group_id"], previous.groups["group_id"])
    person = is_in(_pairs(operations, "platform_user_id"), _pairs(previous.members, "platform_user_id"))
    door = is_in(_pairs(operations, "lock_id"), _pairs(previous.doors, "lock_id"))
    own = is_in(_pairs(operations, "schedule_id"), _pairs(previous.schedules, "schedule_id"))
    scheduled = is_in(operations["group_id"], previous.schedules["group_id"])
    found = kind.eq("member_add") & person | kind.eq("member_remove") & known & ~person
    found |= kind.eq("lock_add") & door | kind.eq("lock_remove") & known & ~door
    found |= kind.eq("schedule_delete") & known & ~own
    found |= (
        kind.isin(["schedule_change", "schedule_create"])
        & known
        & scheduled
        & _intends_last_schedule(operations, previous)
    )
    found |= kind.eq("group_create") & _intends_last_schedule_by_name(operations, previous)
    remade = set(operations.loc[found & kind.eq("group_create"), "group_name"])
    inside = operations["group_id"].isna() & operations["group_name"].isin(remade)
    return found | (inside & kind.isin(["lock_add", "member_add"]))


def _pairs(table: pd.DataFrame, column: str) -> pd.Series:
    return table["group_id"].astype("str") + " " + table[column].astype("str")


def _intends_last_schedule(operations: pd.DataFrame, previous: Snapshot) -> pd.Series:
    """Whether the group's schedule was last seen as the operation would make it."""
    return _same_as(operations, previous.schedules, "group_id")


def _intends_last_schedule_by_name(operations: pd.DataFrame, previous: Snapshot) -> pd.Series:
    named = previous.schedules.merge(previous.groups.rename(columns={"name": "group_name"}), on="group_id")
    return _same_as(operations, named, "group_name")


def _same_as(operations: pd.DataFrame, schedules: pd.DataFrame, by: str) -> pd.Series:
    rows = operations[operations["kind"].isin(["schedule_change", "schedule_create", "group_create"])]
    meant = pd.DataFrame(
        [json.loads(str(after)) for after in rows["after"]], columns=list(SCHEDULE_COLUMNS), index=rows.index
    )
    meant = meant.assign(row=rows.index, **{by: rows[by]})
    single = schedules[~schedules.duplicated(by, keep=False)]
    pairs = meant.merge(single, on=by, suffixes=("", "_last"))
    if pairs.empty:
        return pd.Series(data=False, index=operations.index)
    last = pairs[[f"{name}_last" for name in SCHEDULE_COLUMNS]].set_axis(list(SCHEDULE_COLUMNS), axis=1)
    same = pairs.loc[same_schedule(pairs[list(SCHEDULE_COLUMNS)], last), "row"]
    return pd.Series(operations.index.isin(same), index=operations.index)


def _person_drift(operations: pd.DataFrame, previous: Snapshot) -> pd.Series:
    """Tags, office mode, seats and users that were last seen as the operation would make them."""
    kind = operations["kind"]
    people = previous.people.dropna(subset="user_id").drop_duplicates("user_id").set_index("user_id")
    subscribed = people["subscription_state"].eq("subscribed")
    was = {
        "tag_off": ~people["has_tag"],
        "office_on": people["office_mode"],
        "office_off": ~people["office_mode"],
        "user_subscribe": subscribed,
        "user_suspend": ~subscribed & people["subscription_state"].notna(),
        "user_create": people["site_user_id"].notna(),
    }
    known = set(people.index[people["site_user_id"].notna()])
    found = pd.Series(data=False, index=operations.index)
    for name, state in was.items():
        those = {user for user in state.index[state] if user in known}
        found |= kind.eq(name) & operations["user_id"].isin(those)
    carried = operations["user_id"].map(people["tag_id"])
    return found | (
        kind.eq("tag_on") & carried.notna() & carried.eq(operations["tag_id"])
    )  # not: another tag than then
