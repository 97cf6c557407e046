"""What the two contracts allow as an answer, written a second time in plain Python: the judge of a spoilt answer."""

from __future__ import annotations

import datetime as dt
import re
from itertools import starmap


def name(value):
    """An id: opaque text that is not empty."""
    return isinstance(value, str) and value != ""


def moment(value):
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


def line(value):
    """Of a place, it names the place; what else names one is an asset."""
    if not fits(value, {"type": TEXT}) or not fits(value.get("place_id"), (name, None)):
        return False
    place = value.get("place_id") is not None
    return place if value["type"] == "place" else not place or value["type"] == "asset"


def attribute(value):
    """The lock's is text, or nothing, or a whole number that somebody typed; any other attribute is none of ours."""
    if not fits(value, {}) or not all(fits(value.get(key), MAYBE) for key in ("key", "name")):
        return False
    keyed = value.get("key") == "salto_lock_id" or str(value.get("name")).strip().casefold() == "salto lock id"
    return not keyed or fits(value.get("value"), (str, int, None))


PARTY = {"type": TEXT, "id": name}
HECTOR = {
    "users": {
        "id": name,
        "email": MAYBE,
        "first_name": MAYBE,
        "last_name": MAYBE,
        "unique_code": MAYBE,
        "status": TEXT,
        "department_id": MAYBE,
        "group_ids": [name],
    },
    "groups": {"id": name, "name": TEXT, "official": bool, "alias_of": MAYBE},
    "departments": {"id": name, "name": TEXT},
    "attributes": {"id": name, "entity": TEXT, "key": MAYBE, "name": MAYBE},
    "places": {"id": name, "name": TEXT, "kind": TEXT, "active": bool, "attributes": [attribute]},
    "loaners": {
        "id": name,
        "reference": TEXT,
        "status": {"code": TEXT},
        "start": moment,
        "finish": moment,
        "borrower": PARTY,
        "participants": [PARTY],
        "blocking": bool,
        "lines": [line],
    },
}
ROLE = {"id": name, "code": MAYBE, "is_hierarchical": bool}
SITE_USER = {
    "id": name,
    "user": {"id": name, "email": MAYBE, "tag_number": MAYBE, "is_managed_by_current_site": bool, "has_profile": bool},
    "roles": [ROLE],
    "alias": MAYBE,
    "toggle_manual_office_mode": bool,
    "blocked": bool,
    "subscription_state": MAYBE,
}
LISTED_SITE = {"id": name, "customer_reference": TEXT, "site_uid": TEXT}
SITE = LISTED_SITE | {
    "time_zone": MAYBE,
    "subscribed_user_amount": (COUNT, None),
    "subscription_valid": bool,
    "installation_state": TEXT,
    "owner": ({"id": name}, None),
}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def clock(value):
    return isinstance(value, str) and bool(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", value, re.ASCII))


TIMED = {"id": name} | dict.fromkeys(DAYS, bool) | dict.fromkeys(("start_time", "end_time"), clock)
DATES = ("start_date", "end_date")


def schedule(value):
    """Its dates are as sent, and Salto's own example is no ISO date; open ended it may have none at all, never one."""
    there = [key for key in DATES if isinstance(value, dict) and key in value]
    return fits(value, TIMED) and len(there) != 1 and all(fits(value[key], MAYBE) for key in there)


SALTO = {
    "sites": LISTED_SITE,
    "users": SITE_USER,
    "roles": ROLE,
    "tags": {"id": name, "tag_number": MAYBE, "blocked": bool, "is_pod_tag": bool, "site_user": ({"id": name}, None)},
    "locks": {
        "id": name,
        "customer_reference": TEXT,
        "online": bool,
        "iq": ({"id": name, "is_online": bool}, None),
    },
    "iqs": {"id": name, "time_zone": MAYBE},
    "access_groups": {"id": name, "customer_reference": TEXT, "user_count": COUNT, "lock_count": COUNT},
    "group users": {"id": name},
    "group locks": {"id": name},
    "time_schedules": schedule,
}
ENVIRONMENT = {"instance_id": TEXT, "name": TEXT, "time_zone": TEXT, "api_token_expires_at": (moment, None)}
ONE = {"site": SITE, "me": SITE_USER, "environment": ENVIRONMENT}


def fits(value, shape):
    """True when a JSON value has the shape: dicts ask for their keys, lists for all items, tuples for one of them."""
    match shape:
        case dict():
            return isinstance(value, dict) and all(key in value and fits(value[key], shape[key]) for key in shape)
        case list():
            return isinstance(value, list) and all(fits(item, shape[0]) for item in value)
        case tuple():
            return any(fits(value, one) for one in shape)
        case None:
            return value is None
        case type():
            return type(value) is shape and (shape is not int or value >= 0)
    return shape(value)


def whole_page(told, said, envelope):
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
    if len(ids) != len(items) or not all(map(name, ids)) or len(set(ids)) != len(ids):
        return False
    number = told.get(count)
    if number is None and count == "count":
        return True  # without a count nothing can be missed
    return type(number) is int and number - len(ids) == said[count] - len(said["items"])


def allowed(kind, told, said):
    """True when the contract allows the answer ``told`` where ``said`` is the truth; ``kind``: of what."""
    server, what = kind.split(": ")
    if what in ONE:
        return fits(told, ONE[what])
    envelope = ("next_cursor", "total") if server == "Hector" else ("next_page_link", "count")
    if not whole_page(told, said, envelope):
        return False
    items = told if isinstance(told, list) else told["items"]
    shapes = {"Hector": HECTOR, "Salto": SALTO}[server]
    return all(starmap(fits, ((item, shapes[what]) for item in items)))
