"""Whether two time zones mean the same clock, whatever they are called."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd

from hector_salto.access.problems import problems
from hector_salto.access.windows import find_zone

WEEKS = 53


def same_clock(one: str, other: str, as_of: pd.Timestamp) -> bool:
    """Return whether the clocks of two known zones show the same in each week of the year to come."""
    moments = [(as_of + pd.Timedelta(weeks=week)).to_pydatetime() for week in range(WEEKS)]
    return all(
        moment.astimezone(ZoneInfo(one)).utcoffset() == moment.astimezone(ZoneInfo(other)).utcoffset()
        for moment in moments
    )


def timezone_problems(timezone: str, zones: pd.Series, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return a problem when the clock of an integration's schedule is that of none of the site's locks.

    Args:
        timezone: of the integration file.
        zones: of the locks; unknown ones are not compared.
        as_of: aware.
    """
    known = sorted({zone for zone in map(find_zone, zones.dropna()) if zone})
    mine = find_zone(timezone)
    if mine is None or not known or any(same_clock(mine, zone, as_of) for zone in known):
        return problems("timezone_differs", pd.DataFrame())
    return problems("timezone_differs", pd.DataFrame([{"timezone": timezone, "zones": ", ".join(known)}]))
