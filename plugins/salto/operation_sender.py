"""Sends the operations of a plan, each kind in its own way; what could not be heard is read back."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hector_salto.access import schemas
from hector_salto.access.operations import describe_operation
from hector_salto.access.results import DONE, NO_SEAT
from hector_salto.access.schemas import WEEKDAYS
from hector_salto.http_client.errors import (
    FatalError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    RestError,
    UnknownOutcomeError,
)
from salto.client import is_same_email
from salto.errors import SINGLE_USER_CODES
from salto.models import AccessSchedule, NewUser, UserChange
from salto.verifier import SUBSCRIBED, Verifier, target_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from hector_salto.access.dependencies import Operation
    from salto.client import SaltoReader
    from salto.created_ids import CreatedIds
    from salto.models import ChangedUser, CreatedUser
    from salto.writer import SaltoWriter

LOG = logging.getLogger(__name__)
INVALID_VALUE_CODE = "1101"
NOT_PERMITTED_CODE = "2203"  # also "not permitted yet", of a user made a moment ago
SITE_USER_ROLE = "site_user"
REPEATABLE_KINDS = frozenset(
    {"member_add", "member_remove", "lock_add", "lock_remove", "tag_off", "tag_on", "user_subscribe", "user_suspend"}
)
BULK_KINDS = frozenset({"member_remove", "lock_remove", "lock_add", "member_add"})  # the contract has a bulk form


class NotConfirmedError(Exception):
    """What was written does not read back as it was meant."""


@dataclass(frozen=True)
class SiteClients:
    """The clients of one site. ``fingerprint`` is needed to read users back, never to write."""

    reader: SaltoReader
    writer: SaltoWriter
    fingerprint: Callable[[str | None], str | None]


class OperationSender:
    """One request (or the few that belong together) for each operation.

    :param site: the clients.
    :param made: what the run has made so far.
    """

    def __init__(self, site: SiteClients, made: CreatedIds) -> None:
        self._site = site
        self._created_ids = made
        self._verifier = Verifier(site.reader, site.fingerprint, made)
        self._role_id: str | None = None
        self._role_lock = threading.Lock()
        self._seat_seekers: set[str] = set()  # Hector user ids of who was not seen with a seat
        self._seats: dict[str, tuple[str, str]] = {}

    def send(self, batch: list[Operation]) -> tuple[str, str]:
        first = batch[0]
        send = getattr(self, f"_{first['kind']}")
        try:
            result = send(batch) if first["kind"] in BULK_KINDS else send(first)
        except UnknownOutcomeError as error:
            if not self._is_in_place(batch, error):
                raise
            result = None
        except (NotFoundError, RefusedError) as error:
            if not self._was_in_place(batch, error):
                raise
            result = None
        return result or (DONE, "")

    def _was_in_place(self, batch: list[Operation], error: NotFoundError | RefusedError) -> bool:
        """Whether what was refused is as it should be already: adding what is there, removing what is gone.

        Whether Salto refuses that is not documented (docs/assumptions.md, membership-repeated).
        """
        kind = batch[0]["kind"]
        gone = kind in {"member_remove", "lock_remove"}
        if kind not in REPEATABLE_KINDS or (isinstance(error, NotFoundError) and not gone):
            return False  # what is not found is a user made a moment ago, whom Salto does not know everywhere yet
        try:
            there = self._verifier.is_applied(batch)
        except NotFoundError:
            there = gone  # with the access group itself
        except FatalError:
            raise
        except (RestError, schemas.SchemaError):
            return False
        if there:
            LOG.info("%s: refused, but it is so already (%s)", describe_operation(batch[0]), error)
        return there

    def _is_in_place(self, batch: list[Operation], error: UnknownOutcomeError) -> bool:
        """Whether a write whose reply was lost happened; when that cannot be read, its outcome stays unknown."""
        try:
            return self._verifier.is_applied(batch)
        except FatalError:
            raise
        except (RestError, schemas.SchemaError) as unread:
            LOG.warning("%s: reading back what happened failed too: %s", describe_operation(batch[0]), unread)
            raise error from unread

    def _group_delete(self, operation: Operation) -> None:
        self._site.writer.delete_group(str(operation["group_id"]))

    def _schedule_delete(self, operation: Operation) -> None:
        self._site.writer.delete_schedule(str(operation["group_id"]), str(operation["schedule_id"]))

    def _schedule_change(self, operation: Operation) -> None:
        group_id, schedule_id = str(operation["group_id"]), str(operation["schedule_id"])
        self._site.writer.change_schedule(group_id, schedule_id, target_schedule(operation))

    def _schedule_create(self, operation: Operation) -> None:
        self._create_confirmed_schedule(self._created_ids.group_id(operation), operation)

    def _group_create(self, operation: Operation) -> None:
        name = str(operation["group_name"])
        group_id = self._find_empty_group(name)
        if group_id is None:
            try:
                group_id = self._site.writer.create_group(name)
            except UnknownOutcomeError as error:
                group_id = self._find_created_group(name, error)
        self._created_ids.groups[name] = group_id
        self._create_confirmed_schedule(group_id, operation)

    def _find_empty_group(self, name: str) -> str | None:
        """Return the group of this name that nothing was given yet; names are not unique, and the plan's list may have shifted.

        A group without an end date is not ours, and a second one beside it is meant.

        Raises:
            NotConfirmedError: when a group of this name opens doors already, or several are bare.
        """
        found = self._site.reader.groups_named(name)
        scheduled = {group_id: self._site.reader.schedules(str(group_id)) for group_id in found["group_id"]}
        ended = any(windows["end_date"].notna().any() for windows in scheduled.values())
        empty = found.loc[found["user_count"].eq(0) & found["lock_count"].eq(0), "group_id"]
        bare = [str(group_id) for group_id in empty if scheduled[group_id].empty]
        if ended or len(bare) > 1:
            msg = f"Salto has an access group {name} that the plan did not know, so none is made; the next sync compares it"
            raise NotConfirmedError(msg)
        return bare[0] if bare else None

    def _find_created_group(self, name: str, error: UnknownOutcomeError) -> str:
        """The group that a lost reply made: bare, of that name, and the only one. Else the outcome stays unknown."""
        found = self._site.reader.groups_named(name)
        bare = found[found["user_count"].eq(0) & found["lock_count"].eq(0)]
        unscheduled = [group_id for group_id in bare["group_id"] if self._site.reader.schedules(group_id).empty]
        if len(unscheduled) != 1:
            raise error
        return str(unscheduled[0])

    def _create_confirmed_schedule(self, group_id: str, operation: Operation) -> None:
        """The group's one schedule, read back before anything is armed."""
        try:
            self._site.writer.create_schedule(group_id, target_schedule(operation))
        except UnknownOutcomeError:
            LOG.warning(
                "%s: the reply to its schedule was lost; reading it back decides", describe_operation(operation)
            )
        if not self._verifier.has_schedule(group_id, operation):
            msg = f"the schedule of {operation['group_name']} does not read back as sent, so the group is not armed"
            raise NotConfirmedError(msg)

    def _member_remove(self, batch: list[Operation]) -> None:
        people = [str(operation["platform_user_id"]) for operation in batch]
        self._site.writer.change_group_users(str(batch[0]["group_id"]), remove=people)

    def _member_add(self, batch: list[Operation]) -> None:
        people = [self._created_ids.platform_user_id(operation) for operation in batch]
        self._site.writer.change_group_users(self._created_ids.group_id(batch[0]), add=people)

    def _lock_remove(self, batch: list[Operation]) -> None:
        locks = [str(operation["lock_id"]) for operation in batch]
        self._site.writer.change_group_locks(str(batch[0]["group_id"]), remove=locks)

    def _lock_add(self, batch: list[Operation]) -> None:
        locks = [str(operation["lock_id"]) for operation in batch]
        self._site.writer.change_group_locks(self._created_ids.group_id(batch[0]), add=locks)

    def _tag_off(self, operation: Operation) -> None:
        """Take the tag off in the way that Salto takes it: by null, else by an empty text (docs/assumptions.md, tag-off).

        Raises:
            NotConfirmedError: when Salto shows the tag all the same.
        """
        try:
            still_there = self._change(operation, UserChange(tag_id=None)).has_tag
        except RefusedError as error:
            if isinstance(error, ForbiddenError) or error.code in SINGLE_USER_CODES:
                raise
            LOG.warning("%s: null is refused, trying an empty text (%s)", describe_operation(operation), error)
            still_there = True
        if still_there and self._change(operation, UserChange(tag_id="")).has_tag:
            raise NotConfirmedError(
                f"Salto keeps the tag (tag id {operation['tag_id']}) with this user, whatever is sent; take it off in the "
                "Salto dashboard, or block it there"
            )

    def _tag_on(self, operation: Operation) -> None:
        changed = self._change(operation, UserChange(tag_id=str(operation["tag_id"])))
        user_id = str(operation["user_id"])
        if user_id not in self._seat_seekers:
            return
        # A user may take a seat only with something to open a door (salto_connect_api.md, 5.2): now it shows.
        if changed.subscription_state == SUBSCRIBED:
            self._seats[user_id] = (DONE, "")
        else:
            self._seats[user_id] = self._subscribe(changed.site_user_id)

    @property
    def has_seekers(self) -> bool:
        """Whether a user was not seen with a seat yet."""
        return bool(self._seat_seekers)

    def lacks_seat(self, operation: Operation) -> bool:
        """Whether this made a user who came back without a seat, and whose tag has not shown one since."""
        user_id = str(operation["user_id"])
        is_seeker = operation["kind"] == "user_create" and user_id in self._seat_seekers
        return is_seeker and user_id not in self._seats

    def seat_of(self, user_id: str) -> tuple[str, str] | None:
        """Return whether a user who looked for a seat has one, as their tag showed; None: it did not."""
        return self._seats.get(user_id)

    def _office_off(self, operation: Operation) -> None:
        self._change(operation, UserChange(office_mode=False))

    def _office_on(self, operation: Operation) -> None:
        self._change(operation, UserChange(office_mode=True))

    def _user_adopt(self, operation: Operation) -> None:
        self._change(operation, UserChange(alias=str(target_state(operation)["alias"])))

    def _user_email(self, operation: Operation) -> None:
        self._change(operation, UserChange(email=str(target_state(operation)["email"])))

    def _change(self, operation: Operation, change: UserChange) -> ChangedUser:
        return self._site.writer.change_user(self._created_ids.site_user_id(operation), change)

    def _user_suspend(self, operation: Operation) -> None:
        self._site.writer.set_subscription(str(operation["site_user_id"]), "suspended")

    def _user_subscribe(self, operation: Operation) -> tuple[str, str]:
        self._seat_seekers.add(str(operation["user_id"]))
        return self._subscribe(str(operation["site_user_id"]))

    def _subscribe(self, site_user_id: str) -> tuple[str, str]:
        try:
            self._site.writer.set_subscription(site_user_id, "subscribed")
        except RefusedError as error:
            if error.code != NOT_PERMITTED_CODE:
                raise
            return NO_SEAT, "Salto has no free seat for this user"
        return DONE, ""

    def _user_delete(self, operation: Operation) -> None:
        self._site.writer.delete_user(str(operation["site_user_id"]))

    def _user_create(self, operation: Operation) -> tuple[str, str] | None:
        """A person the platform knows already is put on the site; anybody else is made, and Salto invites them.

        Who comes back without a seat may get it with the tag: until that shows, a user without one lacks nothing.
        """
        user_id = str(operation["user_id"])
        try:
            self._created_ids.users[user_id] = self._create_or_link_user(target_state(operation))
        except UnknownOutcomeError:
            LOG.warning("%s: the reply was lost; looking whether the user is there", describe_operation(operation))
            if not self._verifier.is_applied([operation]):
                raise
        if self._created_ids.users[user_id].subscription_state == SUBSCRIBED:
            return None
        self._seat_seekers.add(user_id)
        return DONE, "Salto made the user without a seat"

    def _create_or_link_user(self, person: dict[str, Any]) -> CreatedUser:
        found = self._site.reader.search_platform_users(person["email"])
        named = {one.platform_user_id for one in found if one.has_email}
        if len(named) == 1:
            return self._link_user(named.pop(), person)
        try:
            return self._site.writer.create_user(
                NewUser(
                    first_name=person["first_name"],
                    last_name=person["last_name"],
                    email=person["email"],
                    alias=person["alias"],
                    role_id=self._lowest_role_id(),
                    office_mode=person["office_mode"],
                )
            )
        except RefusedError as error:
            # Salto says that the email is taken: who is found by it alone, although the search shows no emails, is meant.
            nameless = {one.platform_user_id for one in found}
            if error.code != INVALID_VALUE_CODE or named or len(nameless) != 1:
                raise
            return self._link_confirmed_user(nameless.pop(), person)

    def _link_user(self, platform_id: str, person: dict[str, Any]) -> CreatedUser:
        return self._site.writer.link_existing_user(
            platform_id, self._lowest_role_id(), person["alias"], office_mode=person["office_mode"]
        )

    def _link_confirmed_user(self, platform_id: str, person: dict[str, Any]) -> CreatedUser:
        """Put a user on the site whose email the search does not show; a stranger leaves again at once.

        Raises:
            NotConfirmedError: when the site shows another email.
        """
        linked = self._link_user(platform_id, person)
        if not is_same_email(linked.email, person["email"]):
            self._site.writer.delete_user(linked.site_user_id)
            raise NotConfirmedError(
                "Salto knows this email and finds another user by it, so nobody is put on the site; add the user in the "
                "Salto dashboard: the next sync takes them over by their email"
            )
        return linked

    def _lowest_role_id(self) -> str:
        with self._role_lock:  # the first of all threads looks
            if self._role_id is None:
                found = self._site.reader.roles().get(SITE_USER_ROLE)
                if found is None:
                    raise NotConfirmedError("the account may not give the role site_user: make it Site Admin in Salto")
                self._role_id = found
            return self._role_id


def target_schedule(operation: Operation) -> AccessSchedule:
    meant = target_state(operation)
    return AccessSchedule(
        days=tuple(bool(meant[day]) for day in WEEKDAYS),
        start_time=meant["start_time"],
        end_time=meant["end_time"],
        start_date=meant["start_date"],
        end_date=meant["end_date"],
    )
