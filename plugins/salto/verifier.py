"""Reads whether what was sent is in place, although its reply was lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from hector_salto.access.operations import GROUP, KINDS
from hector_salto.access.schemas import WEEKDAYS
from hector_salto.access.texts import comparable
from hector_salto.access.windows import SCHEDULE_COLUMNS, same_schedule
from salto.models import CreatedUser

if TYPE_CHECKING:
    from collections.abc import Callable

    from hector_salto.access.dependencies import Operation
    from salto.client import SaltoReader
    from salto.created_ids import CreatedIds

SUBSCRIBED = "subscribed"
CLOCK_LENGTH, MINUTE_LENGTH = len("10:15"), len("2026-01-14T10:15")


def target_state(operation: Operation) -> dict[str, Any]:
    """What the operation brings about, as the plan wrote it."""
    after = operation["after"]
    return dict(json.loads(str(after))) if after is not None else {}


class Verifier:
    """Compares Salto with what an operation meant.

    :param reader: reads the site.
    :param fingerprint: stands in for tag numbers.
    :param made: what the run has made; a user found after a lost reply is added to it.
    """

    def __init__(self, reader: SaltoReader, fingerprint: Callable[[str | None], str | None], made: CreatedIds) -> None:
        self._reader = reader
        self._fingerprint = fingerprint
        self._created_ids = made

    def is_applied(self, batch: list[Operation]) -> bool:
        """Read whether what was sent is in place, although its reply was lost."""
        first = batch[0]
        kind = str(first["kind"])
        if kind in {"member_add", "member_remove"}:
            there = set(self._reader.group_users(self._created_ids.group_id(first))["platform_user_id"])
            meant = {self._created_ids.platform_user_id(operation) for operation in batch}
            return meant <= there if kind == "member_add" else not meant & there
        if kind in {"lock_add", "lock_remove"}:
            there = set(self._reader.group_locks(self._created_ids.group_id(first))["lock_id"])
            meant = {str(operation["lock_id"]) for operation in batch}
            return meant <= there if kind == "lock_add" else not meant & there
        if kind == "schedule_change":
            return self.has_schedule(str(first["group_id"]), first)
        if kind == "user_create":
            return self._find_created_user(first)
        if KINDS[kind].subject == GROUP:
            return False
        return self._is_user_as_intended(first)

    def _find_created_user(self, operation: Operation) -> bool:
        person = target_state(operation)
        found = self._reader.users_of_email(person["email"], self._fingerprint)
        found = found[found["alias"].eq(person["alias"])]
        if len(found) != 1:
            return False
        row = found.iloc[0]
        state = str(row["subscription_state"])
        self._created_ids.users[str(operation["user_id"])] = CreatedUser(
            row["site_user_id"], row["platform_user_id"], state
        )
        return True

    def _is_user_as_intended(self, operation: Operation) -> bool:
        row = self._reader.user(self._created_ids.site_user_id(operation), self._fingerprint).iloc[0]
        kind, after = str(operation["kind"]), target_state(operation)
        checks: dict[str, Callable[[], bool]] = {
            "office_on": lambda: bool(row["office_mode"]),
            "office_off": lambda: not row["office_mode"],
            "user_subscribe": lambda: row["subscription_state"] == SUBSCRIBED,
            "user_suspend": lambda: row["subscription_state"] != SUBSCRIBED,
            "user_adopt": lambda: row["alias"] == after["alias"],
            "user_email": lambda: comparable(str(row["email"])) == comparable(after["email"]),
            "tag_off": lambda: bool(pd.isna(row["tag"])),
            "tag_on": lambda: self._holds_tag(operation),
        }
        return checks[kind]()

    def _holds_tag(self, operation: Operation) -> bool:
        tags = self._reader.tags(self._fingerprint)
        held = tags[tags["tag_id"].eq(str(operation["tag_id"]))]
        return bool(held["site_user_id"].eq(self._created_ids.site_user_id(operation)).any())

    def has_schedule(self, group_id: str, operation: Operation) -> bool:
        found, meant = self._reader.schedule_rows(group_id), target_state(operation)
        self._created_ids.schedules[group_id] = found
        return len(found) == 1 and (_is_same_text(meant, found[0]) or _is_same_schedule(meant, found[0]))


def _is_same_text(meant: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether a schedule came back as it was sent, but for seconds: the same, at a thousandth of the cost of two tables."""
    days = all(meant[day] == found[day] for day in WEEKDAYS)
    times = all(meant[name][:CLOCK_LENGTH] == found[name][:CLOCK_LENGTH] for name in ("start_time", "end_time"))
    return (
        days
        and times
        and all(_to_minute(meant[name]) == _to_minute(found[name]) for name in ("start_date", "end_date"))
    )


def _to_minute(date: str | None) -> str | None:
    """Date and time to the minute; anything else is left for ``_means`` to read."""
    return date[:MINUTE_LENGTH] if date is not None and len(date) > MINUTE_LENGTH else None


def _is_same_schedule(meant: dict[str, Any], found: dict[str, Any]) -> bool:
    columns = list(SCHEDULE_COLUMNS)
    return bool(same_schedule(pd.DataFrame([meant])[columns], pd.DataFrame([found])[columns]).all())
