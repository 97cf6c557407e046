"""What hands have made in the campus's Salto, and what an earlier life of the integration left there."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from sandbox.campus_rooms import House
    from sandbox.salto_state import SaltoState

GRACE = dt.timedelta(minutes=15)
MINUTE = dt.timedelta(minutes=1)


def hand_made_groups(salto: SaltoState, house: House, now: dt.datetime) -> None:
    cleaning = [
        salto.members[m].person_id for m in salto.members if (salto.members[m].alias or "").startswith("cleaning")
    ]
    evenings = salto.add_group("Cleaning", users=cleaning, locks=house.locks.values())
    salto.add_schedule(evenings, "20:00", "22:30", days=range(5))
    staff = salto.add_group("Hector_Staff", users=cleaning[:1], locks=[house.locks["Green Room"]])
    salto.add_schedule(staff, "07:00", "19:00", days=range(5))
    yesterday = now.astimezone(ZoneInfo(salto.site.time_zone)).replace(hour=10, minute=0, second=0, microsecond=0)
    yesterday -= dt.timedelta(days=1)
    window = (yesterday, yesterday + dt.timedelta(hours=2))
    group_of(salto, "Hector_9001", window, users=cleaning[:1], locks=[house.locks["Music Library"]])


def group_of(
    salto: SaltoState, name: str, booking: tuple[dt.datetime, dt.datetime], *, users: list[str], locks: list[str]
) -> str:
    """A group as the integration makes it for one booking, with the usual fifteen minutes on both sides."""
    zone = ZoneInfo(salto.iqs[salto.locks[locks[0]].iq_id].time_zone or salto.site.time_zone)
    begin, end = ((booking[0] - GRACE).astimezone(zone), (booking[1] + GRACE).astimezone(zone))
    group = salto.add_group(name, users=users, locks=locks)
    last = end - MINUTE
    days = {(begin + dt.timedelta(days=n)).weekday() for n in range(min((last.date() - begin.date()).days, 6) + 1)}
    one_day = begin.date() == last.date()
    salto.add_schedule(
        group,
        f"{begin:%H:%M}" if one_day else "00:00",
        f"{last:%H:%M}" if one_day else "23:59",
        days=days,
        start_date=f"{begin:%Y-%m-%dT%H:%M:00}",
        end_date=f"{last:%Y-%m-%dT%H:%M:59}",
    )
    return group
