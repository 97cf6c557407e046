"""Hector's fields to our columns. A customer whose Hector names things otherwise changes payloads.py and this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hector_salto.access.texts import comparable, one_line
from hector_salto.http_client.tag_numbers import tag_shape
from hector_salto.http_client.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hector.payloads import (
        Attribute,
        AttributeValue,
        ChangedLoaner,
        Department,
        Loaner,
        Party,
        Place,
        User,
        UserGroup,
    )

    Row = dict[str, Any]
    Fingerprinting = Callable[[str | None], str | None]

LOCK_KEY = "salto_lock_id"
LOCK_NAME = "Salto Lock Id"
LOCK_ATTRIBUTE = {"entity": "place", "key": LOCK_KEY, "name": LOCK_NAME, "type": "text"}


class NotTextError(ValueError):
    """A lock's name that is neither text nor a whole number."""


def user_row(user: User, fingerprint: Fingerprinting) -> Row:
    written = tag_shape(user.unique_code)
    return {
        "user_id": user.id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "tag": fingerprint(user.unique_code),
        "near": None if written is None else fingerprint(written.core),
        "code_forms": None if written is None else written.forms,
        "code_length": None if written is None else written.length,
        "status": user.status,
        "department_id": user.department_id,
    }


def user_group_rows(user: User) -> list[Row]:
    return [{"user_id": user.id, "group_id": group} for group in dict.fromkeys(user.group_ids)]


def group_row(group: UserGroup) -> Row:
    return {"group_id": group.id, "name": group.name, "official": group.official, "alias_of": group.alias_of}


def department_row(department: Department) -> Row:
    return {"department_id": department.id, "name": department.name}


def place_row(place: Place) -> Row:
    return {
        "place_id": place.id,
        "name": place.name,
        "kind": place.kind,
        "active": place.active,
        "lock_name": lock_name(place.attributes),
    }


def lock_name(values: Iterable[AttributeValue]) -> str | None:
    """The value by the attribute's key, else by its display name; blank counts as none.

    Raises:
        NoTextError: read as a name, it would fit no lock, and the users of its reservations would lose their access.
    """
    values = list(values)
    keyed = [value for value in values if value.key == LOCK_KEY]
    found = keyed or [value for value in values if _is_lock_name(value.name)]
    texts = [_require_text(value.value) for value in found if value.value is not None]
    return next((text for text in texts if text.strip()), None)


def _require_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise NotTextError("not a name")
    return str(value)


def is_lock_attribute(attribute: Attribute) -> bool:
    return attribute.entity == "place" and (attribute.key == LOCK_KEY or _is_lock_name(attribute.name))


def reservation_row(loaner: Loaner) -> Row:
    return {
        "reservation_id": loaner.id,
        "reference": one_line(loaner.reference),
        "status": loaner.status.code,
        "start": parse_timestamp(loaner.start),
        "finish": parse_timestamp(loaner.finish),
        "blocking": loaner.blocking,
    }


def row_of_change(loaner: ChangedLoaner) -> Row:
    return {
        "reservation_id": loaner.id,
        "reference": one_line(loaner.reference),
        "updated_at": parse_timestamp(loaner.updated_at),
    }


def people_rows(loaner: Loaner) -> Iterator[Row]:
    """Borrower first; a user who is both is a borrower."""
    seen: set[tuple[str, str]] = set()
    for part, party in _parties_by_part(loaner):
        if (party.type, party.id) not in seen:
            seen.add((party.type, party.id))
            yield {
                "reservation_id": loaner.id,
                "person_type": party.type,
                "person_id": party.id,
                "part": part,
            }


def place_rows(loaner: Loaner) -> list[Row]:
    places = dict.fromkeys(line.place_id for line in loaner.lines if line.type == "place")
    return [{"reservation_id": loaner.id, "place_id": place} for place in places if place is not None]


def _parties_by_part(loaner: Loaner) -> Iterator[tuple[str, Party]]:
    yield "borrower", loaner.borrower
    for party in loaner.participants:
        yield "participant", party


def _is_lock_name(name: str | None) -> bool:
    return name is not None and comparable(name) == comparable(LOCK_NAME)
