"""The run's report as one HTML file that needs nothing else: no script, no style or font from another place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,  # names come from people's keyboards
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(report: Mapping[str, Any]) -> str:
    """``summary`` as HTML."""
    return _PAGES.get_template("report.html.j2").render(report=report)
