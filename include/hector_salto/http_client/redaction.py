"""What of a service's own words may be shown: no word that could be an address, a number, a key or a token."""

from __future__ import annotations

LONGEST = 200
LONGEST_WORD = 24  # no plain word is longer; keys and tokens are


def readable(text: str) -> str:
    """The text on one line, with every word replaced that holds a digit or an "@" or is too long to be a word."""
    words = (_word(word) for word in text[: 10 * LONGEST].split())
    shown = " ".join(words)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _word(word: str) -> str:
    hidden = "@" in word or len(word) > LONGEST_WORD or any(letter.isdigit() for letter in word)
    return "…" if hidden else "".join(letter for letter in word if letter.isprintable())
