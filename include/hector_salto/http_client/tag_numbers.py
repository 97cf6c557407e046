"""How a tag number is written, without the number: what the rules need to say how a unique code misses a tag.

Spreadsheets change codes: they drop leading zeros, append `.0`, put an apostrophe before, or write 4.2E+10. Both clients
reduce a number to its core and hand on a fingerprint of that core, never the core.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from hector_salto.access.near_codes import CodeForm
from hector_salto.access.texts import plain

APOSTROPHES = "'\u2018\u2019\u02bc`\u00b4"
SCIENTIFIC_NOTATION = re.compile(r"(\d+)(?:[.,](\d+))?E\+(\d{1,2})", re.IGNORECASE)
ZERO_DECIMALS = re.compile(r"(\d+)[.,]0+")
HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")
SEPARATORS = re.compile(r"[\s:-]")


@dataclass(frozen=True, slots=True)
class TagShape:
    """A number as it was written.

    Attributes:
        core: what is left without forms, letter case and leading zeros; equal where two numbers are near.
        length: letters of the number without forms.
        forms: codes of what was taken away, joined by spaces.
    """

    core: str
    length: int
    forms: str

    def __repr__(self) -> str:
        return f"TagShape(core=***, length={self.length}, forms={self.forms!r})"


def tag_shape(number: str | None) -> TagShape | None:
    """Return the shape of a tag number; None when it is missing or blank."""
    text = plain(number or "")
    if not text:
        return None
    forms: list[CodeForm] = []
    for form, reduced in (
        (CodeForm.FULL_WIDTH, lambda value: unicodedata.normalize("NFKC", value)),
        (CodeForm.APOSTROPHE, lambda value: value.lstrip(APOSTROPHES)),
        (CodeForm.SCIENTIFIC, _expand_scientific),
        (CodeForm.DECIMALS, lambda value: ZERO_DECIMALS.sub(r"\1", value) if ZERO_DECIMALS.fullmatch(value) else value),
        (CodeForm.SEPARATORS, lambda value: SEPARATORS.sub("", value)),
    ):
        if (changed := reduced(text)) != text:
            forms.append(form)
            text = changed
    return TagShape(text.upper().lstrip("0") or "0", len(text), " ".join(forms))


@dataclass(frozen=True, slots=True, order=True)
class TagPattern:
    """How a number is written, as a histogram shows it.

    Attributes:
        length: letters, forms included.
        letters: digits, hex or other.
        leading_zero: it begins with a zero.
        forms: codes of CodeForm, joined by spaces.
    """

    length: int
    letters: str
    leading_zero: bool
    forms: str

    def __str__(self) -> str:
        zero = ", leading zero" if self.leading_zero else ""
        return f"{self.length} {self.letters}{zero}{', ' + self.forms if self.forms else ''}"


def pattern_of(number: str | None) -> TagPattern | None:
    """Return how a tag number is written; None when it is missing or blank."""
    text, shape = plain(number or ""), tag_shape(number)
    if shape is None:
        return None
    letters = "digits" if text.isascii() and text.isdigit() else "hex" if HEXADECIMAL.fullmatch(text) else "other"
    return TagPattern(len(text), letters, text.startswith("0"), shape.forms)


def _expand_scientific(value: str) -> str:
    found = SCIENTIFIC_NOTATION.fullmatch(value)
    if found is None:
        return value
    digits, decimals, exponent = found[1], found[2] or "", int(found[3])
    return digits + decimals + "0" * (exponent - len(decimals)) if exponent >= len(decimals) else value
