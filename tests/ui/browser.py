"""A real headless Chromium, logged in to a real Airflow as one of its people."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.slow.airflow_server import AirflowServer

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 800}


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; the test is skipped where there is none, but not in CI."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: .ci/run installs it")
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


def login(browser: Browser, airflow: AirflowServer, name: str, **options: object) -> BrowserContext:
    """As a person does it: with Airflow's own form."""
    context = browser.new_context(**{"viewport": DESK} | options)
    context.set_default_timeout(240_000)  # a sync ends within it, also on a busy machine
    page = context.new_page()
    page.goto(airflow.url)
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", name)
    page.click("button[type=submit]")
    page.get_by_role("link", name="Salto doors").or_(page.get_by_text("Salto doors")).first.wait_for()
    return context


def card_of(page: Page, name: str, state: str) -> None:
    """Wait until the card of an integration says so; it follows a run by itself."""
    page.locator(f"#{name} h2 .state", has_text=state).first.wait_for()
