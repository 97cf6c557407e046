"""The Salto KS Connect API: who may ask, which handler answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox import salto_groups, salto_reads, salto_users
from sandbox.identity import discovery_reply, token_reply
from sandbox.published import published_reply
from sandbox.salto_context import enter_site
from sandbox.salto_errors import malformed
from sandbox.timetable import timetable_reply
from sandbox.web import Context, Refused, Reply, Route, find_route

if TYPE_CHECKING:
    from sandbox.web import Call
    from sandbox.world import World

VERSIONS = ("v1.1", "v1.2")
ROUTES: list[Route[World]] = [*salto_reads.ROUTES, *salto_users.ROUTES, *salto_groups.ROUTES]


def answer(world: World, call: Call) -> Reply:
    """The answer to one request at the Salto port."""
    if call.is_token_request:
        return token_reply(world, call)
    if call.path == "/.well-known/openid-configuration":
        return discovery_reply(world, call)
    if call.path.startswith("/swagger/"):
        return published_reply(world, call, ROUTES)
    with world.salto.lock:
        if call.path.startswith("/_sandbox/"):
            return timetable_reply(world, call)
        world.salto.settle(call.at, world.behaviour.delete_lag_seconds)
        if world.behaviour.expired_schedules == "go":
            world.salto.drop_expired_schedules(call.at)
        try:
            return _dispatch(world, call)
        except Refused as refused:
            return refused.reply


def _dispatch(world: World, call: Call) -> Reply:
    _check_token(world, call)
    route, params = find_route(ROUTES, call)
    if params["version"] not in VERSIONS:
        raise Refused(Reply(HTTPStatus.NOT_FOUND))
    _check_query(route, call)
    ctx = Context(call, params, world)
    if "site" in params:
        enter_site(ctx)
    return route.handle(ctx)


def _check_token(world: World, call: Call) -> None:
    kind, _, token = call.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not world.identity.accepts(token, call.at):
        # The real one answers without a body here.
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise Refused(Reply(HTTPStatus.UNAUTHORIZED, headers=headers))


def _check_query(route: Route[World], call: Call) -> None:
    names = [name for name, _ in call.query]
    unknown = sorted(set(names) - route.query)
    if unknown or len(names) != len(set(names)):
        raise malformed(f"Unknown or repeated query parameter: {', '.join(unknown or names)}.")
