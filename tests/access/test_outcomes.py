"""When to stop giving because too much fails (design, section 5, the guard "failures")."""

import pytest

from hector_salto.access.results import DONE, FAILED, CircuitBreaker, as_table


def tripped(outcomes):
    """``outcomes``: . went well, x failed."""
    brake = CircuitBreaker()
    for outcome in outcomes:
        brake.note(failed=outcome == "x")
    return brake.tripped


@pytest.mark.parametrize(
    ("outcomes", "stops"),
    [
        ("", False),
        ("xxxx", False),
        ("xxxxx", True),
        ("xxxx.x", False),
        ("xxxx.xxxx", False),
        ("xxxx.xxxxx", True),
        ("." * 50 + "xxxxx", True),
    ],
)
def test_five_failures_in_a_row_stop_giving_and_four_do_not(outcomes, stops):
    assert tripped(outcomes) is stops


@pytest.mark.parametrize(
    ("outcomes", "stops"),
    [
        ("xx." * 6 + ".", False),  # 12 of 19: fewer than twenty
        ("...xx" * 4, False),  # 8 of 20 is forty per cent exactly
        ("...xx" * 3 + "..xxx", True),  # 9 of 20
        ("...xx" * 20, False), ("...xx" * 20 + "xx", True),  # 42 of 102 is more
    ],
)  # fmt: skip
def test_more_than_forty_per_cent_of_twenty_or_more_stop_giving(outcomes, stops):
    assert tripped(outcomes) is stops


def test_once_stopped_it_stays_stopped():
    assert tripped("xxxxx" + "." * 500)


def test_outcomes_are_a_table_by_key():
    found = as_table({"a": (DONE, ""), "b": (FAILED, "no")})

    assert found.to_dict("records") == [
        {"key": "a", "state": "done", "message": ""},
        {"key": "b", "state": "failed", "message": "no"},
    ]
