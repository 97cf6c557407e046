"""One budget of requests a site, shared by all threads: how many at a time, how many a second, and quiet when asked."""

from __future__ import annotations

import math
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hector_salto.http_client.timing import SYSTEM_CLOCK, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator

UNITS_PER_SECOND = 1000  # of the bucket a second; a request costs more of them while we go slower
SLOWDOWN_FACTOR = 0.8  # of the rate, after each "too many requests": gentle, because the wait already keeps the quota
MIN_RATE_SHARE = 0.1
RECOVERY_SECONDS = 60.0  # seconds from nothing back to the full rate
RATE = 100.0  # requests a second to begin with: ours to choose, for no service states a limit of all requests together
CEILING = 200.0  # requests a second that a service which refuses none may be sent
REQUESTS_A_STEP = 4  # sent while the rate makes requests wait, after which it rises by one a second
MAX_PAUSE = 120.0
# Seconds after which a service that asked for silence is asked again, however much longer it said: what a task may take.
# The watch lives in one process for hours, and would otherwise never ask again.
MAX_SILENCE = 1800.0
QUOTA_WINDOW = (
    60.0  # seconds of a quota whose end is unknown (salto_connect_api.md, 1.5: a minute from its first request)
)
QUOTA_TOLERANCE = (
    0.2  # two windows that were full after about as many requests show a quota; one alone may be a stray refusal
)
FIRST_ANSWER_DELAY = 0.05  # seconds; the first answer of a window is on its way
QUOTA_LIFETIME = 10  # windows, after which a learnt quota is tried anew, and more than RATE too


class RateLimitTimeoutError(Exception):
    """The service asked for a pause longer than a run should wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class SlidingWindow:
    """Lets requests through whose costs add up to at most one second's units in any second."""

    def __init__(self) -> None:
        self._sent: deque[tuple[float, int]] = deque()  # moment and cost, the oldest first
        self._used = 0

    def seconds_to_wait(self, now: float, cost: int) -> float:
        """Count a request and return 0.0, or return how long it must wait without counting it."""
        while self._sent and self._sent[0][0] <= now - 1.0:
            self._used -= self._sent.popleft()[1]
        if self._used + cost <= UNITS_PER_SECOND:
            self._sent.append((now, cost))
            self._used += cost
            return 0.0
        excess = self._used + cost - UNITS_PER_SECOND
        for moment, freed in self._sent:
            excess -= freed
            if excess <= 0:
                return moment + 1.0 - now
        return 1.0


class Quota:
    """How many requests fit into a window, learnt from refusals that name no time.

    Waiting a minute after each such refusal loses the time it took to use the window up. So once two windows in a row
    were full after about as many requests, no more than that are sent in a minute, counted from the first answer, and
    there is nothing left to be refused.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self._learned_limit: int | None = None  # requests that the last full window took
        self._windows = 0  # since the quota was learnt
        self._open(full=False)

    def _open(self, *, full: bool) -> None:
        self._full = full
        self._sent = self._refused = 0
        self._began_at: float | None = None  # the first answer: not earlier than the service's own window

    def seconds_to_wait(self, now: float) -> float:
        """Seconds until one more request fits."""
        if self._began_at is not None and now >= self._began_at + QUOTA_WINDOW:
            self._close()
        if self.limit is None or self._sent < self.limit:
            return 0.0
        return FIRST_ANSWER_DELAY if self._began_at is None else self._began_at + QUOTA_WINDOW - now

    def record_request(self) -> None:
        self._sent += 1

    def record_answer(self, now: float) -> None:
        self._began_at = now if self._began_at is None else self._began_at

    def record_refusal(self, *, told: bool) -> None:
        """The service said when to come again, so there is nothing to learn."""
        self._refused += 1
        self._full = self._full or not told

    def end_pause(self) -> None:
        """A pause after a refusal is over: whatever is sent now opens a new window."""
        self._close()

    def _close(self) -> None:
        lesson = max(1, self._sent - self._refused) if self._full else None
        if lesson is not None:
            alike = self._learned_limit is not None and abs(lesson - self._learned_limit) <= QUOTA_TOLERANCE * max(
                lesson, self._learned_limit
            )
            self.limit, self._windows = (lesson if alike else None), 0
            self._learned_limit = lesson
        elif self.limit is not None:
            self._windows += 1
            if self._windows >= QUOTA_LIFETIME:
                self.limit = None  # the lesson stays: one more window that is full after as many teaches it again
        self._open(full=False)


class RateLimit:
    """Lets a request pass when it is its turn; ``back_off`` makes every thread wait, then start slower.

    :param rate: requests a second.
    :param ceiling: up to which the rate rises, step by step, while requests wait for it and the service is well.
    """

    def __init__(
        self, *, concurrency: int = 8, rate: float = RATE, ceiling: float = 0.0, timing: Timing = SYSTEM_CLOCK
    ) -> None:
        self._timing = timing
        self._slots = threading.BoundedSemaphore(concurrency)
        self._window = SlidingWindow()
        self._rate = rate
        self._most_extra = max(0.0, ceiling - rate)
        self._extra = 0.0  # requests a second above the rate
        self._no_extra_before = self._made_wait_at = -math.inf
        self._lock = threading.Lock()
        self._paused_until = -math.inf
        self._rate_share = 1.0  # of the rate, at the moment the last hold ended
        self._quota = Quota()
        self._is_paused = False

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Wait for a free slot and for the rate.

        Raises:
            RateLimitTimeoutError: when the service asked for a pause longer than MAX_PAUSE.
        """
        with self._slots:
            while (seconds := self._seconds_to_wait()) > 0:
                self._timing.sleep(seconds)
            try:
                yield
            finally:
                with self._lock:
                    self._quota.record_answer(self._timing.monotonic())

    def back_off(self, seconds: float, *, told: bool = True) -> None:
        """The service said "too many": no request goes out before the pause is over. Answers to one burst count once.

        Args:
            seconds: until it may be asked again.
            told: by the service itself; false: it named no time, and the contract's minute is waited.
        """
        with self._lock:
            now = self._timing.monotonic()
            self._quota.record_refusal(told=told)
            self._drop_extra(now)
            if now >= self._paused_until:
                self._rate_share = max(MIN_RATE_SHARE, self._rate_share_at(now) * SLOWDOWN_FACTOR)
            self._paused_until = max(self._paused_until, now + min(seconds, MAX_SILENCE))
            self._is_paused = True

    def slow_down(self) -> None:
        """The service does not answer as it should: send no more than the rate, and not more again before long."""
        with self._lock:
            self._drop_extra(self._timing.monotonic())

    @property
    def rate(self) -> float:
        """Requests a second that are let through now."""
        with self._lock:
            return self._rate_at(self._timing.monotonic())

    def _rate_at(self, now: float) -> float:
        return self._rate * self._rate_share_at(now) + self._extra

    def _drop_extra(self, now: float) -> None:
        self._extra, self._no_extra_before = 0.0, now + QUOTA_LIFETIME * QUOTA_WINDOW

    def _earn_extra(self, now: float) -> None:
        """Rise while the rate is what requests wait for: it made one wait in the last second."""
        if now <= self._made_wait_at + 1.0 and now >= self._no_extra_before and self._quota.limit is None:
            self._extra = min(self._most_extra, self._extra + 1 / REQUESTS_A_STEP)

    def _rate_share_at(self, now: float) -> float:
        return min(1.0, self._rate_share + max(0.0, now - self._paused_until) / RECOVERY_SECONDS)

    def _seconds_to_wait(self) -> float:
        with self._lock:
            now = self._timing.monotonic()
            held = self._paused_until - now
            if held > MAX_PAUSE:
                raise RateLimitTimeoutError(held)
            if held > 0:
                return held
            if self._is_paused:
                self._is_paused = False
                self._quota.end_pause()
            if seconds := self._quota.seconds_to_wait(now):
                return seconds
            seconds = self._seconds_for_rate(self._rate_at(now), now)
            if seconds:
                self._made_wait_at = now
            else:
                self._quota.record_request()
                self._earn_extra(now)
            return seconds

    def _seconds_for_rate(self, rate: float, now: float) -> float:
        cost = min(UNITS_PER_SECOND, max(1, round(UNITS_PER_SECOND / rate)))
        return self._window.seconds_to_wait(now, cost)
