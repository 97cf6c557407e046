"""The first steps of an integration, each asked of the service itself: a checklist that ticks itself."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hector.hook import HectorHook
from rest.errors import RestError
from salto.hook import SaltoHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.integrations.integration import Integration

AGAIN_AFTER = 15.0  # seconds: whoever keeps the page open does not keep the services busy
TITLES = (
    "Both connections are in Airflow",
    "Hector answers",
    "The Salto account is active and Site Admin",
    "The place attribute Salto Lock Id exists in Hector",
    "Places name locks of the site",
    "Users have unique codes",
    "Their tags are on the site",
)


@dataclass(frozen=True)
class Step:
    """One step: done True or False, None: not known yet; told: what was found, or what to do."""

    title: str
    done: bool | None
    told: str = ""


class Checklist:
    """The last answer about each integration; asks again in the background, so that no page waits for a service."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="first-steps")
        self._lock = threading.Lock()
        self._asked: dict[str, tuple[float, Integration, Future[list[Step]]]] = {}
        self._known: dict[str, list[Step]] = {}

    def steps(self, name: str, integration: Integration) -> list[Step]:
        with self._lock:
            asked = self._asked.get(name)
            if asked is not None and asked[2].done():
                self._known[name] = asked[2].result()
            stale = asked is None or (asked[2].done() and time.monotonic() - asked[0] > AGAIN_AFTER)
            if asked is None or stale or asked[1] != integration:
                self._asked[name] = (time.monotonic(), integration, self._pool.submit(found_steps, integration))
            return self._known.get(name) or [Step(title, None, "asking …") for title in TITLES]


CHECKLIST = Checklist()


def found_steps(integration: Integration) -> list[Step]:
    """Every step, asked now; what waits for an earlier one is not known."""
    asked = _steps(integration)
    found: list[Step] = []
    for title in TITLES:
        try:
            done, told = next(asked)
        except RestError as error:
            found.append(Step(title, done=False, told=str(error)))
            break
        except Exception as error:  # noqa: BLE001 - a checklist that dies would tick nothing
            found.append(
                Step(title, done=False, told=f"could not be asked ({type(error).__name__}); see the server's log")
            )
            break
        found.append(Step(title, done=done, told=told))
    return found + [Step(title, None, "waits for the steps above") for title in TITLES[len(found) :]]


def _steps(integration: Integration) -> Iterator[tuple[bool, str]]:
    hector, salto = HectorHook(integration.hector_conn_id), SaltoHook(integration.salto_conn_id)
    _ = hector.connection, salto.connection
    yield True, f"{integration.hector_conn_id} and {integration.salto_conn_id}"
    yield True, hector.reader.environment().name
    reader = salto.reader(integration.site_id)
    reader.require_site_admin()
    yield True, f"site {reader.site.name} ({reader.site.site_uid})"
    exists = hector.reader.has_lock_attribute()
    yield exists, "" if exists else "the first sync makes it: Reload"
    yield from _data(hector, reader.locks(reader.site.zone)["name"], lambda: reader.tags(hector.fingerprint)["tag"])


def _data(hector: HectorHook, locks: object, tags: Callable[[], object]) -> Iterator[tuple[bool, str]]:
    places = hector.reader.places()
    known = {str(name).strip().casefold() for name in locks}  # type: ignore[attr-defined]
    named = places["lock_name"].dropna().str.strip().str.casefold()
    right = int(named.isin(known).sum())
    yield right > 0, f"{right} of {len(places)} places name a lock of the site"
    users = hector.reader.users(hector.fingerprint).users
    active = users[users["status"].str.casefold().eq("active")]
    codes = active["tag"].dropna()
    yield len(codes) > 0, f"{len(codes)} of {len(active)} active users have a unique code"
    there = int(codes.isin(set(tags())).sum())  # type: ignore[call-overload]
    yield there > 0, f"{there} of {len(codes)} codes are tags of the site; others: Site > Tags > Add Tags"
