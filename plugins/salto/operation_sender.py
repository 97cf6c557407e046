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
from hector_salto.http_client.errors import FatalError, RefusedError, RestError, UnknownOutcomeError
from salto.models import AccessSchedule, NewUser, UserChange
from salto.verifier import SUBSCRIBED, Verifier, target_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from hector_salto.access.dependencies import Operation
    from salto.client import SaltoReader
    from salto.created_ids import CreatedIds
    from salto.models import CreatedUser
    from salto.writer import SaltoWriter

LOG = logging.getLogger(__name__)
NOT_PERMITTED_CODE = "2203"  # also "not permitted yet", of a user made a moment ago
SITE_USER_ROLE = "site_user"
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

    def send(self, batch: list[Operation]) -> tuple[str, str]:
        first = batch[0]
        send = getattr(self, f"_{first['kind']}")
        try:
            result = send(batch) if first["kind"] in BULK_KINDS else send(first)
        except UnknownOutcomeError as error:
            if not self._is_in_place(batch, error):
                raise
            result = None
        return result or (DONE, "")

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
        self._change(operation, UserChange(tag_id=None))

    def _tag_on(self, operation: Operation) -> None:
        self._change(operation, UserChange(tag_id=str(operation["tag_id"])))

    def _office_off(self, operation: Operation) -> None:
        self._change(operation, UserChange(office_mode=False))

    def _office_on(self, operation: Operation) -> None:
        self._change(operation, UserChange(office_mode=True))

    def _user_adopt(self, operation: Operation) -> None:
        self._change(operation, UserChange(alias=str(target_state(operation)["alias"])))

    def _user_email(self, operation: Operation) -> None:
        self._change(operation, UserChange(email=str(target_state(operation)["email"])))

    def _change(self, operation: Operation, change: UserChange) -> None:
        self._site.writer.change_user(self._created_ids.site_user_id(operation), change)

    def _user_suspend(self, operation: Operation) -> None:
        self._site.writer.set_subscription(str(operation["site_user_id"]), "suspended")

    def _user_subscribe(self, operation: Operation) -> tuple[str, str] | None:
        try:
            self._site.writer.set_subscription(str(operation["site_user_id"]), "subscribed")
        except RefusedError as error:
            if error.code != NOT_PERMITTED_CODE:
                raise
            return NO_SEAT, "Salto has no free seat for this user"
        return None

    def _user_delete(self, operation: Operation) -> None:
        self._site.writer.delete_user(str(operation["site_user_id"]))

    def _user_create(self, operation: Operation) -> tuple[str, str] | None:
        """A person the platform knows already is put on the site; anybody else is made, and Salto invites them."""
        person = target_state(operation)
        try:
            made = self._create_or_link_user(person)
        except UnknownOutcomeError:
            LOG.warning("%s: the reply was lost; looking whether the user is there", describe_operation(operation))
            if not self._verifier.is_applied([operation]):
                raise
            return (
                None
                if self._created_ids.users[str(operation["user_id"])].subscription_state == SUBSCRIBED
                else _no_seat()
            )
        self._created_ids.users[str(operation["user_id"])] = made
        return None if made.subscription_state == SUBSCRIBED else _no_seat()

    def _create_or_link_user(self, person: dict[str, Any]) -> CreatedUser:
        platform_id = self._site.reader.search_platform_user(person["email"])
        if platform_id is not None:
            return self._site.writer.link_existing_user(
                platform_id, self._lowest_role_id(), person["alias"], office_mode=person["office_mode"]
            )
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

    def _lowest_role_id(self) -> str:
        with self._role_lock:  # the first of all threads looks
            if self._role_id is None:
                found = self._site.reader.roles().get(SITE_USER_ROLE)
                if found is None:
                    raise NotConfirmedError("the account may not give the role site_user: make it Site Admin in Salto")
                self._role_id = found
            return self._role_id


def _no_seat() -> tuple[str, str]:
    return NO_SEAT, "Salto made the user, but suspended: no seat was free"


def target_schedule(operation: Operation) -> AccessSchedule:
    meant = target_state(operation)
    return AccessSchedule(
        days=tuple(bool(meant[day]) for day in WEEKDAYS),
        start_time=meant["start_time"],
        end_time=meant["end_time"],
        start_date=meant["start_date"],
        end_date=meant["end_date"],
    )
