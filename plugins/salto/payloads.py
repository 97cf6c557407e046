"""Salto's JSON, as its contract shows it: only the fields that are used; types are strict, unknown fields are ignored.

What the contract shows as null may be null. A key that decides about access must be there: its absence is no answer.
"""

# ruff: noqa: D101 - the contract says what each of them is

from __future__ import annotations

from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

T = TypeVar("T")
Id = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-4]):[0-5][0-9](:[0-5][0-9])?$")]


class Payload(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class Page(Payload, Generic[T]):
    items: list[T]
    next_page_link: str | None = None
    count: Count | None = None


class SaltoRecord(Payload):
    """Anything that has an id."""

    id: Id


class ListedSite(SaltoRecord):
    site_uid: str
    customer_reference: str


class SitePayload(ListedSite):
    time_zone: str | None
    subscribed_user_amount: Count | None
    subscription_valid: bool
    installation_state: str
    owner: SaltoRecord | None
    active_user_amount: Count | None = None


class Role(SaltoRecord):
    code: str | None
    is_hierarchical: bool


class PlatformUser(SaltoRecord):
    email: str | None = Field(repr=False)
    tag_number: str | None = Field(repr=False)
    is_managed_by_current_site: bool
    has_profile: bool


class SiteUser(SaltoRecord):
    user: PlatformUser
    roles: list[Role]
    alias: str | None
    toggle_manual_office_mode: bool
    blocked: bool
    subscription_state: str | None
    use_pin: bool = False
    remote_access: bool = False
    member_of_pods: list[Any] | None = None  # v1.2
    guest_of_pods: list[Any] | None = None  # v1.2


class TagHolder(SaltoRecord):
    """The site user who has the tag."""


class Tag(SaltoRecord):
    tag_number: str | None = Field(repr=False)
    blocked: bool
    is_pod_tag: bool
    site_user: TagHolder | None


class LockIq(SaltoRecord):
    is_online: bool


class Lock(SaltoRecord):
    customer_reference: str
    online: bool
    iq: LockIq | None
    locked_state: str | None = None
    privacy_mode: bool | None = None
    easy_office_mode_schedule: object | None = None


class Iq(SaltoRecord):
    time_zone: str | None


class DoorEvent(SaltoRecord):
    """An entry of contract section 6; ``access_detail`` may hold a tag number (11.4), names are not needed."""

    event_category: str
    event_detail: str | None = None
    utc_date_time: str
    lock_id: str | None = None
    lock_customer_reference: str | None = None
    user_id: str | None = None
    access_by: str | None = None
    access_detail: str | None = Field(default=None, repr=False)


class NamedGroup(SaltoRecord):
    customer_reference: str


class AccessGroup(NamedGroup):
    user_count: Count
    lock_count: Count


class TimeSchedule(SaltoRecord):
    monday: bool
    tuesday: bool
    wednesday: bool
    thursday: bool
    friday: bool
    saturday: bool
    sunday: bool
    start_time: ClockTime
    end_time: ClockTime
    start_date: str | None = None
    end_date: str | None = None

    @model_validator(mode="after")
    def both_dates_or_none(self) -> Self:
        """A service may leave out what is null, and an open-ended schedule then has neither; one alone is half an answer."""
        if len({"start_date", "end_date"} & self.model_fields_set) == 1:
            raise ValueError("one of start_date and end_date is missing")
        return self


class SearchedUser(SaltoRecord):
    """An item of users/search, whose shape is not documented: a platform user, or a site user that holds one."""

    email: str | None = Field(default=None, repr=False)
    user: SearchedUser | None = None


class Feature(Payload):
    code: str


class SubscriptionPayload(Payload):
    end_date: str | None = None
    user_amount: Count | None = None
    is_valid: bool
    features: list[Feature] = []


class LockSettings(Payload):
    offline_access_by_audit_trail_day_count: Count


class DiscoveryPayload(Payload):
    token_endpoint: str
    grant_types_supported: list[str] | None = None


class TokenPayload(Payload):
    access_token: Annotated[str, Field(min_length=1, pattern=r"^[\x21-\x7e]+$", repr=False)]
    expires_in: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 3600.0
