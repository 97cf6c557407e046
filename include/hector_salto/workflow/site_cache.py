"""Salto as the last run of an integration left it, so that an everyday run reads only what can have changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.current import Current, Groups
from hector_salto.access.read_cache import Remembered
from hector_salto.workflow.recorder import Book
from hector_salto.workflow.run_folder import RunFolder, base

if TYPE_CHECKING:
    from datetime import datetime

LOG = logging.getLogger(__name__)
UNREADABLE = (schemas.SchemaError, OSError, ValueError, KeyError, TypeError)
_CURRENT = {
    "users": schemas.SALTO_USERS,
    "tags": schemas.SALTO_TAGS,
    "locks": schemas.SALTO_LOCKS,
    "groups": schemas.SALTO_GROUPS,
    "group_users": schemas.SALTO_GROUP_USERS,
    "group_locks": schemas.SALTO_GROUP_LOCKS,
    "schedules": schemas.SALTO_SCHEDULES,
    "user_groups": schemas.SALTO_USER_GROUPS,
}
_FACTS = ("site_name", "site_id", "site_zone", "seats", "seats_used", "own_platform_user_id", "owner_platform_user_id")


def keep_current(
    folder: RunFolder, current: Current, matches: pd.DataFrame, read_at: datetime, again_at: datetime | None = None
) -> None:
    """Salto as it was read: part of the run's tables, what the report needs, and what the next run need not read again.

    Args:
        read_at: when reading began that which was read first.
        again_at: when what the run has sent was read again; None: it was not.
    """
    tables = {
        "users": current.users,
        "tags": current.tags,
        "locks": current.locks,
        "group_users": current.groups.users,
        "group_locks": current.groups.locks,
        "schedules": current.groups.schedules,
        "groups": current.groups.groups,
        "user_groups": current.user_groups,
    }
    for name, table in tables.items():
        folder.write(f"current_{name}", table)
    folder.write("current_matches", matches)
    verified_at = None if current.verified_at is None else current.verified_at.isoformat()
    facts = {name: getattr(current, name) for name in _FACTS}
    moments = {"verified_at": verified_at, "read_at": read_at.isoformat(), "again": again_at is not None}
    folder.write_json("current", facts | moments)


def current_of(folder: RunFolder) -> tuple[Current, pd.DataFrame]:
    """What ``keep_current`` kept."""
    read = {name: folder.read(f"current_{name}", schema) for name, schema in _CURRENT.items()}
    facts: dict[str, Any] = folder.read_json("current") or {}
    groups = Groups(read["groups"], read["group_users"], read["group_locks"], read["schedules"])
    verified_at = None if facts.get("verified_at") is None else pd.Timestamp(facts["verified_at"])
    current = Current(
        **{name: facts[name] for name in _FACTS},
        users=read["users"],
        tags=read["tags"],
        locks=read["locks"],
        groups=groups,
        verified_at=verified_at,
        user_groups=read["user_groups"],
    )
    return current, folder.read("current_matches")


def site_id_of(folder: RunFolder) -> str | None:
    """UUID of the site that the run's plan is about."""
    return (folder.read_json("current") or {}).get("site_id") or None


def read_at_of(folder: RunFolder) -> pd.Timestamp:
    """When the run began to read Salto."""
    return pd.Timestamp((folder.read_json("current") or {})["read_at"])


def load_site_cache(folder: RunFolder, check: str | None) -> Remembered | None:
    """The site as the last sync of this run's integration left it; None: everything has to be read.

    Args:
        folder: of the run that wants to know.
        check: stands for the key of the tags' fingerprints: under another key nothing can be compared. None: no tags
            are.
    """
    book = Book.of(folder)
    look = book.ledger.last_look(book.integration)
    if look is None:
        return None
    last = RunFolder(str(base() / book.integration / look.folder))
    try:
        if check is not None and (last.read_json("fingerprint") or {}).get("check") != check:
            return None
        current, _ = current_of(last)
        again = bool((last.read_json("current") or {}).get("again"))
    except UNREADABLE as error:
        LOG.info("everything is read: what the last run saw is not there any more (%s)", type(error).__name__)
        return None
    if again:
        return Remembered(current, look.groups, look.people)
    # It was kept before the run sent anything: whatever it sent is not in there, whichever clocks dated the two.
    return Remembered(current, look.groups | look.own_groups, look.people or look.own_people)
