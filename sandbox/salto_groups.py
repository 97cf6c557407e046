"""Access groups with their users, locks and time schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import salto_views as views
from sandbox.odata import carried_options
from sandbox.salto_bodies import (
    Changes,
    GroupName,
    LockId,
    NewSchedule,
    SchedulePatch,
    UserId,
    read_body,
    sent_fields,
)
from sandbox.salto_context import (
    NO_CONTENT,
    group_at,
    known_uuid,
    list_route,
    lock_for_group,
    ok,
    page,
    person_for_group,
    salto_of,
    site_route,
)
from sandbox.salto_errors import invalid, malformed, not_found
from sandbox.salto_state import Group
from sandbox.schedules import ScheduleError, changed_schedule, schedule_json, stored_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.salto_context import SaltoContext
    from sandbox.schedules import Schedule
    from sandbox.web import Reply, Route
    from sandbox.world import World


def list_groups(ctx: SaltoContext) -> Reply:
    return page(ctx, [views.group_json(group) for group in salto_of(ctx).groups.values()], views.GROUP_PROPERTIES)


def post_group(ctx: SaltoContext) -> Reply:
    """A group; the same name twice makes two groups."""
    name = _group_name(ctx)
    if ctx.world.behaviour.group_names == "unique" and salto_of(ctx).group_named(name):
        raise invalid("An access group of this name exists already.")
    group = Group(salto_of(ctx).new_id("group"), name)
    salto_of(ctx).groups[group.id] = group
    return ok(views.name_json(group))


def get_group(ctx: SaltoContext) -> Reply:
    return ok(views.group_json(group_at(ctx)))


def patch_group(ctx: SaltoContext) -> Reply:
    group = group_at(ctx)
    group.name = _group_name(ctx)
    return ok(views.name_json(group))


def delete_group(ctx: SaltoContext) -> Reply:
    del salto_of(ctx).groups[group_at(ctx).id]
    return NO_CONTENT


def list_group_users(ctx: SaltoContext) -> Reply:
    group, salto = group_at(ctx), salto_of(ctx)
    ids = group.users
    if _wants_complement(ctx):
        here = [member.person_id for member in salto.members.values() if member.deleted_at is None]
        ids = [person_id for person_id in here if person_id not in group.users]
    rows = [views.group_user_json(salto.persons[i]) for i in ids if i in salto.persons]
    return page(ctx, rows, views.GROUP_USER_PROPERTIES)


def post_group_user(ctx: SaltoContext) -> Reply:
    group = group_at(ctx)
    person = person_for_group(ctx, read_body(ctx.call, UserId).user_id)
    _change(group.users, [person.id], [])
    return ok(views.group_user_json(person))


def patch_group_users(ctx: SaltoContext) -> Reply:
    """All or nothing: one unknown id refuses the whole change."""
    group, changes = group_at(ctx), read_body(ctx.call, Changes)
    added = [person_for_group(ctx, person_id).id for person_id in changes.add_ids]
    removed = [_known(i, salto_of(ctx).persons, "User") for i in changes.remove_ids]
    _refuse_repeats(ctx, group.users, added, removed)
    _change(group.users, added, removed)
    return NO_CONTENT


def delete_group_user(ctx: SaltoContext) -> Reply:
    return _delete_from(ctx, group_at(ctx).users, "user", "User")


def list_group_locks(ctx: SaltoContext) -> Reply:
    group, salto = group_at(ctx), salto_of(ctx)
    excluded = _wants_complement(ctx)
    rows = [views.name_json(lock) for lock in salto.locks.values() if (lock.id in group.locks) != excluded]
    return page(ctx, rows, views.NAME_PROPERTIES)


def post_group_lock(ctx: SaltoContext) -> Reply:
    group = group_at(ctx)
    lock = lock_for_group(ctx, read_body(ctx.call, LockId).lock_id)
    _change(group.locks, [lock.id], [])
    return ok(views.name_json(lock))


def patch_group_locks(ctx: SaltoContext) -> Reply:
    group, changes = group_at(ctx), read_body(ctx.call, Changes)
    added = [lock_for_group(ctx, lock_id).id for lock_id in changes.add_ids]
    removed = [_known(i, salto_of(ctx).locks, "Lock") for i in changes.remove_ids]
    _refuse_repeats(ctx, group.locks, added, removed)
    _change(group.locks, added, removed)
    return NO_CONTENT


def delete_group_lock(ctx: SaltoContext) -> Reply:
    return _delete_from(ctx, group_at(ctx).locks, "lock", "Lock")


def list_schedules(ctx: SaltoContext) -> Reply:
    return page(ctx, [_shown(ctx, row) for row in group_at(ctx).schedules], views.SCHEDULE_PROPERTIES)


def post_schedule(ctx: SaltoContext) -> Reply:
    group, sent = group_at(ctx), sent_fields(read_body(ctx.call, NewSchedule))
    schedule = _accepted(lambda: stored_schedule(salto_of(ctx).new_id("schedule"), sent))
    group.schedules.append(schedule)
    return ok(_shown(ctx, schedule))


def patch_schedule(ctx: SaltoContext) -> Reply:
    group, place = group_at(ctx), _schedule_place(ctx)
    sent = sent_fields(read_body(ctx.call, SchedulePatch))
    group.schedules[place] = _accepted(lambda: changed_schedule(group.schedules[place], sent))
    return ok(_shown(ctx, group.schedules[place]))


def delete_schedule(ctx: SaltoContext) -> Reply:
    del group_at(ctx).schedules[_schedule_place(ctx)]
    return NO_CONTENT


def _shown(ctx: SaltoContext, schedule: Schedule) -> dict[str, Any]:
    return schedule_json(schedule, midnights=ctx.world.behaviour.schedule_dates == "as_sent")


def _schedule_place(ctx: SaltoContext) -> int:
    wanted = known_uuid(ctx.params["schedule"], "id")
    for place, schedule in enumerate(group_at(ctx).schedules):
        if schedule.id == wanted:
            return place
    raise not_found("Time schedule")


def _accepted(make: Callable[[], Schedule]) -> Schedule:
    try:
        return make()
    except ScheduleError as error:
        raise invalid(str(error)) from error


def _group_name(ctx: SaltoContext) -> str:
    name = read_body(ctx.call, GroupName).customer_reference
    if not name.strip():
        raise invalid("customer_reference must not be empty.")
    return name


def _wants_complement(ctx: SaltoContext) -> bool:
    excluded = carried_options(ctx.call).get("excluded", "false").lower()
    if excluded not in ("true", "false"):
        raise malformed("The value of excluded is not valid.")
    return excluded == "true"


def _known(thing_id: str, things: dict[str, Any], what: str) -> str:
    thing_id = known_uuid(thing_id, "remove_ids")
    if thing_id not in things:
        raise not_found(what)
    return thing_id


def _refuse_repeats(ctx: SaltoContext, ids: list[str], added: list[str], removed: list[str]) -> None:
    if ctx.world.behaviour.repeated_changes == "accepted":
        return
    if set(added) & set(ids):
        raise invalid("It is in the access group already.")
    if set(removed) - set(ids):
        raise not_found("Member")


def _change(ids: list[str], added: list[str], removed: list[str]) -> None:
    # In place and one by one: an id that is there already, or not there any more, makes no difference.
    ids[:] = list(dict.fromkeys([i for i in [*ids, *added] if i not in removed]))


def _delete_from(ctx: SaltoContext, ids: list[str], param: str, what: str) -> Reply:
    thing_id = known_uuid(ctx.params[param], "id")
    if thing_id not in ids:
        raise not_found(what)
    ids.remove(thing_id)
    return NO_CONTENT


GROUP = "/access_groups/{group}"
ROUTES: list[Route[World]] = [
    list_route("/access_groups", list_groups),
    site_route("POST", "/access_groups", post_group),
    site_route("GET", GROUP, get_group),
    site_route("PATCH", GROUP, patch_group),
    site_route("DELETE", GROUP, delete_group),
    list_route(f"{GROUP}/users", list_group_users, {"excluded"}),
    site_route("POST", f"{GROUP}/users", post_group_user),
    site_route("PATCH", f"{GROUP}/users", patch_group_users),
    site_route("DELETE", f"{GROUP}/users/{{user}}", delete_group_user),
    list_route(f"{GROUP}/locks", list_group_locks, {"excluded"}),
    site_route("POST", f"{GROUP}/locks", post_group_lock),
    site_route("PATCH", f"{GROUP}/locks", patch_group_locks),
    site_route("DELETE", f"{GROUP}/locks/{{lock}}", delete_group_lock),
    list_route(f"{GROUP}/time_schedules", list_schedules),
    site_route("POST", f"{GROUP}/time_schedules", post_schedule),
    site_route("PATCH", f"{GROUP}/time_schedules/{{schedule}}", patch_schedule),
    site_route("DELETE", f"{GROUP}/time_schedules/{{schedule}}", delete_schedule),
]
