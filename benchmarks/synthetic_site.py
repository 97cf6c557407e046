"""A site as big as asked for, as tables: what Hector shows, and what Salto holds after earlier runs and a day of changes.

Seeded and vectorised; only the schemas and the window of a reservation are the product's. What differs between the two
sides is in the shares below, in percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.current import Current, Groups
from hector_salto.access.people import HectorPeople
from hector_salto.access.reservations import HectorReservations
from hector_salto.access.settings import GROUP_PREFIX, MARKER_PREFIX, AccessRules, OfficeMode
from hector_salto.access.windows import SCHEDULE_COLUMNS, schedules, windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

AS_OF = pd.Timestamp("2026-01-14T15:00:00Z")
ZONE = "America/Toronto"
RULES = AccessRules(office_mode=OfficeMode(groups=("Staff",)), delete_users=True)
ID_SPACE = 10**8  # ids scatter over so many prefixes, as real ones do

# Hector, in percent of its users, reservations, places
DISABLED, WITHOUT_EMAIL, WITHOUT_CODE, SAME_CODE = 3, 0.5, 5, 0.1
CANCELLED, UNKNOWN_STATUS, BLOCKING, SEVERAL_DAYS, SECOND_PLACE, SECOND_PERSON = 4, 0.05, 1, 3, 10, 50
WITHOUT_LOCK, UNKNOWN_LOCK = 4, 1
# Salto, in percent of what an exact copy of Hector would hold
NOT_YET_MADE, MOVED, STILL_THERE, OVER = 2, 2, 1, 2  # groups
TAKEN_OUT, PUT_IN = 0.5, 0.5  # members, and a tenth as many doors
USER_MISSING, NO_MARKER, OLD_EMAIL, ABOVE, TAG_MISSING, TAG_OFF, OFFICE = 1, 0.5, 0.5, 0.1, 1, 0.5, 0.5


@dataclass(frozen=True)
class Size:
    """How much there is."""

    users: int = 100_000
    reservations: int = 200_000
    doors: int = 2_000


@dataclass(frozen=True)
class SyntheticSite:
    """Both sides: what the rules are given."""

    people: HectorPeople
    places: pd.DataFrame
    loaners: HectorReservations
    current: Current

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table of both sides, by name."""
        parts = (("hector", self.people), ("loaners", self.loaners), ("group", self.current.groups))
        named = {f"{part}_{name}": table for part, whole in parts for name, table in vars(whole).items()}
        return (
            named | {"places": self.places} | {name: getattr(self.current, name) for name in ("users", "tags", "locks")}
        )

    @classmethod
    def of(cls, tables: dict[str, pd.DataFrame]) -> SyntheticSite:
        """The same crowd from its tables."""

        def part(name: str) -> dict[str, pd.DataFrame]:
            return {key.removeprefix(name): table for key, table in tables.items() if key.startswith(name)}

        site = {name: tables[name] for name in ("users", "tags", "locks")}
        return cls(
            people=HectorPeople(**part("hector_")),
            places=tables["places"],
            loaners=HectorReservations(**part("loaners_")),
            current=_current(Groups(**part("group_")), **site),
        )


def build_site(size: Size, *, first: bool = False, seed: int = 1) -> SyntheticSite:
    """A site in everyday use; ``first``: before its first run, when Salto has locks and tags and nobody."""
    dice = np.random.default_rng(seed)
    people, places = _people(size, dice), _places(size)
    loaners = _loaners(size, dice)
    locks = _locks(size)
    site_users, tags = _site_users(people.users, dice)
    if first:
        site_users, tags = site_users.iloc[:0], tags.assign(site_user_id=pd.Series(None, index=tags.index, dtype="str"))
        groups = Groups(**{name: schemas.frame(schema, []) for name, schema in _GROUPS.items()})
    else:
        groups = _groups(loaners, people, places, locks, site_users, dice)
    return SyntheticSite(people, places, loaners, _current(groups, users=site_users, tags=tags, locks=locks))


_GROUPS = {
    "groups": schemas.SALTO_GROUPS,
    "users": schemas.SALTO_GROUP_USERS,
    "locks": schemas.SALTO_GROUP_LOCKS,
    "schedules": schemas.SALTO_SCHEDULES,
}


def _current(groups: Groups, *, users: pd.DataFrame, tags: pd.DataFrame, locks: pd.DataFrame) -> Current:
    """Everybody has a seat."""
    nobody = "00000000-0000-4000-8000-000000000000"
    return Current(ZONE, None, None, nobody, None, users=users, tags=tags, locks=locks, groups=groups)


def _share(dice: np.random.Generator, rows: int, percent: float) -> NDArray[np.bool_]:
    return dice.random(rows) * 100 < percent


def _text_column(prefix: str, numbers: NDArray[np.int64] | pd.Series, suffix: str = "") -> pd.Series:
    return prefix + pd.Series(np.asarray(numbers)).astype("str").astype("str") + suffix


def _uuids(kind: str, numbers: NDArray[np.int64]) -> pd.Series:
    """As long and as scattered as Salto's ids; ``kind``: two hex digits that tell users from groups."""
    scattered = pd.Series(numbers * 61_803_399 % ID_SPACE).astype("str").str.zfill(8)
    return scattered + f"-{kind}3d-4c8e-9a7f-" + pd.Series(numbers).astype("str").str.zfill(12)


def _table(schema: schemas.Schema, columns: dict[str, Any]) -> pd.DataFrame:
    return schemas.validate(schema, pd.DataFrame(columns)[list(schema.columns)])


def _code_columns(tag: pd.Series) -> dict[str, pd.Series]:
    """Codes of eight letters that are near no other."""
    return {
        "tag": tag,
        "near": tag,
        "code_forms": pd.Series("", index=tag.index).where(tag.notna()),
        "code_length": pd.Series(8, index=tag.index, dtype="Int64").where(tag.notna()),
    }


# --- Hector -----------------------------------------------------------------------------------------------------------


def _people(size: Size, dice: np.random.Generator) -> HectorPeople:
    numbers = np.arange(size.users)
    ids = _text_column("u_", numbers)
    codes = np.where(_share(dice, size.users, SAME_CODE), np.maximum(numbers - 1, 0), numbers)
    users = _table(
        schemas.HECTOR_USERS,
        {
            "user_id": ids,
            "email": _text_column("Person.", numbers, "@campus.example").mask(_share(dice, size.users, WITHOUT_EMAIL)),
            "first_name": _text_column("First", numbers % 997),
            "last_name": _text_column("Last", numbers % 7919),
            **_code_columns(_fingerprints(codes).mask(_share(dice, size.users, WITHOUT_CODE))),
            "status": pd.Series("active", index=ids.index).mask(_share(dice, size.users, DISABLED), "disabled"),
            "department_id": _text_column("d_", numbers % 20),
        },
    )
    return HectorPeople(
        users=users,
        user_groups=_table(schemas.HECTOR_USER_GROUPS, {"user_id": ids, "group_id": _text_column("g_", numbers % 10)}),
        groups=_table(
            schemas.HECTOR_GROUPS,
            {
                "group_id": _text_column("g_", np.arange(10)),
                "name": ["Staff", *(f"Class {number}" for number in range(1, 10))],
                "official": True,
                "alias_of": None,
            },
        ),
        departments=_table(
            schemas.HECTOR_DEPARTMENTS,
            {"department_id": _text_column("d_", np.arange(20)), "name": _text_column("Department ", np.arange(20))},
        ),
    )


def _fingerprints(numbers: NDArray[np.int64]) -> pd.Series:
    """As long as the real ones."""
    return _uuids("0a", numbers).str.replace("-", "", regex=False)


def _places(size: Size) -> pd.DataFrame:
    numbers = np.arange(size.doors)
    names = _text_column("Room ", numbers)
    bare, unknown = numbers % 100 < WITHOUT_LOCK, numbers % 100 >= 100 - UNKNOWN_LOCK
    typed = names.str.upper().where(numbers % 7 == 0, names)  # people type
    return _table(
        schemas.HECTOR_PLACES,
        {
            "place_id": _text_column("p_", numbers),
            "name": names,
            "kind": "place",
            "active": True,
            "lock_name": typed.mask(bare).mask(unknown, "Old " + names),
        },
    )


def _loaners(size: Size, dice: np.random.Generator) -> HectorReservations:
    rows = size.reservations
    numbers = np.arange(rows)
    ids = _text_column("l_", numbers)
    quarter = pd.Timedelta(minutes=15)
    start = AS_OF.floor("15min") + quarter * pd.Series(dice.integers(0, 7 * 96, rows))
    length = np.where(_share(dice, rows, SEVERAL_DAYS), dice.integers(96, 5 * 96, rows), dice.integers(2, 16, rows))
    status = pd.Series(dice.choice(["new", "assigned", "out"], rows)).mask(_share(dice, rows, CANCELLED), "cancelled")
    reservations = _table(
        schemas.RESERVATIONS,
        {
            "reservation_id": ids,
            "reference": _text_column("", numbers + 10_000),
            "status": status.mask(_share(dice, rows, UNKNOWN_STATUS), "parked"),
            "start": start,
            "finish": start + quarter * pd.Series(length),
            "blocking": _share(dice, rows, BLOCKING),
        },
    )
    second, third = _share(dice, rows, SECOND_PERSON), _share(dice, rows, SECOND_PERSON / 2)
    who = [(ids, "borrower"), (ids[second], "participant"), (ids[third], "participant")]
    people = pd.concat([pd.DataFrame({"reservation_id": some, "part": part}) for some, part in who], ignore_index=True)
    where = pd.concat([ids, ids[_share(dice, rows, SECOND_PLACE)]], ignore_index=True)
    return HectorReservations(
        reservations=reservations,
        people=_table(
            schemas.RESERVATION_PEOPLE,
            {
                **people,
                "person_type": "user",
                "person_id": _text_column("u_", dice.integers(0, size.users, len(people))),
            },
        ),
        places=_table(
            schemas.RESERVATION_PLACES,
            {"reservation_id": where, "place_id": _text_column("p_", dice.integers(0, size.doors, len(where)))},
        ),
    )


# --- Salto ------------------------------------------------------------------------------------------------------------


def _locks(size: Size) -> pd.DataFrame:
    numbers = np.arange(size.doors)
    columns = {
        "lock_id": _uuids("1a", numbers),
        "name": _text_column("Room ", numbers),
        "online": numbers % 50 > 0,
        "iq_id": _uuids("1b", numbers // 10),
        "iq_online": True,
        "held_open": False,
        "privacy_mode": False,
        "zone": ZONE,
    }
    return _table(schemas.SALTO_LOCKS, columns)


def _site_users(users: pd.DataFrame, dice: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The users of the site and its tags: nearly everybody is there and carries the tag of their code."""
    rows = len(users)
    numbers = np.arange(rows)
    alias = (MARKER_PREFIX + users["user_id"]).mask(_share(dice, rows, NO_MARKER))
    there = users["email"].notna() & ~_share(dice, rows, USER_MISSING)
    carried = users["tag"].mask(_share(dice, rows, TAG_OFF) | users.duplicated("tag") | ~there)
    old = _share(dice, rows, OLD_EMAIL) & alias.notna()
    above = _share(dice, rows, ABOVE)
    site_user_id = _uuids("2a", numbers)
    site = {
        "site_user_id": site_user_id,
        "platform_user_id": _uuids("2b", numbers),
        "email": users["email"].str.lower().mask(old, _text_column("former.", numbers, "@campus.example")),
        "alias": alias,
        "has_profile": _share(dice, rows, 50),
        "managed_here": True,
        "opens_without_tag": False,
        "role_codes": pd.Series("site_user", index=users.index).mask(above, "site_admin site_user"),
        "above_site_user": above,
        "pod_or_guest": False,
        "office_mode": (numbers % 10 == 0) ^ _share(dice, rows, OFFICE),
        "blocked": False,
        "subscription_state": "subscribed",
        "tag": carried,
    }
    holder = _fingerprints(numbers).map(_holders(carried, site_user_id)).astype("str")
    tags = {
        "tag_id": _uuids("3a", numbers),
        "tag": _fingerprints(numbers),
        "near": _fingerprints(numbers),
        "length": 8,
        "blocked": False,
        "is_pod_tag": False,
        "site_user_id": holder,
    }
    here, known = there.to_numpy(), holder.notna() | ~_share(dice, rows, TAG_MISSING)
    return (
        schemas.validate(schemas.SALTO_USERS, _table(schemas.SALTO_USERS, site)[here]),
        schemas.validate(schemas.SALTO_TAGS, _table(schemas.SALTO_TAGS, tags)[known]),
    )


def _holders(carried: pd.Series, site_users: pd.Series) -> pd.Series:
    return pd.Series(site_users[carried.notna()].to_numpy(), index=carried.dropna().to_numpy())


def _groups(  # noqa: PLR0913, PLR0917 - what a group is made of
    loaners: HectorReservations,
    people: HectorPeople,
    places: pd.DataFrame,
    locks: pd.DataFrame,
    site_users: pd.DataFrame,
    dice: np.random.Generator,
) -> Groups:
    """The groups of yesterday's reservations: most are as they should be, some are not."""
    booked = _yesterday(loaners.reservations, dice)
    members = _group_users(booked, loaners.people, people.users, site_users)
    doors = _group_locks(booked, loaners.places, places, locks)
    booked = booked[booked["group_id"].isin(members["group_id"]) & booked["group_id"].isin(doors["group_id"])]
    kept = booked["group_id"]
    members, doors = (
        _disturb(members[members["group_id"].isin(kept)], TAKEN_OUT, dice),
        doors[doors["group_id"].isin(kept)],
    )
    doors = _disturb(doors, TAKEN_OUT / 10, dice)
    counts = {"user_count": members, "lock_count": doors}
    sizes = {name: kept.map(rows["group_id"].value_counts()).fillna(0).astype("int64") for name, rows in counts.items()}
    named = {"group_id": kept, "name": GROUP_PREFIX + booked["reference"]}
    timed = schedules(booked)
    shown = {
        **timed[list(SCHEDULE_COLUMNS)],
        "group_id": kept,
        "schedule_id": kept.str.replace("-4a3d-", "-4b3d-", regex=False),
        "start_time": timed["start_time"] + ":00",
        "end_time": timed["end_time"] + ":59",  # as Salto widens it
    }
    return Groups(
        groups=_table(schemas.SALTO_GROUPS, named | sizes),
        users=_table(schemas.SALTO_GROUP_USERS, dict(members)),
        locks=_table(schemas.SALTO_GROUP_LOCKS, dict(doors)),
        schedules=_table(schemas.SALTO_SCHEDULES, shown),
    )


def _yesterday(reservations: pd.DataFrame, dice: np.random.Generator) -> pd.DataFrame:
    """What had a group: reservation_id, reference, group_id, zone, and the window of then; the last few are over."""
    rows = len(reservations)
    cancelled = reservations["status"].eq("cancelled")
    had = (~cancelled | _share(dice, rows, 100 * STILL_THERE / CANCELLED)) & ~reservations["blocking"]
    moved = pd.Series(np.where(_share(dice, rows, MOVED), 30, 0))
    past = pd.Series(_share(dice, rows, OVER))
    shift = pd.to_timedelta(moved, unit="min") - pd.to_timedelta(past * 14, unit="D")
    then = reservations.assign(start=reservations["start"] + shift, finish=reservations["finish"] + shift)
    then["reference"] = then["reference"].mask(
        past, _text_column("9", np.arange(rows))
    )  # of other reservations, gone since
    chosen = windows(then, RULES).assign(group_id=_uuids("4a", np.arange(rows)), zone=ZONE)
    return chosen[had & ~_share(dice, rows, NOT_YET_MADE)]


def _group_users(
    booked: pd.DataFrame, lines: pd.DataFrame, users: pd.DataFrame, site_users: pd.DataFrame
) -> pd.DataFrame:
    active = users.loc[users["status"].eq("active"), ["user_id"]]
    own = site_users.assign(user_id="u_" + site_users["platform_user_id"].str.slice(-12).str.lstrip("0"))
    own["user_id"] = own["user_id"].mask(own["user_id"].eq("u_"), "u_0")
    rows = lines.rename(columns={"person_id": "user_id"}).merge(active, on="user_id")
    rows = rows.merge(own[["user_id", "platform_user_id"]], on="user_id").merge(booked, on="reservation_id")
    return rows[["group_id", "platform_user_id"]].drop_duplicates()


def _group_locks(booked: pd.DataFrame, lines: pd.DataFrame, places: pd.DataFrame, locks: pd.DataFrame) -> pd.DataFrame:
    rows = lines.merge(places.assign(key=places["lock_name"].str.lower()), on="place_id")
    rows = rows.merge(locks.assign(key=locks["name"].str.lower()), on="key").merge(booked, on="reservation_id")
    return rows[["group_id", "lock_id"]].drop_duplicates()


def _disturb(pairs: pd.DataFrame, percent: float, dice: np.random.Generator) -> pd.DataFrame:
    """Some pairs are missing, and some others are there in their place."""
    missing, strange = (_share(dice, len(pairs), share) for share in (percent, percent * PUT_IN / TAKEN_OUT))
    extra = pairs[strange]
    second = pairs.columns[1]
    others = pairs[second].sample(len(extra), random_state=int(dice.integers(2**31))).to_numpy()
    return pd.concat([pairs[~missing], extra.assign(**{second: others})], ignore_index=True).drop_duplicates()
