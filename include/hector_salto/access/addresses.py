"""Decide whether a text is an email address that Salto can be sent, before anything is sent."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from email_validator import EmailNotValidError, validate_email

from hector_salto.access.texts import plain_all

if TYPE_CHECKING:
    import pandas as pd

# Evidently an address: the form of nearly all, tested a column at a time. Every other form is left to the validator.
_USUAL = r"[A-Za-z0-9_+]+(?:[.-][A-Za-z0-9_+]+)*@(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,}"
_SHORT = 63  # no part of such an address is too long
# A domain of the inside (school.local, server.test, localhost) is no mistake: below this one it is judged by its form.
_OUTSIDE = ".example"


def is_address(text: str) -> bool:
    """Return whether the text has the form of an email address, international ones included; no name server is asked."""
    try:
        validate_email(
            text + _OUTSIDE, check_deliverability=False, allow_smtputf8=True, allow_quoted_local=True, strict=False
        )
    except EmailNotValidError:
        return False
    return True


_is_address = lru_cache(maxsize=10_000)(is_address)


def addresses(emails: pd.Series) -> pd.Series:
    """Return each email as it is sent: plain, in its own letter case; null where it is blank or no address."""
    written = plain_all(emails)
    usual = (written.str.fullmatch(_USUAL) & written.str.len().le(_SHORT)).fillna(value=False).astype("bool")
    rare = written[~usual & written.notna()]
    if rare.empty:
        return written
    return written.where(usual | rare.map(_is_address).reindex(written.index, fill_value=False).astype("bool"))
