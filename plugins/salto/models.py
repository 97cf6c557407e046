"""What Salto's clients take and give besides tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class SaltoSite:
    """One site: a building with its locks, users and subscription."""

    site_id: str
    site_uid: str
    name: str
    zone: str
    seats: int | None  # allowed by the subscription; None = no limit
    seats_used: int | None
    subscription_valid: bool
    installation_state: str
    owner_platform_user_id: str | None


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """The integration's own account on the site."""

    site_user_id: str
    platform_user_id: str
    role_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccessSchedule:
    """A time schedule as it is sent: wall-clock time of the locks' IQ, no zone."""

    days: tuple[bool, ...]  # Monday first
    start_time: str  # HH:MM
    end_time: str
    start_date: str  # YYYY-MM-DDTHH:MM:SS
    end_date: str

    def __post_init__(self) -> None:
        if len(self.days) != 7:  # noqa: PLR2004 - a week
            raise ValueError("a schedule says yes or no for each of seven days")


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be created on the site. An email makes Salto send an invitation."""

    first_name: str = field(repr=False)
    last_name: str = field(repr=False)
    email: str | None = field(repr=False)
    alias: str | None
    role_id: str
    office_mode: bool


@dataclass(frozen=True, slots=True)
class CreatedUser:
    """A user who has just been put on the site; "suspended" means that no seat was free."""

    site_user_id: str
    platform_user_id: str
    subscription_state: str | None
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FoundUser:
    """A platform user whom a search by email found; ``has_email``: it shows that very email."""

    platform_user_id: str
    has_email: bool


@dataclass(frozen=True, slots=True)
class ChangedUser:
    """A site user as Salto holds it after a change."""

    site_user_id: str
    platform_user_id: str
    subscription_state: str | None
    alias: str | None
    office_mode: bool
    has_tag: bool


class LeaveOut(Enum):
    """Says that a field is not part of a change; None means that it is to be emptied."""

    LEAVE_OUT = "leave out"


LEAVE_OUT: Final = LeaveOut.LEAVE_OUT


@dataclass(frozen=True, slots=True)
class UserChange:
    """The fields of a site user that are to change, and no others."""

    tag_id: str | LeaveOut | None = LEAVE_OUT  # None takes the tag off
    alias: str | LeaveOut | None = LEAVE_OUT
    email: str | LeaveOut = field(default=LEAVE_OUT, repr=False)
    office_mode: bool | LeaveOut = LEAVE_OUT
