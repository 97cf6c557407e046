"""What must change in Salto's users: created, adopted, subscribed, suspended, deleted; tags; office mode.

Rules: design section 4 ("People", "Tags", "Office mode"); guide ("Delete Users").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.access.columns import among, looked_up
from include.access.operations import as_json, operations
from include.access.problems import problems
from include.access.rules import MARKER_PREFIX, AccessRules

if TYPE_CHECKING:
    from include.access.tags import TagMoves

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


def user_operations(
    people: pd.DataFrame, departed: pd.DataFrame, moves: TagMoves, seats: Seats, rules: AccessRules
) -> tuple[list[pd.DataFrame], pd.DataFrame, bool]:
    """Operations on user records, the problems found on the way, and whether seats are too few for all who need one.

    Args:
        people: from ``people.matched_people`` with ``first_window`` (UTC, null: no booking in the horizon).
        departed: rows of ``people.salto_people`` that are ours and no longer part of Hector.
        moves: from ``tags.tag_moves``.
        seats: before this run.
        rules: the integration's settings.
    """
    acting = people[people["usable"] & ~people["protected"]]
    here = acting[acting["site_user_id"].notna()]
    booked = acting["first_window"].notna()
    needed = booked if rules.provision_users == "with_reservations" else pd.Series(data=True, index=acting.index)
    suspended = [_suspended(here[~needed[here.index]]), _suspended(_gone(departed, rules))]
    deleted = _deleted(departed if rules.delete_users else departed.iloc[:0])
    free = seats.free_after(_freed(departed, deleted, suspended))
    seekers = _seat_seekers(acting[needed])
    seated = seekers if free is None else seekers[seekers["rank"] < free]
    mails, mail_problems = _emails(here)
    tables = [
        *suspended,
        deleted,
        *_office(here, departed),
        *_tags(moves, people),
        _adopted(here),
        mails,
        _subscribed(seated),
        _created(seekers),
    ]
    unseated = seekers[seekers["site_user_id"].notna() & ~among(seekers["user_id"], seated["user_id"])]
    return tables, pd.concat([mail_problems, problems("no_seat", unseated)]), len(seated) < len(seekers)


def person(user_ids: pd.Series) -> pd.Series:
    """The failure unit of one person."""
    return "person " + user_ids


def _suspended(people: pd.DataFrame) -> pd.DataFrame:
    rows = people[people["ours"] & people["subscription_state"].eq(SUBSCRIBED)]
    return operations(
        "user_suspend",
        rows[["user_id", "site_user_id", "platform_user_id"]],
        cause="withdrawn",
        unit=person(rows["user_id"]),
        reason="no reservation in the horizon (provision_users: with_reservations)",
    )


def _gone(departed: pd.DataFrame, rules: AccessRules) -> pd.DataFrame:
    """Departed users to suspend: only where users without a reservation give their seat back and nobody is deleted."""
    rows = departed.assign(user_id=departed["marker"], ours=True)
    return rows if rules.provision_users == "with_reservations" and not rules.delete_users else rows.iloc[:0]


def _deleted(departed: pd.DataFrame) -> pd.DataFrame:
    rows = departed.assign(user_id=departed["marker"])
    return operations(
        "user_delete",
        rows[["user_id", "site_user_id", "platform_user_id"]],
        cause="withdrawn",
        unit=person(rows["user_id"]),
        reason="no longer part of Hector (delete_users)",
    )


def _freed(departed: pd.DataFrame, deleted: pd.DataFrame, suspended: list[pd.DataFrame]) -> int:
    subscribed = departed.loc[departed["subscription_state"].eq(SUBSCRIBED), "site_user_id"]
    return int(among(deleted["site_user_id"], subscribed).sum()) + sum(len(table) for table in suspended)


def _seat_seekers(people: pd.DataFrame) -> pd.DataFrame:
    """Who needs a seat: the missing, and those of ours who are suspended; earliest first window first."""
    lacking = people["site_user_id"].isna()
    asleep = people["ours"] & people["subscription_state"].notna() & people["subscription_state"].ne(SUBSCRIBED)
    seekers = people[lacking | asleep].sort_values(["first_window", "user_id"], na_position="last")
    return seekers.assign(rank=range(len(seekers)))


def _created(seekers: pd.DataFrame) -> pd.DataFrame:
    rows = seekers[seekers["site_user_id"].isna()]
    after = [
        as_json(
            {
                "first_name": row["first_name"],
                "last_name": row["last_name"],
                "email": row["address"],
                "alias": MARKER_PREFIX + row["user_id"],
                "office_mode": bool(row["office_mode"]),
            }
        )
        for row in rows[["user_id", "first_name", "last_name", "address", "office_mode"]].to_dict("records")
    ]
    return operations(
        "user_create",
        rows[["user_id", "rank"]].assign(after=pd.Series(after, index=rows.index, dtype="str")),
        cause="new",
        unit=person(rows["user_id"]),
        reason="a Hector user whom the site does not know",
    )


def _subscribed(seekers: pd.DataFrame) -> pd.DataFrame:
    rows = seekers[seekers["site_user_id"].notna()]
    return operations(
        "user_subscribe",
        rows[["user_id", "site_user_id", "platform_user_id", "rank"]],
        cause="moved",
        unit=person(rows["user_id"]),
        reason="needs a seat to open doors",
    )


def _adopted(here: pd.DataFrame) -> pd.DataFrame:
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
        rows.assign(platform_user_id=looked_up(rows["user_id"], people["user_id"], people["platform_user_id"]))
        for rows in (moves.off, moves.on)
    )
    return [
        operations("tag_off", off, cause="moved", unit=person(off["user_id"])),
        operations("tag_on", on, cause="moved", unit=person(on["user_id"]), reason="the user's unique code in Hector"),
    ]
