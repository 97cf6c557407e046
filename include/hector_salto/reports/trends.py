"""The pictures of one integration: seats ahead, runs, problems, use of doors, and how long a door takes to open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import pandas as pd

from hector_salto.access.seats import SeatUse, forecast
from hector_salto.ledger import trends
from hector_salto.reports.charts import Chart, Series, figure
from hector_salto.reports.clock import midnight
from hector_salto.reports.text import WHO, many

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from hector_salto.ledger.ledger import Ledger
    from hector_salto.ledger.trends import RunsOfDay

BACK, AHEAD = 28, 7  # days
STATES = {"green": "solid", "red": "hatch", "running": "dots", trends.PLAN_ONLY: "outline"}
LOOKS = dict(zip(WHO, ("solid", "hatch", "dots"), strict=True))
WAITED = ("up to 5 min", "up to 15 min", "up to 1 h", "up to 6 h", "up to 1 day", "longer")
MEASURED = (
    "Measured from the run that first saw that a reservation should open its door, until its first user was put into its "
    "access group. The ledger does not hold when it was booked in Hector, so the time before that run is not in it."
)
QUICK = 3  # classes within an hour


@dataclass(frozen=True)
class Horizon:
    """How far ahead a sync looks, and who holds a seat."""

    days: int
    provision: Literal["all", "with_reservations"]


def build_trends(kept: Ledger, name: str, horizon: Horizon, zone: ZoneInfo, now: datetime) -> list[Chart]:
    """Return all pictures; ``zone``: on whose days they are drawn."""
    past, booked = midnights(now, zone, -BACK + 1, 1), midnights(now, zone, -BACK + 1, AHEAD + 1)
    runs = trends.runs_by_day(kept, name, past)
    return [
        seats_chart(kept, name, horizon, zone, now),
        *runs_charts(runs, past),
        problems_chart(trends.problems_by_day(kept, name, past), past),
        hours_chart(trends.hours_by_day(kept, name, booked), booked),
        waits_chart(trends.waits_for_doors(kept, name, past[0].astimezone(UTC))),
    ]


def midnights(now: datetime, zone: ZoneInfo, first: int, last: int) -> list[datetime]:
    """Return the midnights from so many days after today to so many, on a zone's wall clock."""
    today = now.astimezone(zone).date()
    return [midnight(today + timedelta(days=ahead), zone) for ahead in range(first, last + 1)]


def seats_chart(kept: Ledger, name: str, horizon: Horizon, zone: ZoneInfo, now: datetime) -> Chart:
    """Draw the seats needed on each day of the horizon: the report's own forecast, from what the ledger knows."""
    facts = trends.seat_facts(kept, name)
    days = max(horizon.days, AHEAD)
    ahead = midnights(now, zone, 0, days + 1)
    found = trends.users_booked(kept, name, ahead[0], ahead[-1])
    windows = pd.DataFrame(found, columns=["user_id", "window_start", "window_end"])
    moments = {one: pd.to_datetime(windows[one], utc=True) for one in ("window_start", "window_end")}
    use = SeatUse(facts.allowed, facts.others, facts.everybody)
    seats = forecast(
        windows.assign(**moments), use, provision=horizon.provision, days=days, zone=str(zone), as_of=pd.Timestamp(now)
    )
    needed = [int(count) for count in seats["needed"]]
    labels = _labels(ahead)
    known = facts.read_at is not None
    return Chart(
        key="seats",
        title="Seats needed each day",
        says=_seats_sentence(labels, needed, facts.allowed) if known else "No sync has read the site's seats yet.",
        unit="seats",
        heading="day",
        columns=labels,
        series=(Series("seats needed", "solid", tuple(needed) if known else (None,) * len(needed)),),
        limit=facts.allowed,
        limit_name="the subscription",
    )


def _seats_sentence(days: Sequence[str], needed: Sequence[int], allowed: int | None) -> str:
    most = max(needed)
    if allowed is None:
        return f"The subscription has no limit, or none was read; at most {many(most, 'seat')} are needed on a day until {days[-1]}."
    short = [(day, count - allowed) for day, count in zip(days, needed, strict=True) if count > allowed]
    if short:
        day, lacking = short[0]
        return f"{many(lacking, 'seat')} short on {day}; the seats do not suffice on {many(len(short), 'day')} until {days[-1]}."
    return f"The seats suffice on every day until {days[-1]}: at most {most:,} of {allowed:,} are needed."


def runs_charts(runs: Iterable[RunsOfDay], days: Sequence[datetime]) -> list[Chart]:
    """Draw the runs of each day by state, how long they took, and what they planned."""
    runs, labels = list(runs), _labels(days)
    counts = {(one.day, one.state): one.runs for one in runs}
    total, red = sum(one.runs for one in runs), sum(one.runs for one in runs if one.state == "red")
    seconds, planned, number = _by_day(runs, "seconds"), _by_day(runs, "operations"), _by_day(runs, "runs")
    mean = tuple(seconds[day] / number[day] if day in number else None for day in range(len(labels)))
    operations = tuple(planned.get(day, 0) for day in range(len(labels)))
    longest = max((value for value in mean if value is not None), default=0)
    return [
        Chart("runs", "Runs each day, by state", _runs_sentence(total, red), "runs", "day", labels, tuple(
            Series(state, look, tuple(counts.get((day, state), 0) for day in range(len(labels))))
            for state, look in STATES.items()
        )),
        Chart("duration", "Mean duration of a run", f"A run took {figure(longest)} seconds at most, as the mean of a day."
              if longest else f"No run of the last {BACK} days has noted how long it took.",
              "seconds", "day", labels, (Series("seconds", "solid", mean),)),
        Chart("operations", "Operations planned each day", f"{many(int(sum(operations)), 'operation')} planned in {BACK} days."
              if any(operations) else f"No run of the last {BACK} days has planned an operation.",
              "operations", "day", labels, (Series("operations", "solid", operations),)),
    ]  # fmt: skip


def _runs_sentence(total: int, red: int) -> str:
    if not total:
        return f"No run began in the last {BACK} days."
    return f"{many(total, 'run')} in {BACK} days, {red:,} of them red."


def _by_day(runs: Iterable[RunsOfDay], name: str) -> dict[int, float]:
    found: dict[int, float] = {}
    for one in runs:
        found[one.day] = found.get(one.day, 0) + getattr(one, name)
    return found


def problems_chart(found: dict[tuple[int, str], int], days: Sequence[datetime]) -> Chart:
    """Draw what was open at the last sync of each day, by who must act."""
    labels, looked = _labels(days), {day for day, _ in found}
    last = max(looked, default=0)
    now = sum(count for (day, _), count in found.items() if day == last)
    says = (
        f"{many(now, 'problem')} open at the last sync of {labels[last]}."
        if looked
        else f"No sync of the last {BACK} days has made a plan."
    )
    series = tuple(
        Series(
            name[:1].upper() + name[1:],
            LOOKS[who],
            tuple(found.get((day, who), 0) if day in looked else None for day in range(len(labels))),
        )
        for who, name in WHO.items()
    )
    return Chart("problems", "Problems open, by who must act", says, "problems", "day", labels, series)


def hours_chart(found: dict[int, float], days: Sequence[datetime]) -> Chart:
    """Draw how long doors are booked, on the day a reservation begins: past days and the next week."""
    labels = _labels(days)
    hours = tuple(round(found.get(day, 0), 1) for day in range(len(labels)))
    past, ahead = hours[:BACK], hours[BACK:]
    says = f"{figure(sum(past))} hours booked in the last {BACK} days, {figure(sum(ahead))} in the next {AHEAD}."
    series = (
        Series("until today", "solid", past + (0,) * len(ahead)),
        Series("ahead", "outline", (0,) * len(past) + ahead),
    )
    empty = f"No reservation of these days opens a door, from {labels[0]} to {labels[-1]}."
    return Chart(
        "use", "Hours that doors are booked each day", says if any(hours) else empty, "hours", "day", labels, series
    )


def waits_chart(counts: Sequence[int]) -> Chart:
    """Draw how long reservations waited for their door."""
    total, quick = sum(counts), sum(counts[:QUICK])
    says = f"{quick:,} of {many(total, 'reservation')} had their door within an hour of being first seen."
    empty = f"No reservation that was first seen in the last {BACK} days has had a door prepared."
    series = (Series("reservations", "solid", tuple(counts)),)
    title = "From booking to open door"
    return Chart("waits", title, says if total else empty, "reservations", "wait", WAITED, series, note=MEASURED)


def _labels(days: Sequence[datetime]) -> tuple[str, ...]:
    return tuple(f"{day:%a %d %b}" for day in days[:-1])
