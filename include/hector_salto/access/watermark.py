"""Which changes in Hector are news: what a light watch has not seen yet (hector_api.md, ``updated_since``).

A change says only that a sync of its reservation is due; deletions do not show. What Hector stamps with one second may
show in the next, so each question reaches back a little, and what was seen then is not news.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from hector_salto.access.read_cache import FEW

if TYPE_CHECKING:
    from collections.abc import Mapping

OVERLAP = pd.Timedelta(minutes=2)
SKEW = pd.Timedelta(hours=1)  # no Hector's clock is further behind ours
BACK = pd.Timedelta(days=32)  # a window is at most 31 days long: what began before is over
AHEAD = pd.Timedelta(days=400)  # a booking that moves far away leaves a window behind


@dataclass(frozen=True)
class Watermark:
    """How far changes were seen.

    since: the latest change, aware UTC; seen: reservation id and instant of the changes at most OVERLAP older.
    """

    since: pd.Timestamp
    seen: frozenset[tuple[str, str]] = frozenset()

    @property
    def query_start(self) -> pd.Timestamp:
        """Changes from this instant on are asked for."""
        return self.since - OVERLAP

    def as_json(self) -> dict[str, Any]:
        return {"since": self.since.isoformat(), "seen": sorted(list(one) for one in self.seen)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Watermark:
        seen = frozenset((str(reservation_id), str(at)) for reservation_id, at in value["seen"])
        return cls(pd.Timestamp(value["since"]), seen)


@dataclass(frozen=True)
class News:
    """What is due: these references; empty with ``everything``: so many that a sync of all is."""

    references: tuple[str, ...]
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.references)


def news(changed: pd.DataFrame, mark: Watermark, now: pd.Timestamp) -> tuple[News, Watermark]:
    """What is due, and how far changes are seen then.

    A stamp of the future moves no mark, or nothing would be news until then; a mark does not stay behind for long, or each
    question would show again what changed at once with many others.

    Args:
        changed: CHANGED_RESERVATIONS, changes from ``mark.query_start`` on.
        now: aware; when it was asked.
    """
    instants = [pd.Timestamp(at) for at in changed["updated_at"]]
    stamps = [(str(one), at.isoformat()) for one, at in zip(changed["reservation_id"], instants, strict=True)]
    new = changed[pd.Series([stamp not in mark.seen for stamp in stamps], index=changed.index, dtype="bool")]
    latest = max([mark.since, now - SKEW, *(at for at in instants if at <= now)])
    kept = frozenset(stamp for stamp, at in zip(stamps, instants, strict=True) if at >= latest - OVERLAP)
    references = tuple(sorted(set(new["reference"])))
    blank = any(not reference.strip() for reference in references)
    found = News((), everything=True) if len(references) > FEW or blank else News(references)
    return found, Watermark(latest, kept)
