"""Every way in which RFC 3339 lets an instant be written is read; what names no instant is refused."""

from datetime import UTC, datetime

import pytest

from hector_salto.http_client.timestamps import InvalidTimestampError, parse_datetime, parse_timestamp

NOON = datetime(2026, 1, 14, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-14T12:00:00Z",
        "2026-01-14t12:00:00z",
        "2026-01-14T07:00:00-05:00",
        "2026-01-14t07:00:00-05:00",
        "2026-01-14 12:00:00Z",
        "2026-01-14 12:00:00z",
        "2026-01-14T12:00:00+00:00",
        "2026-01-14T12:00:00-00:00",
        "2026-01-14T11:59:60Z",
        "2026-01-14t11:59:60.999z",
        "2026-01-14T06:59:60-05:00",
        "2026-01-14T12:00:00.0Z",
        "2026-01-14T12:00:00.00000000000000Z",
        "2026-01-14T12:00Z",
    ],
)
def test_read(text):
    assert parse_timestamp(text) == NOON


@pytest.mark.parametrize(
    ("fraction", "microsecond"), [("5", 500_000), ("123456", 123_456), ("1234567", 123_456), ("000000999", 0)]
)
def test_a_fraction_of_any_length_counts_to_the_microsecond(fraction, microsecond):
    assert parse_timestamp(f"2026-01-14T12:00:00.{fraction}z") == NOON.replace(microsecond=microsecond)


def test_the_leap_second_at_the_end_of_a_year_is_the_next_year():
    assert parse_timestamp("2026-12-31T23:59:60Z") == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-14T12:00:00",
        "2026-01-14t12:00:00",
        "2026-01-14 12:00:60",
        "2026-01-14",
        "2026-01-14T12:00:61Z",
        "2026-01-14T12:60:00Z",
        "2026-02-30T12:00:00Z",
        "9999-12-31T23:59:60-05:00",
        "0001-01-01T00:00:00+05:00",
        "12:00:00Z",
        "soon",
        "",
    ],
)
def test_refused(text):
    with pytest.raises(InvalidTimestampError):
        parse_timestamp(text)


def test_without_an_offset_it_is_a_wall_clock():
    assert parse_datetime("2026-01-14t12:00:00").tzinfo is None
