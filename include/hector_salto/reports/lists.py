"""People and doors that something is missing from, each with the next step of its own cause: the page's lists, and their CSV files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hector_salto.access.problems import KINDS
from hector_salto.access.texts import fold_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from hector_salto.access.snapshot import Snapshot

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # what a spreadsheet would run, in either width
BYTE_ORDER_MARK = "\ufeff"  # without it a spreadsheet reads UTF-8 as an older encoding, and accents break
COLUMNS = ("who", "detail", "step")
# The problems that can be the cause of an entry, by list; of several the first that a run has found.
CAUSES = {
    "no-email": ("email_missing",),
    "no-code": ("code_missing",),
    "no-tag": ("code_twice", "tag_ambiguous", "tag_held", "salto_user_twice", "email_twice"),
    "blocked": ("user_blocked", "tag_blocked"),
    "no-seat": ("user_suspended", "salto_user_twice", "email_twice", "no_seat"),
    "no-user": ("email_twice", "email_invalid", "email_held", "salto_user_twice", "no_seat"),
    "place-no-lock": ("place_without_lock",),
    "place-wrong-lock": ("lock_ambiguous", "lock_unknown"),
    "lock-no-place": ("lock_ambiguous",),
}

# Columns that say which entries share what has to be unique.
SHARED = {"email_twice": "email_shared", "code_twice": "code_shared", "lock_ambiguous": "name_shared"}


@dataclass(frozen=True)
class ListView:
    """One list. ``rows``: who (text), detail (text), step (text), sorted by step, then by who."""

    key: str
    title: str
    rows: pd.DataFrame

    def by_step(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Return each next step with the entries it is for."""
        for step, rows in self.rows.groupby("step", sort=False):
            yield str(step), rows


def listings(seen: Snapshot, problems: pd.DataFrame) -> list[ListView]:
    """Return every list, empty ones included.

    Args:
        seen: people, places and locks.
        problems: of the last run: code, subject, next_step.
    """
    people = seen.people[seen.people["hector_status"].astype("str").str.strip().str.casefold().eq("active")]
    found = [*_people(people), *_places(seen), *_locks(seen)]
    return [_listing(key, title, _with_steps(key, table, problems)) for key, title, table in found]


def listing(seen: Snapshot, problems: pd.DataFrame, key: str) -> ListView | None:
    return next((one for one in listings(seen, problems) if one.key == key), None)


def _with_steps(key: str, table: pd.DataFrame, problems: pd.DataFrame) -> pd.DataFrame:
    """Return the entries with the next step of the problem that a run has found with each, where it has found one."""
    steps = table["step"]
    for code in reversed(CAUSES.get(key, ())):
        found = problems[problems["code"].eq(code)].drop_duplicates("subject").set_index("subject")["next_step"]
        mapped = table["subject"].map(found)
        steps = steps.mask(mapped.notna(), mapped)
        if (shared := SHARED.get(code)) in table:  # a problem of several users has the subject of one of them
            steps = steps.mask(table[shared], KINDS[code].next_step)
    return table.assign(step=steps)


def as_csv(found: ListView) -> str:
    """Return the list as a file for spreadsheets: accents show, and what people typed never becomes a formula."""
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in found.rows[list(COLUMNS)].itertuples(index=False, name=None):
        writer.writerow(map(_as_text, row))
    return text.getvalue()


def _as_text(cell: str) -> str:
    """Return the cell so that a spreadsheet shows it instead of running it."""
    begins = cell.lstrip().lstrip(BYTE_ORDER_MARK).startswith(FORMULA) or cell[:1] in {"\t", "\r", "\n"}
    return f"'{cell}" if begins else cell


LISTS_OF_USERS = (  # key, title, next step
    (
        "no-email",
        "People without an email",
        "enter the user's email in Hector: no Salto user can be theirs without it",
    ),
    (
        "no-code",
        "People without a unique code",
        "enter the number of the user's tag as their unique code in Hector",
    ),
    (
        "no-tag",
        "Codes without their tag",
        "create the tag in the Salto dashboard (Site > Tags > Add Tags), or correct the unique code in Hector",
    ),
    ("blocked", "People or tags that are blocked in Salto", ""),
    (
        "no-seat",
        "People without a seat",
        (
            "with provision_users: with_reservations none is needed: a seat is given before a reservation; with all, free or buy "
            "a seat in the Salto dashboard, then reload"
        ),
    ),
    (
        "no-user",
        "People without a user on the site",
        "with provision_users: with_reservations none is needed: a user is made before a reservation; with all, reload",
    ),
)


def _people(people: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    email = people["email"].astype("str").where(people["email"].notna(), "")
    named = people["name"].astype("str").where(people["name"].notna(), "")
    label = named.mask(named.eq(""), "user " + people["user_id"].astype("str"))
    subject, key = "user " + people["user_id"].astype("str"), fold_all(people["email"])
    table = people.assign(
        who=label,
        detail=email.mask(email.eq(""), subject),
        subject=subject,
        email_shared=key.notna() & key.ne("") & key.duplicated(keep=False),
    )
    there, typed = people["site_user_id"].notna(), email.str.strip().ne("")
    chosen = {
        "no-email": table[~typed],
        "no-code": table[~people["has_code"]],
        "no-tag": table[people["has_code"] & ~people["own_tag"] & there],
        "blocked": _list_blocked(table),
        "no-seat": table[there & people["subscription_state"].ne("subscribed")],
        "no-user": table[~there & typed],
    }
    return [_list(key, title, chosen[key], step) for key, title, step in LISTS_OF_USERS]


def _places(seen: Snapshot) -> list[tuple[str, str, pd.DataFrame]]:
    places = seen.places[seen.places["active"]]
    typed = places["lock_name"].astype("str").where(places["lock_name"].notna(), "").str.strip()
    table = places.assign(
        who=places["place_name"],
        detail=typed.map(lambda name: f"names {name!r}" if name else ""),
        subject="place " + places["place_id"],
    )
    return [
        _list(
            "place-no-lock",
            "Places that name no lock",
            table[typed.eq("")],
            "fill the place's attribute Salto Lock Id with the lock's name, if it has one",
        ),
        _list(
            "place-wrong-lock",
            "Places whose lock is not on the site",
            table[typed.ne("") & places["lock_id"].isna()],
            "correct the attribute Salto Lock Id: exactly one lock of the site must have that name",
        ),
    ]


def _locks(seen: Snapshot) -> list[tuple[str, str, pd.DataFrame]]:
    named = set(seen.places.loc[seen.places["active"], "lock_id"].dropna())
    table = seen.locks.assign(
        who=seen.locks["name"],
        detail="",
        subject="lock " + seen.locks["name"],
        name_shared=fold_all(seen.locks["name"]).duplicated(keep=False),
    )
    off = ~table["online"] | ~table["iq_online"]
    offline = table[off].assign(
        detail=table["iq_online"].map({True: "the lock is offline", False: "its IQ is offline"})[off]
    )
    return [
        _list(
            "lock-no-place",
            "Locks that no place names",
            table[~table["lock_id"].isin(named)],
            "enter the lock's name in the attribute Salto Lock Id of its place, if it is to be booked",
        ),
        _list(
            "lock-offline",
            "Locks that are offline",
            offline.assign(step=_offline_step(offline)),
            "",
        ),
        _list(
            "lock-privacy",
            "Locks in privacy mode",
            table[table["privacy_mode"]],
            "end privacy mode at the lock, from inside: until then it refuses valid users",
        ),
        _list(
            "lock-held-open",
            "Locks held open in office mode",
            table[table["held_open"]],
            "lock them when nobody is meant to walk in: office mode that a person began has no end of its own",
        ),
    ]


def _list_blocked(table: pd.DataFrame) -> pd.DataFrame:
    """Return who is blocked, with what is to be unblocked."""
    rows = table[table["blocked"] | table["tag_blocked"]]
    tag = "unblock the tag in the Salto dashboard if they may enter, or enter the number of another tag in Hector"
    user, both = (
        "unblock the user in the Salto dashboard if they may enter",
        "unblock the user and the tag in the Salto dashboard if they may enter",
    )
    step = rows["blocked"].map({True: user, False: tag})
    return rows.assign(step=step.mask(rows["blocked"] & rows["tag_blocked"], both))


def _offline_step(rows: pd.DataFrame) -> pd.Series:
    keeps = "until then it keeps the rights it last learnt"
    return rows["iq_online"].map(
        {
            True: f"check the lock's battery and its distance to the IQ: {keeps}",
            False: f"check the power and network of the lock's IQ: {keeps}",
        }
    )


def _list(key: str, title: str, table: pd.DataFrame, step: str) -> tuple[str, str, pd.DataFrame]:
    """Return a list's entries with the step that is right where no problem says another; empty: they have their own."""
    return key, title, table.assign(step=step) if step else table


def _listing(key: str, title: str, table: pd.DataFrame) -> ListView:
    rows = table[list(COLUMNS)].astype("str")
    return ListView(key, title, rows.sort_values(["step", "who", "detail"], ignore_index=True))
