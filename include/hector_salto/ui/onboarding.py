"""The first steps of an integration, each asked of the service itself: a checklist that ticks itself."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hector.hook import hector_hook
from hector_salto.doctor import examination, hector_data, tags, way_in
from hector_salto.doctor.finding import Judgement

if TYPE_CHECKING:
    from collections.abc import Callable

    from hector_salto.doctor.examination import Stage
    from hector_salto.doctor.finding import Finding
    from hector_salto.integration import Integration

LOG = logging.getLogger(__name__)
AGAIN_AFTER = 15.0  # seconds: an open page must not keep the services busy
STEPS = {
    "Hector answers, and takes the token": ("hector-reached", "hector-token"),
    "Salto answers, and takes client and account": ("salto-pair", "salto-reached", "salto-account"),
    "The Salto account is active and Site Admin": ("site-found", "site-role", "site-released"),
    "The clocks agree": ("clock-hector", "clock-salto"),
    "The place attribute Salto Lock Id exists in Hector": ("hector-attribute",),
    "Every lock that a place names is on the site": ("hector-locks",),
    "The groups and departments of office_mode exist in Hector": ("hector-office",),
    "Every active user has a unique code": ("hector-codes",),
    "Every code is a tag of the site": ("tag-match",),
}
TITLES = tuple(STEPS)
ATTRIBUTE = "hector-attribute"
TOLERATED = frozenset({"salto-pair"})  # of another host than Salto's own it is not known
_IDS = dict(examination.STAGES)
# An open page asks again and again: only what the steps show, each list once.
STAGES: tuple[Stage, ...] = (
    (way_in.look_at_hector, _IDS[way_in.look_at_hector]),
    (way_in.look_at_salto, _IDS[way_in.look_at_salto]),
    (way_in.look_at_account, _IDS[way_in.look_at_site]),
    (hector_data.look, _IDS[hector_data.look]),
    (tags.look_at_matches, _IDS[tags.look]),
)


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: what is to be so.
        done: True or False; None: not known yet.
        told: what was found, or what to do.
        makes_attribute: whether a button makes the place attribute now.
    """

    title: str
    done: bool | None
    told: str = ""
    makes_attribute: bool = False


@dataclass(frozen=True)
class StepAnswer:
    """What the services said of every step.

    Attributes:
        steps: in the order of TITLES.
        age: seconds since they were asked.
    """

    steps: list[Step]
    age: int

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

    def answer(self, name: str, integration: Integration) -> StepAnswer | None:
        """Return the last answer; ask anew when it is older than 15 s. None: none about these settings has come yet."""
        with self._lock:
            asked, now = self._asked.get(name), self._clock()
            if asked is not None and asked.found.done():
                self._answered[name] = asked
            if asked is None or asked.is_stale(integration, now):
                self._asked[name] = _Inquiry(integration, now, self._pool.submit(found_steps, integration))
            known = self._answered.get(name)
        if known is None or known.integration != integration:
            return None
        return StepAnswer(known.found.result(), int(now - known.begin))

    def forget(self, name: str) -> None:
        """Ask anew at the next look: something was changed meanwhile."""
        with self._lock:
            self._asked.pop(name, None)
            self._answered.pop(name, None)


CHECKLIST = Checklist()


def found_steps(integration: Integration) -> list[Step]:
    """Every step, asked now by the doctor's own checks; what waits for an earlier one is not known."""
    examined, _ = examination.examine("", integration, stages=STAGES)
    found = {one.assumption: one for one in examined.findings}
    can_write = integration.hector_reports is None
    return [
        _step(title, [found[name] for name in names if name in found], makes=can_write and names == (ATTRIBUTE,))
        for title, names in STEPS.items()
    ]


def make_attribute(integration: Integration, by: str) -> None:
    """Make the place attribute Salto Lock Id in Hector; that it exists already is as good.

    Raises:
        RestError: when Hector does not take it, or can only be read.
    """
    hector_hook(integration).writer().create_lock_attribute()
    LOG.info("place attribute Salto Lock Id of Hector made, as %s asked", by)


def _step(title: str, findings: list[Finding], *, makes: bool) -> Step:
    """One step of the findings that it is made of: the first that does not hold says why."""
    for one in findings:
        if one.verdict is not Judgement.HOLDS and one.assumption not in TOLERATED:
            waits = one.verdict is Judgement.UNKNOWN
            told = "waits for the steps above" if waits else f"{one.seen}; {one.step}".rstrip("; ")
            return Step(title, None if waits else False, told, makes_attribute=makes and not waits)
    return Step(title, done=True, told=findings[-1].seen if findings else "")
