"""A service that allows so many requests a minute: the run succeeds, never asks before it may, and loses little time."""

from __future__ import annotations

import datetime as dt
import logging
import math
import time
from dataclasses import dataclass, field

import pytest

from hector_salto.access.settings import AccessRules, Limits
from hector_salto.http_client.rate_limit import Quota, RateLimit
from hector_salto.http_client.timing import SYSTEM_CLOCK
from sandbox import Sandbox, campus
from sandbox.behaviour import Throttle
from tests.synchronization import Synchronization

LOG = logging.getLogger(__name__)
NOW = dt.datetime(2026, 1, 14, 15, 0, tzinfo=dt.UTC)
TOO_MANY = 429
THREADS = 8
ROUNDING = 0.05  # seconds between what the client did and when this test wrote it down
RULES = AccessRules(limits=Limits(hold_above=1000))


@dataclass
class Measured:
    """One whole run against a throttled service."""

    served: int
    refused: int
    early: list[float]
    loss: float


@dataclass
class Turns:
    """When the client let a request pass, and what pauses it had been told of by then."""

    passed: list[float] = field(default_factory=list)
    pauses: list[tuple[float, float]] = field(default_factory=list)

    def early(self):
        """Requests let through while a pause was on; a pause counts from when the client has heard of it."""
        return [at for heard, seconds in self.pauses for at in self.passed if heard < at < heard + seconds - ROUNDING]


@pytest.fixture
def turns(monkeypatch):
    found = Turns()
    sent, hold = Quota.record_request, RateLimit.back_off

    def noted(quota):
        found.passed.append(time.monotonic())
        sent(quota)

    def held(pacing, seconds, *, told=True):
        hold(pacing, seconds, told=told)
        found.pauses.append((time.monotonic(), seconds))

    monkeypatch.setattr(Quota, "record_request", noted)
    monkeypatch.setattr(RateLimit, "back_off", held)
    return found


def run(turns, throttle, *, server="salto"):
    """A run in real time; where no time is told, the contract's minute is as long as the window."""
    with pytest.MonkeyPatch.context() as patch, Sandbox(campus(NOW), clock=_clock()) as sandbox:
        for name in (
            "hector_salto.http_client.rate_limit.QUOTA_WINDOW",
            "hector_salto.http_client.rate_limit.RECOVERY_SECONDS",
            "hector_salto.http_client.transport.DEFAULT_RETRY_AFTER",
        ):
            patch.setattr(name, throttle.window_seconds)
        sandbox.change(**{f"{server}_throttle": throttle})
        done = Synchronization(sandbox, timing=SYSTEM_CLOCK).run(RULES, NOW)
        assert done.all_done, done.outcomes[done.outcomes["state"].ne("done")].to_dict("records")
        rows = [row for row in sandbox.log.rows() if row.server == server and not row.path.startswith("/connect")]
    served = sorted(row.at for row in rows if row.status != TOO_MANY)
    return Measured(len(served), len(rows) - len(served), turns.early(), loss(served, throttle))


def loss(served, throttle):
    """Of the time until the last window begins: what was waited although the quota would have let requests through."""
    windows = math.ceil(len(served) / throttle.limit)
    if windows == 1:
        return 0.0
    taken = (served[(windows - 1) * throttle.limit] - served[0]).total_seconds()
    return 1 - (windows - 1) * throttle.window_seconds / taken


def _clock():
    began = time.monotonic()
    return lambda: NOW + dt.timedelta(seconds=time.monotonic() - began)


@pytest.mark.parametrize("throttle", [Throttle(100, 2.0, retry_after=False), Throttle(150, 2.0, retry_after=True)])
def test_a_whole_run_succeeds_and_never_asks_before_it_may(turns, throttle):
    """How little it loses is shown with a clock of its own in tests/http_client/test_pacing.py, and in real minutes below."""
    found = run(turns, throttle)

    assert found.refused
    assert found.early == []


def test_a_quota_that_is_learnt_is_refused_no_more(turns):
    found = run(turns, Throttle(30, 0.4, retry_after=False))

    assert found.early == []
    assert found.refused <= 3 * THREADS  # thirteen windows, of which the first ones teach


def test_a_throttled_hector_is_read_whole(turns):
    found = run(turns, Throttle(2, 0.5, retry_after=False), server="hector")

    assert found.refused
    assert found.early == []


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("allowed", [60, 100, 200])
def test_in_real_minutes_less_than_a_tenth_is_lost(turns, allowed, tells):
    found = run(turns, Throttle(allowed, 60.0, retry_after=tells))
    LOG.warning("%d a minute, Retry-After %s: %s", allowed, tells, found)

    assert found.early == []
    assert found.loss < 0.1
