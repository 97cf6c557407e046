"""The kinds of operation a plan is made of, the phase each belongs to, and how rows of them are written.

Order (design, section 5): take away, windows, people, arm; each phase finished before the next begins.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.text_columns import join, repeat

if TYPE_CHECKING:
    from collections.abc import Mapping

TAKE_AWAY, WINDOWS, PEOPLE, ARM = 1, 2, 3, 4
PHASES = {TAKE_AWAY: "take away", WINDOWS: "windows", PEOPLE: "people", ARM: "arm"}

GROUP, PERSON = "group", "person"


@dataclass(frozen=True, slots=True)
class OperationKind:
    """One kind of operation: what it changes, when, and in which order inside its phase.

    Stages of a phase are finished one after the other: users are deleted after all other removals; an email is given up
    before a user is made who has it now; tags and office mode come after people.
    """

    name: str
    phase: int
    subject: str  # GROUP | PERSON
    order: int
    removal: bool = False
    stage: int = 1


KINDS = {
    kind.name: kind
    for kind in (
        OperationKind("group_delete", TAKE_AWAY, GROUP, 0, removal=True),
        OperationKind("member_remove", TAKE_AWAY, GROUP, 1, removal=True),
        OperationKind("lock_remove", TAKE_AWAY, GROUP, 2, removal=True),
        OperationKind("schedule_delete", TAKE_AWAY, GROUP, 3, removal=True),
        OperationKind("tag_off", TAKE_AWAY, PERSON, 4, removal=True),
        OperationKind("office_off", TAKE_AWAY, PERSON, 5, removal=True),
        OperationKind("user_suspend", TAKE_AWAY, PERSON, 6, removal=True),
        OperationKind("user_delete", TAKE_AWAY, PERSON, 7, removal=True, stage=2),
        OperationKind("schedule_change", WINDOWS, GROUP, 0),
        OperationKind("schedule_create", WINDOWS, GROUP, 1),
        OperationKind("group_create", WINDOWS, GROUP, 2),
        OperationKind("user_adopt", PEOPLE, PERSON, 0),
        OperationKind("user_email", PEOPLE, PERSON, 1),
        OperationKind("user_subscribe", PEOPLE, PERSON, 2, stage=2),
        OperationKind("user_create", PEOPLE, PERSON, 3, stage=2),
        OperationKind("tag_on", PEOPLE, PERSON, 4, stage=3),
        OperationKind("office_on", PEOPLE, PERSON, 5, stage=3),
        OperationKind("lock_add", ARM, GROUP, 0),
        OperationKind("member_add", ARM, GROUP, 1),
    )
}

READY, HELD, MALFORMED = "ready", "held", "malformed"

CAUSES = {
    "new": "Hector shows it for the first time",
    "moved": "Hector shows it otherwise than before",
    "withdrawn": "Hector no longer gives this access",
    "ended": "Hector itself shows that this access is no longer needed: returned, completed or over",
    "expired": "its window in Salto is over",
    "leftover": "an earlier run left it unfinished or twice",
    "drift": "it was changed manually in Salto",
}
EVIDENT = frozenset({"ended", "expired"})  # removals that are no mistake: the guards do not count them
DEPENDS = "depends"  # held_by of what builds on a removal that is held
WITH_GROUP = "with_group"  # held_by of a user's removal that would shut what is held of a group


def as_json(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def operations(kind: str, rows: pd.DataFrame, **columns: pd.Series | str) -> pd.DataFrame:
    """One operation a row. Columns of OPERATIONS found in ``rows`` or given are taken; the others are null.

    The key is the kind and the ids it concerns, so that the same change has the same key in every plan. They are sorted by
    rank and key, unless one is malformed.
    """
    if rows.empty:
        return schemas.frame(schemas.OPERATIONS, [])
    described = KINDS[kind]
    constants = {"kind": kind, "phase": described.phase, "removal": described.removal, "state": READY, "rank": 0}
    constants |= {name: value for name, value in columns.items() if isinstance(value, str)}
    series = {name: values for name, values in columns.items() if not isinstance(values, str)}
    own = rows.assign(**series)
    taken = [name for name in own if name in series or name == "rank" or name not in constants]
    own = own[[name for name in taken if name in schemas.OPERATIONS.columns]]
    own = own.assign(key=_keys(kind, own))
    in_place = own.sort_values(["rank", "key"] if "rank" in own else "key")
    try:
        return schemas.validate(schemas.OPERATIONS, _with_constants(in_place, constants))
    except schemas.SchemaError:
        return schemas.validate(schemas.OPERATIONS, _mark_malformed(_with_constants(own, constants)))


def _keys(kind: str, table: pd.DataFrame) -> pd.Series:
    """Return the kind and the ids that each row concerns."""
    subject = ["group_id", "group_name"] if KINDS[kind].subject == GROUP else ["site_user_id", "user_id"]
    details = ["platform_user_id", "user_id", "lock_id", "tag_id", "schedule_id"]
    named = [table[name] for name in subject if name in table]
    first = named[0].astype("str").where(named[0].notna(), named[-1]) if named else ""
    parts = [table.get(name, "") for name in details if name not in subject]
    return join([repeat(kind, len(table)).set_axis(table.index), first, *parts], ":", null="")


def _with_constants(table: pd.DataFrame, constants: Mapping[str, object]) -> pd.DataFrame:
    """Return the table with all columns of OPERATIONS, those that it lacks as constants, else null."""
    return pd.DataFrame(
        {
            name: table[name].array if name in table else _repeated(constants.get(name), len(table))
            for name in schemas.OPERATIONS.columns
        }
    )


def _repeated(value: object, times: int) -> object:
    return repeat(value, times).array if value is None or isinstance(value, str) else np.full(times, value)


def _sound(table: pd.DataFrame) -> pd.DataFrame:
    """Return the operations with valid columns: rows that lack a value become MALFORMED, so that no other row suffers."""
    try:
        return schemas.validate(schemas.OPERATIONS, table)
    except schemas.SchemaError:
        return schemas.validate(schemas.OPERATIONS, _mark_malformed(table))


def _mark_malformed(table: pd.DataFrame) -> pd.DataFrame:
    """Fill the gaps of malformed rows; the same change listed twice is one change."""
    table = table.drop_duplicates().reset_index(drop=True)
    required = [name for name, column in schemas.OPERATIONS.columns.items() if not column.nullable]
    missing = table[required].isna()
    twice = table.duplicated("key", keep=False)
    bad = missing.any(axis=1) | twice
    lacks = missing.apply(lambda row: ", ".join(row.index[row]), axis=1)
    reason = ("no value for " + lacks).where(lacks.ne(""), "its key exists twice")
    number = pd.Series(range(len(table)), index=table.index).astype("str")
    filled = {name: table[name].astype("object").where(~missing[name], _FILLERS.get(name, "")) for name in required}
    filled["key"] = filled["key"].mask(bad, filled["key"].astype("str") + " (malformed " + number + ")")
    return table.assign(**filled).assign(
        state=table["state"].astype("object").mask(bad, MALFORMED),
        reason=filled["reason"].mask(bad, reason),
    )


_FILLERS: dict[str, object] = {"removal": False, "rank": 0, "phase": TAKE_AWAY}


def in_order(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """All operations, sorted by phase, kind, rank and key: the same inputs give the same table."""
    joined = pd.concat([schemas.frame(schemas.OPERATIONS, []), *tables], ignore_index=True)
    order = joined["kind"].map({name: kind.order for name, kind in KINDS.items()}).fillna(0).astype("int64")
    joined = joined.assign(order=order).sort_values(["phase", "order", "rank", "key"]).drop(columns="order")
    return _sound(joined)


def in_order_of_kinds(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """As ``in_order``, of tables that ``operations`` made: each of one kind, and sorted already."""
    found: dict[str, list[pd.DataFrame]] = {}
    for table in tables:
        if len(table):
            found.setdefault(str(table["kind"].iloc[0]), []).append(table)
    malformed = any(table["state"].eq(MALFORMED).any() for several in found.values() for table in several)
    if malformed or not found or any(_repeats_key(several) for several in found.values()):
        return in_order(tables)
    places = sorted(found, key=lambda name: (KINDS[name].phase, KINDS[name].order))
    return pd.concat([_merged(found[name]) for name in places], ignore_index=True)


def _repeats_key(tables: list[pd.DataFrame]) -> bool:
    """Tell whether tables of one kind share a key; no two kinds do."""
    return len(tables) > 1 and not pd.concat([table["key"] for table in tables]).is_unique


def _merged(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return tables[0] if len(tables) == 1 else pd.concat(tables).sort_values(["rank", "key"])


HELD_BY = {
    DEPENDS: "held, because it builds on a removal that is held",
    WITH_GROUP: "held, because this user's place in an access group is held too",
}


def reason_held(operation: Mapping[Any, Any]) -> str:
    """Return what holds an operation back."""
    by = operation["held_by"]
    return HELD_BY.get(by, f"held by the guard {by}")


def describe_operation(operation: Mapping[Any, Any]) -> str:
    """Describe an operation by ids and references: kind, group, user, lock."""
    parts = [str(operation["kind"])]
    for label, column in (
        ("", "group_name"),
        ("user ", "user_id"),
        ("door ", "lock_name"),
        ("tag id ", "tag_id"),
        ("schedule ", "schedule_id"),
    ):
        if operation[column] is not None:
            parts.append(f"{label}{operation[column]}")
    if operation["user_id"] is None and operation["platform_user_id"] is not None:
        parts.append(f"Salto user {operation['platform_user_id']}")
    return " ".join(parts)
