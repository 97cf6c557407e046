"""``GET /_sandbox/doors``: the oracle's answer as JSON, beside the contract."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sandbox.doors import Opening, openings
from sandbox.web import Reply, json_reply

if TYPE_CHECKING:
    from sandbox.web import Call
    from sandbox.world import World


def timetable_reply(world: World, call: Call) -> Reply:
    """Openings from ``from`` (default: now) to ``to`` (default: seven days later); a + in an offset may stay unescaped."""
    if call.path != "/_sandbox/doors" or call.method != "GET":
        return Reply(HTTPStatus.NOT_FOUND)
    asked = dict(call.query)
    try:
        begin = _moment(asked.get("from"), call.at)
        end = _moment(asked.get("to"), begin + dt.timedelta(days=7))
    except ValueError as error:
        return json_reply({"error": str(error)}, HTTPStatus.BAD_REQUEST)
    return json_reply([opening_json(opening) for opening in openings(world.salto, begin, end)])


def opening_json(opening: Opening) -> dict[str, Any]:
    return {
        "lock": opening.lock_name,
        "from": opening.begin.isoformat(),
        "to": opening.end.isoformat(),
        "email": opening.email,
        "group": opening.group_name,
        "office_mode": opening.office_mode,
        "user_id": opening.platform_user_id,
        "lock_id": opening.lock_id,
    }


def _moment(text: str | None, default: dt.datetime) -> dt.datetime:
    if not text:
        return default
    moment = dt.datetime.fromisoformat(text.replace(" ", "+"))
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
