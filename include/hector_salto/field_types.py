"""Kinds of fields that the models of an integration file share."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, ConfigDict, StringConstraints

LONGEST_TEXT = 200  # names of DAGs and pools are made of it; Airflow takes 250 letters

Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, strip_whitespace=True)]


STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)  # fields of exactly these names and types


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("allowed is an IANA time zone such as America/Toronto")
    return text


Zone = Annotated[str, AfterValidator(_zone)]
