"""The writing client of one site: each method sends exactly one request, with the body the contract shows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter

from hector_salto.access.schemas import WEEKDAYS
from hector_salto.http_client.errors import NotFoundError
from salto import payloads
from salto.models import LEAVE_OUT, AccessSchedule, ChangedUser, CreatedUser, NewUser, UserChange
from salto.versions import site_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hector_salto.http_client.transport import Transport

WRITE_METHODS = frozenset({"POST", "PATCH", "DELETE"})
Subscription = Literal["subscribed", "suspended"]
_RECORD = TypeAdapter(payloads.SaltoRecord)
_SITE_USER = TypeAdapter(payloads.SiteUser)


class SaltoWriter:
    """Changes one site.

    :param site_id: UUID of the site, as the reading client resolved it.
    """

    def __init__(self, transport: Transport, version: str, site_id: str) -> None:
        self._transport = transport
        self._version = version
        self.site_id = site_id

    def create_group(self, name: str) -> str:
        return self._create("access_groups", body={"customer_reference": name})

    def rename_group(self, group_id: str, name: str) -> None:
        self._transport.write("PATCH", self._path("access_groups", group_id), {"customer_reference": name})

    def delete_strictly(self, *segments: str) -> None:
        """Delete what a path below the site names; unlike the others, a thing that is gone is an error.

        Raises:
            NotFoundError: when it is not there.
        """
        self._transport.write("DELETE", self._path(*segments))

    def delete_group(self, group_id: str) -> None:
        self._remove("access_groups", group_id)

    def change_group_users(self, group_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Members by their platform ids."""
        self._change_members(group_id, "users", add, remove)

    def change_group_locks(self, group_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        self._change_members(group_id, "locks", add, remove)

    def create_schedule(self, group_id: str, schedule: AccessSchedule) -> str:
        return self._create("access_groups", group_id, "time_schedules", body=_schedule_body(schedule))

    def change_schedule(self, group_id: str, schedule_id: str, schedule: AccessSchedule) -> None:
        path = self._path("access_groups", group_id, "time_schedules", schedule_id)
        self._transport.write_for("PATCH", path, _schedule_body(schedule), _RECORD)

    def delete_schedule(self, group_id: str, schedule_id: str) -> None:
        self._remove("access_groups", group_id, "time_schedules", schedule_id)

    def create_user(self, user: NewUser) -> CreatedUser:
        body = {
            "first_name": user.first_name,
            "last_name": user.last_name,
            **_without_empty(email=user.email),
            "role_ids": [user.role_id],
            **_without_empty(alias=user.alias),
            "toggle_manual_office_mode": user.office_mode,
        }
        return self._post_user("users", body=body)

    def link_existing_user(
        self, platform_user_id: str, role_id: str, alias: str | None, *, office_mode: bool
    ) -> CreatedUser:
        """Put a user on this site whom the platform knows already."""
        body = {
            "id": platform_user_id,
            "role_ids": [role_id],
            **_without_empty(alias=alias),
            "toggle_manual_office_mode": office_mode,
        }
        return self._post_user("users", "existing", body=body)

    def change_user(self, site_user_id: str, change: UserChange) -> ChangedUser:
        path = self._path("users", site_user_id)
        found = self._transport.write_for("PATCH", path, _change_body(change), _SITE_USER)
        return ChangedUser(
            site_user_id=found.id,
            platform_user_id=found.user.id,
            subscription_state=found.subscription_state,
            alias=found.alias,
            office_mode=found.toggle_manual_office_mode,
            has_tag=bool((found.user.tag_number or "").strip()),
        )

    def set_subscription(self, site_user_id: str, state: Subscription) -> None:
        self._transport.write("PATCH", self._path("users", site_user_id, "subscription"), {"state": state})

    def delete_user(self, site_user_id: str) -> None:
        self._remove("users", site_user_id)

    def _path(self, *segments: str) -> str:
        return site_path(self._version, self.site_id, *segments)

    def _create(self, *segments: str, body: object) -> str:
        return self._transport.write_for("POST", self._path(*segments), body, _RECORD).id

    def _post_user(self, *segments: str, body: object) -> CreatedUser:
        found = self._transport.write_for("POST", self._path(*segments), body, _SITE_USER)
        return CreatedUser(found.id, found.user.id, found.subscription_state, found.user.email)

    def _change_members(self, group_id: str, kind: str, add: Sequence[str], remove: Sequence[str]) -> None:
        body = {"add_ids": list(add), "remove_ids": list(remove)}
        self._transport.write("PATCH", self._path("access_groups", group_id, kind), body)

    def _remove(self, *segments: str) -> None:
        """What is gone already is removed."""
        with suppress(NotFoundError):
            self._transport.write("DELETE", self._path(*segments))


def _without_empty(**fields: str | None) -> dict[str, str]:
    """Optional fields that have a value: Salto refuses an empty text where it takes none at all."""
    return {name: value for name, value in fields.items() if value}


def _schedule_body(schedule: AccessSchedule) -> dict[str, bool | str]:
    return {
        **dict(zip(WEEKDAYS, schedule.days, strict=True)),
        "start_time": schedule.start_time,
        "end_time": schedule.end_time,
        "start_date": schedule.start_date,
        "end_date": schedule.end_date,
    }


def _change_body(change: UserChange) -> dict[str, str | bool | None]:
    fields = {
        "tag_id": change.tag_id,
        "alias": change.alias,
        "email": change.email,
        "toggle_manual_office_mode": change.office_mode,
    }
    body = {name: value for name, value in fields.items() if value is not LEAVE_OUT}
    if not body:
        raise ValueError("a change of nothing")
    return body
