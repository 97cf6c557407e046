"""``/_sandbox/{table}/{id}`` at the Hector port: look at its rows and change them, as people do in Hector's own pages.

GET shows a row (or the whole table), PATCH changes the fields it names, PUT makes or replaces a row, DELETE removes it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox.web import Reply, json_reply, text_reply

if TYPE_CHECKING:
    from sandbox.hector_state import Row
    from sandbox.web import Call
    from sandbox.world import World

WORKBENCH = "/_sandbox/"
TABLES = ("users", "groups", "departments", "attributes", "places", "loaners")


def workbench_reply(world: World, call: Call) -> Reply:
    table_name, _, row_id = call.path.removeprefix(WORKBENCH).partition("/")
    if table_name not in TABLES:
        return text_reply(f"There are {', '.join(TABLES)}.\n", HTTPStatus.NOT_FOUND)
    table: dict[str, Row] = getattr(world.hector, table_name)
    if not row_id and call.method == "GET":
        return json_reply(list(table.values()))
    if call.method != "PUT" and row_id not in table:
        return text_reply(f"No {row_id!r} among the {table_name}.\n", HTTPStatus.NOT_FOUND)
    try:
        return json_reply(_changed(world, table, row_id, call))
    except (ValueError, TypeError) as error:
        return text_reply(f"{error}\n", HTTPStatus.BAD_REQUEST)


def _changed(world: World, table: dict[str, Row], row_id: str, call: Call) -> Row:
    if call.method == "GET":
        return table[row_id]
    world.edits += 1
    if call.method == "DELETE":
        return table.pop(row_id)
    if call.method not in ("PUT", "PATCH") or not row_id:
        raise ValueError("GET, PUT, PATCH and DELETE of one row are understood.")
    before = table[row_id] if call.method == "PATCH" else {}
    sent = {**json.loads(call.body), "id": row_id}
    if "start" in sent or "finish" in sent or "status" in sent:
        sent.setdefault("updated_at", world.hector.stamp(call.at))
    table[row_id] = {**before, **sent}
    return table[row_id]
