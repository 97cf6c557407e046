"""What the two contracts allow as an answer, written a second time in plain Python: the judge of a spoilt answer."""

from __future__ import annotations

import datetime as dt
import re
from itertools import starmap


def is_id(value):
    """An id: opaque text that is not empty."""
    return isinstance(value, str) and value != ""


def is_timestamp(value):
    """RFC 3339, with its offset."""
    if not isinstance(value, str):
        return False
    try:
        return dt.datetime.fromisoformat(value).astimezone(dt.UTC) is not None and bool(OFFSET.search(value))
    except (ValueError, OverflowError):
        return False


OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
TEXT, COUNT = str, int
MAYBE = (str, None)


def is_line(value):
    """Of a place, it names the place; what else names one is an asset."""
    if not has_shape(value, {"type": TEXT}) or not has_shape(value.get("place_id"), (is_id, None)):
        return False
    place = value.get("place_id") is not None
    return place if value["type"] == "place" else not place or value["type"] == "asset"


def is_attribute(value):
    """The lock's is text, or nothing, or a whole number that somebody typed; any other attribute is none of ours."""
    if not has_shape(value, {}) or not all(has_shape(value.get(key), MAYBE) for key in ("key", "name")):
        return False
    keyed = value.get("key") == "salto_lock_id" or str(value.get("name")).strip().casefold() == "salto lock id"
    return not keyed or has_shape(value.get("value"), (str, int, None))


PARTY = {"type": TEXT, "id": is_id}
HECTOR = {
    "users": {
        "id": is_id,
        "email": MAYBE,
        "first_name": MAYBE,
        "last_name": MAYBE,
        "unique_code": MAYBE,
        "status": TEXT,
        "department_id": MAYBE,
        "group_ids": [is_id],
    },
    "groups": {"id": is_id, "name": TEXT, "official": bool, "alias_of": MAYBE},
    "departments": {"id": is_id, "name": TEXT},
    "attributes": {"id": is_id, "entity": TEXT, "key": MAYBE, "name": MAYBE},
    "places": {"id": is_id, "name": TEXT, "kind": TEXT, "active": bool, "attributes": [is_attribute]},
    "loaners": {
        "id": is_id,
        "reference": TEXT,
        "status": {"code": TEXT},
        "start": is_timestamp,
        "finish": is_timestamp,
        "borrower": PARTY,
        "participants": [PARTY],
        "blocking": bool,
        "lines": [is_line],
    },
}
ROLE = {"id": is_id, "code": MAYBE, "is_hierarchical": bool}
SITE_USER = {
    "id": is_id,
    "user": {"id": is_id, "email": MAYBE, "tag_number": MAYBE, "is_managed_by_current_site": bool, "has_profile": bool},
    "roles": [ROLE],
    "alias": MAYBE,
    "toggle_manual_office_mode": bool,
    "blocked": bool,
    "subscription_state": MAYBE,
}
LISTED_SITE = {"id": is_id, "customer_reference": TEXT, "site_uid": TEXT}
SITE = LISTED_SITE | {
    "time_zone": MAYBE,
    "subscribed_user_amount": (COUNT, None),
    "subscription_valid": bool,
    "installation_state": TEXT,
    "owner": ({"id": is_id}, None),
}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def is_clock_time(value):
    return isinstance(value, str) and bool(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", value, re.ASCII))


TIMED = {"id": is_id} | dict.fromkeys(DAYS, bool) | dict.fromkeys(("start_time", "end_time"), is_clock_time)
DATES = ("start_date", "end_date")


def is_schedule(value):
    """Its dates are as sent, and Salto's own example is no ISO date; open ended it may have none at all, never one."""
    there = [key for key in DATES if isinstance(value, dict) and key in value]
    return has_shape(value, TIMED) and len(there) != 1 and all(has_shape(value[key], MAYBE) for key in there)


SALTO = {
    "sites": LISTED_SITE,
    "users": SITE_USER,
    "roles": ROLE,
    "tags": {"id": is_id, "tag_number": MAYBE, "blocked": bool, "is_pod_tag": bool, "site_user": ({"id": is_id}, None)},
    "locks": {
        "id": is_id,
        "customer_reference": TEXT,
        "online": bool,
        "iq": ({"id": is_id, "is_online": bool}, None),
    },
    "iqs": {"id": is_id, "time_zone": MAYBE},
    "access_groups": {"id": is_id, "customer_reference": TEXT, "user_count": COUNT, "lock_count": COUNT},
    "group users": {"id": is_id},
    "group locks": {"id": is_id},
    "time_schedules": is_schedule,
}
ENVIRONMENT = {"instance_id": TEXT, "name": TEXT, "time_zone": TEXT, "api_token_expires_at": (is_timestamp, None)}
ONE = {"site": SITE, "me": SITE_USER, "environment": ENVIRONMENT}


def has_shape(value, shape):
    """True when a JSON value has the shape: dicts ask for their keys, lists for all items, tuples for one of them."""
    match shape:
        case dict():
            return isinstance(value, dict) and all(key in value and has_shape(value[key], shape[key]) for key in shape)
        case list():
            return isinstance(value, list) and all(has_shape(item, shape[0]) for item in value)
        case tuple():
            return any(has_shape(value, one) for one in shape)
        case None:
            return value is None
        case type():
            return type(value) is shape and (shape is not int or value >= 0)
    return shape(value)


def is_whole_page(told, said, envelope):
    """A page that says, apart from its items, what it should: no link lost, no item too few or twice.

    ``told`` is the spoilt page, ``said`` the true one; ``envelope`` names its link and its count.
    """
    link, count = envelope
    if isinstance(told, list) and link == "next_page_link":  # bare arrays happen at Salto, where there is one page
        told = {"items": told, link: None, count: None}
    if not isinstance(told, dict) or not isinstance(told.get("items"), list) or told.get(link) != said[link]:
        return False
    items = [
        item for number, item in enumerate(told["items"]) if item not in told["items"][:number]
    ]  # said twice is said
    ids = [item.get("id") for item in items if isinstance(item, dict)]
    if len(ids) != len(items) or not all(map(is_id, ids)) or len(set(ids)) != len(ids):
        return False
    number = told.get(count)
    if number is None and count == "count":
        return True  # without a count nothing can be missed
    return type(number) is int and number - len(ids) == said[count] - len(said["items"])


def allowed(kind, told, said):
    """True when the contract allows the answer ``told`` where ``said`` is the truth; ``kind``: of what."""
    server, what = kind.split(": ")
    if what in ONE:
        return has_shape(told, ONE[what])
    envelope = ("next_cursor", "total") if server == "Hector" else ("next_page_link", "count")
    if not is_whole_page(told, said, envelope):
        return False
    items = told if isinstance(told, list) else told["items"]
    shapes = {"Hector": HECTOR, "Salto": SALTO}[server]
    return all(starmap(has_shape, ((item, shapes[what]) for item in items)))
