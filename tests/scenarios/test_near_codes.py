"""Unique codes as spreadsheets leave them: how a code misses its tag is said, never guessed, and never with the number."""

from __future__ import annotations

import pytest

from tests.scenarios.world import world

TAG = "02301234"
WAYS = {
    "2301234": "it would match if zero-padded to 8",
    "2301234.0": "it would match if written without decimals, zero-padded to 8",
    "'02301234": "it would match if written without the apostrophe before it",
    "\uff10\uff12\uff13\uff10\uff11\uff12\uff13\uff14": "written in plain digits and letters, not full-width ones",
    "02301234,0": "it would match if written without decimals",
    "002301234": "it would match if written without leading zeros, in 8 characters",
    "02 30 12 34": "it would match if written without spaces, colons and hyphens",
    "2.301234E+6": "it would match if written out, not in scientific notation, zero-padded to 8",
    "2.3E+6": "in scientific notation, as spreadsheets leave long numbers, so digits of it are lost",
}


def told(tags, code):
    """The problem about a user with that code on a site with these tags, and whether a tag was given."""
    with world() as h:
        for tag in tags:
            h.salto.enrol_tag(tag)
        user = h.hector.add_user(email="ana@school.example", unique_code=code)
        h.hector.add_loaner(user, [], h.clock.now, h.clock.now, reference="1")
        done = h.run()
        found = done.plan.problems[done.plan.problems["code"].eq("tag_unknown")].to_dict("records")
        return found, done.outcomes["key"].str.startswith("tag_on").any()


@pytest.mark.parametrize(("code", "way"), WAYS.items())
def test_how_a_code_misses(code, way):
    (found,), given = told([TAG], code)

    assert not given
    assert way in found["message"]
    assert found["who"] == "hector_admin"
    shown = " ".join(map(str, found.values()))
    assert TAG not in shown
    assert "2301234" not in shown


def test_letter_case():
    (found,), _ = told(["04A2B3C4"], "04a2b3c4")

    assert "it would match if written in the letter case and form of the tag" in found["message"]


def test_a_code_that_matches_several():
    (found,), given = told(["02301234", "002301234"], "2301234")

    assert not given
    assert found["message"].endswith("other ways to write it match 2 tags")


def test_a_code_like_no_tag():
    (found,), _ = told([TAG], "99999999")

    assert found["who"] == "salto_admin"
    assert found["message"].endswith("is no tag of this site")


def test_invisible_characters_are_no_part_of_a_code():
    found, given = told([TAG], f"\ufeff{TAG}\u200b")

    assert not found
    assert given
