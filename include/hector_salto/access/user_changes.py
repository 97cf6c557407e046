"""What must change in Salto's users: created, adopted, subscribed, suspended, deleted; tags; office mode.

Rules: design section 4 ("People", "Tags", "Office mode"); guide ("Delete Users").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access.frame_lookup import is_in, lookup
from hector_salto.access.operations import READY, as_json, operations
from hector_salto.access.problems import problems
from hector_salto.access.settings import MARKER_PREFIX, AccessRules
from hector_salto.access.text_columns import json_objects

if TYPE_CHECKING:
    from hector_salto.access.tags import TagMoves

SUBSCRIBED = "subscribed"


@dataclass(frozen=True)
class Seats:
    """Seats of the site's subscription. ``allowed`` None: unlimited; ``used`` None: unknown."""

    allowed: int | None
    used: int | None

    def free_after(self, freed: int) -> int | None:
        """Seats free once ``freed`` have been given back; None: no limit is known."""
        if self.allowed is None or self.used is None:
            return None
        return self.allowed - self.used + freed


@dataclass(frozen=True)
class Suspendable:
    """Whose seat may be given back.

    Attributes:
        created: Hector user ids of users whom the sync created; adopted ones and those of an unknown past keep the seat.
        asked: Site user ids of users whose access groups were read.
        elsewhere: Those of them who are members of a group that is not ours.
        losing: Platform user ids of users who lose a place in a live group of ours by this plan.
    """

    created: frozenset[str]
    asked: frozenset[str]
    elsewhere: frozenset[str]
    losing: frozenset[str]


@dataclass(frozen=True)
class UserOperations:
    """What must change in users.

    Attributes:
        tables: OPERATIONS, each of one kind.
        problems: PROBLEMS found on the way.
        seat_candidates: Site user ids of users who may be suspended once their access groups were read.
    """

    tables: list[pd.DataFrame]
    problems: pd.DataFrame
    seat_candidates: tuple[str, ...]


def user_operations(
    people: pd.DataFrame, departed: pd.DataFrame, moves: TagMoves, rules: AccessRules, leave: Suspendable
) -> UserOperations:
    """Return the operations on user records, whatever seats there are (see ``with_seats``).

    Args:
        people: from ``people.matched_people`` with ``first_window`` (UTC, null: no booking in the horizon).
        departed: rows of ``people.salto_people`` that are ours and no longer part of Hector.
        moves: from ``tags.tag_moves``.
        rules: the integration's settings.
        leave: whose seat may be given back.
    """
    acting = people[people["usable"] & ~people["protected"]]
    here = acting[acting["site_user_id"].notna()]
    needed = acting["first_window"].notna()
    if rules.provision_users != "with_reservations":
        needed = pd.Series(data=True, index=acting.index)
    spare = pd.concat(
        [
            _users_to_suspend(here[~needed[here.index] & ~here["adopt"]], leave),
            _users_to_suspend(_departed_to_suspend(departed, rules), leave),
        ]
    )
    known = spare["site_user_id"].isin(leave.asked)
    mails, mail_problems = _emails(here)
    seekers = _seat_seekers(acting[needed], moves.on["user_id"])
    tables = [
        _suspensions(spare[known & ~spare["site_user_id"].isin(leave.elsewhere)], departed, leave),
        _deletions(departed if rules.delete_users else departed.iloc[:0]),
        *_office(here, departed),
        *_tags(moves, people),
        _adoptions(here),
        mails,
        _subscriptions(seekers),
        _creations(seekers),
    ]
    return UserOperations(tables, mail_problems, tuple(sorted(spare.loc[~known, "site_user_id"])))


TAKING, FREEING = frozenset({"user_create", "user_subscribe"}), frozenset({"user_suspend", "user_delete"})


def with_seats(operations: pd.DataFrame, seats: Seats, users: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, bool]:
    """Leave out subscriptions for which no seat will be free: only what will be sent frees one, earliest window first.

    Args:
        operations: the plan's, with what is held.
        seats: before this run.
        users: SALTO_USERS, to know who holds a seat.

    Returns:
        The operations, a problem for each user without a seat, and whether users need more seats than are free now: then
        they must be sent one by one, because what frees a seat may fail.
    """
    ready = operations[operations["state"].eq(READY)]
    takers = ready[ready["kind"].isin(TAKING)].sort_values("rank")
    free_now = seats.free_after(0)
    if free_now is None or len(takers) <= max(free_now, 0):
        return operations, problems("no_seat", takers.iloc[:0]), False
    # Whether a person without a tag takes a seat is not known; where they take none, no other user waits for them.
    tagged = takers[takers["kind"].ne("user_create") | is_in(takers["user_id"], _tagged_users(ready))]
    late = tagged.iloc[max(free_now + _count_freed_seats(ready, users), 0) :]
    unseated = late[late["kind"].eq("user_subscribe")]
    kept = operations[~operations["key"].isin(unseated["key"])].reset_index(drop=True)
    return kept, problems("no_seat", unseated.drop(columns="reference")), True


def _tagged_users(operations: pd.DataFrame) -> pd.Series:
    return operations.loc[operations["kind"].eq("tag_on"), "user_id"]


def _count_freed_seats(operations: pd.DataFrame, users: pd.DataFrame) -> int:
    holding = users.loc[users["subscription_state"].eq(SUBSCRIBED), "site_user_id"]
    return int(is_in(operations.loc[operations["kind"].isin(FREEING), "site_user_id"], holding).sum())


def seats_lacking(operations: pd.DataFrame, seats: Seats, users: pd.DataFrame) -> int:
    """Return how many more seats the operations take than are free."""
    free = seats.free_after(_count_freed_seats(operations, users))
    return 0 if free is None else max(int(operations["kind"].isin(TAKING).sum()) - free, 0)


def person(user_ids: pd.Series) -> pd.Series:
    """The failure unit of one person."""
    return "person " + user_ids


def _users_to_suspend(people: pd.DataFrame, leave: Suspendable) -> pd.DataFrame:
    """Return those whom the sync created and who hold a seat: a user made manually keeps it."""
    held = people["ours"] & people["subscription_state"].eq(SUBSCRIBED)
    columns = ["user_id", "site_user_id", "platform_user_id"]
    return people.loc[held & people["user_id"].isin(leave.created), columns]


def _suspensions(rows: pd.DataFrame, departed: pd.DataFrame, leave: Suspendable) -> pd.DataFrame:
    absent = rows["site_user_id"].isin(departed["site_user_id"]) | rows["platform_user_id"].isin(leave.losing)
    return operations(
        "user_suspend",
        rows,
        cause=pd.Series("ended", index=rows.index).mask(absent, "withdrawn"),
        unit=person(rows["user_id"]),
        reason="no reservation in the horizon (provision_users: with_reservations)",
    )


def _departed_to_suspend(departed: pd.DataFrame, rules: AccessRules) -> pd.DataFrame:
    """Departed users to suspend: only where users without a reservation give their seat back and no user is deleted."""
    rows = departed.assign(user_id=departed["marker"], ours=True)
    return rows if rules.provision_users == "with_reservations" and not rules.delete_users else rows.iloc[:0]


def _deletions(departed: pd.DataFrame) -> pd.DataFrame:
    rows = departed.assign(user_id=departed["marker"])
    return operations(
        "user_delete",
        rows[["user_id", "site_user_id", "platform_user_id"]],
        cause="withdrawn",
        unit=person(rows["user_id"]),
        reason="no longer part of Hector (delete_users)",
    )


def _seat_seekers(people: pd.DataFrame, tagged: pd.Series) -> pd.DataFrame:
    """Who needs a seat: the missing, and those of ours who are suspended; earliest first window first.

    Whoever has nothing to open a door with comes last, and is not subscribed: Salto may give such a user no seat
    (salto_connect_api.md, 5.2), and each run would ask again.

    Args:
        people: who should be on the site.
        tagged: Hector user ids of those who get a tag.
    """
    opens = people["salto_tag"].notna() | people["opens_without_tag"] | is_in(people["user_id"], tagged)
    lacking = people["site_user_id"].isna()
    asleep = people["ours"] & people["subscription_state"].notna() & people["subscription_state"].ne(SUBSCRIBED) & opens
    seekers = people.assign(opens_nothing=~opens)[lacking | asleep]
    seekers = seekers.sort_values(["opens_nothing", "first_window", "user_id"], na_position="last")
    return seekers.assign(rank=range(len(seekers)))


def _creations(seekers: pd.DataFrame) -> pd.DataFrame:
    rows = seekers[seekers["site_user_id"].isna()]
    after = json_objects(
        {
            "first_name": rows["first_name"],
            "last_name": rows["last_name"],
            "email": rows["address"],
            "alias": MARKER_PREFIX + rows["user_id"],
            "office_mode": rows["office_mode"].astype("bool"),
        }
    )
    return operations(
        "user_create",
        rows[["user_id", "rank"]].assign(after=after),
        cause="new",
        unit=person(rows["user_id"]),
        reason="a Hector user whom the site does not know",
    )


def _subscriptions(seekers: pd.DataFrame) -> pd.DataFrame:
    rows = seekers[seekers["site_user_id"].notna()]
    return operations(
        "user_subscribe",
        rows[["user_id", "site_user_id", "platform_user_id", "rank"]],
        cause="moved",
        unit=person(rows["user_id"]),
        reason="needs a seat to open doors",
    )


def _adoptions(here: pd.DataFrame) -> pd.DataFrame:
    rows = here[here["adopt"]]
    after = [as_json({"alias": MARKER_PREFIX + user_id}) for user_id in rows["user_id"]]
    return operations(
        "user_adopt",
        rows[["user_id", "site_user_id", "platform_user_id"]].assign(
            after=pd.Series(after, index=rows.index, dtype="str")
        ),
        cause="new",
        unit=person(rows["user_id"]),
        reason="the email is that of a Hector user",
    )


def _emails(here: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The marker survives a change of email; the address itself can follow only while there is no profile."""
    changed = here[here["ours"] & here["salto_email"].ne(here["email"])]
    invalid = changed["address"].isna()  # nothing can be sent; the person is known by their marker
    changed, unsendable = changed[~invalid], changed[invalid]
    fixed = changed["has_profile"] | ~changed["managed_here"]
    taken = changed["email_holder"].notna()
    rows = changed[~fixed & ~taken]
    after = [as_json({"email": address}) for address in rows["address"]]
    holders = changed.assign(holder="Salto user " + changed["email_holder"])[~fixed & taken]
    moves = operations(
        "user_email",
        rows[["user_id", "site_user_id", "platform_user_id"]].assign(
            after=pd.Series(after, index=rows.index, dtype="str")
        ),
        cause="moved",
        unit=person(rows["user_id"]),
        reason="the user's email changed in Hector",
    )
    found = [
        problems("email_has_profile", changed[fixed]),
        problems("email_held", holders),
        problems("email_invalid", unsendable),
    ]
    return moves, pd.concat(found)


def _office(here: pd.DataFrame, departed: pd.DataFrame) -> list[pd.DataFrame]:
    columns = ["user_id", "site_user_id", "platform_user_id"]
    on = here.loc[here["office_mode"] & ~here["salto_office_mode"], columns]
    off = here.loc[~here["office_mode"] & here["salto_office_mode"], columns]
    gone = departed.assign(user_id=departed["marker"]).loc[departed["office_mode"], columns]
    return [
        operations("office_on", on, cause="moved", unit=person(on["user_id"]), reason="matches office_mode"),
        operations("office_off", off, cause="moved", unit=person(off["user_id"]), reason="does not match office_mode"),
        operations(
            "office_off", gone, cause="withdrawn", unit=person(gone["user_id"]), reason="no longer part of Hector"
        ),
    ]


def _tags(moves: TagMoves, people: pd.DataFrame) -> list[pd.DataFrame]:
    off, on = (
        rows.assign(platform_user_id=lookup(rows["user_id"], people["user_id"], people["platform_user_id"]))
        for rows in (moves.off, moves.on)
    )
    return [
        operations("tag_off", off, cause="moved", unit=person(off["user_id"])),
        operations("tag_on", on, cause="moved", unit=person(on["user_id"]), reason="the user's unique code in Hector"),
    ]
