"""What of a service's own words may be shown: no word that could be an address, a number, a key or a token."""

from __future__ import annotations

MAX_LENGTH = 200
MAX_WORD_LENGTH = 24  # no plain word is longer; keys and tokens are


def redact(text: str) -> str:
    """The text on one line, with every word replaced that holds a digit or an "@" or is too long to be a word."""
    words = (_redact_word(word) for word in text[: 10 * MAX_LENGTH].split())
    shown = " ".join(words)
    return shown if len(shown) <= MAX_LENGTH else shown[: MAX_LENGTH - 1] + "…"


def _redact_word(word: str) -> str:
    hidden = "@" in word or len(word) > MAX_WORD_LENGTH or any(letter.isdigit() for letter in word)
    return "…" if hidden else "".join(letter for letter in word if letter.isprintable())
