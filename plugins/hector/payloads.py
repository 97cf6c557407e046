"""Hector's JSON, as its contract shows it: only the fields that are used; types are strict, unknown fields are ignored."""

# ruff: noqa: D101 - the contract says what each of them is

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
Id = Annotated[str, Field(min_length=1)]


class Payload(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class Page(Payload, Generic[T]):
    items: list[T]
    next_cursor: Annotated[str, Field(min_length=1)] | None
    total: Annotated[int, Field(ge=0)]


class Entry(Payload):
    """Anything of a list that has an id."""

    id: Id


class EnvironmentPayload(Payload):
    instance_id: str
    name: str
    time_zone: str
    api_token_expires_at: str | None


class User(Entry):
    email: str | None = Field(repr=False)
    first_name: str | None = Field(repr=False)
    last_name: str | None = Field(repr=False)
    unique_code: str | None = Field(repr=False)
    status: str
    department_id: str | None
    group_ids: list[Id] | None


class Group(Entry):
    name: str
    official: bool
    alias_of: str | None


class Department(Entry):
    name: str


class Attribute(Entry):
    entity: str
    key: str | None
    name: str | None


class AttributeValue(Payload):
    key: str | None
    name: str | None
    value: str | None


class Place(Entry):
    name: str
    kind: str
    active: bool
    attributes: list[AttributeValue] | None


class Status(Payload):
    code: str


class Party(Payload):
    """Borrower or participant."""

    type: str
    id: Id


class Line(Payload):
    type: str
    place_id: Id | None = None


class Loaner(Entry):
    reference: str
    status: Status
    start: str
    finish: str
    blocking: bool
    borrower: Party | None
    participants: list[Party] | None
    lines: list[Line] | None
