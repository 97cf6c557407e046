"""What may not be sent once something before it failed or is held.

A removal that did not happen leaves a user, a lock or an old window in place; what would widen what they open must
wait (design, section 5). At every request a user who can open a door could before the run or may after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access.frame_lookup import is_in
from hector_salto.access.operations import ARM, DEPENDS, GROUP, HELD, KINDS, MALFORMED, TAKE_AWAY, WINDOWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVERYWHERE = frozenset({"user_subscribe", "tag_on", "office_on"})
Operation = dict[str, object]  # one row of OPERATIONS; nulls as None


def rows(operations: pd.DataFrame) -> list[Operation]:
    """Operations as plain rows in the order of the table, nulls as None."""
    return operations.astype("object").where(operations.notna(), None).to_dict("records")  # type: ignore[return-value]


@dataclass
class DependencyTracker:
    """What stands although it should have gone, or did not come although others build on it.

    :param members: platform user ids in each of our groups before the run, by group id.
    """

    members: Mapping[str, frozenset[str]]
    groups: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    carriers: set[str] = field(default_factory=set)  # of a tag that should have come off
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
            people = self.carriers if kind == "tag_off" else self.people
            people.update(_ids(operation, "platform_user_id", "site_user_id"))
            self.tags.update(_ids(operation, "tag_id") if kind == "tag_off" else ())
        elif kind == "user_create":
            self.absent.update(_ids(operation, "user_id"))

    def blocks(self, operation: Operation) -> bool:
        """True when the operation would build on something noted. Taking away is never blocked."""
        if operation["phase"] == TAKE_AWAY:
            return False
        if self.absent.intersection(_ids(operation, "user_id")) and operation["kind"] != "user_create":
            return True
        groups, people = self._affected(operation)
        # Another tag takes the place of the one that stays on: a user has one, and the lost one is off by that.
        carries = operation["kind"] != "tag_on" and self.carriers.intersection(people)
        return bool(
            carries
            or self.groups.intersection(groups)
            or self.people.intersection(people)
            or (operation["kind"] == "tag_on" and self.tags.intersection(_ids(operation, "tag_id")))
        )

    def _affected(self, operation: Operation) -> tuple[set[str], set[str]]:
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


def without_malformed(
    operations: pd.DataFrame, members: Callable[[], Mapping[str, frozenset[str]]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leave out malformed operations and what builds on them, as if they had failed.

    Returns:
        The operations that may be applied, and the malformed ones.
    """
    bad = operations["state"].eq(MALFORMED)
    if not bad.any():
        return operations, operations[bad]
    units, waiting = set(operations.loc[bad, "unit"]), DependencyTracker(members())
    left_out = []
    for operation in rows(operations):
        chained = operation["phase"] != TAKE_AWAY and operation["unit"] in units
        left_out.append(operation["state"] == MALFORMED or chained or waiting.blocks(operation))
        if left_out[-1]:
            waiting.note(operation)
    kept = operations[~pd.Series(left_out, index=operations.index)]
    return kept.reset_index(drop=True), operations[bad].reset_index(drop=True)


def with_dependents_held(operations: pd.DataFrame, members: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    """The plan with everything that builds on a held operation held too."""
    if not operations["state"].eq(HELD).any():
        return operations
    standing = DependencyTracker(members)
    held = []
    for operation in rows(operations):
        waits = operation["state"] != HELD and standing.blocks(operation)
        held.append(waits)
        if waits or operation["state"] == HELD:
            standing.note(operation)
    waiting = pd.Series(held, index=operations.index)
    return operations.assign(
        state=operations["state"].mask(waiting, HELD),
        held_by=operations["held_by"].mask(waiting, DEPENDS),
    )


def unsafe_without(
    operations: pd.DataFrame, left_out: pd.DataFrame, members: Mapping[str, frozenset[str]]
) -> pd.Series:
    """True for what would let a person open more by something that a run of some references leaves standing.

    A tag, a seat or office mode works in every group at once: also in a membership or a window that should have gone.
    A tag that takes another's place opens no more than that one did, and a group that is over opens nothing.
    """
    standing = _tracker_of(left_out[left_out["cause"].ne("expired")], members)
    replaced = operations.loc[operations["kind"].eq("tag_off"), "user_id"]
    exchange = operations["kind"].eq("tag_on") & operations["user_id"].isin(replaced)
    widening = operations["kind"].isin(EVERYWHERE) & ~exchange
    blocked = [wide and standing.blocks(operation) for wide, operation in zip(widening, rows(operations), strict=True)]
    return pd.Series(blocked, index=operations.index, dtype="bool")


def _tracker_of(left_out: pd.DataFrame, members: Mapping[str, frozenset[str]]) -> DependencyTracker:
    standing = DependencyTracker(members)
    for operation in rows(left_out):
        standing.note(operation)
    return standing


def missing_basis(operations: pd.DataFrame, left_out: pd.DataFrame) -> pd.Series:
    """Return True for operations on a user or an access group that only an operation left out would make."""
    made = left_out["kind"]
    users, groups = (
        set(left_out.loc[made.eq(kind), column].dropna())
        for kind, column in (("user_create", "user_id"), ("group_create", "group_name"))
    )
    about_group = operations["group_name"].notna()
    no_user = operations["user_id"].isin(users) & operations["platform_user_id"].isna()
    no_group = operations["group_name"].isin(groups) & operations["group_id"].isna()
    return (no_user & ~operations["kind"].eq("user_create")) | (about_group & no_group)


# An addition made manually, and the operations after which it would open something else than it did.
WIDENED_BY = {
    "member_remove": frozenset({"lock_add", "schedule_change", "schedule_create"}),
    "lock_remove": frozenset({"member_add", "schedule_change", "schedule_create"}),
    "schedule_delete": frozenset({"member_add", "lock_add"}),
    "schedule_change": frozenset({"member_add", "lock_add"}),
}
ARMED_BY = frozenset({"user_subscribe", "tag_on"})  # a manual member who opened nothing would from now on


def additions_that_would_widen(left_out: pd.DataFrame, kept: pd.DataFrame) -> pd.Series:
    """Return True for operations left out that undo a manual addition to a group which the kept ones change.

    What is left as it was found stays what it was: a manual member of a group must not follow it to another door or day,
    nor go without a tag or a seat for their own doors because of it.
    """
    replaced = kept.loc[kept["kind"].eq("tag_off"), "user_id"]
    armed = kept[kept["kind"].isin(ARMED_BY) & ~(kept["kind"].eq("tag_on") & kept["user_id"].isin(replaced))]
    found = left_out["kind"].eq("member_remove") & is_in(
        left_out["platform_user_id"], armed["platform_user_id"].dropna()
    )
    for undoing, changes in WIDENED_BY.items():
        changed = set(kept.loc[kept["kind"].isin(changes), "group_id"].dropna())
        found |= left_out["kind"].eq(undoing) & left_out["removal"] & left_out["group_id"].isin(changed)
    return found
