"""What a run has made so far: the ids that its plan could not know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hector_salto.access.dependencies import Operation
    from salto.mapping import Row
    from salto.models import CreatedUser


@dataclass
class CreatedIds:
    """Users by Hector user id, groups by name. An operation without an id concerns one of these.

    schedules: rows of SALTO_SCHEDULES of each group whose window was read back, by its id.
    """

    users: dict[str, CreatedUser] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    schedules: dict[str, list[Row]] = field(default_factory=dict)

    def group_id(self, operation: Operation) -> str:
        known = operation["group_id"]
        return str(known) if known is not None else self.groups[str(operation["group_name"])]

    def site_user_id(self, operation: Operation) -> str:
        known = operation["site_user_id"]
        return str(known) if known is not None else self.users[str(operation["user_id"])].site_user_id

    def platform_user_id(self, operation: Operation) -> str:
        known = operation["platform_user_id"]
        return str(known) if known is not None else self.users[str(operation["user_id"])].platform_user_id
