"""One budget of requests a site, shared by all threads: how many at a time, how many a second, and quiet when asked."""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyrate_limiter import AbstractClock, Rate, RateItem, StateBucket

from hector_salto.http_client.timing import REAL, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator

UNITS = 1000  # of the bucket a second; a request costs more of them while we go slower
LOWERED = 0.8  # of the rate, after each "too many requests": gentle, because the wait already keeps the quota
LEAST = 0.1
RECOVERY = 60.0  # seconds from nothing back to the full rate
LONGEST_HOLD = 120.0
# Seconds after which a service that asked for silence is asked again, however much longer it said: what a task may take.
# The watch lives in one process for hours, and would otherwise never ask again.
LONGEST_SILENCE = 1800.0
WINDOW = 60.0  # seconds of a quota whose end is unknown (salto_connect_api.md, 1.5: a minute from its first request)
ALIKE = 0.2  # two windows that were full after about as many requests show a quota; one alone may be a stray refusal
SOON = 0.05  # seconds; the first answer of a window is on its way
REMEMBERED = 10  # windows, after which a learnt quota is tried anew


class HeldTooLongError(Exception):
    """The service asked for a pause longer than a run should wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class _Milliseconds(AbstractClock):
    def __init__(self, timing: Timing) -> None:
        self._timing = timing

    def now(self) -> int:
        return math.floor(self._timing.monotonic() * 1000)


class Quota:
    """How many requests fit into a window, learnt from refusals that name no time.

    Waiting a minute after each such refusal loses the time it took to use the window up. So once two windows in a row
    were full after about as many requests, no more than that are sent in a minute, counted from the first answer, and
    there is nothing left to be refused.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self._lesson: int | None = None  # requests that the last full window took
        self._windows = 0  # since the quota was learnt
        self._open(full=False)

    def _open(self, *, full: bool) -> None:
        self._full = full
        self._sent = self._refused = 0
        self._began: float | None = None  # the first answer: not earlier than the service's own window

    def wait(self, now: float) -> float:
        """Seconds until one more request fits."""
        if self._began is not None and now >= self._began + WINDOW:
            self._close()
        if self.limit is None or self._sent < self.limit:
            return 0.0
        return SOON if self._began is None else self._began + WINDOW - now

    def sent(self) -> None:
        self._sent += 1

    def answered(self, now: float) -> None:
        self._began = now if self._began is None else self._began

    def refused(self, *, told: bool) -> None:
        """``told``: the service said when to come again, so there is nothing to learn."""
        self._refused += 1
        self._full = self._full or not told

    def held(self) -> None:
        """A pause after a refusal is over: whatever is sent now opens a new window."""
        self._close()

    def _close(self) -> None:
        lesson = max(1, self._sent - self._refused) if self._full else None
        if lesson is not None:
            alike = self._lesson is not None and abs(lesson - self._lesson) <= ALIKE * max(lesson, self._lesson)
            self.limit, self._windows = (lesson if alike else None), 0
            self._lesson = lesson
        elif self.limit is not None:
            self._windows += 1
            if self._windows >= REMEMBERED:
                self.limit = None  # the lesson stays: one more window that is full after as many teaches it again
        self._open(full=False)


class Pacing:
    """Lets a request pass when it is its turn; ``hold`` makes every thread wait, then start slower."""

    def __init__(self, *, concurrency: int = 8, rate: float = 100.0, timing: Timing = REAL) -> None:
        self._timing = timing
        self._clock = _Milliseconds(timing)
        self._slots = threading.BoundedSemaphore(concurrency)
        self._bucket = StateBucket([Rate(UNITS, 1000)], clock=self._clock)
        self._rate = rate
        self._lock = threading.Lock()
        self._held_until = -math.inf
        self._share = 1.0  # of the rate, at the moment the last hold ended
        self._quota = Quota()
        self._holding = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a free slot and for the rate.

        Raises:
            HeldTooLongError: when the service asked for a pause longer than LONGEST_HOLD.
        """
        with self._slots:
            while (seconds := self._wait()) > 0:
                self._timing.sleep(seconds)
            try:
                yield
            finally:
                with self._lock:
                    self._quota.answered(self._timing.monotonic())

    def hold(self, seconds: float, *, told: bool = True) -> None:
        """The service said "too many": no request goes out before the pause is over. Answers to one burst count once.

        Args:
            seconds: until it may be asked again.
            told: by the service itself; false: it named no time, and the contract's minute is waited.
        """
        with self._lock:
            now = self._timing.monotonic()
            self._quota.refused(told=told)
            if now >= self._held_until:
                self._share = max(LEAST, self._share_at(now) * LOWERED)
            self._held_until = max(self._held_until, now + min(seconds, LONGEST_SILENCE))
            self._holding = True

    @property
    def rate(self) -> float:
        """Requests a second that are let through now."""
        with self._lock:
            return self._rate * self._share_at(self._timing.monotonic())

    def _share_at(self, now: float) -> float:
        return min(1.0, self._share + max(0.0, now - self._held_until) / RECOVERY)

    def _wait(self) -> float:
        with self._lock:
            now = self._timing.monotonic()
            held = self._held_until - now
            if held > LONGEST_HOLD:
                raise HeldTooLongError(held)
            if held > 0:
                return held
            if self._holding:
                self._holding = False
                self._quota.held()
            seconds = self._quota.wait(now) or self._wait_for_rate(self._rate * self._share_at(now))
            if not seconds:
                self._quota.sent()
            return seconds

    def _wait_for_rate(self, rate: float) -> float:
        item = RateItem("request", self._clock.now(), weight=min(UNITS, max(1, round(UNITS / rate))))
        if self._bucket.put(item):
            return 0.0
        milliseconds = self._bucket.waiting(item)
        return max(1.0, float(milliseconds)) / 1000  # type: ignore[arg-type]  # awaitable only with an async store
