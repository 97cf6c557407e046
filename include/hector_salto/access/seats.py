"""How many seats the site will need on each day of the horizon, against what the subscription allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas
from hector_salto.access.problems import problems
from hector_salto.access.windows import find_zone

if TYPE_CHECKING:
    from typing import Literal

WARN_PERCENT = 80


@dataclass(frozen=True)
class SeatUse:
    """Seats now.

    allowed: by the subscription, None: no limit; others: subscribed users of the site that the sync does not manage;
    everybody: people whom the sync keeps subscribed whether or not they have booked (0 for ``with_reservations``).
    """

    allowed: int | None
    others: int
    everybody: int


def forecast(  # noqa: PLR0913 - what a forecast depends on, each named
    timetable: pd.DataFrame,
    use: SeatUse,
    *,
    provision: Literal["all", "with_reservations"],
    days: int,
    zone: str,
    as_of: pd.Timestamp,
) -> pd.DataFrame:
    """Seats needed on each day of the horizon (SEATS).

    Args:
        timetable: user_id, window_start, window_end of everything that should be open (``Plan.timetable``).
        use: seats now.
        provision: who holds a seat: everybody of Hector, or those with a reservation in the horizon.
        days: of the horizon.
        zone: the site's.
        as_of: aware.
    """
    zone = find_zone(zone) or "UTC"
    today = as_of.tz_convert(zone).normalize()
    rows = []
    for ahead in range(days + 1):
        begin = (today + pd.DateOffset(days=ahead)).tz_convert("UTC")
        end = (today + pd.DateOffset(days=ahead + 1)).tz_convert("UTC")
        on_day = (timetable["window_start"] < end) & (timetable["window_end"] > begin)
        # A user with a reservation still ahead keeps the seat until it is over; only known reservations count.
        still = timetable["window_end"] > begin
        holding = timetable.loc[still, "user_id"].nunique() if provision == "with_reservations" else use.everybody
        booked = int(timetable.loc[on_day, "user_id"].nunique())
        day = f"{begin.tz_convert(zone):%Y-%m-%d}"
        rows.append({"day": day, "booked": booked, "needed": use.others + int(holding), "allowed": use.allowed})
    table = pd.DataFrame(rows).astype({"allowed": "Int64"})
    return schemas.validate(schemas.SEATS, table)


def seat_problems(seats: pd.DataFrame) -> pd.DataFrame:
    """A problem for the first day on which the seats do not suffice, else for the first that needs over 80 % of them."""
    limited = seats[seats["allowed"].notna()]
    short = limited[limited["needed"] > limited["allowed"]]
    if len(short):
        return problems("seats_short", short.head(1))
    close = limited[limited["needed"] * 100 >= limited["allowed"] * WARN_PERCENT]
    return problems("seats_close", close.head(1))
