from __future__ import annotations

import math
import threading
import time

import pytest

from hector_salto.http_client.rate_limit import Quota, RateLimit, RateLimitTimeoutError


def pass_turns(pacing, number):
    for _ in range(number):
        with pacing.acquire():
            pass


def test_no_more_than_the_rate_passes(fake_time):
    pacing = RateLimit(rate=20, timing=fake_time.timing)
    began = fake_time.now

    pass_turns(pacing, 220)
    assert 9.9 <= fake_time.now - began <= 10.3  # the first second's worth may go at once


def test_no_more_than_the_slots_run_at_a_time():
    pacing, inside, most, lock = RateLimit(concurrency=3, rate=1000), [0], [0], threading.Lock()

    def work():
        with pacing.acquire():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [3]


def test_a_hold_makes_everybody_wait_until_it_is_over(fake_time):
    pacing = RateLimit(timing=fake_time.timing)
    began = fake_time.now

    pacing.back_off(30)
    pass_turns(pacing, 1)
    assert fake_time.now - began == pytest.approx(30)


def test_after_a_hold_the_rate_is_lower_and_recovers_slowly(fake_time):
    pacing = RateLimit(rate=20, timing=fake_time.timing)

    pacing.back_off(10)
    pacing.back_off(10)  # the same burst's second answer
    fake_time.now += 10
    assert pacing.rate == pytest.approx(16)
    fake_time.now += 6
    assert pacing.rate == pytest.approx(18)
    fake_time.now += 60
    assert pacing.rate == 20


def test_the_rate_never_falls_to_nothing(fake_time):
    pacing = RateLimit(rate=20, timing=fake_time.timing)

    for _ in range(50):
        pacing.back_off(0)
    assert pacing.rate >= 2


def test_a_hold_longer_than_a_run_should_wait_is_an_error(fake_time):
    pacing = RateLimit(timing=fake_time.timing)

    pacing.back_off(3600)
    with pytest.raises(RateLimitTimeoutError), pacing.acquire():
        pass


def test_a_service_that_refuses_nothing_is_sent_more_step_by_step_up_to_the_ceiling(fake_time):
    pacing, seen = RateLimit(rate=100, ceiling=150, timing=fake_time.timing), []
    for _ in range(8):
        pass_turns(pacing, 100)
        seen.append(pacing.rate)

    assert seen == sorted(seen)
    assert 100 < seen[1] < 150
    assert seen[-1] == 150


def test_what_nobody_waits_for_does_not_rise(fake_time):
    pacing = RateLimit(rate=100, ceiling=150, timing=fake_time.timing)
    for _ in range(500):
        pass_turns(pacing, 1)
        fake_time.now += 0.02
    assert pacing.rate == 100


def test_a_refusal_brings_the_rate_back_at_once_and_for_ten_minutes(fake_time):
    pacing = RateLimit(rate=100, ceiling=150, timing=fake_time.timing)
    pass_turns(pacing, 1000)
    assert pacing.rate == 150

    pacing.back_off(1)
    fake_time.now += 1
    assert pacing.rate == pytest.approx(80)
    pass_turns(pacing, 20_000)
    assert pacing.rate == 100
    fake_time.now += 600
    pass_turns(pacing, 1000)
    assert pacing.rate == 150


def test_a_service_that_is_not_well_is_sent_no_more_than_the_rate(fake_time):
    pacing = RateLimit(rate=100, ceiling=150, timing=fake_time.timing)
    pass_turns(pacing, 1000)
    pacing.slow_down()
    assert pacing.rate == 100


class FixedWindow:
    """A service that allows so many requests a minute, counted from the first, and refuses the rest."""

    def __init__(self, fake_time, allowed, *, tells):
        self.time, self.allowed, self.tells = fake_time, allowed, tells
        self.opened, self.used, self.served, self.refused, self.quiet_until = -math.inf, 0, 0, 0, -math.inf

    def asked(self, pacing):
        now = self.time.now
        assert now >= self.quiet_until, "asked before it may"
        if now >= self.opened + 60:
            self.opened, self.used = now, 0
        if self.used < self.allowed:
            self.used += 1
            self.served += 1
            return
        self.refused += 1
        wait = self.opened + 60 - now if self.tells else 60
        self.quiet_until = now + wait
        pacing.back_off(wait, told=self.tells)


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("ceiling", [0, 200])
@pytest.mark.parametrize("allowed", [3, 10, 60, 300, 1000, 3000])
def test_against_a_fixed_window_less_than_a_tenth_of_what_is_allowed_is_lost(fake_time, allowed, tells, ceiling):
    """In thirty minutes, with and without Retry-After, and it is never asked before it may."""
    pacing, began = RateLimit(ceiling=ceiling, timing=fake_time.timing), fake_time.now
    service = FixedWindow(fake_time, allowed, tells=tells)
    while fake_time.now - began < 1800:
        with pacing.acquire():
            service.asked(pacing)

    assert service.served > 0.9 * allowed * 30


def test_a_learnt_quota_is_not_exceeded_again_for_ten_windows(fake_time):
    pacing, began = RateLimit(timing=fake_time.timing), fake_time.now
    service = FixedWindow(fake_time, 300, tells=False)
    refused = []
    while fake_time.now - began < 1700:
        with pacing.acquire():
            before = service.refused
            service.asked(pacing)
            if service.refused > before:
                refused.append(round((fake_time.now - began) / 60))

    assert refused == [0, 1, 12, 23]  # two lessons, then one after every ten quiet windows


def test_one_stray_refusal_teaches_nothing(fake_time):
    pacing = RateLimit(timing=fake_time.timing)
    with pacing.acquire():
        pacing.back_off(60, told=False)
    began = fake_time.now
    pass_turns(pacing, 1000)

    assert fake_time.now - began < 60 + 15


def test_refusals_after_ever_other_numbers_teach_nothing(fake_time):
    """Somebody else uses the same quota: what fits changes from window to window."""
    quota = Quota()
    for number in (100, 10, 60, 5):
        for _ in range(number):
            quota.record_request()
        quota.record_answer(fake_time.now)
        quota.record_refusal(told=False)
        quota.end_pause()

        assert quota.limit is None
