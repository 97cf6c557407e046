"""The first steps of an integration, each asked of the service itself: a checklist that ticks itself."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hector.hook import hector_hook
from hector_salto.access.people import unknown_office_names
from hector_salto.access.places import place_locks
from hector_salto.access.texts import few, fold_all
from hector_salto.http_client.errors import RestError
from hector_salto.http_client.timing import WITHOUT_RETRIES
from salto.hook import SaltoHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from hector_salto.access.people import HectorPeople
    from hector_salto.access.settings import OfficeMode
    from hector_salto.integration import Integration

AGAIN_AFTER = 15.0  # seconds: an open page must not keep the services busy
TITLES = (
    "Both connections are in Airflow",
    "Hector answers",
    "The Salto account is active and Site Admin",
    "The place attribute Salto Lock Id exists in Hector",
    "Every lock that a place names is on the site",
    "The groups and departments of office_mode exist in Hector",
    "Every active user has a unique code",
    "Every code is a tag of the site",
)


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: what is to be so.
        done: True or False; None: not known yet.
        told: what was found, or what to do.
    """

    title: str
    done: bool | None
    told: str = ""


@dataclass(frozen=True)
class StepAnswer:
    """What the services said of every step.

    Attributes:
        steps: in the order of TITLES.
        age: seconds since they were asked; None: they were not asked before.
    """

    steps: list[Step]
    age: int | None = None

    @property
    def is_complete(self) -> bool:
        return all(step.done is True for step in self.steps)


@dataclass(frozen=True)
class _Inquiry:
    """One round of questions, under way or answered."""

    integration: Integration
    begin: float
    found: Future[list[Step]]

    def is_stale(self, integration: Integration, now: float) -> bool:
        return self.integration != integration or (self.found.done() and now - self.begin > AGAIN_AFTER)


class Checklist:
    """The last answer about each integration; asks again in the background, so that no page waits for a service."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="first-steps")
        self._lock = threading.Lock()
        self._clock = clock
        self._asked: dict[str, _Inquiry] = {}
        self._answered: dict[str, _Inquiry] = {}

    def answer(self, name: str, integration: Integration) -> StepAnswer:
        """Return the last answer and its age; ask anew when it is older than 15 s or about other settings."""
        with self._lock:
            asked, now = self._asked.get(name), self._clock()
            if asked is not None and asked.found.done():
                self._answered[name] = asked
            if asked is None or asked.is_stale(integration, now):
                self._asked[name] = _Inquiry(integration, now, self._pool.submit(found_steps, integration))
            known = self._answered.get(name)
        if known is None or known.integration != integration:
            return StepAnswer([Step(title, None, "asking …") for title in TITLES])
        return StepAnswer(known.found.result(), int(now - known.begin))


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
    hector = hector_hook(integration, timing=WITHOUT_RETRIES)
    salto = SaltoHook(integration.salto_conn_id, timing=WITHOUT_RETRIES)
    _ = hector.connection, salto.connection
    yield True, f"{integration.hector_conn_id} and {integration.salto_conn_id}"
    yield True, hector.reader.environment().name
    reader = salto.reader(integration.site_id)
    reader.require_site_admin()
    yield True, f"site {reader.site.name} ({reader.site.site_uid})"
    exists = hector.reader.has_lock_attribute()
    yield exists, "" if exists else "the first sync makes it: Sync now"
    yield _places(hector.reader.places(), reader.locks(reader.site.zone))
    people = hector.reader.users(hector.fingerprint)
    yield _office(people, integration.rules().office_mode)
    active = people.users[people.users["status"].str.strip().str.casefold().eq("active")]
    codes = active["tag"].dropna()
    yield 0 < len(codes) == len(active), f"{len(codes)} of {len(active)} active users have a unique code"
    there = int(codes.isin(set(reader.tags(hector.fingerprint)["tag"])).sum())
    yield 0 < there == len(codes), f"{there} of {len(codes)} codes are tags of the site; others: Site > Tags > Add Tags"


def _places(places: pd.DataFrame, locks: pd.DataFrame) -> tuple[bool, str]:
    """Judge all active places by the rule that a run uses."""
    active = places[places["active"]]
    named = int(fold_all(active["lock_name"]).notna().sum())
    right = place_locks(active, locks)[0]["place_id"].nunique()
    counts = f"{right} of {named} named locks are on the site; {len(active) - named} of {len(active)} places name none"
    return 0 < right == named, counts


def _office(people: HectorPeople, office: OfficeMode) -> tuple[bool, str]:
    asked = len(office.groups) + len(office.departments)
    if not asked:
        return True, "none is named: office mode is for nobody"
    missing = unknown_office_names(people, office)
    known = f"{asked - len(missing)} of {asked} exist in Hector"
    if missing.empty:
        return True, known
    names = few(list(missing["what"] + " " + missing["name"].map(repr)))
    return False, f"{known}; missing: {names}; correct office_mode in the integration file, or make them in Hector"
