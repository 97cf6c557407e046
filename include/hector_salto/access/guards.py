"""What is held back although the plan asks for it: removals that look like a mistake (design, section 5).

Every kind of removal counts, unless Hector or the clock itself shows that it is no mistake (EVIDENT). Held is not lost: the digest of a held set, passed as
``approve``, lets exactly that set through once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access.frame_lookup import is_in
from hector_salto.access.operations import EVIDENT, GROUP, HELD, KINDS, PERSON, WITH_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hector_salto.access.guard_history import GuardHistory, ReadCounts
    from hector_salto.access.settings import Limits

SHRUNK_BY_AT_LEAST = 20
LARGE_GROUP = 10


@dataclass(frozen=True, slots=True)
class LiveCounts:
    """How much is live before the run: our groups whose window is not over, and our users."""

    groups: int
    users: int


@dataclass(frozen=True)
class GuardContext:
    """What removals are measured against.

    live: before the run; read: what Hector shows now; history: what earlier runs saw and did;
    members: group_id, platform_user_id of our groups before the run.
    """

    live: LiveCounts
    read: ReadCounts
    history: GuardHistory
    members: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Hold:
    """Why removals are held: the guard; how many it counted, of how many; and all of it, with the limit, in words."""

    guard: str
    why: str
    count: int
    base: int


@dataclass(frozen=True)
class Guarded:
    """What the guards made of a plan.

    operations: with the dangerous removals held; holds: in force; digest: what approves them (null: nothing is held);
    approved: keys that an approval lets through in this plan, ``approved_set`` the name of their set, and
    ``approved_guards`` the guards that held it.
    """

    operations: pd.DataFrame
    holds: tuple[Hold, ...] = ()
    digest: str | None = None
    approved: frozenset[str] = frozenset()
    approved_set: str | None = None
    approved_guards: frozenset[str] = frozenset()


def apply_guards(operations: pd.DataFrame, situation: GuardContext, limits: Limits, *, approve: str | None) -> Guarded:
    """Hold what looks dangerous, or let it through when ``approve`` is the digest of just that."""
    removals = operations[operations["removal"] & ~operations["cause"].isin(EVIDENT)]
    parts = [
        *_empty(removals, situation),
        *_shrink(removals, situation),
        *_withdrawals(removals, situation, limits),
        *_group(removals, situation),
    ]
    held = operations["key"].isin([key for keys, _ in parts for key in keys])
    if not held.any():
        return Guarded(operations)
    dragged = _with_their_group(operations, held, situation.members) & ~held
    held |= dragged
    name = name_of(operations[held])
    digest = _digest(name, situation.history.approvals.get(name, 0))
    if approve is not None and approve.strip() == digest:
        guards = frozenset(hold.guard for _, hold in parts)
        return Guarded(
            operations,
            approved=frozenset(operations.loc[held, "key"]),
            approved_set=name,
            approved_guards=guards,
        )
    by = operations["held_by"].mask(dragged, WITH_GROUP)
    for keys, hold in parts:
        by = by.mask(operations["key"].isin(keys) & by.isna(), hold.guard)
    guarded_ = operations.assign(state=operations["state"].mask(held, HELD), held_by=by)
    return Guarded(guarded_, tuple(hold for _, hold in parts), digest)


def _with_their_group(operations: pd.DataFrame, held: pd.Series, members: pd.DataFrame) -> pd.Series:
    """Return True for suspensions and deletions of users whose place in a group is held: they would shut it as well."""
    kind = operations["kind"]
    groups = operations.loc[held & kind.eq("group_delete"), "group_id"]
    people = pd.concat(
        [
            members.loc[is_in(members["group_id"], groups), "platform_user_id"],
            operations.loc[held & kind.eq("member_remove"), "platform_user_id"],
        ]
    )
    return kind.isin(["user_suspend", "user_delete"]) & is_in(operations["platform_user_id"], people.dropna())


def name_of(operations: pd.DataFrame) -> str:
    """Names a set of operations: what they do to whom, in any order and any wording."""
    columns = operations[["key", "before", "after"]].fillna("").sort_values("key")
    lines: Iterable[str] = columns.agg("\n".join, axis=1) if len(columns) else []
    return hashlib.sha256("\n\n".join(lines).encode()).hexdigest()[:16]


def _digest(name: str, uses: int) -> str:
    """What approves a set now. An approval is good once: the same set, held again later, has another digest."""
    return name if not uses else hashlib.sha256(f"{name} again {uses}".encode()).hexdigest()[:16]


Part = tuple["pd.Series[str]", Hold]  # the keys that are held, and why


def _empty(removals: pd.DataFrame, situation: GuardContext) -> Iterator[Part]:
    """Zero users or zero reservations although ours are live: an upstream fault looks like an empty house."""
    live, read = situation.live, situation.read
    for what, shown, there in (("users", read.users, live.users), ("reservations", read.reservations, live.groups)):
        if shown == 0 and there > 0 and len(removals):
            why = f"Hector shows no {what}, but {there} of ours are live"
            yield removals["key"], Hold("empty", why, len(removals), there)


def _shrink(removals: pd.DataFrame, situation: GuardContext) -> Iterator[Part]:
    """More than half of the users or reservations are gone since the last good run, and at least twenty."""
    last, now = situation.history.read, situation.read
    if last is None or removals.empty:
        return
    pairs = (("users", last.users, now.users), ("reservations", last.reservations, now.reservations))
    for what, before, after in pairs:
        fell = before - after
        if fell * 2 > before and fell >= SHRUNK_BY_AT_LEAST:
            why = (
                f"Hector shows {after} {what}, {before} in the last good run; "
                f"limit: more than half gone, and {SHRUNK_BY_AT_LEAST} or more"
            )
            yield removals["key"], Hold("shrink", why, fell, before)


def _withdrawals(removals: pd.DataFrame, situation: GuardContext, limits: Limits) -> Iterator[Part]:
    """Removals of groups against live groups, those of people against our users; what went in 24 hours counts too.

    The base is what was live when those 24 hours began, so that a set in slices meets the limit where the whole would.
    """
    live = ((GROUP, "groups", situation.live.groups), (PERSON, "users", situation.live.users))
    for subject, what, live_now in live:
        keys = removals.loc[_about(removals["kind"], subject), "key"]
        before = _earlier(keys, situation.history, {kind.name for kind in KINDS.values() if kind.subject == subject})
        base = live_now + sum(key.startswith(("group_delete:", "user_delete:")) for key in before)
        count = len(keys) + len(before)
        if keys.empty or count <= limits.hold_above or count * 100 <= limits.hold_above_percent * base:
            continue
        spread = f" ({len(before)} of them in the last 24 hours)" if before else ""
        why = (
            f"{count} removals{spread} from {base} live {what}; limits: hold_above {limits.hold_above}, "
            f"hold_above_percent {limits.hold_above_percent}"
        )
        yield keys, Hold("withdrawals", why, count, base)


def _group(removals: pd.DataFrame, situation: GuardContext) -> Iterator[Part]:
    """More than half of the people of a large group lose its doors, all when the whole group is withdrawn."""
    leaving = removals[removals["kind"].eq("member_remove")]
    whole = removals.loc[removals["kind"].eq("group_delete") & removals["cause"].eq("withdrawn"), "group_id"]
    earlier = _earlier(leaving["key"], situation.history, {"member_remove"})
    left = pd.Series([key.split(":")[1] for key in earlier], dtype="str").value_counts()
    concerned = is_in(situation.members["group_id"], removals["group_id"])
    inside = situation.members.loc[concerned, "group_id"].value_counts()
    size = inside.add(left, fill_value=0).astype("int64")
    lost = leaving["group_id"].value_counts().add(left, fill_value=0).reindex(size.index).fillna(0).astype("int64")
    lost = lost.mask(size.index.isin(whole), size)
    over = size.index[(size >= LARGE_GROUP) & (lost * 2 > size)]
    for group_id in sorted(over):
        rows = removals[removals["group_id"].eq(group_id)]
        if len(rows):
            why = (
                f"{lost[group_id]} of {size[group_id]} people of {rows['group_name'].iloc[0]} lose access; "
                f"limit: half of a group of {LARGE_GROUP} or more"
            )
            yield rows["key"], Hold("group", why, int(lost[group_id]), int(size[group_id]))


def _about(kinds: pd.Series, subject: str) -> pd.Series:
    return kinds.map({name: kind.subject == subject for name, kind in KINDS.items()}).astype("bool")


def _earlier(now: pd.Series, history: GuardHistory, kinds: set[str]) -> list[str]:
    """Removals of these kinds that earlier runs sent, and that are not planned again now."""
    again = set(now)
    return sorted(key for key in history.removed if key not in again and key.partition(":")[0] in kinds)
