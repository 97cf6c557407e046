"""The run's report as one HTML file that needs nothing else: no script, no style or font from another place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEMPLATES = Path(__file__).parent / "templates"
_PAGES = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,  # names come from people's keyboards
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def alert_page(integration: str, parts: Mapping[str, Sequence[object]], where: str) -> str:
    """An alert as HTML: changes by title."""
    return _PAGES.get_template("alert.html.j2").render(integration=integration, parts=parts.items(), where=where)


def page(report: Mapping[str, Any]) -> str:
    """``summary`` as HTML."""
    return _PAGES.get_template("report.html.j2").render(report=report)
