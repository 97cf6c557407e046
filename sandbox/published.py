"""The document that Salto publishes of its own API, made from what this sandbox answers."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sandbox import salto_bodies as bodies
from sandbox import salto_views as views
from sandbox.roles import ROLES
from sandbox.salto_state import Group, Iq, Lock, Member, Person, Tag
from sandbox.schedules import Schedule, schedule_json
from sandbox.web import Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from sandbox.web import Call, Route
    from sandbox.world import World

Json = dict[str, Any]
DOCUMENT = "/swagger/v1.1/swagger.json"
INDEX = f"""<!DOCTYPE html><html><head><title>Swagger UI</title></head><body><script>
var configObject = JSON.parse('{{"urls":[{{"url":"{DOCUMENT}","name":"Connect API 1.1"}}]}}');
</script></body></html>"""
SENT: dict[tuple[str, str], type[BaseModel]] = {
    ("POST", "/users"): bodies.NewUser,
    ("POST", "/users/existing"): bodies.ExistingUser,
    ("PATCH", "/users/{user}"): bodies.UserPatch,
    ("PATCH", "/users/{user}/subscription"): bodies.SubscriptionPatch,
    ("POST", "/access_groups"): bodies.GroupName,
    ("PATCH", "/access_groups/{group}"): bodies.GroupName,
    ("PATCH", "/access_groups/{group}/users"): bodies.Changes,
    ("PATCH", "/access_groups/{group}/locks"): bodies.Changes,
    ("POST", "/access_groups/{group}/time_schedules"): bodies.NewSchedule,
    ("PATCH", "/access_groups/{group}/time_schedules/{schedule}"): bodies.SchedulePatch,
}
SHOWN = {
    "/users": "SiteUser",
    "/users/existing": "SiteUser",
    "/users/{user}": "SiteUser",
    "/me": "SiteUser",
    "/roles": "Role",
    "/tags": "Tag",
    "/tags/{tag}": "Tag",
    "/locks": "Lock",
    "/locks/{lock}": "Lock",
    "/iqs": "Iq",
    "/access_groups": "AccessGroup",
    "/access_groups/{group}": "AccessGroup",
    "/access_groups/{group}/users": "Named",
    "/access_groups/{group}/locks": "Named",
    "/access_groups/{group}/time_schedules": "TimeSchedule",
    "/access_groups/{group}/time_schedules/{schedule}": "TimeSchedule",
    "": "Site",
}
LISTS = frozenset(
    {"/users", "/roles", "/tags", "/locks", "/iqs", "/access_groups"}
    | {f"/access_groups/{{group}}/{name}" for name in ("users", "locks", "time_schedules")}
)


def published_reply(world: World, call: Call, routes: Iterable[Route[World]]) -> Reply:
    """The page that names the document, or the document; a site may have neither."""
    if not world.behaviour.published_document:
        return Reply(HTTPStatus.NOT_FOUND)
    if call.path == "/swagger/index.html":
        return Reply(HTTPStatus.OK, INDEX.encode(), "text/html; charset=utf-8")
    return json_reply(_document(world, routes)) if call.path == DOCUMENT else Reply(HTTPStatus.NOT_FOUND)


def _document(world: World, routes: Iterable[Route[World]]) -> Json:
    paths: dict[str, Json] = {}
    for route in routes:
        path = route.path.replace("/{version}", "/v1.1").replace("{site}", "{site_id}")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route.method, route.path)
    return {"openapi": "3.0.1", "paths": paths, "components": {"schemas": _schemas(world)}}


def _operation(method: str, path: str) -> Json:
    below = path.removeprefix("/{version}/sites/{site}") if "{site}" in path else path
    name = SHOWN.get(below)
    answer: Json = {"200": {"description": "Success"}}
    if name and method != "DELETE" and not (method == "PATCH" and below in LISTS):
        shown: Json = {"$ref": f"#/components/schemas/{name}"}
        if method == "GET" and below in LISTS:
            shown = {"type": "object", "properties": {"items": {"type": "array", "items": shown}}}
        answer["200"]["content"] = {"application/json": {"schema": shown}}
    model = SENT.get((method, below))
    body = {} if model is None else {"requestBody": {"content": {"application/json": {"schema": _sent(model)}}}}
    return {**body, "responses": answer}


def _sent(model: type[BaseModel]) -> Json:
    found = model.model_json_schema()
    return {"type": "object", "properties": {name: _plain(one) for name, one in found["properties"].items()}}


def _plain(schema: Json) -> Json:
    """OpenAPI 3.0 knows "nullable", where JSON Schema names the type null."""
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return {"type": kinds[0]["type"]} | ({"nullable": True} if len(schema.get("anyOf", [])) > 1 else {})


def _schemas(world: World) -> Json:
    salto = world.salto
    person = Person("id", "first", "last", "email")
    member = Member("id", person.id, ["site_user"])
    sample = salto.persons | {person.id: person}
    iq = next(iter(salto.iqs.values()), Iq("id", "name", "UTC"))
    shown = {
        "SiteUser": _site_user(world, member, person),
        "Role": ROLES["site_user"].as_json(),
        "Tag": views.tag_json(Tag("id", "number"), None, salto),
        "Lock": views.lock_json(Lock("id", "name", iq.id, "mac"), salto),
        "Iq": views.iq_json(iq),
        "AccessGroup": views.group_json(Group("id", "name")),
        "Named": views.name_json(Group("id", "name")),
        "TimeSchedule": schedule_json(Schedule("id", "00:00:00", "23:59:59", "2026-01-01", "2026-01-02")),
        "Site": views.site_json(salto.site, salto) | {"active_user_amount": len(sample)},
    }
    return {name: _schema(value) for name, value in shown.items()}


def _site_user(world: World, member: Member, person: Person) -> Json:
    shown = next(iter(world.salto.members.values()), None)
    if shown is not None:
        return views.site_user_json(shown, world, version="v1.1")
    return {"id": member.id, "user": views.person_json(person, world.salto, None)}


def _schema(value: object) -> Json:
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case dict():
            return {"type": "object", "properties": {name: _schema(one) for name, one in value.items()}}
        case list():
            return {"type": "array", "items": _schema(value[0]) if value else {}}
        case None:
            return {"nullable": True}
        case dt.datetime() | str():
            return {"type": "string"}
    raise TypeError(type(value).__name__)
