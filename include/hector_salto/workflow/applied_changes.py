"""What a run's application has sent, or may have, and what it made: what has to be read again after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hector_salto.access import schemas
from hector_salto.access.results import HELD, NOT_SENT
from salto.site_state import AppliedChanges

if TYPE_CHECKING:
    from hector_salto.workflow.run_folder import RunFolder
    from salto.created_ids import CreatedIds


def keep_made(folder: RunFolder, made: CreatedIds) -> None:
    """The ids of what an application made, and the windows of its groups as they read back."""
    users = {user_id: user.site_user_id for user_id, user in made.users.items()}
    folder.write_json("made", {"groups": made.groups, "users": users})
    ids = set(made.groups.values())
    windows = [row for group_id, rows in made.schedules.items() if group_id in ids for row in rows]
    folder.write("made_schedules", schemas.frame(schemas.SALTO_SCHEDULES, windows))


def read_applied(folder: RunFolder) -> AppliedChanges:
    """What ``apply`` has sent, or may have: all but what its outcomes say was not."""
    operations = folder.read("operations", schemas.OPERATIONS)
    outcomes = folder.read("outcomes", schemas.OUTCOMES)
    unsent = outcomes.loc[outcomes["state"].isin([NOT_SENT, HELD]), "key"]
    made = folder.read_json("made") or {"groups": {}, "users": {}}
    schedules = (
        folder.read("made_schedules", schemas.SALTO_SCHEDULES)
        if folder.has("made_schedules")
        else schemas.frame(schemas.SALTO_SCHEDULES, [])
    )
    return AppliedChanges(
        operations=operations[~operations["key"].isin(unsent)].reset_index(drop=True),
        groups=made["groups"],
        users=made["users"],
        schedules=schedules,
    )
