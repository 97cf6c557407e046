"""A tag number's stand-in: equal exactly when the numbers are equal, and no way back without the key."""

from __future__ import annotations

import hashlib
import hmac

from hector_salto.access.texts import plain

FINGERPRINT_LENGTH = 32  # hex digits: 128 bits, no two tags of a site will meet


class Fingerprint:
    """Keyed digest of a tag number; a missing or blank number has none."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if not key:
            raise ValueError("a fingerprint without a key could be looked up in a table of all tag numbers")
        self._key = key

    def __call__(self, number: str | None) -> str | None:
        trimmed = plain(number or "")
        return (
            hmac.new(self._key, trimmed.encode(), hashlib.sha256).hexdigest()[:FINGERPRINT_LENGTH] if trimmed else None
        )

    def __repr__(self) -> str:
        return "Fingerprint(key=***)"


def no_fingerprint(_number: str | None) -> str | None:
    """Leave tag numbers out: for readers that compare no tags."""
    return None
