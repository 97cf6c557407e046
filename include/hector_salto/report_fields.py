"""The block ``hector_reports`` of an integration file: which report files are read, and what their columns mean.

Headings are chosen by each customer and come in the language of the account: nothing is assumed about them but this.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from hector_salto.access.people import ACTIVE, DEPARTED
from hector_salto.access.statuses import ALIASES, STATUSES
from hector_salto.field_types import STRICT, Text, Zone

KNOWN_STATUSES = STATUSES | {ACTIVE, *DEPARTED}
WEEK = 168  # hours
TRIED = datetime(2026, 12, 31, 22, 45)  # noqa: DTZ001 - written and read back it shows what a format lacks


def _pattern(text: str) -> str:
    if "/" in text or "\\" in text:
        raise ValueError('allowed is the name of a file, with * for what changes, such as "Users*.xlsx"; no folder')
    return text


def _status(text: str) -> str:
    code = ALIASES.get(text, text)
    if code not in KNOWN_STATUSES:
        raise ValueError(f"allowed are {', '.join(sorted(KNOWN_STATUSES))}")
    return code


def _date_format(text: str) -> str:
    try:
        is_whole = datetime.strptime(TRIED.strftime(text), text) == TRIED  # noqa: DTZ007 - hector_reports.timezone
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError('allowed is a format of day and time such as "%Y-%m-%d %H:%M"')
    return text


class _Strict(BaseModel):
    model_config = STRICT


class UserColumns(_Strict):
    """Headings of the report of users; without ``id`` users are known by their email."""

    email: Text
    id: Text | None = None
    unique_code: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    status: Text | None = None
    groups: Text | None = None
    department: Text | None = None


class PlaceColumns(_Strict):
    """Headings of the report of places."""

    place: Text
    lock_name: Text


class LoanerColumns(_Strict):
    """Headings of the report of loaners; a loaner may have several rows, one a resource."""

    reference: Text
    status: Text
    start: Text
    finish: Text
    borrower: Text
    place: Text
    participants: Text | None = None
    blocking: Text | None = None


class UserReport(_Strict):
    """File and columns of the report of users."""

    file: Annotated[Text, AfterValidator(_pattern)]
    columns: UserColumns


class PlaceReport(_Strict):
    """File and columns of the report of places."""

    file: Annotated[Text, AfterValidator(_pattern)]
    columns: PlaceColumns


class LoanerReport(_Strict):
    """File and columns of the report of loaners."""

    file: Annotated[Text, AfterValidator(_pattern)]
    columns: LoanerColumns


class ReportFields(_Strict):
    """Hector's reports as a source.

    Attributes:
        timezone: of times without an offset.
        date_format: of times that are text.
        max_age_hours: an older report ends the run red.
        statuses: names of this account, and the codes that they mean.
        separator: what stands between several names in one cell, beside the end of a line.
        shrink: percent; a report that shows fewer rows than the last one by more ends the run red.
    """

    users: UserReport
    places: PlaceReport
    loaners: LoanerReport
    timezone: Zone
    date_format: Annotated[Text, AfterValidator(_date_format)] = "%Y-%m-%d %H:%M"
    max_age_hours: Annotated[int, Field(ge=1, le=WEEK)] = 26
    statuses: dict[Text, Annotated[str, AfterValidator(_status)]] = {}
    separator: Annotated[str, Field(min_length=1, max_length=5)] = ";"
    shrink: Annotated[int, Field(ge=0, le=100)] = 50
