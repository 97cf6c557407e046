"""What earlier runs of an integration saw and did: the guards measure against it (design, section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LONG_STANDING = timedelta(hours=70)  # three nights of a daily sync, whatever minutes its runs lie apart
FEWEST_READS = 3
REMEMBERED = timedelta(hours=24)  # removals of so long count together, so that slicing them does not help


@dataclass(frozen=True, slots=True)
class ReadCounts:
    """How much Hector showed: all its users, and the reservations of the horizon."""

    users: int
    reservations: int


@dataclass(frozen=True, slots=True)
class GuardHistory:
    """What is remembered when a plan is made.

    read: the baseline, see ``baseline``; None: there is none.
    removed: keys (of OPERATIONS) of removals sent within REMEMBERED before ``as_of``. Approved removals are
        left out: they were looked at. An operation that is planned again has the same key, so it counts once.
    approvals: how often a set was let through by approval, by the name of the set (``guards.name_of``).
    """

    read: ReadCounts | None = None
    removed: frozenset[str] = frozenset()
    approvals: Mapping[str, int] = field(default_factory=dict)


NOTHING_YET = GuardHistory()


@dataclass(frozen=True, slots=True)
class DatedRead:
    """What a sync of all reservations read, however it ended.

    Attributes:
        at: When it began.
        read: What Hector showed.
    """

    at: datetime
    read: ReadCounts


def baseline(good: ReadCounts | None, reads: Iterable[DatedRead], now: datetime) -> ReadCounts | None:
    """Return what a shrunken Hector is measured against.

    It is what the last complete, green or approved sync of everything read. Where every later sync of everything shows
    another level for LONG_STANDING, that level is the baseline, also while something else keeps the runs red.

    Args:
        good: what the last green or approved sync read.
        reads: of the syncs of everything before this run.
        now: when this run began.
    """
    window = _window(sorted(reads, key=lambda one: one.at), now)
    if not window:
        return good
    users, reservations = [one.users for one in window], [one.reservations for one in window]
    if good is None:
        return ReadCounts(max(users), max(reservations))
    return ReadCounts(
        users=min(max(good.users, min(users)), max(users)),
        reservations=min(max(good.reservations, min(reservations)), max(reservations)),
    )


def _window(reads: Sequence[DatedRead], now: datetime) -> list[ReadCounts]:
    """Return the reads of the last LONG_STANDING and the one before them; none while they do not reach so far back."""
    earlier = [one for one in reads if one.at <= now - LONG_STANDING]
    recent = [one for one in reads if one.at > now - LONG_STANDING]
    count = max(len(recent) + 1, FEWEST_READS)
    return [one.read for one in reads[-count:]] if earlier and len(reads) >= count else []
