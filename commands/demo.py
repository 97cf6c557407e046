"""The sandbox of `make sync` and `make up`: a local Hector and a local Salto KS whose state outlives the command."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import requests

from commands.airflow_api import StartupError
from commands.settings import ROOT
from hector_salto.access.texts import comparable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from sandbox import HectorState, Scenario

SANDBOX_SETTING = "HECTOR_SALTO_SANDBOX"  # where the campus is kept; default: .sandbox
NAME = "sandbox"
TIMETABLE_DAYS = 8
ONE_DAY = timedelta(days=1)
ANSWER_TIMEOUT = 10.0
LOCK_KEY = "salto_lock_id"
FIRST_REFERENCE = 10000
QUARTER = timedelta(minutes=15)
SAMPLE_LENGTH = timedelta(hours=1)
GRACE_MARGIN = timedelta(minutes=30)  # the grace periods of two neighbours


@dataclass(frozen=True)
class Campus:
    """A sandbox that runs, in this process or in the background."""

    hector_url: str
    salto_url: str
    zone: str
    variables: Mapping[str, str]

    def connections(self, name: str) -> dict[str, str]:
        """The environment variables from which Airflow reads the two connections of an integration."""
        return {variable: value for variable, value in self.variables.items() if variable.endswith(f"_{name.upper()}")}

    def answers(self) -> bool:
        token = json.loads(self.variables[f"AIRFLOW_CONN_HECTOR_{NAME.upper()}"])["password"]
        try:
            found = _get_json(f"{self.hector_url}/environment", headers={"Authorization": f"Bearer {token}"})
        except (requests.RequestException, ValueError):
            return False
        return isinstance(found, dict) and "time_zone" in found

    def openings(self, begin: datetime, end: datetime) -> list[dict[str, Any]]:
        span = {"from": begin.isoformat(), "to": end.isoformat()}
        return list(_get_json(f"{self.salto_url}/_sandbox/doors", params=span))


@dataclass(frozen=True)
class SampleReservation:
    """A reservation that anybody may make, and the line that makes it."""

    reference: str
    email: str
    place: str
    start: datetime
    curl: str


def state_file() -> Path:
    return _folder() / "campus.json"


def announcement_file() -> Path:
    """The file in which a sandbox in the background says where it is."""
    return _folder() / "running.json"


def _folder() -> Path:
    return Path(os.environ.get(SANDBOX_SETTING) or ROOT / ".sandbox").absolute()


@contextmanager
def demo(console: Console) -> Iterator[Campus]:
    """The campus of `make up` when that runs (its process keeps the state); else one for as long as the command takes."""
    if (found := running_sandbox()) is not None:
        console.print(
            f"sandbox of make up: Hector at {found.hector_url}, Salto KS at {found.salto_url}", highlight=False
        )
        yield found
        return
    require_sandbox()
    from sandbox import Sandbox  # noqa: PLC0415 - not in the image
    from sandbox.__main__ import save  # noqa: PLC0415 - not in the image

    ensure_todays_campus(console)
    with Sandbox(saved_campus()) as sandbox:
        console.print(f"sandbox: Hector at {sandbox.hector_url}, Salto KS at {sandbox.salto_url}", highlight=False)
        zone = sandbox.salto.site.time_zone
        try:
            yield Campus(sandbox.hector_url, sandbox.salto_url, zone, sandbox.connections(NAME))
        finally:
            save(sandbox, state_file())


def running_sandbox() -> Campus | None:
    """The sandbox that runs in the background, None when there is none or it does not answer."""
    try:
        said = json.loads(announcement_file().read_text(encoding="utf-8"))
        found = Campus(**{name: said[name] for name in Campus.__dataclass_fields__})
    except (OSError, ValueError, KeyError):
        return None
    return found if found.answers() else None


def ensure_todays_campus(console: Console) -> bool:
    """See that the state is of today: a new day starts a new campus, because its bookings are relative to today.

    Returns:
        True when the campus is new.
    """
    require_sandbox()
    from sandbox import campus  # noqa: PLC0415 - not in the image
    from sandbox.__main__ import save  # noqa: PLC0415 - not in the image

    path, now = state_file(), datetime.now(UTC)
    if path.exists():
        why = _reason_to_restart(path, now)
        if why is None:
            return False
        console.print(f"sandbox: {why}, so the campus starts anew with bookings of today", highlight=False)
    path.unlink(missing_ok=True)
    save(campus(now), path, day=now.date().isoformat())
    return True


def require_sandbox() -> None:
    """Raise UpError where this installation has no sandbox, as in the production image."""
    if find_spec("sandbox") is None:
        raise StartupError("this installation has no sandbox; name one of your own integrations: INTEGRATION=<name>")


def _reason_to_restart(path: Path, now: datetime) -> str | None:
    try:
        saved_campus()
        day = json.loads(path.read_text(encoding="utf-8"))["day"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path.name} cannot be read"
    return None if day == now.date().isoformat() else "a new day"


def saved_campus() -> Scenario:
    """Load the state of the sandbox from its file; raise OSError or ValueError where it cannot be read."""
    from sandbox.__main__ import load  # noqa: PLC0415 - not in the image

    return load(state_file())


def campus_day() -> str:
    """The day that the kept campus is of."""
    return str(json.loads(state_file().read_text(encoding="utf-8"))["day"])


def sample_reservation(kept: Scenario, hector_url: str, now: datetime) -> SampleReservation | None:
    """Return a booking from the next quarter hour of a free room whose lock is online, by a user whose tag opens doors."""
    hector = kept.hector
    start = (now + QUARTER).replace(minute=(now + QUARTER).minute // 15 * 15, second=0, microsecond=0)
    user, place = (
        _user_with_access(kept, now),
        _free_place(kept, start - GRACE_MARGIN, start + SAMPLE_LENGTH + GRACE_MARGIN),
    )
    if user is None or place is None:
        return None
    reference = str(max([FIRST_REFERENCE, *(int(row["reference"]) for row in _numeric_references(hector))]) + 1)
    row = {
        "reference": reference,
        "status": {"code": "new", "name": "New", "state": "not_started"},
        "start": hector.stamp(start),
        "finish": hector.stamp(start + SAMPLE_LENGTH),
        "blocking": False,
        "borrower": {"type": "user", "id": user},
        "participants": [],
        "lines": [{"id": f"ln_{reference}", "type": "place", "place_id": place}],
    }
    address = f"{hector_url.removesuffix('/api/v1')}/_sandbox/loaners/l_{reference}"
    return SampleReservation(
        reference,
        hector.users[user]["email"],
        hector.places[place]["name"],
        start.astimezone(ZoneInfo(kept.salto.site.time_zone)),
        f"curl -s -X PUT '{address}' -d '{json.dumps(row)}'",
    )


def _numeric_references(hector: HectorState) -> list[dict[str, Any]]:
    return [row for row in hector.loaners.values() if str(row["reference"]).isdecimal()]


def _user_with_access(kept: Scenario, now: datetime) -> str | None:
    """The Hector user of the first who can open a door in the days to come."""
    from sandbox import openings  # noqa: PLC0415 - not in the image

    users: dict[str, list[str]] = {}
    for user, row in kept.hector.users.items():
        users.setdefault(comparable(row["email"] or ""), []).append(user)
    for one in openings(kept.salto, now, now + timedelta(days=TIMETABLE_DAYS)):
        found = users.get(comparable(one.email or ""), [])
        if one.group_name.startswith("Hector_") and len(found) == 1:
            return found[0]
    return None


def _free_place(kept: Scenario, begin: datetime, end: datetime) -> str | None:
    """Return a place free in between that leads to exactly one lock, online and in the site's zone."""
    names = Counter(comparable(lock.name) for lock in kept.salto.locks.values())
    online = {
        comparable(lock.name)
        for lock in kept.salto.locks.values()
        if lock.online and names[comparable(lock.name)] == 1 and _is_reachable(kept, lock.iq_id)
    }
    taken = {
        line.get("place_id")
        for row in kept.hector.loaners.values()
        if _overlaps(row, begin, end)
        for line in row["lines"]
    }
    for place, row in kept.hector.places.items():
        locks = {comparable(str(value["value"])) for value in row["attributes"] if value["key"] == LOCK_KEY}
        if place not in taken and locks & online:
            return place
    return None


def _is_reachable(kept: Scenario, iq_id: str) -> bool:
    iq = kept.salto.iqs[iq_id]
    return iq.online and iq.time_zone == kept.salto.site.time_zone


def _overlaps(row: dict[str, Any], begin: datetime, end: datetime) -> bool:
    return datetime.fromisoformat(row["start"]) < end and datetime.fromisoformat(row["finish"]) > begin


def show_timetable(found: Campus, console: Console) -> None:
    """Show who can open which door within a day, answered by the sandbox Salto from its own state."""
    begin, zone = datetime.now(UTC), ZoneInfo(found.zone)
    ours = sorted(
        (
            one
            for one in found.openings(begin, begin + timedelta(days=TIMETABLE_DAYS))
            if one["group"].startswith("Hector_") and one["group"] != "Hector_Staff"
        ),
        key=lambda one: (one["lock"], datetime.fromisoformat(one["from"]), one["email"] or ""),
    )
    soon = [one for one in ours if datetime.fromisoformat(one["from"]) < begin + ONE_DAY]
    console.print(f"Who can open which door within a day, as Salto KS answers ({zone}):", style="bold", highlight=False)
    for door in dict.fromkeys(one["lock"] for one in soon):
        console.print(f"  {door}", markup=False, highlight=False)
        for one in soon:
            if one["lock"] == door:
                console.print(f"    {_describe_opening(one, zone)}", markup=False, highlight=False, soft_wrap=True)
    if len(ours) > len(soon):
        console.print(f"  and {len(ours) - len(soon)} later; make why DOOR=... lists those of a door", highlight=False)


def _describe_opening(one: dict[str, Any], zone: ZoneInfo) -> str:
    office = " (office mode)" if one["office_mode"] else ""
    reference = one["group"].removeprefix("Hector_")
    return f"{_format_local(one['from'], zone)} to {_format_local(one['to'], zone)} {one['email']} {reference}{office}"


def _format_local(instant: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(instant).astimezone(zone).strftime("%a %d %b %H:%M")


def _get_json(url: str, **asked: Any) -> Any:  # noqa: ANN401 - whatever JSON it answers
    """A question to loopback, past whatever proxy the environment names."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, timeout=ANSWER_TIMEOUT, **asked)
        answer.raise_for_status()
        return answer.json()
