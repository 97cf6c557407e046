"""People and doors that something is missing from, each with what to do: the page's lists, and their CSV files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from include.access.seen import Seen

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # what a spreadsheet would run, in either width
BYTE_ORDER_MARK = "\ufeff"  # without it a spreadsheet reads UTF-8 as an older encoding, and accents break
COLUMNS = ("who", "detail", "step")


@dataclass(frozen=True)
class Listing:
    """One list. ``rows``: who (text), detail (text), step (text), sorted by who."""

    key: str
    title: str
    rows: pd.DataFrame


def listings(seen: Seen) -> list[Listing]:
    """Every list, empty ones included."""
    people = seen.people[seen.people["hector_status"].astype("str").str.strip().str.casefold().eq("active")]
    return [*_people(people), *_places(seen), *_locks(seen)]


def listing(seen: Seen, key: str) -> Listing | None:
    return next((one for one in listings(seen) if one.key == key), None)


def as_csv(found: Listing) -> str:
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


def _people(people: pd.DataFrame) -> list[Listing]:
    email = people["email"].astype("str").where(people["email"].notna(), "")
    named = people["name"].astype("str").where(people["name"].notna(), "")
    label = named.mask(named.eq(""), "user " + people["user_id"].astype("str"))
    table = people.assign(who=label, detail=email.mask(email.eq(""), "user " + people["user_id"].astype("str")))
    there = people["site_user_id"].notna()
    return [
        _list(
            "no-email",
            "People without an email",
            table[email.str.strip().eq("")],
            "enter the user's email in Hector: no Salto user can be theirs without it",
        ),
        _list(
            "no-code",
            "People without a unique code",
            table[~people["has_code"]],
            "enter the number of the user's tag as their unique code in Hector",
        ),
        _list(
            "no-tag",
            "Codes without their tag",
            table[people["has_code"] & ~people["own_tag"] & there],
            "create the tag in the Salto dashboard (Site > Tags > Add Tags), or correct the unique code in Hector",
        ),
        _list(
            "blocked",
            "People or tags that are blocked in Salto",
            table[people["blocked"] | people["tag_blocked"]],
            "unblock them in the Salto dashboard if they may enter",
        ),
        _list(
            "no-seat",
            "People without a seat",
            table[there & people["subscription_state"].ne("subscribed")],
            "free or buy a seat in the Salto dashboard (with_reservations: they get one in time), then reload",
        ),
        _list(
            "no-user",
            "People without a user on the site",
            table[~there & email.str.strip().ne("")],
            "reload; if they are still missing, the problems of the last run say why",
        ),
    ]


def _places(seen: Seen) -> list[Listing]:
    places = seen.places[seen.places["active"]]
    typed = places["lock_name"].astype("str").where(places["lock_name"].notna(), "").str.strip()
    table = places.assign(who=places["place_name"], detail=typed.map(lambda name: f"names {name!r}" if name else ""))
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


def _locks(seen: Seen) -> list[Listing]:
    named = set(seen.places.loc[seen.places["active"], "lock_id"].dropna())
    table = seen.locks.assign(who=seen.locks["name"], detail="")
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
            offline,
            "see why the lock or its IQ is offline: until then it keeps the rights it last learnt",
        ),
    ]


def _list(key: str, title: str, table: pd.DataFrame, step: str) -> Listing:
    rows = table.assign(step=step)[list(COLUMNS)].astype("str")
    return Listing(key, title, rows.sort_values(["who", "detail"], ignore_index=True))
