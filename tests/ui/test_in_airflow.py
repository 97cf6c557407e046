"""The page in a real Airflow, in a real browser: reload, see the booking, find out why, approve, be refused."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from sandbox import Sandbox, campus, empty
from tests.slow.airflow_server import airflow_server
from tests.ui.browser import PHONE, card_of, chromium, login

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1200), pytest.mark.xdist_group("browser")]
NOW = datetime.now(UTC)
START = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
SIX_HOURS_AGO = f"0 {(NOW - timedelta(hours=6)).hour} * * *"
LINES = "hector_conn_id: hector_{name}\nsalto_conn_id: salto_{name}\nsite_id: DE4520000000\nschedule: null\n"
PICTURED = {"width": 1280, "height": 800}
GRAVE = {"serious", "critical"}


@dataclass
class House:
    """One Airflow with a local Hector and Salto for each of its integrations, and a browser."""

    airflow: object
    browser: object
    sites: dict[str, Sandbox]

    def view(self, page, path):
        page.goto(f"{self.airflow.url}/doors{path}")
        return page


def school(sandbox):
    """Ana can get in, Bo has no unique code."""
    sandbox.salto.add_lock("Studio 204")
    sandbox.salto.enrol_tag("04A2B3C4")
    place = sandbox.hector.add_place("Studio 204", lock="Studio 204")
    ana = sandbox.hector.add_user(email="ana@x.example", first_name="Ana", last_name="Roy", unique_code="04A2B3C4")
    bo = sandbox.hector.add_user(email="bo@x.example", first_name="<i>Bo</i>", last_name="Ray")
    return place, ana, bo


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    integrations = folder / "integrations"
    integrations.mkdir()
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(chromium())
        sites = {
            name: stack.enter_context(Sandbox(campus(NOW) if name == "campus" else empty(seed=seed)))
            for seed, name in enumerate(
                ("campus",) if os.environ.get("IMAGES") else ("campus", "school", "held", "daily"), 1
            )  # each seed is another site of Salto
        }
        connections: dict[str, str] = {}
        for name, sandbox in sites.items():
            limits = "limits: {hold_above: 1, hold_above_percent: 0}\n" if name == "held" else ""
            lines = LINES.format(name=name).replace("null", f"'{SIX_HOURS_AGO}'" if name == "daily" else "null")
            (integrations / f"{name}.yaml").write_text(lines + limits, encoding="utf-8")
            connections |= sandbox.connections(name)
        airflow = stack.enter_context(airflow_server(folder / "home", integrations, connections))
        for name in sites:
            airflow.until(lambda name=name: airflow.ask("GET", f"/dags/salto_sync__{name}").ok, "the DAGs")
        pool = {"name": "salto_site_de4520000000", "slots": 1, "include_deferred": False}
        assert airflow.ask("POST", "/pools", pool).ok
        yield House(airflow, browser, sites)


@pytest.fixture
def desk(house):
    """Somebody who may start syncs."""
    context = login(house.browser, house.airflow, "desk")
    yield context.pages[0]
    context.close()


def test_a_reload_brings_a_new_booking_into_the_week_and_why_knows_who_cannot_get_in(house, desk):
    sandbox = house.sites["school"]
    place, ana, bo = school(sandbox)
    sandbox.hector.add_loaner(ana, place, START, START + timedelta(hours=1), reference="10452")
    sandbox.hector.add_loaner(bo, place, START + timedelta(hours=1), START + timedelta(hours=2), reference="10453")
    desk.get_by_text("Salto doors").first.click()
    frame = desk.frame_locator("iframe")
    frame.get_by_role("heading", name="Today", exact=True).wait_for()
    frame.get_by_role("link", name="Integrations", exact=True).click()
    frame.locator("#school h2 .state", has_text="new").wait_for()
    frame.get_by_text("Every lock that a place names is on the site").first.wait_for()

    assert house.airflow.ask("PATCH", "/dags/salto_sync__school", {"is_paused": True}).ok
    house.view(desk, "/")
    desk.goto(f"{house.airflow.url}/plugin/doors")
    frame.get_by_role("link", name="Integrations", exact=True).click()
    frame.get_by_role("button", name="Unpause and sync now (Hector's reload) of school").click()
    frame.get_by_role("status").wait_for()
    frame.locator("#school h2 .state", has_text="will not open").wait_for()  # to Bo, who has no code
    frame.locator("#school").get_by_role("link", name="Week").click()
    bar = frame.locator("a.bar.in-place[title^='10452:']")
    bar.wait_for()
    assert "Ana Roy <ana@x.example>" in bar.get_attribute("title")
    assert frame.locator("a.bar.will-not-open[title^='10453:']").count() == 1

    bar.click()
    frame.locator(".answer h2", has_text="Ana Roy").first.wait_for()
    question = frame.get_by_label("Reference, email, name, door")
    question.fill("")
    question.press_sequentially("ana")
    frame.locator("#suggestions option[value='ana@x.example']").wait_for(state="attached")
    question.fill("bo</i> ray")
    frame.get_by_role("button", name="Ask").click()
    frame.get_by_text("has no unique code in Hector").first.wait_for()
    assert "enter the number of the user's tag as their unique code" in frame.locator("main").inner_text()
    assert frame.locator("main i").count() == 0

    frame.get_by_role("button", name="Reload reservation 10453 only").click()
    frame.get_by_role("status").wait_for()
    runs = house.airflow.until(lambda: house.airflow.runs("salto_sync__school")[1:], "the second run")
    assert runs[-1]["conf"] == {"references": ["10453"]}
    assert runs[-1]["triggering_user_name"] == "desk"
    house.airflow.wait_for_end("salto_sync__school", runs[-1]["dag_run_id"])

    # From a run's page to its log, which is Airflow's own page around ours.
    frame.locator("#school").get_by_role("link", name="Runs").click()
    frame.locator("tbody a").last.click()
    frame.get_by_role("link", name="Log of the task report").click()
    desk.wait_for_url("**/dags/salto_sync__school/runs/*/tasks/report")


def test_a_held_set_is_approved_and_goes(house, desk):
    sandbox = house.sites["held"]
    place, ana, _ = school(sandbox)
    loaners = [
        sandbox.hector.add_loaner(
            ana, place, START + timedelta(hours=n), START + timedelta(hours=n, minutes=20), reference=str(n)
        )
        for n in range(3)
    ]
    airflow = house.airflow
    assert airflow.wait_for_end("salto_sync__held", airflow.trigger("salto_sync__held")) == "success"
    for loaner in loaners[:2]:
        sandbox.hector.set_status(loaner, "cancelled", at=NOW)
    house.view(desk, "/").get_by_role("button", name="Sync now (Hector's reload) of held").click()
    card_of(desk, "held", "held")
    assert len(sandbox.salto.groups) == 3
    house.view(desk, "/week?integration=held").locator("a.bar.held").first.wait_for()
    assert desk.locator("a.bar.held").count() == 2
    airflow.until(airflow.questions, "the question under Required Actions")

    house.view(desk, "/").locator("#held").get_by_role("link", name="2026").first.click()
    desk.get_by_text("withdrawals: 2 removals from 3 live groups").first.wait_for()
    desk.get_by_role("button", name="Approve").click()
    runs = airflow.until(lambda: airflow.runs("salto_sync__held")[2:], "the approved sync")
    assert airflow.wait_for_end("salto_sync__held", runs[0]["dag_run_id"]) == "success"
    assert [group.name for group in sandbox.salto.groups.values()] == ["Hector_2"]
    assert airflow.questions() == []
    (answered,) = airflow.ask("GET", "/dags/salto_approval__held/dagRuns/~/hitlDetails").json()["hitl_details"]
    assert answered["responded_by_user"]["name"] == "desk"
    house.view(desk, "/")
    card_of(desk, "held", "green")


def test_a_dag_that_was_paused_for_days_runs_what_is_asked_for_and_nothing_it_missed(house, desk):
    """The scheduler itself makes the runs: a DAG that has run before makes up for its last missed time when unpaused."""
    airflow, dag_id, day = house.airflow, "salto_sync__daily", (NOW - timedelta(days=4)).date()
    assert airflow.ask("PATCH", f"/dags/{dag_id}", {"is_paused": True}).ok
    about = {"dag_id": dag_id, "from_date": f"{day}T00:00:00Z", "to_date": f"{day}T23:59:00Z", "max_active_runs": 1}
    about |= {"run_backwards": False, "reprocess_behavior": "none", "dag_run_conf": {"plan_only": True}}
    answer = airflow.ask("POST", "/backfills", about)  # the automated run of four days ago
    assert answer.ok, answer.text
    airflow.until(lambda: airflow.runs(dag_id), "the run of four days ago")

    house.view(desk, "/").get_by_role("button", name="Unpause and plan only of daily").click()
    desk.locator("#daily .run").get_by_text("Under way").first.wait_for()
    desk.locator("#daily").get_by_text("The run has ended").wait_for()  # by itself
    assert desk.locator("#daily .run").count() == 0

    def is_ahead():
        next_run = airflow.ask("GET", f"/dags/{dag_id}").json()["next_dagrun_run_after"]
        return next_run and datetime.fromisoformat(next_run) > datetime.now(UTC)

    airflow.until(is_ahead, "the scheduler's look at the next time")
    time.sleep(5)
    runs = airflow.runs(dag_id)
    assert [(run["run_type"], run["conf"]) for run in runs[1:]] == [("manual", {"plan_only": True})]
    assert not airflow.ask("GET", f"/dags/{dag_id}").json()["is_paused"]


def test_whoever_may_only_look_is_refused(house):
    context = login(house.browser, house.airflow, "guest")
    page = context.pages[0]
    assert house.view(page, "/").get_by_role("button").count() == 0
    page.get_by_text("Starting a sync needs the right").first.wait_for()
    for path in ("/reload", "/approve"):
        form = {"integration": "campus", "run": "1", "token": "made up"}
        assert context.request.post(f"{house.airflow.url}/doors{path}", form=form).status == 403
    assert (
        house.airflow.ask("POST", "/dags/salto_sync__campus/dagRuns", {"logical_date": None}, as_="guest").status_code
        == 403
    )
    assert requests.get(f"{house.airflow.url}/doors/week", timeout=30).status_code == 401
    secrets = house.sites["campus"].credentials
    for path in ("/", "/week", "/why?words=10448", "/lists", "/runs"):
        shown = house.view(page, path).content()
        assert not any(
            secret in shown for secret in (secrets.hector_token, secrets.client_secret, secrets.user_password)
        )
    context.close()


def views(house):
    """Each view of the campus with something to see, by the name of its picture."""
    airflow = house.airflow
    if not airflow.runs("salto_sync__campus"):
        airflow.wait_for_end("salto_sync__campus", airflow.trigger("salto_sync__campus"))
    return {
        "today": "/today",
        "integrations": "/",
        "week": "/week?integration=campus",
        "day": f"/week?integration=campus&days=1&day={(NOW + timedelta(days=1)).date()}",
        "why": "/why?integration=campus&words=10448",
        "people-and-doors": "/lists?integration=campus",
        "runs": "/runs?integration=campus",
        "trends": "/trends?integration=campus",
        "run": f"/run?dag_id=salto_sync__campus&run_id={airflow.runs('salto_sync__campus')[0]['dag_run_id']}".replace(
            "+", "%2B"
        ),
    }


def settled(page):
    """Only what has ended is pictured: no step that asks, no run under way."""
    page.wait_for_function(
        "() => !document.querySelector('.state.running') && !document.body.innerText.includes('asking')"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_passes_the_accessibility_check_and_has_its_picture(house, theme):
    """IMAGES names a folder: the pictures of the README are made there (`make images`)."""
    from axe_playwright_python.sync_playwright import Axe

    folder = Path(os.environ["IMAGES"]) if os.environ.get("IMAGES") else None
    wide = login(house.browser, house.airflow, "desk", color_scheme=theme, **({"viewport": PICTURED} if folder else {}))
    small = login(house.browser, house.airflow, "desk", color_scheme=theme, viewport=PHONE)
    found = {}
    for name, path in views(house).items():
        for context, kind in ((wide, ""), (small, "-phone")):
            page = house.view(context.pages[0], path)
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.dataset.theme") == theme
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), (name, kind)
            grave = [one["id"] for one in Axe().run(page).response["violations"] if one["impact"] in GRAVE]
            found |= {f"{name}{kind}": grave} if grave else {}
            if folder is not None and theme == "light" and kind == "":
                settled(page)
                page.screenshot(path=folder / f"{name}.png")
    if folder is not None and theme == "dark":
        house.view(wide.pages[0], views(house)["week"]).screenshot(path=folder / "week-dark.png")
    if folder is not None and theme == "light":
        house.view(small.pages[0], views(house)["why"]).screenshot(path=folder / "why-phone.png")
    wide.close()
    small.close()

    assert found == {}


def test_on_a_phone_the_week_is_one_day_after_another(house):
    small = login(house.browser, house.airflow, "desk", viewport=PHONE)
    page = house.view(small.pages[0], views(house)["week"])
    shown = page.locator(".picture .day, .picture .bar").evaluate_all(
        "all => all.map(one => [one.getBoundingClientRect().top, Number(getComputedStyle(one).order)])"
    )
    orders = [order for _, order in sorted(shown)]

    assert len(shown) > 7, "a week and its bars"
    assert orders == sorted(orders)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    small.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_form_of_an_integration_passes_the_accessibility_check(house, theme):
    from axe_playwright_python.sync_playwright import Axe

    context = login(house.browser, house.airflow, "admin", color_scheme=theme, viewport=PHONE)
    page = house.view(context.pages[0], "/settings")
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").first.wait_for()  # the first field without an answer says so
    grave = [one["id"] for one in Axe().run(page).response["violations"] if one["impact"] in GRAVE]
    fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    context.close()

    assert (grave, fits) == ([], True)


def test_the_page_wears_what_airflow_wears_and_works_by_keyboard(house, desk):
    desk.goto(f"{house.airflow.url}/plugin/doors")
    frame = desk.frame_locator("iframe")
    frame.locator("h1").wait_for()
    worn = frame.locator("html").get_attribute("data-theme")
    desk.evaluate("document.documentElement.className = 'dark'; document.documentElement.style.colorScheme = 'dark'")
    frame.locator("html[data-theme=dark]").wait_for(state="attached")
    assert worn == "light"

    page = house.view(desk, "/week?integration=campus")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#content"
