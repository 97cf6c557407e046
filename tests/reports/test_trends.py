"""What the pictures say and where their bars are."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from hector_salto.ledger.trends import RunsOfDay
from hector_salto.reports import trends
from hector_salto.reports.charts import FLOOR, TOP, Chart, Series, figure, round_up

ZONE = ZoneInfo("America/Toronto")
DAYS = trends.midnights(datetime(2026, 3, 20, 12, tzinfo=UTC), ZONE, -trends.BACK + 1, 1)


def chart(*series, limit=None):
    return Chart("k", "t", "s", "u", "day", ("Mon", "Tue"), series, limit, "the subscription")


def test_pieces_of_a_column_stand_on_each_other():
    low, high = chart(Series("a", "solid", (4, None)), Series("b", "hatch", (4, 0)), limit=8).bars

    assert (low.y + low.height, high.y + high.height) == (FLOOR, low.y)
    assert high.y == TOP
    assert {low.look, high.look} == {"solid", "hatch"}


def test_a_limit_above_all_bars_is_in_the_picture():
    assert chart(Series("a", "solid", (3, 1)), limit=50).line == TOP


def test_a_chart_without_figures_is_empty():
    assert chart(Series("a", "solid", (0, None))).is_empty


@pytest.mark.parametrize(("value", "top"), [(1, 1), (3, 4), (8, 8), (9, 10), (101, 200)])
def test_the_scale_ends_with_a_round_figure(value, top):
    assert round_up(value) == top


def test_a_figure_says_when_it_is_not_known():
    assert [figure(one) for one in (None, 0, 2.5, 1234.4)] == ["not known", "0", "2.5", "1,234"]


def test_midnights_are_those_of_the_zone_also_when_its_clocks_change():
    assert len(DAYS) == trends.BACK + 1
    assert {one.hour for one in DAYS} == {0}
    assert len({one.utcoffset() for one in DAYS}) == 2


def test_runs_say_how_many_are_red_and_how_long_they_took():
    runs = [RunsOfDay(0, "green", 2, 30.0, 7), RunsOfDay(0, "red", 1, 30.0, 0)]
    states, duration, operations = trends.runs_charts(runs, DAYS)

    assert states.says == "3 runs in 28 days, 1 of them red."
    assert duration.series[0].values[:2] == (20.0, None)
    assert operations.says == "7 operations planned in 28 days."


def test_empty_charts_say_why_in_one_sentence():
    empty = [
        *trends.runs_charts([], DAYS),
        trends.problems_chart({}, DAYS),
        trends.hours_chart({}, trends.midnights(datetime.now(UTC), ZONE, -27, 8)),
        trends.waits_chart([0] * 6),
    ]

    assert all(one.is_empty and one.says.startswith("No ") and one.says.endswith(".") for one in empty)


def test_problems_are_by_who_must_act_and_unknown_where_no_sync_looked():
    found = trends.problems_chart({(1, "operator"): 3, (2, ""): 0}, DAYS)

    assert found.says.startswith("0 problems open at the last sync of ")
    assert found.series[2].values[:4] == (None, 3, 0, None)


def test_the_seats_say_on_which_day_they_are_first_short():
    assert trends._seats_sentence(("Mon", "Tue", "Wed"), (4, 6, 7), 5) == (
        "1 seat short on Tue; the seats do not suffice on 2 days until Wed."
    )
    assert (
        trends._seats_sentence(("Mon", "Tue"), (4, 5), 5)
        == "The seats suffice on every day until Tue: at most 5 of 5 are needed."
    )
    assert "no limit" in trends._seats_sentence(("Mon",), (1,), None)
