"""Lists as files that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from include.report.lists import COLUMNS, Listing, as_csv


def cells(*rows):
    text = as_csv(Listing("key", "Title", pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")))
    return text, list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_accents():
    """The file begins with UTF-8's mark, by which a spreadsheet knows its encoding."""
    text, rows = cells(("Zoé Müller", "Büro 日本", "-"))

    assert text.encode().startswith(b"\xef\xbb\xbfwho,detail,step")
    assert rows[1][:2] == ["Zoé Müller", "Büro 日本"]


@pytest.mark.parametrize(
    "typed", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\uff1d1", "\ufeff=1"]
)
def test_formulas(typed):
    """What would be run begins with an apostrophe, in every column."""
    _, rows = cells((typed, typed, typed))

    assert rows[1] == [f"'{typed}"] * 3


@pytest.mark.parametrize("typed", ["O'Neil", "a=b", "1-2", "", "zoé@example.org"])
def test_plain_text(typed):
    """Anything else stays as it is."""
    assert cells((typed, "x", "y"))[1][1][0] == typed
