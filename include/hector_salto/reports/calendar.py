"""A span of time on every door as a picture: which bar stands where, in which lane, with which part of it grace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd

from hector_salto.access.texts import comparable, fold_all
from hector_salto.access.windows import is_known_zone
from hector_salto.ledger.reservation_states import LOUD, REFUSED, STATES
from hector_salto.reports.clock import midnight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WEEK, DAY = 7, 1  # days that a picture spans
NO_DOOR = "no lock"
EXPLAINED = (*LOUD, REFUSED)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is shown: doors, people and references that hold ``words`` (empty: all), in these states."""

    words: str = ""
    states: frozenset[str] = frozenset(STATES)


@dataclass(frozen=True, slots=True)
class Bar:
    """One reservation at one door.

    Attributes:
        reference: of it.
        label: when it begins and who has booked it, in short.
        state: one of STATES.
        told: all of it in words.
        lane: from above.
        left: percent of the span.
        width: percent of the span.
        before: percent of the bar that is grace before it.
        after: percent of the bar that is grace after it.
    """

    reference: str
    label: str
    state: str
    told: str
    lane: int
    left: float
    width: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Row:
    """One door (or place without one) with its bars in lanes that do not overlap; ``group``: building or first word."""

    door: str
    note: str
    lanes: int
    bars: tuple[Bar, ...]
    now: float | None = None  # on the door's own wall clock
    group: str = ""


@dataclass(frozen=True, slots=True)
class BarMark:
    """A line in the picture, percent of the span, and what it says."""

    at: float
    label: str


@dataclass(frozen=True)
class Picture:
    """The whole picture; ``now`` None: outside of the span."""

    begin: datetime
    end: datetime
    rows: tuple[Row, ...]
    days: tuple[BarMark, ...]
    hours: tuple[BarMark, ...]
    now: float | None
    counts: dict[str, int]


def span(day: date, days: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Midnight of a day in a zone, and midnight so many days later (clock changes included)."""
    return midnight(day, zone), midnight(day + timedelta(days=days), zone)


def build_week(  # noqa: PLR0913 - a span, what is in it, and what to show of it
    booked: pd.DataFrame, locks: pd.DataFrame, begin: datetime, end: datetime, *, now: datetime, choice: Choice
) -> Picture:
    """Draw a span.

    Args:
        booked: see ``ledger.booked.booked``.
        locks: SEEN_LOCKS.
        begin, end: aware, in the zone to show.
        now: aware.
        choice: what to show.
    """
    names = locks.set_index("lock_id")["name"]
    booked = _on_own_clock(booked, locks, begin, end)
    rows = booked.assign(door=booked["lock_id"].map(names), has_lock=booked["lock_id"].isin(names.index))
    rows["door"] = rows["door"].astype("object").fillna(rows["place_name"]).fillna("(unknown place)").astype("str")
    counts = rows.drop_duplicates("reservation_id")["state"].value_counts()
    sought = comparable(choice.words)
    by_door = fold_all(locks["name"]).fillna("").str.contains(sought, regex=False)
    shown = rows[rows["state"].isin(list(choice.states))]
    if sought:
        here = fold_all(shown["door"]).fillna("").str.contains(sought, regex=False)
        about = fold_all(shown["reference"] + " " + shown["people"]).fillna("").str.contains(sought, regex=False)
        shown = shown[here | about]
    bars = _bars(shown, begin, end)
    chosen = locks[by_door | locks["lock_id"].isin(shown["lock_id"])]
    well = chosen["online"] & chosen["iq_online"]
    odd = well.map({True: "", False: "offline"}) + chosen["privacy_mode"].map({True: " in privacy mode", False: ""})
    odd += chosen["held_open"].map({True: " held open", False: ""})
    apart = zones_of_doors(locks, ZoneInfo(str(begin.tzinfo)))
    notes = [
        ", ".join(filter(None, (there, note.strip())))
        for there, note in zip(map(_zone_note(locks, apart), chosen["lock_id"]), odd, strict=True)
    ]
    doors = dict(zip(chosen["name"], notes, strict=True))
    doors |= dict.fromkeys(sorted(set(shown.loc[~shown["has_lock"], "door"]) - set(doors)), NO_DOOR)
    groups = _groups(doors)
    order = sorted(doors.items(), key=lambda item: (item[1] == NO_DOOR, not groups[item[0]], *_by_name(item)))
    there = _nows(now, locks, (begin, end))
    usual = _percent(now, begin, end) if begin <= now < end else None
    return Picture(
        begin=begin,
        end=end,
        rows=tuple(_row(door, note, bars.get(door, []), there.get(door, usual), groups[door]) for door, note in order),
        days=_days(begin, end),
        hours=_hours(begin, end),
        now=_percent(now, begin, end) if begin <= now < end else None,
        counts={state: int(counts.get(state, 0)) for state in STATES},
    )


def _zone_note(locks: pd.DataFrame, apart: dict[str, str]) -> Callable[[str], str]:
    """Return what says the zone of a lock that is not drawn on its own wall clock, or not on the picture's."""
    known = locks["zone"].map(is_known_zone, na_action="ignore").eq(other=True)
    unknown = set(locks.loc[~known, "lock_id"])
    return lambda lock: "time zone not known" if lock in unknown else apart.get(lock, "")


def zones_of_doors(locks: pd.DataFrame, main: ZoneInfo) -> dict[str, str]:
    """Return the zone of each lock whose wall clock is another than the picture's, by lock id."""
    known = locks[locks["zone"].map(is_known_zone, na_action="ignore").eq(other=True)]
    apart = known[known["zone"].ne(str(main))]
    return dict(zip(apart["lock_id"], apart["zone"], strict=True))


def _on_own_clock(booked: pd.DataFrame, locks: pd.DataFrame, begin: datetime, end: datetime) -> pd.DataFrame:
    """Move what is booked in another zone to where its own wall clock stands in the picture; what is outside then goes."""
    main, moments = begin.tzinfo, ("start", "finish", "window_start", "window_end")
    rows = booked.assign(**{name: booked[name].astype("datetime64[us, UTC]") for name in moments})
    apart = rows["lock_id"].map(zones_of_doors(locks, ZoneInfo(str(main))))
    parts = [rows[apart.isna()]]
    for zone, there in rows[apart.notna()].groupby(apart.dropna()):
        parts.append(there.assign(**{name: _as_if_here(there[name], str(zone), str(main)) for name in moments}))
    moved = pd.concat(parts).loc[rows.index] if len(parts) > 1 else rows
    low, high = pd.Timestamp(begin).tz_convert("UTC"), pd.Timestamp(end).tz_convert("UTC")
    return moved[(moved["window_end"] > low) & (moved["window_start"] < high)]


def _as_if_here(instants: pd.Series, zone: str, main: str) -> pd.Series:
    """Return the instants at which the clocks of ``main`` show what those of ``zone`` show at the given ones."""
    local = instants.dt.tz_convert(zone)
    summer = local.map(lambda one: bool(one.dst())).to_numpy(dtype="bool")
    plain = local.dt.tz_localize(None)
    return pd.Series(plain.dt.tz_localize(main, ambiguous=summer, nonexistent="shift_forward").dt.tz_convert("UTC"))


def _groups(doors: Iterable[str]) -> dict[str, str]:
    """Return the building, or first word, that each door shares with another; empty: it stands alone."""
    first = {door: door.split(maxsplit=1)[0] if len(door.split()) > 1 else "" for door in doors}
    counts = Counter(first.values())
    return {door: word if word and counts[word] > 1 else "" for door, word in first.items()}


def _by_name(item: tuple[str, str]) -> tuple[bool, str]:
    return item[1] == NO_DOOR, item[0].casefold()


def _percent(instant: datetime, begin: datetime, end: datetime) -> float:
    """Of real time: a day with a clock change is an hour shorter or longer."""
    since, whole = (one.astimezone(UTC) - begin.astimezone(UTC) for one in (instant, end))
    return round(100 * (since / whole), 4)


def _bars(rows: pd.DataFrame, begin: datetime, end: datetime) -> dict[str, list[Bar]]:
    """Bars by door, in lanes: a bar takes the first lane that is free from its beginning on."""
    table = _lay_out(rows, begin, end)
    columns = ["door", "reference", "label", "state", "told", "left", "right", "before", "after"]
    found: dict[str, list[Bar]] = {}
    free: dict[str, list[float]] = {}
    for door, reference, label, state, told, left, right, before, after in table[columns].itertuples(
        index=False, name=None
    ):
        lanes = free.setdefault(door, [])
        lane = next((number for number, until in enumerate(lanes) if until <= left), len(lanes))
        lanes[lane : lane + 1] = [right]
        bar = Bar(reference, label, state, told, lane, left, round(right - left, 3), before, after)
        found.setdefault(door, []).append(bar)
    return found


def _lay_out(rows: pd.DataFrame, begin: datetime, end: datetime) -> pd.DataFrame:
    """Where each bar begins and ends in the span, and what it says; in the order of their beginnings."""
    moments = ("start", "finish", "window_start", "window_end")
    table = rows.assign(**{name: rows[name].astype("datetime64[us, UTC]") for name in moments})
    table = table.sort_values(["window_start", "reference"])
    low, high = pd.Timestamp(begin).tz_convert("UTC"), pd.Timestamp(end).tz_convert("UTC")
    opens = table["window_start"].mask(table["window_start"] < low, low)
    shuts = table["window_end"].mask(table["window_end"] > high, high)
    drawn = (shuts - opens).dt.total_seconds()
    grace = {
        "before": (table["start"].clip(upper=shuts) - opens).dt.total_seconds(),
        "after": (shuts - table["finish"].clip(lower=opens)).dt.total_seconds(),
    }
    starts = _plain_walls(table["start"].dt.tz_convert(begin.tzinfo))
    return table.assign(
        label=[
            f"{one.hour:02}:{one.minute:02} {who}" for one, who in zip(starts, table["names"].tolist(), strict=True)
        ],
        left=(100 * ((opens - low) / (high - low))).round(3),
        right=(100 * ((shuts - low) / (high - low))).round(3),
        told=_describe_bars(table.assign(**{name: table[name].dt.tz_convert(begin.tzinfo) for name in moments})),
        **{name: (100 * seconds.clip(lower=0) / drawn).round(1) for name, seconds in grace.items()},
    )


def _describe_bars(table: pd.DataFrame) -> list[str]:
    """What each bar says to readers who cannot see its place, length and colour."""
    moments = ("start", "finish", "window_start", "window_end")
    walls = [_plain_walls(table[name]) for name in moments]
    told = []
    for people, start, finish, opens, shuts, state, reason in zip(
        table["people"].tolist(), *walls, table["state"].tolist(), table["reason"].tolist(), strict=True
    ):
        until = f"{finish:%H:%M}" if finish.date() == start.date() else f"{finish:%a %d %b %H:%M}"
        when = f"{start:%a %d %b %H:%M} to {until} (door {opens:%H:%M} to {shuts:%H:%M})"
        told.append(f"{people or 'nobody'}, {when}, {state}{': ' + reason if reason and state in EXPLAINED else ''}")
    return told


def _plain_walls(local: pd.Series) -> list[datetime]:
    """Return plain datetimes of a wall clock: thousands of pandas' own take ten times as long to write."""
    return local.dt.tz_localize(None).to_numpy("datetime64[s]").astype(object).tolist()  # type: ignore[no-any-return]


def _nows(now: datetime, locks: pd.DataFrame, shown: tuple[datetime, datetime]) -> dict[str, float | None]:
    """Return where now is on the wall clocks of doors in another zone, percent of the span; None: outside of it."""
    begin, end = shown
    apart = zones_of_doors(locks, ZoneInfo(str(begin.tzinfo)))
    found: dict[str, float | None] = {}
    moved: dict[str, float | None] = {}
    for zone in set(apart.values()):
        there = _as_if_here(pd.Series([pd.Timestamp(now)]).dt.tz_convert("UTC"), zone, str(begin.tzinfo))
        instant = there.iloc[0].to_pydatetime()
        moved[zone] = _percent(instant, begin, end) if begin <= instant < end else None
    for lock, name in zip(locks["lock_id"], locks["name"], strict=True):
        if lock in apart:
            found.setdefault(str(name), moved[apart[lock]])
    return found


def _row(door: str, note: str, bars: list[Bar], now: float | None, group: str) -> Row:
    return Row(door, note, max((bar.lane for bar in bars), default=0) + 1, tuple(bars), now, group)


def _days(begin: datetime, end: datetime) -> tuple[BarMark, ...]:
    found, day = [], begin
    while day < end:
        found.append(BarMark(_percent(day, begin, end), f"{day:%a %d %b}"))
        day = midnight(day.date() + timedelta(days=1), begin.tzinfo)
    return tuple(found)


def _hours(begin: datetime, end: datetime) -> tuple[BarMark, ...]:
    """Every third hour, where there is room for them."""
    if end.date() - begin.date() > timedelta(days=DAY):
        return ()
    every = [begin.replace(hour=hour) for hour in range(3, 24, 3)]
    return tuple(BarMark(_percent(one, begin, end), f"{one:%H:%M}") for one in every)
