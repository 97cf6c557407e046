"""Bad input, as a long sweep: tests/scenarios/test_fuzz.py says what is proved; the counts are printed."""

from __future__ import annotations

import pytest

from tests.effort import EFFORT
from tests.scenarios.fault_injection import check_corrupted_reply, check_odd_names, count_results, note_input

SHARES = range(8)  # so that all cores have work
FIRST = 1_000_000  # beyond the sample's seeds

pytestmark = pytest.mark.prove


def of(share, count):
    """The seeds of one share: others for each effort."""
    return range(FIRST * EFFORT + share * count, FIRST * EFFORT + (share + 1) * count)


@pytest.mark.parametrize("share", SHARES)
def test_spoilt_answers(share, record_property):
    found = count_results(of(share, 25 * EFFORT))

    record_property("spoilt answers tried", dict(found))
    print(f"spoilt answers tried: {found.total()}, {dict(found)}")  # noqa: T201 - the count is part of the proof
    assert found.total() == 25 * EFFORT


@pytest.mark.parametrize("share", SHARES)
def test_spoilt_replies_to_writes(share):
    for seed in of(share, 2 * EFFORT):
        with note_input(f"seed {seed}"):
            check_corrupted_reply(seed)


@pytest.mark.parametrize("share", SHARES)
def test_odd_names(share):
    for seed in of(share, EFFORT):
        with note_input(f"seed {seed}"):
            check_odd_names(seed)
