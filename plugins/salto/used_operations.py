"""Every operation of the API that the clients use, with the fields they send and read: what a published document is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hector_salto.access.schemas import WEEKDAYS
from salto import payloads
from salto.versions import version_of

if TYPE_CHECKING:
    from pydantic import BaseModel

SCHEDULE = (*WEEKDAYS, "start_time", "end_time", "start_date", "end_date")
MEMBERS = ("add_ids", "remove_ids")


@dataclass(frozen=True, slots=True)
class UsedOperation:
    """One operation.

    Attributes:
        method: of HTTP.
        path: below a site, ids as {}.
        reads: the answer, or each item of a list.
        sends: names of the body's fields.
    """

    method: str
    path: str
    reads: type[BaseModel] | None = None
    sends: tuple[str, ...] = ()

    def address(self, version: str) -> str:
        """Return the whole path, in the version that this operation has."""
        return f"/{version_of(version, *self.path.split('/'))}/sites/{{}}{self.path}"


USER_FIELDS = ("email", "alias", "toggle_manual_office_mode")
USED_OPERATIONS = (
    UsedOperation("GET", "", payloads.SitePayload),
    UsedOperation("GET", "/me", payloads.SiteUser),
    UsedOperation("GET", "/roles", payloads.Role),
    UsedOperation("GET", "/users", payloads.SiteUser),
    UsedOperation("POST", "/users", payloads.SiteUser, ("first_name", "last_name", "role_ids", *USER_FIELDS)),
    UsedOperation("POST", "/users/existing", payloads.SiteUser, ("id", "role_ids", *USER_FIELDS[1:])),
    UsedOperation("GET", "/users/{}", payloads.SiteUser),
    UsedOperation("PATCH", "/users/{}", payloads.SiteUser, ("tag_id", *USER_FIELDS)),
    UsedOperation("DELETE", "/users/{}"),
    UsedOperation("PATCH", "/users/{}/subscription", sends=("state",)),
    UsedOperation("GET", "/users/{}/access_groups"),
    UsedOperation("GET", "/tags", payloads.Tag),
    UsedOperation("GET", "/tags/{}", payloads.Tag),
    UsedOperation("GET", "/locks", payloads.Lock),
    UsedOperation("GET", "/iqs", payloads.Iq),
    UsedOperation("GET", "/access_groups", payloads.AccessGroup),
    UsedOperation("POST", "/access_groups", sends=("customer_reference",)),
    UsedOperation("GET", "/access_groups/{}", payloads.NamedGroup),
    UsedOperation("DELETE", "/access_groups/{}"),
    UsedOperation("GET", "/access_groups/{}/users", payloads.SaltoRecord),
    UsedOperation("PATCH", "/access_groups/{}/users", sends=MEMBERS),
    UsedOperation("GET", "/access_groups/{}/locks", payloads.SaltoRecord),
    UsedOperation("PATCH", "/access_groups/{}/locks", sends=MEMBERS),
    UsedOperation("GET", "/access_groups/{}/time_schedules", payloads.TimeSchedule),
    UsedOperation("POST", "/access_groups/{}/time_schedules", payloads.SaltoRecord, SCHEDULE),
    UsedOperation("PATCH", "/access_groups/{}/time_schedules/{}", payloads.SaltoRecord, SCHEDULE),
    UsedOperation("DELETE", "/access_groups/{}/time_schedules/{}"),
    UsedOperation("GET", "/entries"),
)
