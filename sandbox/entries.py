"""Events at the sandbox's doors: somebody tries a door, and Salto tells of it as it does (contract, section 6)."""

from __future__ import annotations

import datetime as dt
import operator
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sandbox.doors import may_open
from sandbox.salto_errors import BAD_ODATA, malformed, refusal
from sandbox.web import Reply, json_reply

if TYPE_CHECKING:
    from sandbox.salto_context import SaltoContext
    from sandbox.salto_state import Lock, SaltoState

QUERY = frozenset({"$filter", "$top", "$orderby"})
CLAUSE = re.compile(r"utc_date_time (ge|gt|le|lt) DateTime'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z?'")
COMPARED = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}


def try_tag(state: SaltoState, number: str, lock_name: str, at: dt.datetime) -> bool:
    """Hold a tag to a lock that no user of the site carries: refused, and the event names the number alone."""
    lock = state.lock_named(lock_name)
    if lock is None:
        raise ValueError(f"the site knows no lock {lock_name}")
    with state.lock:
        state.entries.append(_entry(state, lock, at, detail="no_access", number=number))
    return False


def try_door(state: SaltoState, email: str, lock_name: str, at: dt.datetime) -> bool:
    """Somebody holds their tag to a lock; whether it opens. The event is kept."""
    person, lock = state.person_of_email(email), state.lock_named(lock_name)
    if person is None or lock is None:
        raise ValueError(f"the site knows no {email} or no lock {lock_name}")
    member = state.member_of(person.id)
    opens = may_open(state, person.id, lock.id, at)
    suspended = member is not None and member.subscription_state != "subscribed"
    detail = None if opens else "suspended" if suspended else "no_access"
    tag = state.tags.get(member.tag_id or "") if member else None
    shown = {
        "event_category": "lock_opened" if opens else "lock_rejected",
        "user_id": person.id,
        "user_first_name": person.first_name,
        "user_last_name": person.last_name,
        "user_alias": member.alias if member else None,
    }
    entry = _entry(state, lock, at, detail=detail, number=tag.number if tag else None) | shown
    with state.lock:
        state.entries.append(entry)
    return opens


def _entry(state: SaltoState, lock: Lock, at: dt.datetime, *, detail: str | None, number: str | None) -> dict[str, Any]:
    zone = ZoneInfo(state.iqs[lock.iq_id].time_zone or state.site.time_zone)
    return {
        "id": state.new_id("entry"),
        "event_category": "lock_rejected",
        "event_detail": detail,
        "utc_date_time": f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S}Z",
        "local_date_time": f"{at.astimezone(zone):%Y-%m-%dT%H:%M:%S}",
        "lock_id": lock.id,
        "lock_mac_address": lock.mac,
        "lock_customer_reference": lock.name,
        "user_id": None,
        "user_first_name": None,
        "user_last_name": None,
        "user_image_url": None,
        "user_alias": None,
        "iq_id": lock.iq_id,
        "exit_requested": False,
        "access_by": "tag",
        "access_detail": number,
    }


# Of the shape that was seen (salto_connect_api.md, 11.4): quotes, plus, hash and tilde, sent back as it is.
PAGE_MARK = '"+RID:~aZ4#RT:{}#TRC:1"'


def list_entries(ctx: SaltoContext) -> Reply:
    """Kept in a document database: pages go on by a token in a header, not by links; v1.2 has no such list."""
    if ctx.params["version"] != "v1.1":
        return Reply(HTTPStatus.METHOD_NOT_ALLOWED)
    found = _filtered(ctx.world.salto.entries, ctx.asked("$filter"))
    token = ctx.call.headers.get("clp-continuation-token")
    start = _start(token)
    size = ctx.world.behaviour.page_size
    more = start + size < len(found)
    answer = {
        "items": found[start : start + size],
        "continuation_token": PAGE_MARK.format(start + size) if more else None,
    }
    return json_reply(answer)


def _start(token: str | None) -> int:
    if token is None:
        return 0
    match = re.fullmatch(re.escape(PAGE_MARK).replace(r"\{\}", r"(\d+)"), token)
    if match is None:
        raise malformed("The continuation token is not valid.")
    return int(match[1])


def _filtered(entries: list[dict[str, Any]], where: str | None) -> list[dict[str, Any]]:
    found = list(entries)
    for clause in (where or "").split(" and ") if where else ():
        match = CLAUSE.fullmatch(clause.strip())
        if match is None:
            raise refusal(HTTPStatus.BAD_REQUEST, BAD_ODATA, "The filter is not valid.")
        bound = dt.datetime.fromisoformat(match[2]).replace(tzinfo=dt.UTC)
        compare = COMPARED[match[1]]
        found = [row for row in found if compare(dt.datetime.fromisoformat(row["utc_date_time"]), bound)]
    return found
