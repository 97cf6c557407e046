"""What may not be sent once something before it failed or is held.

A removal that did not happen leaves somebody, a door or an old window standing; whatever would widen what they open must
wait (design, section 5). At every request whoever can open a door could before the run or may after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from include.access.operations import ARM, GROUP, HELD, KINDS, TAKE_AWAY, WINDOWS

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERYWHERE = frozenset({"user_subscribe", "tag_on", "office_on"})
Operation = dict[str, object]  # one row of OPERATIONS; nulls as None


def rows(operations: pd.DataFrame) -> list[Operation]:
    """Operations as plain rows in the order of the table, nulls as None."""
    return operations.astype("object").where(operations.notna(), None).to_dict("records")  # type: ignore[return-value]


@dataclass
class Standing:
    """What stands although it should have gone, or did not come although others build on it.

    :param members: platform user ids in each of our groups before the run, by group id.
    """

    members: Mapping[str, frozenset[str]]
    groups: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._groups_of: dict[str, set[str]] = {}
        for group, people in self.members.items():
            for person in people:
                self._groups_of.setdefault(person, set()).add(group)

    def note(self, operation: Operation) -> None:
        """Remember an operation that failed, is held or was not sent."""
        phase, kind = operation["phase"], operation["kind"]
        if phase in {TAKE_AWAY, WINDOWS}:
            self.groups.update(_ids(operation, "group_id", "group_name"))
            self.people.update(_ids(operation, "platform_user_id", "site_user_id"))
            self.tags.update(_ids(operation, "tag_id") if kind == "tag_off" else ())
        elif kind == "user_create":
            self.absent.update(_ids(operation, "user_id"))

    def blocks(self, operation: Operation) -> bool:
        """True when the operation would build on something noted. Taking away is never blocked."""
        if operation["phase"] == TAKE_AWAY:
            return False
        if self.absent.intersection(_ids(operation, "user_id")) and operation["kind"] != "user_create":
            return True
        groups, people = self._touched(operation)
        return bool(
            self.groups.intersection(groups)
            or self.people.intersection(people)
            or (operation["kind"] == "tag_on" and self.tags.intersection(_ids(operation, "tag_id")))
        )

    def _touched(self, operation: Operation) -> tuple[set[str], set[str]]:
        """Groups and people whose access the operation widens, or that it builds on."""
        groups = set(_ids(operation, "group_id", "group_name"))
        people = set(_ids(operation, "platform_user_id", "site_user_id"))
        if KINDS[str(operation["kind"])].subject != GROUP:
            groups.update(*(self._groups_of.get(person, set()) for person in people))
        elif not (operation["phase"] == ARM and people):  # a window or a lock concerns everybody inside
            people.update(self.members.get(str(operation["group_id"]), frozenset()))
        return groups, people


def _ids(operation: Operation, *columns: str) -> tuple[str, ...]:
    return tuple(str(operation[column]) for column in columns if operation[column] is not None)


def with_dependents_held(operations: pd.DataFrame, members: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    """The plan with everything that builds on a held operation held too."""
    if not operations["state"].eq(HELD).any():
        return operations
    standing = Standing(members)
    held = []
    for operation in rows(operations):
        waits = operation["state"] != HELD and standing.blocks(operation)
        held.append(waits)
        if waits or operation["state"] == HELD:
            standing.note(operation)
    waiting = pd.Series(held, index=operations.index)
    return operations.assign(
        state=operations["state"].mask(waiting, HELD),
        reason=operations["reason"].mask(waiting, "it builds on a removal that is held"),
    )


def resting_on(operations: pd.DataFrame, left_out: pd.DataFrame, members: Mapping[str, frozenset[str]]) -> pd.Series:
    """True for what would let a person open more by something that a run of some references leaves standing.

    A tag, a seat or office mode works in every group at once: also in a membership or a window that should have gone.
    A tag that takes another's place opens no more than that one did, and a group that is over opens nothing.
    """
    standing = Standing(members)
    for operation in rows(left_out[left_out["cause"].ne("expired")]):
        standing.note(operation)
    replaced = operations.loc[operations["kind"].eq("tag_off"), "user_id"]
    exchange = operations["kind"].eq("tag_on") & operations["user_id"].isin(replaced)
    widening = operations["kind"].isin(EVERYWHERE) & ~exchange
    blocked = [wide and standing.blocks(operation) for wide, operation in zip(widening, rows(operations), strict=True)]
    return pd.Series(blocked, index=operations.index, dtype="bool")
