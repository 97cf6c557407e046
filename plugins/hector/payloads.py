"""Hector's JSON, as its contract shows it: only the fields that are used; types are strict, unknown fields are ignored."""

# ruff: noqa: D101 - the contract says what each of them is

from __future__ import annotations

from typing import Annotated, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

T = TypeVar("T")
# Spaces around an id are no part of it: they would not survive inside the alias of a Salto user.
Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
IdOrNot = Annotated[str, StringConstraints(strip_whitespace=True)] | None


class Payload(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class Page(Payload, Generic[T]):
    items: list[T]
    next_cursor: Annotated[str, Field(min_length=1)] | None
    total: Annotated[int, Field(ge=0)]


class HectorRecord(Payload):
    """Anything of a list that has an id."""

    id: Id


class EnvironmentPayload(Payload):
    instance_id: str
    name: str
    time_zone: str
    api_token_expires_at: str | None


class User(HectorRecord):
    email: str | None = Field(repr=False)
    first_name: str | None = Field(repr=False)
    last_name: str | None = Field(repr=False)
    unique_code: str | None = Field(repr=False)
    status: str
    department_id: IdOrNot
    group_ids: list[Id]


class UserGroup(HectorRecord):
    name: str
    official: bool
    alias_of: IdOrNot


class Department(HectorRecord):
    name: str


class Attribute(HectorRecord):
    entity: str
    key: str | None
    name: str | None


class AttributeValue(Payload):
    """A value of any attribute of a place; only the lock's is text for certain (see ``mapping.lock_name``)."""

    key: str | None = None
    name: str | None = None
    value: object = None


class Place(HectorRecord):
    name: str
    kind: str
    active: bool
    attributes: list[AttributeValue]


class Status(Payload):
    code: str


class Party(Payload):
    """Borrower or participant."""

    type: str
    id: Id


class Line(Payload):
    type: str
    place_id: Id | None = None

    @model_validator(mode="after")
    def _names_its_place(self) -> Self:
        if self.type == "place" and self.place_id is None:
            raise ValueError("a line of type place names no place_id")
        if self.type not in {"place", "asset"} and self.place_id is not None:  # passed over, it would take access away
            raise ValueError("a line names a place_id and is of a type nobody knows")
        return self


class ChangedLoaner(HectorRecord):
    """What of a loaner says that it has changed; the rest is for a sync to read."""

    reference: str
    updated_at: str


class Loaner(HectorRecord):
    reference: str
    status: Status
    start: str
    finish: str
    blocking: bool
    # Never null: read as "none", a null would take a user's access away.
    borrower: Party
    participants: list[Party]
    lines: list[Line]
