"""Locks and IQs: names, zones, and what keeps a door shut or open whatever is written."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import TYPE_CHECKING

from hector_salto.access.texts import few, fold_all
from hector_salto.access.windows import find_zone
from hector_salto.doctor.finding import holds, judged, unknown
from hector_salto.http_client.errors import RestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from hector_salto.doctor.finding import Finding
    from hector_salto.doctor.subject import Subject

MOST_SETTINGS = 50  # locks whose settings are read one by one
YEAR = timedelta(days=366)
STEP = timedelta(hours=1)


def look(subject: Subject) -> Iterator[Finding]:
    locks, bookable = subject.locks, subject.bookable
    yield _names(locks, bookable)
    yield _zones(locks, bookable)
    yield zone_rules(sorted({str(zone) for zone in locks["zone"].dropna() if find_zone(str(zone))}), subject.now)
    offline = bookable[~(bookable["online"] & bookable["iq_online"])]
    yield _listed("lock-online", offline, "are offline", "look after these locks and IQs")
    yield _listed(
        "lock-privacy", bookable[bookable["privacy_mode"]], "are in privacy mode", "end it at the lock, from inside"
    )
    yield _listed("lock-office", bookable[bookable["held_open"]], "stand open in office mode", "lock them")
    yield _look_back(subject, bookable)


def _names(locks: pd.DataFrame, bookable: pd.DataFrame) -> Finding:
    folded = fold_all(locks["name"])
    twice = locks[folded.duplicated(keep=False)]
    named = sorted({str(name) for name in twice["name"]})
    seen = f"{len(locks)} locks, {len(bookable)} of them named by a place; one name, but for letter case: {few(named) if named else 'none'}"
    return judged("lock-names", twice.empty, seen, "give each of these locks a name of its own in Salto")


def _zones(locks: pd.DataFrame, bookable: pd.DataFrame) -> Finding:
    strange = locks[
        [
            find_zone(None if zone is None else str(zone)) is None
            for zone in locks["zone"].where(locks["zone"].notna(), None)
        ]
    ]
    zones = sorted({str(zone) for zone in locks["zone"].dropna()})
    seen = f"zones: {few(zones) or 'none'}"
    if len(strange):
        seen += f"; without a known one: {few(sorted(strange['name']))}"
    matters = bool(strange["lock_id"].isin(bookable["lock_id"]).any())
    return judged("lock-zones", strange.empty, seen, "set the time zone of these locks' IQs in Salto", matters=matters)


def zone_rules(zones: list[str], now: datetime) -> Finding:
    """Compare this machine's rules of these zones with those of the package tzdata, an hour at a time for a year."""
    try:
        newest = {zone: _from_package(zone) for zone in zones}
    except (ModuleNotFoundError, FileNotFoundError, OSError, ValueError):
        return unknown("clock-zones", "the package tzdata is not installed, or does not know them")
    hours = [now.astimezone(UTC) + STEP * number for number in range(YEAR // STEP)]
    odd = [
        zone
        for zone, other in newest.items()
        if any(_offset(zone, at) != at.astimezone(other).utcoffset() for at in hours)
    ]
    seen = f"{few(zones)}: the same for a year" if not odd else f"other rules than the package tzdata: {few(odd)}"
    return judged(
        "clock-zones", not odd, seen or "no zone", "bring this machine's tzdata up to date (Debian: the package tzdata)"
    )


def _offset(zone: str, at: datetime) -> timedelta | None:
    return at.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset()


def _from_package(zone: str) -> zoneinfo.ZoneInfo:
    folder, _, name = f"tzdata/zoneinfo/{zone}".rpartition("/")
    with resources.files(folder.replace("/", ".")).joinpath(name).open("rb") as file:
        return zoneinfo.ZoneInfo.from_file(file, key=zone)


def _listed(assumption: str, rows: pd.DataFrame, what: str, step: str) -> Finding:
    """A lock that is so now may not be in an hour: said, and nothing that must be mended first."""
    if rows.empty:
        return holds(assumption, f"none {what}")
    return judged(assumption, False, f"{len(rows)} {what}: {few(sorted(rows['name']))}", step, matters=False)


def _look_back(subject: Subject, bookable: pd.DataFrame) -> Finding:
    days: dict[str, int] = {}
    for row in bookable.head(MOST_SETTINGS).to_dict("records"):
        try:
            days[str(row["name"])] = subject.probe.look_back_days(str(row["lock_id"]))
        except RestError as error:
            return unknown("lock-lookback", f"{error.request_info} {error.what}", error.next_step)
    lasting = {name: count for name, count in days.items() if count}
    shown = f"{len(lasting)} of {len(days)} locks let in remembered keys while offline"
    longest = f", up to {max(lasting.values())} days: {few(sorted(lasting))}" if lasting else ""
    step = "set offline_access_by_audit_trail_day_count of these locks to 0, or accept it: while a lock is offline, users who came in lately still do"
    return judged("lock-lookback", not lasting, shown + longest, step, matters=False)
