"""Lists: what is missing with the next step of each cause, and as files that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from hector_salto.access.problems import KINDS
from hector_salto.reports.lists import COLUMNS, ListView, as_csv, listing
from tests.reports.test_why import site, user


def cells(*rows):
    text = as_csv(ListView("key", "Title", pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")))
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


# --- each entry has the next step of its own cause ----------------------------------------------------------------------

PLAIN = {"code_shared": False, "has_tag": False, "own_tag": False, "tag_id": None}


@pytest.fixture
def look():
    """Users whose code opens nothing, each for another reason; two of them share an email, two a code."""
    people = [
        user("ana", **PLAIN | {"code_shared": True}),
        user("bo", **PLAIN | {"code_shared": True}),
        user("cy", **PLAIN),
        user("di", **PLAIN),
        user("ed", site_user_id=None, email="Same@x.example"),
        user("flo", site_user_id=None, email="same@x.example"),
        user("gus", site_user_id=None),
        user("hal", tag_blocked=True),
        user("ida", blocked=True),
    ]
    return site(people=people)


def found(look, key):
    problems = pd.DataFrame(
        [("code_twice", "user u_ana", KINDS["code_twice"].next_step), ("tag_held", "user u_cy", "take the tag")],
        columns=["code", "subject", "next_step"],
    )
    return {who: step for who, _, step in listing(look, problems, key).rows.itertuples(index=False)}


def test_a_tag_that_is_missing(look):
    """Both users of a shared code, one whose tag another holds, one whose tag is not there: three next steps."""
    steps = found(look, "no-tag")

    assert steps["Ana"] == steps["Bo"] == "correct the unique codes of these users in Hector"
    assert steps["Cy"] == "take the tag"
    assert steps["Di"].startswith("create the tag in the Salto dashboard")


def test_a_user_who_is_not_on_the_site(look):
    """Two who share an email are not waited for."""
    steps = found(look, "no-user")

    assert steps["Ed"] == steps["Flo"] == "give each of these users an email of their own in Hector"
    assert "reload" in steps["Gus"]


def test_what_is_blocked(look):
    """The user or the tag."""
    steps = found(look, "blocked")

    assert steps["Hal"].startswith("unblock the tag")
    assert steps["Ida"].startswith("unblock the user")


def test_entries_with_one_step_are_one_group(look):
    problems = pd.DataFrame(columns=["code", "subject", "next_step"])
    groups = [set(rows["who"]) for _, rows in listing(look, problems, "no-tag").by_step()]

    assert groups == [{"Ana", "Bo"}, {"Cy", "Di"}]


def test_two_locks_of_one_name(look):
    """They are named, but by no name of their own."""
    assert found(look, "lock-no-place")["Twin"].startswith("give each lock a name of its own")
