"""The memory of the Hector sandbox: rows exactly as the API gives them, so that a test can also spoil them."""

from __future__ import annotations

import datetime as dt
import json
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, Any]
STATES = {
    "pending_approval": "not_started",
    "awaiting_approval": "not_started",
    "new": "not_started",
    "assigned": "not_started",
    "partially_out": "in_progress",
    "out": "in_progress",
    "overdue": "in_progress",
    "to_be_inspected": "in_progress",
    "suspended": "not_started",
}


@dataclass
class HectorState:
    """Everything the Hector sandbox knows; every table maps ids to the row that the API answers with.

    Mutators return ids. Rows are plain JSON objects: ``hector.users[user]["email"] = None`` is a change like any other.
    """

    environment: Row
    counter: int = 0
    users: dict[str, Row] = field(default_factory=dict)
    groups: dict[str, Row] = field(default_factory=dict)
    departments: dict[str, Row] = field(default_factory=dict)
    attributes: dict[str, Row] = field(default_factory=dict)
    places: dict[str, Row] = field(default_factory=dict)
    loaners: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()

    def to_json(self) -> str:
        with self.lock:
            return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> HectorState:
        return cls(**json.loads(text))

    def new_id(self, prefix: str) -> str:
        with self.lock:
            self.counter += 1
            return f"{prefix}_{self.counter}"

    def stamp(self, moment: dt.datetime) -> str:
        """RFC 3339 with the offset of the environment's zone."""
        return moment.astimezone(ZoneInfo(self.environment["time_zone"])).isoformat()

    def add_group(self, name: str, *, official: bool = True, alias_of: str | None = None) -> str:
        source = "hector" if official else "azure"
        return self._add("groups", "g", {"name": name, "source": source, "official": official, "alias_of": alias_of})

    def add_department(self, name: str) -> str:
        return self._add("departments", "d", {"name": name})

    def add_attribute(self, key: str, name: str, *, entity: str = "place", kind: str = "text") -> str:
        return self._add("attributes", "a", {"entity": entity, "key": key, "name": name, "type": kind})

    def add_user(  # noqa: PLR0913 - a test names only what matters to it
        self,
        *,
        email: str | None = None,
        unique_code: str | None = None,
        first_name: str = "Ana",
        last_name: str = "Roy",
        status: str = "active",
        department: str | None = None,
        groups: Iterable[str] = (),
    ) -> str:
        row: Row = {
            "email": email,
            "first_name": first_name,
            "last_name": last_name,
            "unique_code": unique_code,
            "status": status,
            "role": "User",
            "department_id": department,
            "group_ids": list(groups),
            "updated_at": "2026-01-12T14:03:00+00:00",
        }
        return self._add("users", "u", row)

    def add_place(self, name: str, lock: str | None = None, *, kind: str = "place", parent: str | None = None) -> str:
        """A room; with a lock name its attribute has that value, provided the attribute exists."""
        row: Row = {"name": name, "parent_place_id": parent, "kind": kind, "active": True, "attributes": []}
        place = self._add("places", "p", row)
        if lock is not None:
            self.set_lock(place, lock)
        return place

    def set_lock(self, place: str, lock: str | None) -> None:
        """Give a place its lock name, or take it away with None."""
        attribute = next((row for row in self.attributes.values() if row["key"] == "salto_lock_id"), None)
        if attribute is None:
            return
        value = {
            "attribute_id": attribute["id"],
            "key": attribute["key"],
            "name": attribute["name"],
            "value": lock,
        }
        with self.lock:
            others = [v for v in self.places[place]["attributes"] if v["key"] != "salto_lock_id"]
            self.places[place]["attributes"] = others if lock is None else [*others, value]

    def add_loaner(  # noqa: PLR0913 - a booking is these values
        self,
        user: str,
        places: str | Iterable[str],
        start: dt.datetime,
        finish: dt.datetime,
        *,
        status: str = "new",
        reference: str | None = None,
        borrower_type: str = "user",
        participants: Iterable[str] = (),
        assets: int = 0,
        blocking: bool = False,
        recurrence: str | None = None,
        updated_at: dt.datetime | None = None,
    ) -> str:
        """A booking of one place or several, from an aware start to an aware finish."""
        places = [places] if isinstance(places, str) else list(places)
        lines = [{"id": self.new_id("ln"), "type": "place", "place_id": place} for place in places]
        lines += [{"id": self.new_id("ln"), "type": "asset", "asset_id": self.new_id("as")} for _ in range(assets)]
        changed = self.stamp(updated_at or start - dt.timedelta(days=3))
        row: Row = {
            "reference": reference or str(10_000 + self.counter),
            "status": status_json(status),
            "start": self.stamp(start),
            "finish": self.stamp(finish),
            "borrower": {"type": borrower_type, "id": user},
            "participants": [{"type": "user", "id": participant} for participant in participants],
            "recurrence_id": recurrence,
            "blocking": blocking,
            "lines": lines,
            "created_at": changed,
            "updated_at": changed,
        }
        return self._add("loaners", "l", row)

    def set_status(self, loaner: str, status: str, *, at: dt.datetime | None = None) -> None:
        """For instance ``set_status(loaner, "cancelled")``."""
        with self.lock:
            self.loaners[loaner]["status"] = status_json(status)
            self.loaners[loaner]["updated_at"] = self.stamp(at or dt.datetime.now(dt.UTC))

    def move(self, loaner: str, start: dt.datetime, finish: dt.datetime, *, at: dt.datetime | None = None) -> None:
        with self.lock:
            row = self.loaners[loaner]
            row["start"], row["finish"] = self.stamp(start), self.stamp(finish)
            row["updated_at"] = self.stamp(at or dt.datetime.now(dt.UTC))

    def _add(self, table: str, prefix: str, row: Row) -> str:
        with self.lock:
            row_id = self.new_id(prefix)
            getattr(self, table)[row_id] = {"id": row_id, **row}
        return row_id


def status_json(code: str) -> Row:
    return {"code": code, "name": code.replace("_", " ").title(), "state": STATES.get(code, "done")}
