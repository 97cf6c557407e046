"""The shape of a tag number: what may be said of it without the number."""

import pytest

from hector_salto.http_client.tag_numbers import tag_shape


@pytest.mark.parametrize("number", [None, "", "  ", "\u200b"])
def test_no_number_has_no_shape(number):
    assert tag_shape(number) is None


@pytest.mark.parametrize(
    ("number", "length", "forms"),
    [
        ("02301234", 8, ""),
        ("'02301234.0", 8, "apostrophe decimals"),
        ("4.2E+10", 11, "scientific"),
        ("4,2e+10", 11, "scientific"),
        ("42E10", 5, ""),  # a number in base 16
        ("4.2345E+2", 9, ""),  # no whole number
        ("04:A2:B3:C4", 8, "separators"),
    ],
)
def test_forms(number, length, forms):
    found = tag_shape(number)

    assert (found.length, found.forms) == (length, forms)


def test_a_shape_shows_no_number():
    assert "2301234" not in repr(tag_shape("02301234"))
