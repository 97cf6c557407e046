"""What a watch takes for news."""

from __future__ import annotations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from hector_salto.access import schemas
from hector_salto.access.watermark import OVERLAP, News, Watermark, news

NOW = pd.Timestamp("2026-01-14T15:00:00Z")
LATER = NOW + pd.Timedelta(minutes=20)


def changed(*rows):
    table = [
        {"reservation_id": one, "reference": f"R{one}", "updated_at": NOW + pd.Timedelta(seconds=at)}
        for one, at in rows
    ]
    return schemas.frame(schemas.CHANGED_RESERVATIONS, table)


def test_a_change_is_news_once():
    found, mark = news(changed(("1", 5)), Watermark(NOW), LATER)
    assert found == News(("R1",))

    again, mark = news(changed(("1", 5)), mark, LATER)
    assert not again
    assert mark.since == NOW + pd.Timedelta(seconds=5)


def test_the_same_reservation_changed_again_is_news_again():
    _, mark = news(changed(("1", 5)), Watermark(NOW), LATER)

    assert news(changed(("1", 9)), mark, LATER)[0] == News(("R1",))


def test_what_shows_late_with_an_earlier_stamp_is_still_news():
    _, mark = news(changed(("1", 60)), Watermark(NOW), LATER)

    assert mark.query_start <= NOW + pd.Timedelta(seconds=1)
    assert news(changed(("2", 1), ("1", 60)), mark, LATER)[0] == News(("R2",))


def test_nothing_moves_no_mark():
    assert news(changed(), Watermark(NOW), LATER) == (News(()), Watermark(NOW))


def test_many_changes_are_a_sync_of_all():
    rows = [(str(number), number) for number in range(11)]

    assert news(changed(*rows), Watermark(NOW), LATER)[0] == News((), everything=True)
    assert len(news(changed(*rows[:10]), Watermark(NOW), LATER)[0].references) == 10


def test_a_blank_reference_names_nothing_so_all_are_looked_at():
    table = changed(("1", 5)).assign(reference=" ")

    assert news(table, Watermark(NOW), LATER)[0].everything


def test_a_stamp_of_the_future_is_news_once_and_blinds_nobody():
    found, mark = news(changed(("1", 10**7)), Watermark(NOW), LATER)
    assert found == News(("R1",))
    assert mark.since <= LATER

    again, mark = news(changed(("1", 10**7), ("2", 60)), mark, LATER)
    assert again == News(("R2",))
    assert news(changed(("1", 10**7), ("2", 60)), mark, LATER)[0] == News(())


def test_a_mark_does_not_stay_behind_for_longer_than_clocks_differ():
    """Else whatever was changed at once with thousands of others is read again in every question."""
    _, mark = news(changed(), Watermark(NOW), NOW + pd.Timedelta(hours=5))

    assert mark.since == NOW + pd.Timedelta(hours=4)


def test_a_mark_survives_being_written_down():
    _, mark = news(changed(("1", 5), ("2", 6)), Watermark(NOW), LATER)

    assert Watermark.from_json(mark.as_json()) == mark


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 600), st.integers(0, 80)), max_size=12))
def test_whatever_shows_within_the_overlap_is_news_exactly_once(events):
    """Each: reservation, second of its stamp, and how many seconds later it shows (less than the overlap)."""
    mark, told, last = Watermark(NOW), [], {}
    for second in range(0, 720, 40):
        for one, at, late in events:
            if at + late <= second:
                last[one] = max(at, last.get(one, -1))
        asked = changed(*((str(one), at) for one, at in last.items()))
        found, mark = news(asked[asked["updated_at"] >= mark.query_start], mark, LATER)
        told += [(reference, last[int(reference[1:])]) for reference in found.references]

    assert len(told) == len(set(told))
    assert {(f"R{one}", at) for one, at in last.items()} <= set(told)
    assert pd.Timedelta(seconds=80 + 40) <= OVERLAP
