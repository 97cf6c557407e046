"""How the Salto API shows what the site holds, and which properties its filters know."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from sandbox.roles import ROLES

if TYPE_CHECKING:
    from sandbox.salto_state import Group, Iq, Lock, Member, Person, SaltoState, Site, Tag
    from sandbox.world import World

Json = dict[str, Any]

SITE_PROPERTIES = frozenset({"id", "customer_reference", "site_uid", "country_code", "time_zone", "installation_state"})
ROLE_PROPERTIES = frozenset({"id", "customer_reference", "code", "parent_id", "is_hierarchical"})
USER_PROPERTIES = frozenset(
    {f"user/{name}" for name in ("id", "first_name", "last_name", "email", "tag_number", "has_profile")}
    | {"id", "alias", "blocked", "subscription_state", "use_pin", "remote_access"}
    | {"toggle_easy_office_mode", "toggle_manual_office_mode", "override_privacy_mode"}
)
TAG_PROPERTIES = frozenset({"id", "tag_number", "blocked", "creation_date", "registration_date", "is_pod_tag"})
LOCK_PROPERTIES = frozenset({"id", "customer_reference", "mac", "online", "lock_type", "locked_state", "battery_level"})
IQ_PROPERTIES = frozenset({"id", "customer_reference", "time_zone", "mac_address", "is_online"})
GROUP_PROPERTIES = frozenset({"id", "customer_reference", "lock_count", "user_count"})
GROUP_USER_PROPERTIES = frozenset({"id", "first_name", "last_name"})
NAME_PROPERTIES = frozenset({"id", "customer_reference"})
SCHEDULE_PROPERTIES = frozenset({"id", "start_time", "end_time", "start_date", "end_date"})
ENROLLED = "2024-02-01T10:00:00Z"


def site_json(site: Site, salto: SaltoState) -> Json:
    owner = next((m for m in salto.members.values() if "site_owner" in m.roles), None)
    return {
        "id": site.id,
        "customer_reference": site.customer_reference,
        "site_uid": site.site_uid,
        "country_code": site.country_code,
        "time_zone": site.time_zone,
        "subscribed_user_amount": site.subscribed_user_amount,
        "subscription_valid": site.subscription_valid,
        "owner": person_json(salto.persons[owner.person_id], salto, owner) if owner else None,
        "installation_state": site.installation_state,
        "mkey_compatible": True,
    }


def person_json(person: Person, salto: SaltoState, member: Member | None) -> Json:
    tag = salto.tags.get(member.tag_id) if member and member.tag_id else None
    return {
        "id": person.id,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "image_url": None,
        "tag_number": tag.number if tag else None,
        "is_managed_by_current_site": person.managed_here,
        "has_profile": person.has_profile,
    }


def is_fresh(member: Member, world: World) -> bool:
    """True while the creation of a user has not reached the rest of Salto yet."""
    lag = dt.timedelta(seconds=world.behaviour.creation_lag_seconds)
    return member.created_at is not None and world.clock() < member.created_at + lag


def effective_roles(member: Member, world: World) -> list[str]:
    if member.id == world.salto.acting_member_id and not world.behaviour.acting_site_admin:
        return ["site_user"]
    return [] if is_fresh(member, world) else member.roles


def site_user_json(member: Member, world: World, *, version: str) -> Json:
    salto = world.salto
    roles = effective_roles(member, world)
    tag = salto.tags.get(member.tag_id or "")
    # When the subscription of a site ends all its users become unsubscribed.
    state = member.subscription_state if salto.site.subscription_valid else "suspended"
    answer: Json = {
        "id": member.id,
        "user": person_json(salto.persons[member.person_id], salto, member),
        "roles": [ROLES[code].as_json() for code in roles],
        "alias": member.alias,
        "toggle_easy_office_mode": member.easy_office_mode,
        "toggle_manual_office_mode": member.manual_office_mode,
        "remote_access": "site_mobile_user" in roles,
        "blocked": member.blocked,
        "tag_owned_by_this_site": tag.owned_here if tag else False,
        "subscription_state": state,
        "override_privacy_mode": member.override_privacy_mode,
        "use_pin": member.use_pin,
    }
    if version == "v1.2":
        answer |= {"data_removal_expires_at": None, "expires_at": None, "member_of_pods": [], "guest_of_pods": []}
    return answer


def tag_json(tag: Tag, holder: Member | None, salto: SaltoState) -> Json:
    person = salto.persons[holder.person_id] if holder else None
    user_keys = ("id", "first_name", "last_name", "image_url")
    shown = (
        {key: value for key, value in person_json(person, salto, None).items() if key in user_keys} if person else None
    )
    return {
        "id": tag.id,
        "blocked": tag.blocked,
        "creation_date": ENROLLED,
        "registration_date": ENROLLED,
        "tag_number": tag.number,
        "source_iq_id": next(iter(salto.iqs), None),
        "site_user_key_id": tag.id[::-1] if holder else None,
        "site_user": {"id": holder.id, "user": shown} if holder else None,
        "is_pod_tag": tag.is_pod_tag,
    }


def lock_json(lock: Lock, salto: SaltoState) -> Json:
    iq = salto.iqs.get(lock.iq_id)
    return {
        "id": lock.id,
        "customer_reference": lock.name,
        "mac": lock.mac,
        "floor": None,
        "locked_state": lock.locked_state,
        "lock_type": "wall_reader",
        "online": lock.online,
        "iq_link_state": "attached",
        "tag_registration_state": "not_started",
        "battery_level": "good",
        "left_open_alarm": False,
        "intrusion_alarm": False,
        "easy_office_mode_schedule": None,
        # The IQ inside a lock has no zone: that stands only in the list of the IQs.
        "iq": {k: v for k, v in iq_json(iq).items() if k not in ("time_zone", "data_sync_state")} if iq else None,
        "repeater": None,
        "privacy_mode": lock.privacy_mode,
        "communication_type": "rf_net",
    }


def iq_json(iq: Iq) -> Json:
    return {
        "id": iq.id,
        "customer_reference": iq.name,
        "mac_address": iq.id.replace("-", "")[:6].upper(),
        "time_zone": iq.time_zone,
        "is_online": iq.online,
        "revision": "2",
        "data_sync_state": "not_synced",
    }


def group_json(group: Group) -> Json:
    counts = {"lock_count": len(group.locks), "user_count": len(group.users)}
    return {"id": group.id, "customer_reference": group.name, **counts}


def group_user_json(person: Person) -> Json:
    return {"id": person.id, "first_name": person.first_name, "last_name": person.last_name}


def name_json(thing: Group | Lock) -> Json:
    return {"id": thing.id, "customer_reference": thing.name}
