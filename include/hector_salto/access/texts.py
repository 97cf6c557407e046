"""Compare and clean texts that people typed: composed or not, with or without invisible characters.

Matching ignores letter case, Unicode composition and invisible format characters (zero-width space, soft hyphen, byte
order mark, direction marks). What is sent keeps its letters and letter case, composed, without such characters.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from hector_salto.access.text_columns import is_ascii

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

LINE_ENDS = frozenset({"Cc", "Zl", "Zp"})  # control characters, and Unicode's own ends of lines and paragraphs
LISTED = 5  # names that one message lists; the rest is a count
# Letters and signs that look like an ASCII one in most fonts, as keyboards and word processors produce them.
_LOOKS_LIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u04cf"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf"
    "\u2010\u2011\u2012\u2013\u2014\u2212\u2018\u2019\u02bc\u201c\u201d",
    "aeopcyxijlABEKMHOPCTXIABEZHIKMNOPTYXo------'''\"\"",
)


def plain(text: str) -> str:
    """Return the text composed (NFC), trimmed, and without invisible format characters."""
    if text.isascii():
        return text.strip()
    visible = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFC", visible).strip()


def comparable(text: str) -> str:
    """Return the form in which two texts are the same: plain and case-folded."""
    return unicodedata.normalize("NFC", plain(text).casefold())


def one_line(text: str) -> str:
    """Return a plain text on one line, a space instead of each control character or line end: what names are sent as."""
    return plain("".join(" " if unicodedata.category(letter) in LINE_ENDS else letter for letter in text))


def plain_all(texts: pd.Series) -> pd.Series:
    """Return the texts plain, blank as null."""
    return _change_all(texts, texts.astype("str").str.strip(), plain)


def fold_all(texts: pd.Series) -> pd.Series:
    """Return the texts as they are compared, blank as null."""
    return _change_all(texts, texts.astype("str").str.strip().str.lower(), comparable)


def _change_all(texts: pd.Series, ascii_form: pd.Series, change: Callable[[str], str]) -> pd.Series:
    """ASCII was changed a column at a time, which is much faster; change the other texts one by one."""
    other = ~is_ascii(texts)
    if other.any():
        ascii_form = ascii_form.mask(other, texts[other].map(change))
    return ascii_form.where(texts.notna() & ascii_form.ne(""))


def few(names: Sequence[str], limit: int = LISTED, between: str = ", ") -> str:
    """Return the first names and how many more there are: every list in a message has a limit."""
    shown = between.join(names[:limit])
    return f"{shown} and {len(names) - limit:,} more" if len(names) > limit else shown


def look_alike(left: str, right: str) -> bool:
    """Return whether two texts that are not the same look the same to a reader."""
    return comparable(left) != comparable(right) and skeleton(left) == skeleton(right)


def skeleton(text: str) -> str:
    """Return what a reader sees: widths, spaces and letters of other alphabets as their ASCII twin."""
    seen = unicodedata.normalize("NFKC", plain(text)).translate(_LOOKS_LIKE)
    return re.sub(r"\s+", " ", seen).strip().casefold()


def difference(left: str, right: str) -> str:
    """Return where two texts that look the same first differ, by the names of their characters."""
    ours, theirs = plain(left), plain(right)
    pairs = enumerate(zip(ours, theirs, strict=False))
    differing = (number for number, (one, other) in pairs if one.casefold() != other.casefold())
    at = next(differing, min(len(ours), len(theirs)))
    return f"character {at + 1} is {_name_of_character(ours, at)}, there {_name_of_character(theirs, at)}"


def _name_of_character(text: str, at: int) -> str:
    if at >= len(text):
        return "missing"
    letter = text[at]
    return f"{unicodedata.name(letter, 'a control character')} (U+{ord(letter):04X})"
