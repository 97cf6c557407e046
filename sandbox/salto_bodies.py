"""The bodies that Salto's API takes: no field it does not know, no type that has to be guessed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.salto_errors import invalid, malformed
from sandbox.web import Refused, Reply

if TYPE_CHECKING:
    from sandbox.web import Call

B = TypeVar("B", bound="Body")
UNSUPPORTED_MEDIA_TYPE = 415


class Body(BaseModel):
    """A strict body."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _UserFields(Body):
    alias: str | None = None
    toggle_easy_office_mode: bool = False
    toggle_manual_office_mode: bool = False
    blocked: bool = False
    override_privacy_mode: bool = False
    use_pin: bool = False


class NewUser(_UserFields):
    """POST users."""

    first_name: str
    last_name: str
    email: str | None = None
    tag_id: str | None = None
    role_ids: list[str] = []


class UserPatch(_UserFields):
    """PATCH of a user: any subset."""

    first_name: str = ""
    last_name: str = ""
    email: str | None = None
    tag_id: str | None = None
    role_ids: list[str] = []


class ExistingUser(_UserFields):
    """POST users/existing: ``id`` is a platform user id."""

    id: str
    role_ids: list[str] = []


class SubscriptionPatch(Body):
    """PATCH of a subscription; the answer calls the same thing subscription_state."""

    state: Literal["subscribed", "suspended"]


class GroupName(Body):
    """POST and PATCH of an access group."""

    customer_reference: str


class UserId(Body):
    """POST of one user into a group: a platform user id."""

    user_id: str


class LockId(Body):
    """POST of one lock into a group."""

    lock_id: str


class Changes(Body):
    """PATCH of the users or locks of a group."""

    add_ids: list[str] = []
    remove_ids: list[str] = []


class _Days(Body):
    monday: bool = False
    tuesday: bool = False
    wednesday: bool = False
    thursday: bool = False
    friday: bool = False
    saturday: bool = False
    sunday: bool = False
    start_date: str | None = None
    end_date: str | None = None


class NewSchedule(_Days):
    """POST of a time schedule."""

    start_time: str
    end_time: str


class SchedulePatch(_Days):
    """PATCH of a time schedule: any subset."""

    start_time: str = ""
    end_time: str = ""


def read_body(call: Call, model: type[B]) -> B:
    """The body as its model: missing fields are 400/1100, unknown ones and wrong types 400/1101."""
    if call.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(Reply(UNSUPPORTED_MEDIA_TYPE))
    try:
        sent: Any = json.loads(call.body)
    except ValueError as error:
        raise malformed("The request body is not valid JSON.") from error
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise _refused(error) from error


def sent_fields(body: Body) -> dict[str, Any]:
    """Only what the client wrote."""
    return body.model_dump(exclude_unset=True)


def _refused(error: ValidationError) -> Refused:
    problems = error.errors(include_url=False, include_input=False)
    text = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'body'}: {p['msg']}" for p in problems)
    only_missing = all(problem["type"] == "missing" for problem in problems)
    return malformed(text) if only_missing else invalid(text)
