"""Probes with one person who is invited to a test site: tag, seat, deletion. Whom it finds there already it does not touch."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from hector_salto.doctor.finding import holds, judged, unknown
from hector_salto.doctor.scratch import SCRATCH
from hector_salto.http_client.errors import NotFoundError, RefusedError, RestError
from hector_salto.http_client.fingerprint import no_fingerprint
from salto.models import NewUser, UserChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hector_salto.doctor.finding import Finding
    from hector_salto.doctor.scratch import WriteClients
    from salto.models import CreatedUser

MARKER = "doctor"  # alias of the user that an examination makes
WAITS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds: Salto may know a new or a deleted user late
SUBSCRIBED = "subscribed"


class UserThereError(ValueError):
    """The person is on the site already: nothing was sent."""


def remove_left_user(site: WriteClients, email: str) -> bool:
    """Remove the user that an earlier examination has left.

    Raises:
        UserThereError: when another hand put this person on the site.
    """
    found = site.reader.users_of_email(email, no_fingerprint)
    if found.empty:
        return False
    row = found.iloc[0]
    if row["alias"] != MARKER:
        raise UserThereError(
            f"PROBE_USER is on this site already (site user {row['site_user_id']}): name another email"
        )
    site.writer.delete_user(str(row["site_user_id"]))
    return True


def look(site: WriteClients, email: str, sleep: Callable[[float], None] = time.sleep) -> Iterator[Finding]:
    """Invite this person and try everything; the user is removed at the end, also after an error or Ctrl-C."""
    role_id = site.reader.roles()["site_user"]
    user = site.writer.create_user(NewUser("Doctor", "Scratch", email, MARKER, role_id, office_mode=False))
    try:
        yield _created(user)
        group_id = site.writer.create_group(f"{SCRATCH} of a user")
        waited = _until(lambda: _joined(site, group_id, user), sleep)
        yield judged("user-invited", waited == 0.0, f"put into a group after {_seconds(waited)}", matters=False)
        tag_id = _free_tag(site)
        yield from _tags(site, user, tag_id)
        yield from _seat(site, user)
        yield from _deletion(site, user, (group_id, tag_id), sleep)
    finally:
        with suppress(RestError):
            site.writer.delete_user(user.site_user_id)


def _created(user: CreatedUser) -> Finding:
    state = user.subscription_state
    return judged("seat-tagless", state == SUBSCRIBED, f"a user without a tag is {state}", matters=False)


def _until(is_so: Callable[[], bool], sleep: Callable[[float], None]) -> float | None:
    """Return after how many seconds it was so; None: it was not."""
    waited = 0.0
    for wait in WAITS:
        if wait:
            sleep(wait)
        waited += wait
        if is_so():
            return waited
    return None


def _seconds(waited: float | None) -> str:
    return f"{waited:.0f} s" if waited is not None else "never, in a minute"


def _joined(site: WriteClients, group_id: str, user: CreatedUser) -> bool:
    try:
        site.writer.change_group_users(group_id, add=[user.platform_user_id])
    except (NotFoundError, RefusedError):
        return False
    return True


def _free_tag(site: WriteClients) -> str | None:
    tags = site.reader.tags(no_fingerprint)
    free = tags[tags["site_user_id"].isna() & ~tags["blocked"] & ~tags["is_pod_tag"]].sort_values("tag_id")
    return None if free.empty else str(free["tag_id"].iloc[0])


def _tags(site: WriteClients, user: CreatedUser, tag_id: str | None) -> Iterator[Finding]:
    if tag_id is None:
        for name in ("tag-on", "tag-off"):
            yield unknown(name, "the site has no free tag", "enrol one that no user carries")
        return
    given = site.writer.change_user(user.site_user_id, UserChange(tag_id=tag_id))
    yield judged("tag-on", given.has_tag, f"shown: {given.has_tag}; the user is {given.subscription_state}")
    by_null, by_text = _taken_off(site, user, None), ""
    if by_null != "off":
        site.writer.change_user(user.site_user_id, UserChange(tag_id=tag_id))
        by_text = f"; an empty text: {_taken_off(site, user, '')}"
    yield judged(
        "tag-off",
        by_null == "off",
        f"null: {by_null}{by_text}",
        matters=not by_text.endswith("off") and by_null != "off",
    )
    with suppress(RefusedError):
        site.writer.change_user(user.site_user_id, UserChange(tag_id=tag_id))


def _taken_off(site: WriteClients, user: CreatedUser, value: str | None) -> str:
    try:
        changed = site.writer.change_user(user.site_user_id, UserChange(tag_id=value))
    except RefusedError as error:
        return f"refused ({error.status}, code {error.code})"
    return "still on" if changed.has_tag else "off"


def _seat(site: WriteClients, user: CreatedUser) -> Iterator[Finding]:
    used = [site.reader.resolve_site(site.reader.site_id).seats_used]
    site.writer.set_subscription(user.site_user_id, "suspended")
    used.append(site.reader.resolve_site(site.reader.site_id).seats_used)
    state = str(site.reader.user(user.site_user_id, no_fingerprint)["subscription_state"].iloc[0])
    seen = f"seats taken before and after: {used[0]}, {used[1]}; the user is {state}"
    yield judged("user-suspended", state != SUBSCRIBED, seen, matters=False)


def _deletion(
    site: WriteClients, user: CreatedUser, given: tuple[str, str | None], sleep: Callable[[float], None]
) -> Iterator[Finding]:
    group_id, tag_id = given
    site.writer.delete_user(user.site_user_id)
    waited = _until(lambda: not _is_there(site, user), sleep)
    yield judged("user-deleted", waited is not None, f"gone after {_seconds(waited)}", matters=False)
    if tag_id is None:
        yield unknown("tag-freed", "the site has no free tag")
    else:
        yield _freed(site, tag_id)
    inside = user.platform_user_id in set(site.reader.group_users(group_id)["platform_user_id"])
    yield judged(
        "membership-freed", not inside, f"the user is {'still ' if inside else 'not '}in the group", matters=False
    )


def _is_there(site: WriteClients, user: CreatedUser) -> bool:
    try:
        site.reader.user(user.site_user_id, no_fingerprint)
    except NotFoundError:
        return False
    return True


def _freed(site: WriteClients, tag_id: str) -> Finding:
    try:
        tag = site.reader.tag(tag_id, no_fingerprint)
    except NotFoundError:
        return judged("tag-freed", False, "the tag has gone from the site", "enrol it again", matters=False)
    free = bool(tag["site_user_id"].isna().all())
    return (
        holds("tag-freed", "free") if free else judged("tag-freed", False, "still with the deleted user", matters=False)
    )
