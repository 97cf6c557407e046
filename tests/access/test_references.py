"""References as people type them into a form."""

from __future__ import annotations

import pytest

from hector_salto.access.references import resolve_references

KNOWN = frozenset({"7", "8", "A 7", "9,5", "Hector_3", "BAD-7"})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([" 7 "], ("7",)),
        (["7\r"], ("7",)),
        (["7, 8"], ("7", "8")),
        (["7\n8\t BAD-7"], ("7", "8", "BAD-7")),
        (["Hector_7", "hector_8", " HECTOR_7 "], ("7", "8")),
        (["Hector_7,Hector_8"], ("7", "8")),
        (["", "  ", ",", "Hector_"], ()),
        (["A 7", " 9,5 "], ("A 7", "9,5")),
        (["Hector_A 7"], ("A 7",)),
        (["Hector_3"], ("Hector_3",)),
        (["77 Hector_78"], ("77", "78")),
    ],
)
def test_forms(given, meant):
    """Trimmed, split and without prefix, unless the whole text is a reference."""
    assert resolve_references(given, KNOWN) == meant
