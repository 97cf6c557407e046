"""What is held back although the plan asks for it: removals that look like somebody's mistake (design, section 5).

Every kind of removal counts, expired groups never do. Held is not lost: the digest of a held set, passed as
``approve``, lets exactly that set through once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.access.operations import GROUP, HELD, KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.access.rules import Limits


@dataclass(frozen=True, slots=True)
class Live:
    """How much is live before the run: our groups whose window is not over, and our users."""

    groups: int
    users: int


@dataclass(frozen=True, slots=True)
class Read:
    """How much Hector showed: all its users, and the reservations of the horizon."""

    users: int
    reservations: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Why removals are held: the guard, in words with limit, count and base."""

    guard: str
    why: str
    count: int


def guarded(
    operations: pd.DataFrame, live: Live, read: Read, limits: Limits, *, approve: str | None
) -> tuple[pd.DataFrame, list[Hold], str | None]:
    """The operations with dangerous removals held.

    Returns:
        the operations, the holds in force, and the digest that approves them (null when nothing is held).
    """
    counted = operations["removal"] & operations["cause"].ne("expired")
    of_group = operations["kind"].map(lambda kind: KINDS[kind].subject == GROUP).astype("bool")
    parts = [
        *_empty(counted, live, read),
        *_many(counted & of_group, live.groups, "groups", limits),
        *_many(counted & ~of_group, live.users, "users", limits),
    ]
    held = pd.Series(data=False, index=operations.index)
    for rows, _ in parts:
        held |= rows
    if not held.any():
        return operations, [], None
    digest = digest_of(operations[held])
    if approve is not None and approve.strip() == digest:
        return operations, [], None
    why = pd.Series("", index=operations.index)
    for rows, hold in parts:
        why = why.mask(rows & why.eq(""), f"held by the guard {hold.guard}")
    guarded_ = operations.assign(
        state=operations["state"].mask(held, HELD), reason=operations["reason"].mask(held, why)
    )
    return guarded_, [hold for _, hold in parts], digest


def digest_of(operations: pd.DataFrame) -> str:
    """Names a set of operations: what they do to whom, in any order."""
    columns = operations[["key", "before", "after"]].fillna("").sort_values("key")
    lines: Iterable[str] = columns.agg("\n".join, axis=1) if len(columns) else []
    return hashlib.sha256("\n\n".join(lines).encode()).hexdigest()[:16]


def _empty(counted: pd.Series, live: Live, read: Read) -> list[tuple[pd.Series, Hold]]:
    """Zero users or zero reservations although ours are live: an upstream fault looks like an empty house."""
    gone = [
        f"Hector shows no {what}, but {there} of ours are live"
        for what, shown, there in (("users", read.users, live.users), ("reservations", read.reservations, live.groups))
        if shown == 0 and there > 0
    ]
    if not gone or not counted.any():
        return []
    return [(counted, Hold("empty", "; ".join(gone), int(counted.sum())))]


def _many(counted: pd.Series, base: int, what: str, limits: Limits) -> list[tuple[pd.Series, Hold]]:
    count = int(counted.sum())
    if count <= limits.hold_above or count * 100 <= limits.hold_above_percent * base:
        return []
    why = (
        f"{count} removals from {base} live {what}; limits: hold_above {limits.hold_above}, "
        f"hold_above_percent {limits.hold_above_percent}"
    )
    return [(counted, Hold("withdrawals", why, count))]
