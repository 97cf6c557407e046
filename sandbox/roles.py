"""The roles of a Salto KS site, with the ids that were seen identical on every site."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """One role; ``rank`` orders the hierarchical ones: nobody edits a user of a higher rank."""

    code: str
    id: str
    name: str
    rank: int
    parent_id: str | None = None
    hierarchical: bool = True
    assignable: bool = True

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "customer_reference": self.name,
            "code": self.code,
            "parent_id": self.parent_id,
            "is_hierarchical": self.hierarchical,
        }


def _made_up(code: str) -> str:
    # Only five ids are known from outside; the others are ours and must be looked up by code like all of them.
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{code}.role.sandbox"))


SUPER_USER_ID = "76f7e578-80fb-11e8-a892-000d3a221c5b"
ADMIN_ID = "7d53b0b3-3ef7-11e8-9f1c-0050568d6e36"
USER_ID = "8f6081a3-80fb-11e8-a892-000d3a221c5b"
OWNER_ID = _made_up("site_owner")

ROLES: dict[str, Role] = {
    role.code: role
    for role in (
        Role("site_owner", OWNER_ID, "Site Owner", 4, assignable=False),
        Role("site_admin", ADMIN_ID, "Site Admin", 3, OWNER_ID),
        Role("site_super_user", SUPER_USER_ID, "Site Super User", 2, ADMIN_ID),
        Role("site_user", USER_ID, "Site User", 1, SUPER_USER_ID),
        Role("site_guest", _made_up("site_guest"), "Site Guest", 0, USER_ID, assignable=False),
        Role(
            "site_pod_member",
            "1243f463-1033-11ea-ac2c-000d3a46a880",
            "Site Pod Member",
            0,
            USER_ID,
            assignable=False,
        ),
        Role("site_mobile_user", "9df437bb-80fb-11e8-a892-000d3a221c5b", "Mobile User", 0, hierarchical=False),
        Role(
            "site_remote_office_mode_user",
            "58ebcde4-d01d-11eb-b9e0-000d3a46a880",
            "Remote Office Mode User",
            0,
            hierarchical=False,
        ),
    )
}
BY_ID = {role.id: role for role in ROLES.values()}


def rank_of(codes: list[str]) -> int:
    return max((ROLES[code].rank for code in codes if code in ROLES), default=0)
