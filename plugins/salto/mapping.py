"""Salto's JSON fields to our columns."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from hector_salto.access.schemas import WEEKDAYS
from hector_salto.http_client.errors import MalformedAnswerError
from hector_salto.http_client.tag_numbers import tag_shape
from hector_salto.http_client.timestamps import InvalidTimestampError, parse_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hector_salto.http_client.errors import RequestInfo
    from salto.payloads import AccessGroup, DoorEvent, Lock, Role, SiteUser, Tag, TimeSchedule

    Fingerprinting = Callable[[str | None], str | None]

Row = dict[str, "Any"]
ROLES_ABOVE_USER = frozenset({"site_owner", "site_admin", "site_super_user"})
ROLES_NOT_ABOVE_USER = frozenset({"site_user", "site_guest", "site_pod_member"})
POD_OR_GUEST_ROLES = frozenset({"site_guest", "site_pod_member"})
ADMIN_ROLES = frozenset({"site_owner", "site_admin"})
OPEN_STATES = frozenset({"office_mode", "unlocked"})
TAG = "tag"  # how a door was tried
CUSTOM_ROLE = "custom"  # stands for a role without a code


def role_codes(roles: Iterable[Role]) -> tuple[str, ...]:
    return tuple(sorted({role.code or CUSTOM_ROLE for role in roles}))


def is_above_site_user(roles: Iterable[Role]) -> bool:
    """A hierarchical role that the contract does not name counts as above: such a user is never changed."""
    return any(
        role.code in ROLES_ABOVE_USER or (role.is_hierarchical and role.code not in ROLES_NOT_ABOVE_USER)
        for role in roles
    )


def is_pod_or_guest(user: SiteUser) -> bool:
    in_pod = bool(user.member_of_pods or user.guest_of_pods)
    return in_pod or any(role.code in POD_OR_GUEST_ROLES for role in user.roles)


def user_row(user: SiteUser, fingerprint: Fingerprinting) -> Row:
    return {
        "site_user_id": user.id,
        "platform_user_id": user.user.id,
        "email": user.user.email,
        "alias": user.alias,
        "has_profile": user.user.has_profile,
        "managed_here": user.user.is_managed_by_current_site,
        "role_codes": " ".join(role_codes(user.roles)),
        "above_site_user": is_above_site_user(user.roles),
        "pod_or_guest": is_pod_or_guest(user),
        "office_mode": user.toggle_manual_office_mode,
        "blocked": user.blocked,
        "subscription_state": user.subscription_state,
        "opens_without_tag": user.use_pin or user.remote_access,
        "tag": fingerprint(user.user.tag_number),
    }


def tag_row(tag: Tag, fingerprint: Fingerprinting) -> Row:
    written = tag_shape(tag.tag_number)
    return {
        "tag_id": tag.id,
        "tag": fingerprint(tag.tag_number),
        "near": None if written is None else fingerprint(written.core),
        "length": None if written is None else written.length,
        "blocked": tag.blocked,
        "is_pod_tag": tag.is_pod_tag,
        "site_user_id": None if tag.site_user is None else tag.site_user.id,
    }


def lock_row(lock: Lock, zones: Mapping[str, str | None], site_zone: str) -> Row:
    """A lock with the zone of its IQ; an IQ that is not listed has no known zone, which is not the site's."""
    iq = lock.iq
    return {
        "lock_id": lock.id,
        "name": lock.customer_reference,
        "online": lock.online,
        "iq_id": None if iq is None else iq.id,
        "iq_online": iq is not None and iq.is_online,
        "zone": site_zone if iq is None else zones.get(iq.id),
        # Easy office mode ends with its schedule; what a person has begun lasts until a person ends it.
        "held_open": lock.locked_state in OPEN_STATES and lock.easy_office_mode_schedule is None,
        "privacy_mode": bool(lock.privacy_mode),
    }


def group_row(group: AccessGroup) -> Row:
    return {
        "group_id": group.id,
        "name": group.customer_reference,
        "user_count": group.user_count,
        "lock_count": group.lock_count,
    }


def event_row(event: DoorEvent, exchange: RequestInfo, fingerprint: Fingerprinting) -> Row:
    """An event at a door; its time is UTC, with or without saying so."""
    try:
        at = parse_datetime(event.utc_date_time)
    except InvalidTimestampError:
        raise MalformedAnswerError(exchange, f"gives the event {event.id} a time that is none") from None
    return {
        "entry_id": event.id,
        "at": at if at.tzinfo else at.replace(tzinfo=UTC),
        "category": event.event_category,
        "detail": event.event_detail,
        "lock_id": event.lock_id,
        "lock_name": event.lock_customer_reference,
        "platform_user_id": event.user_id,
        "access_by": event.access_by,
        "tag": fingerprint(event.access_detail) if event.access_by == TAG else None,
        "hector_user_id": None,
        "tap_tag": None,
    }


def schedule_row(group_id: str, schedule: TimeSchedule) -> Row:
    return {
        "group_id": group_id,
        "schedule_id": schedule.id,
        **{day: getattr(schedule, day) for day in WEEKDAYS},
        "start_time": schedule.start_time,
        "end_time": schedule.end_time,
        "start_date": schedule.start_date,
        "end_date": schedule.end_date,
    }
