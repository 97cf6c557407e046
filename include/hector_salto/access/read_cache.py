"""What an everyday run need not read again: Salto as the last run left it (design section 9, "Speed").

Lists are short, details are long: three requests a group. So the lists say which groups can have changed since their
details were last read; only those are read again, and what a plan is about to change. What is changed manually
without changing a count (one member for another, a window) shows at the next full verification.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access.current import Current, Groups
from hector_salto.access.settings import GROUP_PREFIX, MARKER_PREFIX
from hector_salto.access.texts import fold_all

if TYPE_CHECKING:
    from collections.abc import Collection

    from hector_salto.access.desired import Desired

VERIFY_EVERY = pd.Timedelta(hours=20)  # a daily sync verifies every time, whatever minutes its runs lie apart
FEW = 10  # reservations, people, tags: more are not looked up one by one
SMALL_GROUPS = 20  # a site of so few groups is read in detail by every run
SMALL_TAGS = 200
SMALL_LOCKS = 200
# A few reservations wait for no full verification, unless the one of the day was missed.
VERIFY_LATEST = pd.Timedelta(hours=30)


@dataclass(frozen=True)
class Remembered:
    """Salto as the last run saw it.

    current: all of it; touched: ids and names of groups that runs have changed since; people_touched: they have changed
    users, too.
    """

    current: Current
    touched: frozenset[str] = frozenset()
    people_touched: bool = False

    def is_due(self, as_of: pd.Timestamp, *, few: bool = False) -> bool:
        """Whether everything has to be read again; ``few``: a run of some reservations wants to know."""
        verified = self.current.verified_at
        return verified is None or as_of - verified > (VERIFY_LATEST if few else VERIFY_EVERY) or verified > as_of

    def to_read(self, listed: pd.DataFrame) -> pd.Series:
        """Ids of the groups whose details can have changed.

        Args:
            listed: SALTO_GROUPS, as Salto lists them now.
        """
        # The counts of what is remembered in detail, whatever was listed then: a process may have died between the two.
        known = with_counts(self.current.groups).groups
        same = listed.merge(known, on=list(listed.columns))["group_id"]
        touched = listed["group_id"].isin(self.touched) | listed["name"].isin(self.touched)
        return listed.loc[touched | ~listed["group_id"].isin(same), "group_id"]


@dataclass(frozen=True)
class Scope:
    """What a run of a few reservations has to look at.

    group_names: of their access groups; site_user_ids: of their people who were on the site; emails: of the others;
    lock_names: of their doors, as Salto writes them.
    """

    group_names: tuple[str, ...]
    site_user_ids: tuple[str, ...]
    emails: tuple[str, ...]
    lock_names: tuple[str, ...]


def scope_of(desired: Desired, references: Collection[str], remembered: Remembered) -> Scope | None:
    """What these reservations need; None: too much, or too little is known, to look it up one by one."""
    chosen = list(dict.fromkeys(references))
    users = desired.members.loc[desired.members["reference"].isin(chosen), "user_id"].unique()
    people = desired.people[desired.people["user_id"].isin(users)]
    doors = _lock_names(desired, chosen, remembered.current.locks)
    names = {GROUP_PREFIX + reference for reference in chosen}
    groups = remembered.current.groups.groups
    elsewhere = remembered.touched - names - set(groups.loc[groups["name"].isin(names), "group_id"])
    wide = remembered.people_touched or bool(elsewhere) or max(len(chosen), len(people)) > FEW
    if wide or doors is None or len(doors) > FEW:
        return None
    known = remembered.current.users
    marker = known["alias"].astype("str").str.strip().str.removeprefix(MARKER_PREFIX)
    marked = known["alias"].notna() & marker.isin(people["user_id"])
    here = known[marked | fold_all(known["email"]).isin(people["email"])]
    named = set(marker[marked])
    strangers = people[~people["email"].isin(fold_all(here["email"])) & ~people["user_id"].isin(named)]
    return Scope(
        group_names=tuple(GROUP_PREFIX + reference for reference in chosen),
        site_user_ids=tuple(sorted(here["site_user_id"])),
        emails=tuple(sorted(strangers["email"])),
        lock_names=doors,
    )


def _lock_names(desired: Desired, references: list[str], locks: pd.DataFrame) -> tuple[str, ...] | None:
    """The doors' names as Salto was last seen to write them; None: one of them fits no lock, or several."""
    wanted = fold_all(desired.rooms.loc[desired.rooms["reference"].isin(references), "lock_name"]).dropna().unique()
    known = locks.assign(folded=fold_all(locks["name"]))
    found = known[known["folded"].isin(wanted)]
    if len(found) != len(wanted) or not found["folded"].is_unique:
        return None
    return tuple(sorted(found["name"]))


def complete_groups(listed: pd.DataFrame, read: Groups, remembered: Groups) -> Groups:
    """Groups with their details: as read, else as remembered.

    Args:
        listed: SALTO_GROUPS, all that there are.
        read: details of those in its ``groups``.
        remembered: details of the others, if they are among ``listed``.
    """
    kept = listed.loc[~listed["group_id"].isin(read.groups["group_id"]), "group_id"]

    def joined(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([old[old["group_id"].isin(kept)], new], ignore_index=True)

    return Groups(
        groups=listed.reset_index(drop=True),
        users=joined(remembered.users, read.users),
        locks=joined(remembered.locks, read.locks),
        schedules=joined(remembered.schedules, read.schedules),
    )


def tags_fit(users: pd.DataFrame, tags: pd.DataFrame) -> bool:
    """Whether the users of the site (SALTO_USERS) carry just the tags that these (SALTO_TAGS) say they do."""
    return _pairs(tags.dropna(subset="site_user_id")) == _pairs(users.dropna(subset="tag"))


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    return sorted(zip(table["site_user_id"].astype("str"), table["tag"].astype("str"), strict=True))


def replace_rows(table: pd.DataFrame, rows: pd.DataFrame, key: str, asked: Collection[str]) -> pd.DataFrame:
    """A table in which what was asked about again stands as the answer says: other rows, or none."""
    kept = table[~table[key].isin([*asked, *rows[key]])]
    return pd.concat([kept, rows], ignore_index=True)


def elsewhere(current: Current) -> pd.DataFrame:
    """Return SALTO_USER_GROUPS of users in a group that is not named like ours: they keep their seat until all is read."""
    known = current.user_groups
    foreign = known["group_id"].notna() & ~known["group_id"].isin(current.groups.groups["group_id"])
    return known[known["site_user_id"].isin(known.loc[foreign, "site_user_id"])].reset_index(drop=True)


def with_counts(groups: Groups) -> Groups:
    """Groups whose counts are those of their details."""
    counts = {
        "user_count": groups.groups["group_id"].map(groups.users["group_id"].value_counts()),
        "lock_count": groups.groups["group_id"].map(groups.locks["group_id"].value_counts()),
    }
    counted = {name: count.fillna(0).astype("int64") for name, count in counts.items()}
    return replace(groups, groups=groups.groups.assign(**counted))
