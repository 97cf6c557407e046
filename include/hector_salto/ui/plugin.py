"""Tells Airflow of the page: where it is served, its entry in the navigation, and its tab on the runs of a DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/doors"
# A browser asks for the page below the address at which it sees Airflow.
SEEN_AT = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/") + PREFIX


class OnFirstRequest:
    """The page's application, imported at the first request: every process of Airflow loads its plugins, only one serves them."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            from hector_salto.ui.app import app  # noqa: PLC0415 - see above

            self._app = app
        await self._app(scope, receive, send)


class DoorsPage(AirflowPlugin):
    """The page and its two ways in."""

    name = "hector_salto_doors"
    fastapi_apps: list[dict[str, Any]] = [{"app": OnFirstRequest(), "url_prefix": PREFIX, "name": "Salto doors"}]  # noqa: RUF012 - Airflow reads a plain list
    external_views: list[dict[str, Any]] = [  # noqa: RUF012 - as above
        {
            "name": "Salto doors",
            "href": f"{SEEN_AT}/today",
            "url_route": "doors",
            "destination": "nav",
            "icon": f"{SEEN_AT}/static/door.svg",
            "icon_dark_mode": f"{SEEN_AT}/static/door-dark.svg",
        },
        {
            "name": "Doors",
            "href": f"{SEEN_AT}/run?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "url_route": "doors_run",
            "destination": "dag_run",
        },
    ]
