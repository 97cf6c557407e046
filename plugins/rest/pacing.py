"""One budget of requests a site, shared by all threads: how many at a time, how many a second, and quiet when asked."""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyrate_limiter import AbstractClock, Rate, RateItem, StateBucket

from rest.timing import REAL, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator

UNITS = 1000  # of the bucket a second; a request costs more of them while we go slower
LOWERED = 0.8  # of the rate, after each "too many requests": gentle, because waiting as told already keeps the quota
LEAST = 0.1
RECOVERY = 60.0  # seconds from nothing back to the full rate
LONGEST_HOLD = 120.0


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

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a free slot and for the rate.

        Raises:
            HeldTooLongError: when the service asked for a pause longer than LONGEST_HOLD.
        """
        with self._slots:
            while (seconds := self._wait()) > 0:
                self._timing.sleep(seconds)
            yield

    def hold(self, seconds: float) -> None:
        """The service said "too many": nobody asks before the pause is over. Answers to one burst count once."""
        with self._lock:
            now = self._timing.monotonic()
            if now >= self._held_until:
                self._share = max(LEAST, self._share_at(now) * LOWERED)
            self._held_until = max(self._held_until, now + seconds)

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
            return self._wait_for_rate(self._rate * self._share_at(now))

    def _wait_for_rate(self, rate: float) -> float:
        item = RateItem("request", self._clock.now(), weight=min(UNITS, max(1, round(UNITS / rate))))
        if self._bucket.put(item):
            return 0.0
        milliseconds = self._bucket.waiting(item)
        return max(1.0, float(milliseconds)) / 1000  # type: ignore[arg-type]  # awaitable only with an async store
