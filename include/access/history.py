"""What earlier runs of an integration saw and did: the guards measure against it (design, section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REMEMBERED = timedelta(hours=24)  # removals of so long count together, so that slicing them does not help


@dataclass(frozen=True, slots=True)
class Read:
    """How much Hector showed: all its users, and the reservations of the horizon."""

    users: int
    reservations: int


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered when a plan is made.

    read: what the last run that ended green had read; None: there is none.
    removed: keys (of OPERATIONS) of removals sent within REMEMBERED before ``as_of``. Those that somebody approved are
        left out: they were looked at. An operation that is planned again has the same key, so it counts once.
    approvals: how often a set was let through by approval, by the name of the set (``guards.name_of``).
    """

    read: Read | None = None
    removed: frozenset[str] = frozenset()
    approvals: Mapping[str, int] = field(default_factory=dict)


NOTHING_YET = History()
