"""Columns and dtypes of every table that passes between the rooms: the language after Hector's and before Salto's JSON.

Text columns are ``str`` (nullable where said), instants ``datetime64[us, UTC]``. Tag numbers never appear: both sides
carry a fingerprint (a keyed digest, equal exactly when the numbers are equal).
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd
import pandera.pandas as pa
from pandera.engines import pandas_engine
from pandera.errors import SchemaErrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INSTANT = "datetime64[us, UTC]"
TEXT = pandas_engine.Engine.dtype("str")
Schema: TypeAlias = pa.DataFrameSchema

# pandera tries to import geopandas at every column it validates. Python remembers only imports that succeed, so each
# try searches the whole path again, under the import lock that eight writing threads share (half of apply, measured).
if importlib.util.find_spec("geopandas") is None:
    sys.modules.setdefault("geopandas", None)  # type: ignore[arg-type]  # Python's own mark for "not there"


class SchemaError(ValueError):
    """A table breaks its schema; nothing may be decided, let alone removed, from it."""


def _text(*, null: bool = False, unique: bool = False) -> pa.Column:
    return pa.Column("str", nullable=null, unique=unique)


def _flag() -> pa.Column:
    return pa.Column("bool")


def _count() -> pa.Column:
    return pa.Column("int64")


def _some_count() -> pa.Column:
    return pa.Column("Int64", nullable=True)


def _instant(*, null: bool = False) -> pa.Column:
    return pa.Column(INSTANT, nullable=null)


def _table(name: str, columns: Mapping[str, pa.Column], key: list[str] | None = None) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(dict(columns), name=name, strict=True, coerce=True, ordered=True, unique=key)


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# How a unique code is written, without the code (near_codes.py); all null when there is none.
NEAR_CODE = {
    "near": _text(null=True),  # fingerprint of its core: no forms, letter case or leading zeros
    "code_forms": _text(null=True),  # codes of CodeForm, joined by spaces
    "code_length": _some_count(),  # letters of the code without its forms
}

# --- what Hector says -------------------------------------------------------------------------------------------------

HECTOR_USERS = _table(
    "hector_users",
    {
        "user_id": _text(unique=True),
        "email": _text(null=True),  # as Hector shows it; texts.py says how emails are compared
        "first_name": _text(null=True),
        "last_name": _text(null=True),
        "tag": _text(null=True),  # fingerprint of the unique code; null when the code is missing or blank
        **NEAR_CODE,
        "status": _text(),
        "department_id": _text(null=True),
    },
)
HECTOR_USER_GROUPS = _table("hector_user_groups", {"user_id": _text(), "group_id": _text()})
HECTOR_GROUPS = _table(
    "hector_groups",
    {"group_id": _text(unique=True), "name": _text(), "official": _flag(), "alias_of": _text(null=True)},
)
HECTOR_DEPARTMENTS = _table("hector_departments", {"department_id": _text(unique=True), "name": _text()})
HECTOR_PLACES = _table(
    "hector_places",
    {
        "place_id": _text(unique=True),
        "name": _text(),
        "kind": _text(),
        "active": _flag(),
        "lock_name": _text(null=True),  # value of the attribute "Salto Lock Id", as typed
    },
)
RESERVATIONS = _table(
    "reservations",
    {
        "reservation_id": _text(unique=True),
        "reference": _text(),
        "status": _text(),  # status.code as Hector shows it
        "start": _instant(),
        "finish": _instant(),
        "blocking": _flag(),
    },
)
RESERVATION_PEOPLE = _table(
    "reservation_people",
    {
        "reservation_id": _text(),
        "person_type": _text(),
        "person_id": _text(),
        "part": _text(),  # borrower | participant
    },
)
CHANGED_RESERVATIONS = _table(
    "changed_reservations",
    {"reservation_id": _text(unique=True), "reference": _text(), "updated_at": _instant()},
)
RESERVATION_PLACES = _table("reservation_places", {"reservation_id": _text(), "place_id": _text()})

# --- what Salto KS reports --------------------------------------------------------------------------------------------

SALTO_USERS = _table(
    "salto_users",
    {
        "site_user_id": _text(unique=True),
        "platform_user_id": _text(unique=True),
        "email": _text(null=True),
        "alias": _text(null=True),
        "has_profile": _flag(),
        "managed_here": _flag(),
        "role_codes": _text(),  # role codes, sorted, joined by a space; empty while Salto has not caught up
        "above_site_user": _flag(),  # holds a hierarchical role other than site_user
        "pod_or_guest": _flag(),
        "office_mode": _flag(),  # toggle_manual_office_mode
        "blocked": _flag(),
        "subscription_state": _text(null=True),
        "opens_without_tag": _flag(),  # may have a PIN or open from a phone
        "tag": _text(null=True),  # fingerprint of user.tag_number
    },
)
SALTO_TAGS = _table(
    "salto_tags",
    {
        "tag_id": _text(unique=True),
        "tag": _text(null=True),  # fingerprint of tag_number
        "near": _text(null=True),  # fingerprint of its core, see NEAR_CODE
        "length": _some_count(),  # letters of the number
        "blocked": _flag(),
        "is_pod_tag": _flag(),
        "site_user_id": _text(null=True),  # holder; null = free
    },
)
SALTO_LOCKS = _table(
    "salto_locks",
    {
        "lock_id": _text(unique=True),
        "name": _text(),
        "online": _flag(),
        "iq_id": _text(null=True),
        "iq_online": _flag(),
        "zone": _text(null=True),  # time_zone of the lock's IQ; of the site when the lock has no IQ
        "held_open": _flag(),  # in manual office mode, which has no end
        "privacy_mode": _flag(),  # refuses valid users, as a person inside has asked for
    },
)
SALTO_GROUPS = _table(
    "salto_groups",
    {"group_id": _text(unique=True), "name": _text(), "user_count": _count(), "lock_count": _count()},
)
SALTO_GROUP_USERS = _table("salto_group_users", {"group_id": _text(), "platform_user_id": _text()})
SALTO_USER_GROUPS = _table(  # of users who were asked for; group_id null: a member of no group
    "salto_user_groups", {"site_user_id": _text(), "group_id": _text(null=True)}
)
SALTO_GROUP_LOCKS = _table("salto_group_locks", {"group_id": _text(), "lock_id": _text()})
SALTO_SCHEDULES = _table(
    "salto_schedules",
    {
        "group_id": _text(),
        "schedule_id": _text(unique=True),
        **{day: _flag() for day in WEEKDAYS},
        "start_time": _text(),  # as Salto shows it: HH:MM:SS, an end widened to :59
        "end_time": _text(),
        "start_date": _text(null=True),  # as Salto shows it: date or date and time, wall-clock of the lock's IQ
        "end_date": _text(null=True),
    },
)

DOOR_EVENTS = _table(
    "door_events",
    {
        "entry_id": _text(unique=True),
        "at": _instant(),
        "category": _text(),  # lock_opened | lock_rejected | ... (open)
        "detail": _text(null=True),  # no_access | suspended | offline | ... (open)
        "lock_id": _text(null=True),
        "lock_name": _text(null=True),
        "platform_user_id": _text(null=True),
        "access_by": _text(null=True),  # tag | pin_code | ... (open)
        "tag": _text(null=True),  # fingerprint of the number that the lock saw; never kept
        "hector_user_id": _text(null=True),  # whose unique code that is (taps.py)
        "tap_tag": _text(null=True),  # TapTag; null: Salto names the user
    },
)

# --- what the rules decide --------------------------------------------------------------------------------------------

PROBLEMS = _table(
    "problems",
    {
        "code": _text(),
        "who": _text(),  # who must act: hector_admin | salto_admin | operator
        "subject": _text(),  # what it concerns: "place p_204", "reservation 10452", "user u_17", ...
        "reference": _text(null=True),  # of the reservation it hurts, when there is one
        "message": _text(),
        "next_step": _text(),
        "red": _flag(),  # a problem leaves the run green; only a user without a seat turns it red (design, section 4)
    },
)
DECISIONS = _table(
    "decisions",
    {
        "reservation_id": _text(unique=True),
        "reference": _text(),
        "decision": _text(),  # access | no_access | left_as_is
        "reason": _text(),
        "window_start": _instant(null=True),
        "window_end": _instant(null=True),
    },
)
DESIRED_PEOPLE = _table(
    "desired_people",
    {
        "user_id": _text(unique=True),
        "email": _text(),  # as emails are compared: without invisible characters, case-folded
        "address": _text(null=True),  # as the email is sent, in its own letter case; null when it is no address
        "first_name": _text(),
        "last_name": _text(),
        "tag": _text(null=True),
        **NEAR_CODE,
        "tag_conflict": _flag(),  # another Hector user has the same code: no tag is changed
        "office_mode": _flag(),
    },
)
DESIRED_RESERVATIONS = _table(
    "desired_bookings",
    {
        "reservation_id": _text(unique=True),
        "reference": _text(unique=True),
        "group_name": _text(unique=True),
        "window_start": _instant(),
        "window_end": _instant(),  # exclusive
    },
)
DESIRED_MEMBERS = _table("desired_members", {"reference": _text(), "user_id": _text()}, key=["reference", "user_id"])
DESIRED_PLACES = _table(
    "desired_places",
    {"reference": _text(), "place_id": _text(), "lock_name": _text()},
    key=["reference", "place_id"],
)
OPERATIONS = _table(
    "operations",
    {
        "key": _text(unique=True),
        "phase": _count(),  # 1 take away, 2 windows, 3 people, 4 arm
        "kind": _text(),
        "cause": _text(),  # one of operations.CAUSES
        "unit": _text(),  # failure unit: "reservation 10452" or "person u_17"
        "reference": _text(null=True),
        "group_name": _text(null=True),
        "group_id": _text(null=True),  # null: the group is made in this run
        "user_id": _text(null=True),  # Hector's
        "site_user_id": _text(null=True),  # null: the user is made in this run
        "platform_user_id": _text(null=True),
        "lock_id": _text(null=True),
        "lock_name": _text(null=True),
        "tag_id": _text(null=True),
        "schedule_id": _text(null=True),
        "before": _text(null=True),  # JSON
        "after": _text(null=True),  # JSON
        "removal": _flag(),  # takes access away; counted by the guards unless its cause is one of EVIDENT
        "rank": _count(),  # order inside a phase and kind: who gets the next free seat
        "state": _text(),  # ready | held
        "held_by": _text(null=True),  # the guard that holds it, or "depends": it builds on a removal that is held
        "reason": _text(),
    },
)
OUTCOMES = _table(
    "outcomes",
    {
        "key": _text(unique=True),  # of the operation
        "state": _text(),  # done | no_seat | failed | unknown | not_sent | held
        "message": _text(),  # empty when done
    },
)


# --- what was seen in one moment, as the ledger keeps it (include/hector_salto/ledger, "seen_") ---------------------------------------

SEEN_RESERVATIONS = _table(
    "seen_reservations",
    {
        "reservation_id": _text(unique=True),
        "reference": _text(),
        "status": _text(),  # status.code as Hector shows it
        "start": _instant(),
        "finish": _instant(),
        "decision": _text(),  # access | no_access | left_as_is
        "reason": _text(),
        "window_start": _instant(null=True),
        "window_end": _instant(null=True),  # exclusive
    },
)
SEEN_BORROWERS = _table(
    "seen_borrowers",  # everybody of type user in a reservation, borrower or participant
    {"reservation_id": _text(), "user_id": _text()},
    key=["reservation_id", "user_id"],
)
SEEN_ROOMS = _table(
    "seen_rooms",
    {
        "reservation_id": _text(),
        "place_id": _text(),
        "place_name": _text(null=True),  # null: Hector shows no such place
        "lock_name": _text(null=True),  # as typed into the attribute; null: none
        "lock_id": _text(null=True),  # the one lock of that name; null: none, or several
    },
    key=["reservation_id", "place_id"],
)
SEEN_PEOPLE = _table(
    "seen_people",
    {
        "person": _text(
            unique=True
        ),  # "hector:<user id>", or "salto:<platform user id>" of a user whom Hector does not have
        "user_id": _text(null=True),
        "email": _text(null=True),  # Hector's, else Salto's
        "name": _text(null=True),  # first and last, as Hector shows them; null: not Hector's, or none
        "hector_status": _text(null=True),  # null: Hector shows no such user
        "has_code": _flag(),  # Hector has a unique code
        "code_shared": _flag(),  # another active user has the same
        "site_user_id": _text(null=True),  # null: no user of the site stands for this person
        "platform_user_id": _text(null=True),
        "subscription_state": _text(null=True),
        "blocked": _flag(),
        "has_tag": _flag(),
        "tag_id": _text(null=True),  # Salto's id of the tag that is carried, never its number
        "own_tag": _flag(),  # the tag is the one Hector's unique code names
        "tag_blocked": _flag(),
        "managed": _flag(),  # false: the sync never changes the Salto user (owner, admin, pod member, guest, its own)
        "office_mode": _flag(),
    },
)
SEEN_PLACES = _table(
    "seen_places",
    {
        "place_id": _text(unique=True),
        "place_name": _text(),
        "active": _flag(),
        "lock_name": _text(null=True),  # as typed into the attribute; null: none
        "lock_id": _text(null=True),  # the one lock of that name; null: none, or several
    },
)
SEEN_LOCKS = _table(
    "seen_locks",
    {
        "lock_id": _text(unique=True),
        "name": _text(),
        "online": _flag(),
        "iq_online": _flag(),
        "zone": _text(null=True),
        "held_open": _flag(),
        "privacy_mode": _flag(),
    },
)
SEEN_GROUPS = _table("seen_groups", {"group_id": _text(unique=True), "name": _text()})  # named like ours
SEEN_MEMBERS = _table(
    "seen_members", {"group_id": _text(), "platform_user_id": _text()}, key=["group_id", "platform_user_id"]
)
SEEN_DOORS = _table("seen_doors", {"group_id": _text(), "lock_id": _text()}, key=["group_id", "lock_id"])
SEEN_SCHEDULES = _table("seen_schedules", dict(SALTO_SCHEDULES.columns))
CHAIN = _table(
    "chain",
    {
        "reference": _text(),
        "user_id": _text(null=True),
        "lock_name": _text(null=True),
        "link": _text(),  # booking | status | person | place | window | group | schedule | door | member | seat | tag | lock
        "state": _text(),  # ok | broken | not_reached
        "words": _text(),
        "code": _text(),  # access/chain.py: Break; empty where a rule does not ask
        "next_step": _text(),  # empty where nothing is broken
    },
)
SEATS = _table(
    "seats",
    {
        "day": _text(),  # YYYY-MM-DD in the site's zone
        "booked": _count(),  # people of ours with a window on that day
        "needed": _count(),  # seats taken that day: by people of ours, and by everybody else on the site
        "allowed": pa.Column("Int64", nullable=True),  # null: no limit
    },
)


LONGEST_NAME = 120  # letters of an id in a message

_EMPTY: dict[tuple[str | None, ...], pd.DataFrame] = {}


def frame(schema: pa.DataFrameSchema, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a validated table with the schema's columns, in its order (also when there is no row)."""
    rows = list(rows)
    return validate(schema, pd.DataFrame(rows, columns=list(schema.columns))) if rows else _empty(schema).copy()


def _empty(schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Most tables of a run have no row (what a second run finds to do, say), and validating nothing takes as long."""
    key = (schema.name, *schema.columns)
    if key not in _EMPTY:
        _EMPTY[key] = validate(schema, pd.DataFrame(columns=list(schema.columns)))
    return _EMPTY[key]


def validate(schema: pa.DataFrameSchema, table: pd.DataFrame) -> pd.DataFrame:
    """The table, coerced and validated.

    Raises:
        SchemaError: naming the table, each column that breaks its schema and the first such row by its id, never
            another value.
    """
    table = _texts(schema, table.reset_index(drop=True))
    if _is_fine(schema, table):
        return table
    try:
        return schema.validate(table, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["column", "check"])
        broken = "; ".join(
            f"{case['column']}: {case['check']}{_where(schema, table, case['index'])}"
            for case in cases.to_dict("records")
        )
        raise SchemaError(f"table {schema.name} breaks its schema: {broken}") from None


def _where(schema: pa.DataFrameSchema, table: pd.DataFrame, index: object) -> str:
    """Name the first row that breaks a check: by the column that identifies rows, else by its number."""
    if not isinstance(index, int | float) or index != index or index not in table.index:  # noqa: PLR0124 - NaN
        return ""
    number = int(index)
    known = next((name for name, column in schema.columns.items() if column.unique and name in table), None)
    value = table[known].iloc[number] if known is not None else None
    named = isinstance(value, str) and value.isprintable()
    return f" (row {str(value)[:LONGEST_NAME]!r})" if named else f" (row {number})"


def _texts(schema: pa.DataFrameSchema, table: pd.DataFrame) -> pd.DataFrame:
    """A column without any value has no type; where text may be missing it is text."""
    bare = [name for name, column in schema.columns.items() if column.nullable and column.dtype.check(TEXT)]
    bare = [name for name in bare if name in table and table[name].dtype == object and table[name].isna().all()]
    return table.astype(dict.fromkeys(bare, "str")) if bare else table


def _is_fine(schema: pa.DataFrameSchema, table: pd.DataFrame) -> bool:
    """True when nothing is left to coerce or to complain about.

    These columns know a type, nulls and uniqueness and no other check; asking that of a small table takes pandera
    fifty times as long, and a run asks it thousands of times. Whatever is not fine is left to pandera, which explains.
    """
    if list(table.columns) != list(schema.columns):
        return False
    for name, column in schema.columns.items():
        values = table[name]
        if values.dtype != column.dtype.type or (not column.nullable and values.hasnans):
            return False
        if column.unique and not values.is_unique:
            return False
    return not schema.unique or not table.duplicated(schema.unique).any()
