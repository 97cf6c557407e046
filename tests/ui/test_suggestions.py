"""What the question of Why suggests while it is typed."""

from __future__ import annotations

import re

import pytest

from hector_salto.reports import suggestions


def suggested(client, words):
    answer = client.get("/suggest", params={"integration": "campus", "words": words})
    assert answer.status_code == 200
    return re.findall(r'<option value="(.*?)">(.*?)</option>', answer.text)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("tud", [("Studio", "door")]),
        ("STUD", [("Studio", "door")]),
        (" an", [("ana@x.example", "Ana Roy")]),
        ("cy r", [("Cy Roy", "Cy Roy")]),  # no email
        ("<b", [("&lt;b&gt;1&lt;/b&gt;", "reservation")]),
        ("b>", []),  # a reference is typed from its beginning
        ("s", []),  # of one letter there are too many
        ("", []),
        ("%%", []),
        ("__", []),
    ],
)
def test_what_is_typed_is_looked_for_in_doors_users_and_references(campus, visit, typed, found):
    assert suggested(visit("user"), typed) == found


def test_of_each_kind_only_a_few(campus, visit, monkeypatch):
    assert [words for words, _ in suggested(visit("user"), "x.example")] == ["ana@x.example", "bo@x.example"]

    monkeypatch.setattr(suggestions, "MOST_OF_A_KIND", 1)
    assert [words for words, _ in suggested(visit("user"), "x.example")] == ["ana@x.example"]


def test_nothing_of_an_integration_that_a_visitor_may_not_see(campus, visit):
    assert visit("user").get("/suggest?integration=other&words=ana").status_code == 404
    assert visit(None).get("/suggest?integration=campus&words=ana").status_code in {401, 403}


def test_the_question_asks_for_suggestions(campus, visit):
    text = visit("user").get("/why?integration=campus").text

    assert 'list="suggestions"' in text
    assert 'hx-get="/doors/suggest?integration=campus"' in text
