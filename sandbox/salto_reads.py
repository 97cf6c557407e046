"""The part of Salto's API that answers about the building: sites, roles, tags, locks, IQs, entries."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox import salto_views as views
from sandbox.entries import QUERY, list_entries
from sandbox.odata import OPTIONS
from sandbox.roles import ROLES
from sandbox.salto_context import (
    acting_rank,
    known_uuid,
    list_route,
    member_at,
    ok,
    page,
    salto_of,
    site_route,
)
from sandbox.salto_errors import malformed, not_found
from sandbox.web import Reply, Route

if TYPE_CHECKING:
    from sandbox.salto_context import SaltoContext
    from sandbox.salto_state import Member
    from sandbox.world import World


def list_sites(ctx: SaltoContext) -> Reply:
    salto = salto_of(ctx)
    rows = [views.site_json(site, salto) for site in [salto.site, *salto.other_sites]]
    return page(ctx, rows, views.SITE_PROPERTIES, kind="sites")


def get_site(ctx: SaltoContext) -> Reply:
    salto = salto_of(ctx)
    site_id = known_uuid(ctx.params["site"], "site_id")
    site = next(site for site in [salto.site, *salto.other_sites] if site.id == site_id)
    amounts = {"active_user_amount": salto.seats_used(), "active_iq_amount": len(salto.iqs), "pin_enabled": True}
    return ok(views.site_json(site, salto) | amounts)


def get_me(ctx: SaltoContext) -> Reply:
    salto = salto_of(ctx)
    member = salto.members.get(salto.acting_member_id)
    if member is None:
        raise not_found("User")
    return ok(views.site_user_json(member, ctx.world, version=ctx.params["version"]))


def get_subscription(ctx: SaltoContext) -> Reply:
    site = salto_of(ctx).site
    answer = {
        "end_date": None,
        "user_amount": site.subscribed_user_amount,
        "iq_amount": None,
        "voucher_label": "Pro",
        "voucher_code": None,
        "is_valid": site.subscription_valid,
        "features": [{"id": site.id, "code": "api"}],
    }
    return ok(answer)


def list_roles(ctx: SaltoContext) -> Reply:
    """Only the roles that the caller may assign."""
    rank = acting_rank(ctx.world)
    rows = [role.as_json() for role in ROLES.values() if role.assignable and role.rank <= rank]
    return page(ctx, rows, views.ROLE_PROPERTIES)


def list_tags(ctx: SaltoContext) -> Reply:
    salto = salto_of(ctx)
    holders: dict[str, Member] = {member.tag_id: member for member in salto.members.values() if member.tag_id}
    rows = [views.tag_json(tag, holders.get(tag.id), salto) for tag in salto.tags.values()]
    return page(ctx, rows, views.TAG_PROPERTIES)


def get_tag(ctx: SaltoContext) -> Reply:
    salto = salto_of(ctx)
    tag = salto.tags.get(known_uuid(ctx.params["tag"], "id"))
    if tag is None:
        raise not_found("Tag")
    return ok(views.tag_json(tag, salto.holder_of(tag.id), salto))


def delete_tag(ctx: SaltoContext) -> Reply:
    salto = salto_of(ctx)
    tag = salto.tags.pop(known_uuid(ctx.params["tag"], "id"), None)
    if tag is None:
        raise not_found("Tag")
    holder = salto.holder_of(tag.id)
    if holder:
        holder.tag_id = None
    return Reply(HTTPStatus.NO_CONTENT)


def list_locks(ctx: SaltoContext) -> Reply:
    salto = salto_of(ctx)
    rows = [views.lock_json(lock, salto) for lock in salto.locks.values()]
    return page(ctx, rows, views.LOCK_PROPERTIES)


def get_lock(ctx: SaltoContext) -> Reply:
    salto = salto_of(ctx)
    lock = salto.locks.get(known_uuid(ctx.params["lock"], "id"))
    if lock is None:
        raise not_found("Lock")
    return ok(views.lock_json(lock, salto) | {"offline_access_keys_limit": 39, "offline_access_keys_count": 0})


def get_lock_settings(ctx: SaltoContext) -> Reply:
    lock = salto_of(ctx).locks.get(known_uuid(ctx.params["lock"], "id"))
    if lock is None:
        raise not_found("Lock")
    return ok(
        {
            "open_time": 5,
            "offline_access_by_audit_trail_day_count": lock.look_back_days,
            "wall_reader_near_detection_opening": False,
        }
    )


def list_groups_of_lock(ctx: SaltoContext) -> Reply:
    lock_id = known_uuid(ctx.params["lock"], "id")
    if lock_id not in salto_of(ctx).locks:
        raise not_found("Lock")
    rows = [views.name_json(group) for group in salto_of(ctx).groups.values() if lock_id in group.locks]
    return page(ctx, rows, views.NAME_PROPERTIES)


def list_iqs(ctx: SaltoContext) -> Reply:
    return page(ctx, [views.iq_json(iq) for iq in salto_of(ctx).iqs.values()], views.IQ_PROPERTIES)


def get_iq(ctx: SaltoContext) -> Reply:
    iq = salto_of(ctx).iqs.get(known_uuid(ctx.params["iq"], "id"))
    if iq is None:
        raise not_found("IQ")
    return ok(views.iq_json(iq))


def search_users(ctx: SaltoContext) -> Reply:
    """Platform users by exact email or tag number, whether on this site or not."""
    wanted = (ctx.asked("search_for") or "").strip().casefold()
    if not wanted:
        raise malformed("The parameter search_for is required.")
    for_site = ctx.asked("for_site_id")
    if for_site is not None:
        known_uuid(for_site, "for_site_id")
    salto = salto_of(ctx)
    rows = [views.person_json(person, salto, salto.member_of(person.id)) for person in salto.persons.values()]
    found = [row for row in rows if wanted in ((row["email"] or "").casefold(), (row["tag_number"] or "").casefold())]
    kind = ctx.world.behaviour.search
    if kind == "site_users":
        found = [row for row in found if salto.member_of(row["id"])]
    if kind == "no_emails":
        found = [row | {"email": None} for row in found]
    return page(ctx, found, ())


def list_groups_of_user(ctx: SaltoContext) -> Reply:
    person_id = member_at(ctx).person_id
    rows = [views.name_json(group) for group in salto_of(ctx).groups.values() if person_id in group.users]
    return page(ctx, rows, views.NAME_PROPERTIES)


ROUTES: list[Route[World]] = [
    Route("GET", "/{version}/sites", list_sites, OPTIONS),
    Route("GET", "/{version}/users/search", search_users, frozenset({"search_for", "for_site_id"}) | OPTIONS),
    site_route("GET", "", get_site),
    site_route("GET", "/me", get_me, {"include_pod_info"}),
    site_route("GET", "/subscription", get_subscription),
    list_route("/roles", list_roles),
    list_route("/tags", list_tags),
    site_route("GET", "/tags/{tag}", get_tag),
    site_route("DELETE", "/tags/{tag}", delete_tag),
    list_route("/locks", list_locks),
    site_route("GET", "/locks/{lock}", get_lock),
    site_route("GET", "/locks/{lock}/settings", get_lock_settings),
    list_route("/locks/{lock}/access_groups", list_groups_of_lock),
    list_route("/iqs", list_iqs),
    site_route("GET", "/iqs/{iq}", get_iq),
    site_route("GET", "/entries", list_entries, QUERY),
    list_route("/users/{user}/access_groups", list_groups_of_user),
]
