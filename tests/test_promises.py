"""The tests that docs/promises.md and docs/security.md name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"`(?:tests/)?([\w/]*test_\w+\.py)?(?:::(test_\w+))?`")


def named(document: str) -> list[tuple[str, str]]:
    """File and test (or nothing) of each name; ``::test_x`` alone belongs to the file named before it."""
    found, last = [], ""
    for path, test in NAMED.findall((ROOT / "docs" / document).read_text(encoding="utf-8")):
        last = path or last
        if not (path or test):
            continue
        found.append((last, test))
    return found


@pytest.mark.parametrize(("document", "at_least"), [("promises.md", 80), ("security.md", 20)])
def test_every_test_that_is_named_exists(document, at_least):
    assert len(named(document)) >= at_least
    for path, test in named(document):
        text = (ROOT / "tests" / path).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in text, f"{path}::{test}"


def test_every_promise_names_a_test():
    text = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    promises = re.split(r"^\*\*\d+\. ", text.partition("## Measured")[0], flags=re.MULTILINE)[1:]

    assert len(promises) == 10
    assert all(NAMED.search(promise) for promise in promises)
