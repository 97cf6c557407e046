"""Templates of the page: everything that comes from Hector or Salto is escaped, times are shown in a named zone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hector_salto.access.operations import reason_held
from hector_salto.access.texts import few
from hector_salto.access.windows import is_known_zone
from hector_salto.reports.charts import figure
from hector_salto.reports.page import TEMPLATES as REPORT_TEMPLATES
from hector_salto.reports.summary import DID
from hector_salto.reports.text import before_after

if TYPE_CHECKING:
    from fastapi import Request


def clock(instant: datetime | None, zone: str) -> str:
    """An instant on a zone's wall clock."""
    if instant is None:
        return ""
    zone = zone_or_utc(zone)
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return f"{aware.astimezone(ZoneInfo(zone)):%a %d %b %Y %H:%M}"


def hour(instant: datetime, zone: str) -> str:
    """Only the time of an instant, on a zone's wall clock."""
    return f"{instant.astimezone(ZoneInfo(zone_or_utc(zone))):%H:%M}"


def zone_or_utc(zone: str | None) -> str:
    """A zone in which times can be shown: what Salto calls one need not be."""
    return zone if zone and is_known_zone(zone) else "UTC"


def segment(text: str) -> str:
    """Text as one segment of an address."""
    return quote(text, safe="")


_PAGES = Environment(
    loader=FileSystemLoader([Path(__file__).parent / "templates", REPORT_TEMPLATES]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters |= {
    "clock": clock,
    "hour": hour,
    "segment": segment,
    "known_zone": zone_or_utc,
    "few": few,
    "figure": figure,
    "held": reason_held,
    "did": lambda kind: DID.get(kind, kind),
    "before": lambda operation: before_after(operation)[0],
    "after": lambda operation: before_after(operation)[1],
}


def page(request: Request, template: str, **shown: Any) -> str:  # noqa: ANN401 - what templates show
    """One page. ``base`` is where the page is mounted, ``airflow`` where Airflow's own begins."""
    base = str(request.scope.get("root_path", ""))
    defaults = {"base": base, "airflow": base.removesuffix("/doors"), "chosen": "", "names": [], "view": ""}
    return _PAGES.get_template(template).render(**defaults | shown)
