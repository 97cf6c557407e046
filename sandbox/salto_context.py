"""What every handler of the Salto API does first: read ids, find things, see whether the caller may."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sandbox.odata import OPTIONS, ListShape, list_reply
from sandbox.roles import ROLES, rank_of
from sandbox.salto_errors import (
    NO_SUBSCRIPTION,
    NOT_RELEASED,
    POD_MEMBER,
    forbidden,
    malformed,
    not_found,
)
from sandbox.salto_views import effective_roles, is_fresh
from sandbox.web import Context, Reply, Route, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sandbox.salto_state import Group, Lock, Member, Person, SaltoState
    from sandbox.world import World

    SaltoContext = Context[World]
    Handler = Callable[[SaltoContext], Reply]

ADMIN = ROLES["site_admin"].rank
NO_CONTENT = Reply(HTTPStatus.NO_CONTENT)


def site_route(method: str, path: str, handle: Handler, query: Iterable[str] = ()) -> Route[World]:
    return Route(method, "/{version}/sites/{site}" + path, handle, frozenset(query))


def list_route(path: str, handle: Handler, extra: Iterable[str] = ()) -> Route[World]:
    return site_route("GET", path, handle, OPTIONS.union(extra))


def salto_of(ctx: SaltoContext) -> SaltoState:
    return ctx.world.salto


def page(
    ctx: SaltoContext, items: Iterable[dict[str, Any]], properties: Collection[str], *, kind: str = "other"
) -> Reply:
    behaviour = ctx.world.behaviour
    bare = behaviour.bare_arrays in ("all", kind)
    return list_reply(ctx.call, items, properties, ListShape.of(behaviour, bare=bare))


def known_uuid(text: str, what: str) -> str:
    """The id in lower case; anything but a UUID, such as a site UID, is 400/1100."""
    try:
        return str(uuid.UUID(text)) if text.count("-") == 4 else _no_uuid(text, what)  # noqa: PLR2004 - a UUID's shape
    except ValueError:
        return _no_uuid(text, what)


def _no_uuid(text: str, what: str) -> str:
    raise malformed(f"The value '{text}' is not valid for {what}.")


def enter_site(ctx: SaltoContext) -> None:
    """The site of the path exists and lets the caller do this."""
    site_id = known_uuid(ctx.params["site"], "site_id")
    site = ctx.world.salto.site
    if site_id not in {known.id for known in [site, *ctx.world.salto.other_sites]}:
        raise not_found("Site")
    deep = ctx.call.path.rstrip("/").count("/") > 3  # noqa: PLR2004 - /v1.1/sites/{site} itself may be read
    if site_id != site.id and (deep or ctx.call.is_write):
        raise forbidden("Operation not permitted")
    if ctx.call.is_write:
        may_write(ctx.world)


def may_write(world: World) -> None:
    site = world.salto.site
    if site.installation_state == "installation":
        raise forbidden("The site has not been released.", NOT_RELEASED)
    if not site.subscription_valid:
        raise forbidden("The site has no valid subscription.", NO_SUBSCRIPTION)
    if acting_rank(world) < ADMIN:
        raise forbidden("Operation not permitted")


def acting_rank(world: World) -> int:
    acting = world.salto.members.get(world.salto.acting_member_id)
    return rank_of(effective_roles(acting, world)) if acting else 0


def member_at(ctx: SaltoContext) -> Member:
    """The site user of the path: a platform id finds nobody."""
    member = ctx.world.salto.members.get(known_uuid(ctx.params["user"], "id"))
    if member is None:
        raise not_found("User")
    return member


def editable_member(ctx: SaltoContext) -> Member:
    member = member_at(ctx)
    if member.deleted_at is not None:
        raise not_found("User")
    if "site_pod_member" in member.roles:
        raise forbidden("The user is a pod member.", POD_MEMBER)
    if rank_of(member.roles) > acting_rank(ctx.world):
        raise forbidden("Only users of an equal or lower role can be edited.")
    return member


def group_at(ctx: SaltoContext) -> Group:
    group = ctx.world.salto.groups.get(known_uuid(ctx.params["group"], "id"))
    if group is None:
        raise not_found("Access group")
    return group


def person_for_group(ctx: SaltoContext, person_id: str) -> Person:
    """A person that can join a group: on this site, and known to the rest of Salto already."""
    salto = ctx.world.salto
    member = salto.member_of(known_uuid(person_id, "user_id"))
    if member is None or member.deleted_at is not None or is_fresh(member, ctx.world):
        raise not_found("User")
    return salto.persons[member.person_id]


def lock_for_group(ctx: SaltoContext, lock_id: str) -> Lock:
    lock = ctx.world.salto.locks.get(known_uuid(lock_id, "lock_id"))
    if lock is None:
        raise not_found("Lock")
    return lock


def ok(payload: object) -> Reply:
    return json_reply(payload)
