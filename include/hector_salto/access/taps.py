"""Whose tag was refused at a door: Salto names no user then, only the number, which the client has fingerprinted."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from hector_salto.access.frame_lookup import is_in, lookup

if TYPE_CHECKING:
    import pandas as pd


class TapTag(StrEnum):
    """What is known of a tag that Salto names no user for (salto_connect_api.md, 11.4)."""

    STRANGE = "strange"  # no user's unique code, and no tag of the site
    NOT_ENROLLED = "not_enrolled"  # a user's unique code, but no tag of the site
    FREE = "free"  # a tag of the site that is free, and no user's code
    NOT_ASSIGNED = "not_assigned"  # a user's unique code and a tag of the site, but not on that user


TAP_WORDS = {
    TapTag.STRANGE: "a tag that is no user's unique code in Hector",
    TapTag.NOT_ENROLLED: "a tag that is the user's unique code in Hector, but not enrolled on this site",
    TapTag.FREE: "a tag of this site that is no user's unique code in Hector",
    TapTag.NOT_ASSIGNED: "a tag that is the user's unique code in Hector, but not assigned to their Salto user",
}


def with_tap_tags(events: pd.DataFrame, users: pd.DataFrame, tags: pd.DataFrame) -> pd.DataFrame:
    """Say of each event without a user whose tag it was, and leave the fingerprints out.

    Args:
        events: DOOR_EVENTS with ``tag``, the fingerprint of the number that the lock saw (null: none).
        users: HECTOR_USERS.
        tags: SALTO_TAGS.

    Returns:
        DOOR_EVENTS with ``hector_user_id`` and ``tap_tag`` (TapTag), ``tag`` null.
    """
    nameless = events["platform_user_id"].isna() & events["tag"].notna()
    single = users[users["tag"].notna() & ~users.duplicated("tag", keep=False)]
    owner = lookup(events["tag"], single["tag"], single["user_id"]).where(nameless)
    known, enrolled = owner.notna(), is_in(events["tag"], tags["tag"].dropna())
    what = owner.copy()
    for is_known, is_enrolled, kind in (
        (False, False, TapTag.STRANGE),
        (True, False, TapTag.NOT_ENROLLED),
        (False, True, TapTag.FREE),
        (True, True, TapTag.NOT_ASSIGNED),
    ):
        what = what.mask(nameless & known.eq(is_known) & enrolled.eq(is_enrolled), kind.value)
    return events.assign(hector_user_id=owner, tap_tag=what, tag=None)
