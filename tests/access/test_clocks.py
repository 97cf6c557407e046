"""Zones are compared by what their clocks show."""

from __future__ import annotations

import pandas as pd
import pytest

from hector_salto.access.clocks import timezone_problems

NOW = pd.Timestamp("2026-01-14T15:00Z")


@pytest.mark.parametrize(
    ("timezone", "zones", "differs"),
    [
        ("UTC", ["America/Toronto"], True),
        ("EST", ["America/Toronto"], True),  # the same only in winter
        ("EST", ["America/Panama"], False),
        ("US/Eastern", ["America/Toronto"], False),
        ("America/Toronto", ["America/Winnipeg", "America/Toronto"], False),
        ("UTC", ["Mars/Olympus", None], False),  # a problem of its own
        ("UTC", [], False),
    ],
)
def test_a_timezone_that_is_no_lock_s_is_a_problem(timezone, zones, differs):
    found = timezone_problems(timezone, pd.Series(zones, dtype="str"), NOW)

    assert list(found["code"]) == ["timezone_differs"] * differs
    assert found["message"].str.contains(timezone).all()
