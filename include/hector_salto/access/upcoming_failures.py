"""Will the door open? What would keep a reservation's door shut within the next day is a problem now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.access_check import GROUP, chains, first_broken_links, wall_time
from hector_salto.access.problems import problems
from hector_salto.access.reservations import ACCESS

if TYPE_CHECKING:
    from hector_salto.access.snapshot import Snapshot

AHEAD = pd.Timedelta(hours=24)


def risks(seen: Snapshot, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Reservations of the next 24 hours whose door would stay shut for one of their users.

    Args:
        seen: read after everything was applied.
        as_of: aware; windows that end after it and begin within AHEAD of it are looked at.

    Returns:
        PROBLEMS of the kinds ``risk_<link>``, one a reservation and cause; the subject is what must be mended: a lock, a
        person, or the reservation itself. What Hector's side says no to is no risk: it is decided, and reported.
    """
    booked = seen.reservations
    soon = booked["decision"].eq(ACCESS) & (booked["window_end"] > as_of) & (booked["window_start"] < as_of + AHEAD)
    broken = first_broken_links(chains(seen, booked[soon], now=as_of))
    found = [
        problems(f"risk_{link}", _rows_to_report(rows, seen))
        for link, rows in broken.groupby("link", sort=True)
        if str(link) in _SALTO_SIDE
    ]
    return pd.concat([schemas.frame(schemas.PROBLEMS, []), *found], ignore_index=True)


_SALTO_SIDE = frozenset({GROUP, "schedule", "door", "member", "seat", "tag", "lock"})


def _rows_to_report(rows: pd.DataFrame, seen: Snapshot) -> pd.DataFrame:
    """Return one row a reservation and cause, with the time its window begins on the wall clock of its door."""
    starts = seen.reservations.drop_duplicates("reference").set_index("reference")["window_start"]
    zones = seen.locks.drop_duplicates("name").set_index("name")["zone"]
    usual = next(iter(seen.locks["zone"].dropna().mode()), None)  # of a lock whose zone is not known
    begin, zone = rows["reference"].map(starts), rows["lock_name"].map(zones).fillna(usual)
    when = [wall_time(instant, name) for instant, name in zip(begin, zone, strict=True)]
    return rows.assign(when=pd.Series(when, index=rows.index, dtype="str")).drop_duplicates(["reference", "words"])
