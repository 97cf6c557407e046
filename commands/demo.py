"""The sandbox of `make sync`: a local Hector and a local Salto KS whose state outlives the command."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.table import Table

from commands.settings import ROOT
from include.sandbox import HectorState, SaltoState, Sandbox, Scenario, campus, openings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

STATE = ROOT / ".sandbox" / "campus.json"
NAME = "sandbox"
SHOWN_DAYS = 8


@contextmanager
def demo(console: Console) -> Iterator[Sandbox]:
    """The campus as the last command left it; a new one on a new day, because its bookings are relative to today."""
    now = datetime.now(UTC)
    with Sandbox(_kept(now, console) or campus(now)) as sandbox:
        console.print(f"sandbox: Hector at {sandbox.hector_url}, Salto KS at {sandbox.salto_url}", highlight=False)
        try:
            yield sandbox
        finally:
            _keep(sandbox, now)


def _kept(now: datetime, console: Console) -> Scenario | None:
    if not STATE.exists():
        return None
    kept = json.loads(STATE.read_text(encoding="utf-8"))
    if kept["day"] != now.date().isoformat():
        console.print("sandbox: a new day, so the campus starts anew with bookings of today")
        return None
    return Scenario(
        hector=HectorState.from_json(kept["hector"]),
        salto=SaltoState.from_json(kept["salto"]),
        credentials=campus(now).credentials,
    )


def _keep(sandbox: Sandbox, now: datetime) -> None:
    STATE.parent.mkdir(parents=True, exist_ok=True)
    day = json.loads(STATE.read_text(encoding="utf-8"))["day"] if STATE.exists() else None
    kept = {
        "day": day if day == now.date().isoformat() else now.date().isoformat(),
        "hector": sandbox.hector.to_json(),
        "salto": sandbox.salto.to_json(),
    }
    STATE.write_text(json.dumps(kept), encoding="utf-8")


def show_timetable(sandbox: Sandbox, console: Console) -> None:
    """Who can open which door when, answered by the sandbox Salto from its own state."""
    begin = datetime.now(UTC)
    zone = ZoneInfo(sandbox.salto.site.time_zone)
    found = openings(sandbox.salto, begin, begin + timedelta(days=SHOWN_DAYS))
    ours = sorted(
        (one for one in found if one.group_name.startswith("Hector_") and one.group_name != "Hector_Staff"),
        key=lambda one: (one.lock_name, one.begin, one.email or ""),
    )
    table = Table(title=f"Who can open which door from now on, as Salto KS answers ({zone})", title_justify="left")
    for column in ("door", "from", "until", "who", "reservation"):
        table.add_column(column)
    last = None
    for one in ours:
        door = "" if one.lock_name == last else one.lock_name
        last = one.lock_name
        office = " (office mode)" if one.office_mode else ""
        table.add_row(
            door,
            _local(one.begin, zone),
            _local(one.end, zone),
            f"{one.email}{office}",
            one.group_name.removeprefix("Hector_"),
        )
    console.print(table, markup=False)


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%a %d %b %H:%M")
