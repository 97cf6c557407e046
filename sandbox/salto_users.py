"""Site users: creation, change, seats, deletion."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sandbox import salto_views as views
from sandbox.roles import BY_ID, Role
from sandbox.salto_bodies import ExistingUser, NewUser, SubscriptionPatch, UserPatch, read_body, sent_fields
from sandbox.salto_context import (
    NO_CONTENT,
    acting_rank,
    editable_member,
    known_uuid,
    list_route,
    member_at,
    ok,
    page,
    salto_of,
    site_route,
)
from sandbox.salto_errors import forbidden, invalid, not_found
from sandbox.salto_state import Invitation, Member, Person
from sandbox.web import Reply, Route

if TYPE_CHECKING:
    from sandbox.salto_context import SaltoContext
    from sandbox.world import World

FLAGS = {
    "alias": "alias",
    "toggle_easy_office_mode": "easy_office_mode",
    "toggle_manual_office_mode": "manual_office_mode",
    "blocked": "blocked",
    "override_privacy_mode": "override_privacy_mode",
    "use_pin": "use_pin",
}
PERSONAL = ("first_name", "last_name", "email")


def list_users(ctx: SaltoContext) -> Reply:
    rows = [_shown(ctx, member) for member in salto_of(ctx).members.values()]
    return page(ctx, rows, views.USER_PROPERTIES, kind="users")


def get_user(ctx: SaltoContext) -> Reply:
    return ok(_shown(ctx, member_at(ctx)))


def post_user(ctx: SaltoContext) -> Reply:
    """A new person; with an email on it Salto sends an invitation."""
    sent = sent_fields(read_body(ctx.call, NewUser))
    _check_names(sent)
    roles = _assignable_roles(ctx, sent.get("role_ids", []))
    email = _new_email(ctx, sent.get("email"))
    tag_id = _free_tag(ctx, sent.get("tag_id"), holder=None)
    salto = salto_of(ctx)
    person = Person(salto.new_id("person"), sent["first_name"], sent["last_name"], email)
    salto.persons[person.id] = person
    member = _join(ctx, person, roles, sent)
    member.tag_id = tag_id
    _invite(ctx, email, "created")
    return ok(_shown(ctx, member))


def post_existing_user(ctx: SaltoContext) -> Reply:
    """A person who is on the platform already joins this site."""
    sent = sent_fields(read_body(ctx.call, ExistingUser))
    roles = _assignable_roles(ctx, sent.get("role_ids", []))
    salto = salto_of(ctx)
    person = salto.persons.get(known_uuid(sent["id"], "id"))
    if person is None:
        raise not_found("User")
    if salto.member_of(person.id):
        raise invalid("The user is already on this site.")
    return ok(_shown(ctx, _join(ctx, person, roles, sent)))


def patch_user(ctx: SaltoContext) -> Reply:
    member = editable_member(ctx)
    sent = sent_fields(read_body(ctx.call, UserPatch))
    person = salto_of(ctx).persons[member.person_id]
    # Everything is checked before anything changes: a refused PATCH has done nothing.
    personal = _personal_changes(ctx, person, sent)
    roles = _assignable_roles(ctx, sent["role_ids"]) if "role_ids" in sent else member.roles
    tag_id = _changed_tag(ctx, sent["tag_id"], member) if "tag_id" in sent else member.tag_id
    for name, value in personal.items():
        setattr(person, name, value)
    member.roles, member.tag_id = roles, tag_id
    _seat_by_tag(ctx, member)
    _set_flags(member, sent)
    if "email" in personal:
        _invite(ctx, person.email, "email changed")
    return ok(_shown(ctx, member))


def delete_user(ctx: SaltoContext) -> Reply:
    """Gone from groups and seats at once; the user itself stays visible for a while."""
    salto = salto_of(ctx)
    if member_at(ctx).deleted_at is None:
        member = editable_member(ctx)
        salto.forget_rights(member.id)
        member.deleted_at = ctx.call.at
        salto.settle(ctx.call.at, ctx.world.behaviour.delete_lag_seconds)
    return Reply(HTTPStatus.ACCEPTED)


def patch_subscription(ctx: SaltoContext) -> Reply:
    member = editable_member(ctx)
    wanted = read_body(ctx.call, SubscriptionPatch).state
    needs_seat = wanted == "subscribed" and member.subscription_state != "subscribed"
    if needs_seat and _takes_none(ctx, member):
        return NO_CONTENT
    if needs_seat and not salto_of(ctx).seat_free():
        raise forbidden("There are not enough free subscription slots.")
    member.subscription_state = wanted
    return NO_CONTENT


def resend_invite(ctx: SaltoContext) -> Reply:
    person = salto_of(ctx).persons[editable_member(ctx).person_id]
    if person.email is None or person.has_profile:
        raise forbidden("No invitation is open for this user.")
    _invite(ctx, person.email, "resent")
    return NO_CONTENT


def _shown(ctx: SaltoContext, member: Member) -> dict[str, Any]:
    return views.site_user_json(member, ctx.world, version=ctx.params["version"])


def _join(ctx: SaltoContext, person: Person, roles: list[str], sent: dict[str, Any]) -> Member:
    salto = salto_of(ctx)
    # Beyond the last seat the creation succeeds all the same, and the user comes back suspended.
    state = "subscribed" if salto.seat_free() else "suspended"
    member = Member(salto.new_id("member"), person.id, roles, subscription_state=state, created_at=ctx.call.at)
    if _takes_none(ctx, member):
        member.subscription_state = "suspended"
    _set_flags(member, sent)
    salto.members[member.id] = member
    return member


def _takes_none(ctx: SaltoContext, member: Member) -> bool:
    """Whether a person takes no seat, because nothing of theirs could open a door."""
    return not ctx.world.behaviour.seat_without_tag and member.tag_id is None


def _seat_by_tag(ctx: SaltoContext, member: Member) -> None:
    if ctx.world.behaviour.seat_without_tag:
        return
    if member.tag_id is None:
        member.subscription_state = "suspended"
    elif ctx.world.behaviour.seat_with_tag == "at_once" and salto_of(ctx).seat_free():
        member.subscription_state = "subscribed"


def _set_flags(member: Member, sent: dict[str, Any]) -> None:
    for name, attribute in FLAGS.items():
        if name in sent:
            setattr(member, attribute, sent[name])


def _check_names(sent: dict[str, Any]) -> None:
    for name in ("first_name", "last_name"):
        if name in sent and not sent[name].strip():
            raise invalid(f"{name} must not be empty.")


def _personal_changes(ctx: SaltoContext, person: Person, sent: dict[str, Any]) -> dict[str, Any]:
    personal = {name: sent[name] for name in PERSONAL if name in sent}
    if personal and (person.has_profile or not person.managed_here):
        raise forbidden("The personal data of a user with a profile cannot be changed.")
    _check_names(sent)
    personal = {name: value for name, value in personal.items() if value != getattr(person, name)}
    if "email" in personal:
        personal["email"] = _new_email(ctx, personal["email"], person)
    return personal


def _new_email(ctx: SaltoContext, email: str | None, person: Person | None = None) -> str | None:
    """An email nobody on the platform has; for one that is known elsewhere the way is users/existing."""
    if email is None:
        return None
    if "@" not in email.strip():
        raise invalid("This email address is not valid.")
    other = salto_of(ctx).person_of_email(email)
    if other and other is not person:
        raise invalid("This email address is already in use.")
    return email


def _assignable_roles(ctx: SaltoContext, role_ids: list[str]) -> list[str]:
    roles: list[Role] = []
    for role_id in role_ids:
        role = BY_ID.get(role_id)
        if role is None or not role.assignable or role.rank > acting_rank(ctx.world):
            raise forbidden("This role cannot be assigned.")
        roles.append(role)
    if not any(role.hierarchical for role in roles):
        raise invalid("A user needs at least one hierarchical role.")
    return [role.code for role in roles]


def _changed_tag(ctx: SaltoContext, sent: str | None, member: Member) -> str | None:
    """The tag after a change: how one is taken off is not documented (docs/assumptions.md)."""
    by = ctx.world.behaviour.tag_cleared_by
    if sent is None and by == "empty_only":
        raise invalid("tag_id must not be null.")
    if sent is None and by in ("empty", "nothing"):
        return member.tag_id
    if sent == "" and by in ("empty", "empty_only"):
        return None
    if sent == "" and by == "nothing":
        return member.tag_id
    return _free_tag(ctx, sent, holder=member)


def _free_tag(ctx: SaltoContext, tag_id: str | None, *, holder: Member | None) -> str | None:
    if tag_id is None:
        return None
    salto = salto_of(ctx)
    tag = salto.tags.get(tag_id)
    if tag is None or not tag.owned_here:
        raise invalid("The tag does not exist on this site.")
    other = salto.holder_of(tag.id)
    if other and other is not holder:
        raise invalid("The tag is already assigned to another user.")
    return tag.id


def _invite(ctx: SaltoContext, email: str | None, cause: str) -> None:
    if email is not None:
        salto_of(ctx).invitations.append(Invitation(email, ctx.call.at, cause))


ROUTES: list[Route[World]] = [
    list_route("/users", list_users, {"include_pod_info"}),
    site_route("POST", "/users", post_user),
    site_route("POST", "/users/existing", post_existing_user),
    site_route("GET", "/users/{user}", get_user, {"include_pod_info"}),
    site_route("PATCH", "/users/{user}", patch_user),
    site_route("DELETE", "/users/{user}", delete_user),
    site_route("PATCH", "/users/{user}/subscription", patch_subscription),
    site_route("PATCH", "/users/{user}/resend_invite", resend_invite),
]
