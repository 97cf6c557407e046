"""Which zone the windows of an operation are meant in, where that is not the site's: every window is on its doors' wall clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hector_salto.access.access_check import ZONE_UNKNOWN
from hector_salto.access.windows import is_known_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd


class DoorZones:
    """Zones of access groups, by the doors in them.

    Args:
        doors: group_id, lock_id.
        locks: lock_id, zone.
        operations: of the run: the doors of groups that it makes.
        site: the site's zone; None: not known.
    """

    def __init__(
        self, doors: pd.DataFrame, locks: pd.DataFrame, operations: Iterable[Mapping[Any, Any]], site: str | None
    ) -> None:
        self._site = site
        self._zones: dict[str, object] = dict(locks[["lock_id", "zone"]].itertuples(index=False))
        self._locks: dict[str, list[str]] = {}
        for group, lock in doors[["group_id", "lock_id"]].itertuples(index=False):
            self._locks.setdefault(str(group), []).append(str(lock))
        for one in operations:
            if one["kind"] == "lock_add":
                self._locks.setdefault(_key(one), []).append(str(one["lock_id"]))

    def name_zone(self, words: str, operation: Mapping[Any, Any]) -> str:
        """Return what names a window of an operation, with the zone where a reader cannot take it for the site's."""
        mark = self.of_group(_key(operation)) if "window " in words else ""
        return f"{words} ({mark})" if mark else words

    def of_group(self, group: str) -> str:
        """Return the zone of a group's doors where it is another than the site's, or that it is not known; else nothing."""
        found = [self._zones.get(lock) for lock in self._locks.get(group, ())]
        zones = sorted({zone for zone in found if isinstance(zone, str) and is_known_zone(zone)})
        if not zones:
            return ZONE_UNKNOWN if found else ""
        return "" if zones == [self._site] else ", ".join(zones)


def _key(operation: Mapping[Any, Any]) -> str:
    """Return what a group is known by: its id, or the name of one that is made in this run."""
    return str(operation["group_id"]) if operation["group_id"] is not None else f"new {operation['group_name']}"
