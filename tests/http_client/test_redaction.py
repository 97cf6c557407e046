from __future__ import annotations

import pytest

from hector_salto.http_client.redaction import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Validation failed: This email address is already in use.",) * 2,
        ("ana@example.org is in use", "… is in use"),
        ("tag 1042-0007 taken", "tag … taken"),
        ("a\nb\x1b[31mc", "a …"),
        ("maximum admitted 3 per 1m.", "maximum admitted … per …"),
        ("key " + "x" * 40, "key …"),
    ],
)
def test_words_that_could_tell_something_are_replaced(text, shown):
    assert redact(text) == shown


def test_a_long_text_is_cut():
    assert len(redact("word " * 1000)) == 200
