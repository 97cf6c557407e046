"""Hector's REST API: complete lists by cursor, and the attribute that the integration creates."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.web import Context, Refused, Reply, Route, find_route, json_reply
from sandbox.workbench import WORKBENCH, workbench_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.hector_state import Row
    from sandbox.web import Call
    from sandbox.world import World

    HectorContext = Context[World]

PAGE = frozenset({"limit", "cursor"})


class NewAttribute(BaseModel):
    """POST attributes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    entity: Literal["place", "user", "asset", "loaner"]
    key: str
    name: str
    type: Literal["text", "number", "boolean", "date"]


def answer(world: World, call: Call) -> Reply:
    """The answer to one request at the Hector port."""
    with world.hector.lock:
        if call.path.startswith(WORKBENCH):
            return workbench_reply(world, call)
        try:
            return _dispatch(world, call)
        except Refused as refused:
            if refused.reply.status == HTTPStatus.NOT_FOUND:
                return _problem(HTTPStatus.NOT_FOUND, "There is no such resource.").reply
            return refused.reply


def _dispatch(world: World, call: Call) -> Reply:
    if call.headers.get("authorization", "") != f"Bearer {world.credentials.hector_token}":
        raise _problem(HTTPStatus.UNAUTHORIZED, "The token is missing, wrong or expired.")
    route, params = find_route(ROUTES, call)
    names = [name for name, _ in call.query]
    if len(names) != len(set(names)) or not route.query.issuperset(names):
        raise _problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"Unknown or repeated parameter among {sorted(names)}.")
    return route.handle(Context(call, params, world))


def get_environment(ctx: HectorContext) -> Reply:
    return json_reply(ctx.world.hector.environment)


def list_users(ctx: HectorContext) -> Reply:
    return _page(ctx, ctx.world.hector.users.values())


def list_groups(ctx: HectorContext) -> Reply:
    return _page(ctx, ctx.world.hector.groups.values())


def list_departments(ctx: HectorContext) -> Reply:
    return _page(ctx, ctx.world.hector.departments.values())


def list_places(ctx: HectorContext) -> Reply:
    return _page(ctx, ctx.world.hector.places.values())


def list_attributes(ctx: HectorContext) -> Reply:
    entity = ctx.asked("entity")
    rows = ctx.world.hector.attributes.values()
    return _page(ctx, [row for row in rows if entity in (None, row["entity"])])


def list_loaners(ctx: HectorContext) -> Reply:
    """Every loaner whose [start, finish) overlaps [from, to), any status."""
    begin, end = _moment(ctx, "from"), _moment(ctx, "to")
    if begin is None or end is None:
        raise _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "from and to are required.")
    since = _moment(ctx, "updated_since")
    rows = ctx.world.hector.loaners.values()
    return _page(ctx, [row for row in rows if _overlaps(row, begin, end) and _changed_since(row, since)])


def post_attribute(ctx: HectorContext) -> Reply:
    try:
        sent = NewAttribute.model_validate_json(ctx.call.body)
    except ValidationError as error:
        raise _problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error.errors(include_url=False))) from error
    hector = ctx.world.hector
    if any((row["entity"], row["key"]) == (sent.entity, sent.key) for row in hector.attributes.values()):
        raise _problem(HTTPStatus.CONFLICT, f"The attribute {sent.key!r} exists already.")
    made = hector.add_attribute(sent.key, sent.name, entity=sent.entity, kind=sent.type)
    return json_reply(hector.attributes[made], HTTPStatus.CREATED)


def _page(ctx: HectorContext, rows: Iterable[Row]) -> Reply:
    rows = list(rows)
    most = ctx.world.behaviour.hector_page_size
    start, limit = _cursor(ctx), min(_limit(ctx, most), most)
    end = start + limit
    following = _cursor_text(ctx, end) if end < len(rows) else None
    return json_reply({"items": rows[start:end], "next_cursor": following, "total": len(rows)})


def _limit(ctx: HectorContext, default: int) -> int:
    asked = ctx.asked("limit", str(default)) or ""
    if not (asked.isascii() and asked.isdigit() and int(asked) > 0):
        raise _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "limit must be a positive number.")
    return int(asked)


def _question(ctx: HectorContext) -> list[Any]:
    return [ctx.call.path, sorted([name, value] for name, value in ctx.call.query if name not in PAGE)]


def _cursor_text(ctx: HectorContext, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, _question(ctx)]).encode()).decode()


def _cursor(ctx: HectorContext) -> int:
    """The place where a page starts; a cursor of another question is refused."""
    cursor = ctx.asked("cursor")
    if cursor is None:
        return 0
    try:
        start, question = json.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError, TypeError) as error:
        raise _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The cursor is not valid.") from error
    if question != _question(ctx):
        raise _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The cursor belongs to another list.")
    return int(start)


def _moment(ctx: HectorContext, name: str) -> dt.datetime | None:
    text = ctx.asked(name)
    if text is None:
        return None
    moment = _parsed(text)
    if moment is None:
        raise _problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} must be RFC 3339 with an offset.")
    return moment


def _parsed(text: object) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _overlaps(row: Row, begin: dt.datetime, end: dt.datetime) -> bool:
    start, finish = _parsed(row.get("start")), _parsed(row.get("finish"))
    # A row that a test has spoiled is always told: hiding it would hide the trap. So is one that ends before it starts.
    if start is None or finish is None:
        return True
    return (min(start, finish) < end and max(start, finish) > begin) or begin <= start < end


def _changed_since(row: Row, since: dt.datetime | None) -> bool:
    changed = _parsed(row.get("updated_at"))
    return since is None or changed is None or changed >= since


def _problem(status: HTTPStatus, detail: str) -> Refused:
    payload = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    return Refused(json_reply(payload, status, "application/problem+json"))


API = "/api/v1"
ROUTES: list[Route[World]] = [
    Route("GET", f"{API}/environment", get_environment),
    Route("GET", f"{API}/users", list_users, PAGE),
    Route("GET", f"{API}/groups", list_groups, PAGE),
    Route("GET", f"{API}/departments", list_departments, PAGE),
    Route("GET", f"{API}/attributes", list_attributes, PAGE | {"entity"}),
    Route("POST", f"{API}/attributes", post_attribute),
    Route("GET", f"{API}/places", list_places, PAGE),
    Route("GET", f"{API}/loaners", list_loaners, PAGE | {"from", "to", "updated_since"}),
]
