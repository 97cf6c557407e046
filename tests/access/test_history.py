"""What a shrunken Hector is measured against (guard shrink)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hector_salto.access.guard_history import DatedRead, ReadCounts, baseline

NOW = datetime(2026, 1, 14, 21, 0, tzinfo=UTC)
GOOD = ReadCounts(60, 80)


def nightly(*levels):
    """Syncs of everything before NOW, one a night, the last one a day ago."""
    days = range(len(levels), 0, -1)
    return [DatedRead(NOW - timedelta(days=day), ReadCounts(*level)) for day, level in zip(days, levels, strict=True)]


@pytest.mark.parametrize("nights", [1, 2])
def test_a_new_level_of_a_night_or_two(nights):
    """It may be a mistake of Hector."""
    assert baseline(GOOD, nightly(*[(60, 30)] * nights), NOW) == GOOD


def test_a_long_standing_level():
    """Three nights: it is the baseline, whatever keeps the runs red."""
    assert baseline(GOOD, nightly(*[(60, 30)] * 3), NOW) == ReadCounts(60, 30)


def test_a_slow_decline():
    """The highest level of the last three nights counts."""
    assert baseline(GOOD, nightly((60, 80), (60, 41), (60, 40), (60, 39)), NOW) == ReadCounts(60, 41)


def test_one_night_of_the_old_level():
    """The new level is not long-standing then."""
    assert baseline(GOOD, nightly((60, 30), (60, 80), (60, 30)), NOW) == GOOD


def test_a_level_that_rose():
    """A site that grew while red is measured against the new level."""
    assert baseline(ReadCounts(10, 10), nightly(*[(100, 100)] * 4), NOW) == ReadCounts(100, 100)


def test_many_syncs_of_one_day():
    """Frequent runs do not make a level long-standing sooner."""
    reads = [DatedRead(NOW - timedelta(minutes=5 * number), ReadCounts(60, 30)) for number in range(1, 500)]

    assert baseline(GOOD, reads, NOW) == GOOD


def test_rare_syncs():
    """A weekly sync needs three of them."""
    weekly = [DatedRead(NOW - timedelta(weeks=week), ReadCounts(60, 30)) for week in (2, 1)]

    assert baseline(GOOD, weekly, NOW) == GOOD
    assert baseline(GOOD, [DatedRead(NOW - timedelta(weeks=3), ReadCounts(60, 30)), *weekly], NOW) == ReadCounts(60, 30)


def test_a_site_that_was_never_green():
    """It has a baseline once its level is long-standing."""
    assert baseline(None, nightly((60, 80)), NOW) is None
    assert baseline(None, nightly((60, 80), (60, 30), (60, 80)), NOW) == ReadCounts(60, 80)
