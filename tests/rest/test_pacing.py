from __future__ import annotations

import threading
import time

import pytest

from rest.pacing import HeldTooLongError, Pacing


def pass_turns(pacing, number):
    for _ in range(number):
        with pacing.turn():
            pass


def test_no_more_than_the_rate_passes(fake_time):
    pacing = Pacing(rate=20, timing=fake_time.timing)
    began = fake_time.now

    pass_turns(pacing, 220)
    assert 9.9 <= fake_time.now - began <= 10.3  # the first second's worth may go at once


def test_no_more_than_the_slots_run_at_a_time():
    pacing, inside, most, lock = Pacing(concurrency=3, rate=1000), [0], [0], threading.Lock()

    def work():
        with pacing.turn():
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
    pacing = Pacing(timing=fake_time.timing)
    began = fake_time.now

    pacing.hold(30)
    pass_turns(pacing, 1)
    assert fake_time.now - began == pytest.approx(30)


def test_after_a_hold_the_rate_is_lower_and_recovers_slowly(fake_time):
    pacing = Pacing(rate=20, timing=fake_time.timing)

    pacing.hold(10)
    pacing.hold(10)  # the same burst's second answer
    fake_time.now += 10
    assert pacing.rate == pytest.approx(16)
    fake_time.now += 6
    assert pacing.rate == pytest.approx(18)
    fake_time.now += 60
    assert pacing.rate == 20


def test_the_rate_never_falls_to_nothing(fake_time):
    pacing = Pacing(rate=20, timing=fake_time.timing)

    for _ in range(50):
        pacing.hold(0)
    assert pacing.rate >= 2


def test_a_hold_longer_than_a_run_should_wait_is_an_error(fake_time):
    pacing = Pacing(timing=fake_time.timing)

    pacing.hold(3600)
    with pytest.raises(HeldTooLongError), pacing.turn():
        pass


@pytest.mark.parametrize("allowed", [60, 300, 600, 1080])
def test_against_a_fixed_window_hardly_anything_of_what_is_allowed_is_lost(fake_time, allowed):
    """A service that allows so many a minute and answers 429 with the rest of its window."""
    pacing = Pacing(rate=20, timing=fake_time.timing)
    began, window, used, done = fake_time.now, fake_time.now, 0, 0
    while fake_time.now - began < 1800:
        with pacing.turn():
            if fake_time.now >= window + 60:
                window, used = fake_time.now, 0
            used += 1
            if used > allowed:
                pacing.hold(window + 60 - fake_time.now)
            else:
                done += 1

    assert done > 0.9 * allowed * 30
