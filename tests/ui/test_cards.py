"""The cards of Integrations: state, next run, what needs action, the run under way step by step, settings, first steps."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from hector_salto.integration import Integration, load
from hector_salto.ledger.ledger import RunStart
from hector_salto.ui.dag_runs import DagTimes, RunProgress, StepState
from hector_salto.ui.settings_list import SETTINGS, list_settings
from tests.ui.conftest import LINES, look, removal, trouble

pytestmark = pytest.mark.airflow
STEP, STEP_STATE = "Read Salto and plan", StepState.RUNNING


@pytest.fixture
def known(monkeypatch):
    """What Airflow knows: to be changed by a test."""
    from hector_salto.ui import app

    found = SimpleNamespace(times=DagTimes(known=True))
    monkeypatch.setattr(app, "schedules", lambda names: dict.fromkeys(names, found.times))
    return found


@pytest.fixture
def run_state(monkeypatch):
    """Airflow's state of any run that is asked about."""
    from hector_salto.ui import cards, dag_runs

    found = SimpleNamespace(state="running")

    def progress(_name, run_id):
        return RunProgress(run_id, found.state, [("Start", StepState.DONE), (STEP, STEP_STATE)])

    monkeypatch.setattr(cards, "run_progress", progress)
    monkeypatch.setattr(dag_runs, "run_progress", progress)
    return found


def test_paused_dags_beside_the_sync_say_what_that_means(campus, visit, known):
    client = visit("user")
    assert "is paused" not in client.get("/").text
    known.times = DagTimes(known=True, paused_beside=frozenset({"cleanup", "watch", "approval"}))
    text = client.get("/").text

    assert "The cleanup is paused: outdated groups stay on the site" in text
    assert "removals that are held back are not asked about" in text
    assert "bookings wait for the next sync" in text
    for kind in ("cleanup", "watch", "approval"):
        assert f'href="/dags/salto_{kind}__campus"' in text


def test_airflow_knows_which_dags_are_paused_and_which_run_is_under_way(airflow_db):
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    from hector_salto.ui.dag_runs import schedules

    rows = [
        (f"salto_{kind}__beside", kind in {"watch", "approval"}) for kind in ("sync", "cleanup", "watch", "approval")
    ]
    with create_session() as session:
        session.merge(DagBundleModel(name="dags"))
        session.flush()
        session.add_all(
            DagModel(dag_id=one, is_paused=paused, is_stale=False, bundle_name="dags", fileloc="x")
            for one, paused in rows
        )
    try:
        found = schedules(["beside", "never_read"])
    finally:
        with create_session() as session:
            session.execute(delete(DagModel).where(DagModel.dag_id.in_([one for one, _ in rows])))

    assert found["beside"].paused_beside == {"watch", "approval"}
    assert (found["beside"].known, found["beside"].paused, found["never_read"].known) == (True, False, False)


def test_a_run_is_followed_step_by_step_and_its_end_is_shown_with_a_link(campus, visit, known, run_state, now):
    """The card asks again only while the run is under way."""
    client = visit("user")
    known.times = DagTimes(known=True, under_way="running", run_id="manual__9+0")
    text = client.get("/").text
    assert 'hx-get="/doors/progress?integration=campus&amp;run=manual__9%2B0" hx-trigger="every 2s"' in text
    assert f"Under way: {STEP}" in text
    assert f'<li class="done">Start<span class="unseen">: done</span></li>\n<li class="running">{STEP}' in text
    part = client.get("/progress?integration=campus&run=manual__9%2B0")
    assert "<article" not in part.text
    assert "hx-retarget" not in part.headers

    run = campus.begin_run(RunStart("campus", "sync", "manual__9+0", "f9", now))
    campus.plan(run, removal().iloc[:0], trouble().iloc[:0], planned_at=now)
    campus.end_run(run, ended_at=now, causes=[])
    run_state.state, known.times = "success", DagTimes(known=True)
    whole = client.get("/progress?integration=campus&run=manual__9%2B0")
    assert whole.headers["hx-retarget"] == '[id="campus"]'
    assert "/progress?" not in whole.text
    assert re.search(
        rf'The run has ended: <span class="state green">green</span> <a href="/doors/runs/{run}\?', whole.text
    )


def test_a_card_whose_run_has_ended_follows_the_next_one_that_is_under_way(campus, visit, known, monkeypatch):
    from hector_salto.ui import cards

    states = {"manual__1": "success", "scheduled__2": "running"}
    monkeypatch.setattr(cards, "run_progress", lambda _, run_id: RunProgress(run_id, states[run_id], []))
    known.times = DagTimes(known=True, under_way="running", run_id="scheduled__2")

    assert "run=scheduled__2" in visit("user").get("/card?integration=campus&run=manual__1").text


def test_a_run_that_ended_before_the_ledger_knew_it_leads_to_its_log(campus, visit, known, run_state):
    run_state.state = "failed"
    text = visit("user").get("/card?integration=campus&run=manual__gone").text

    assert "The run has ended before it did anything (failed)" in text
    assert 'href="/dags/salto_sync__campus/runs/manual__gone"' in text


@pytest.mark.parametrize(
    ("task", "step"),
    [
        ("running", StepState.RUNNING),
        ("up_for_retry", StepState.RUNNING),
        ("", StepState.WAITING),
        ("queued", StepState.WAITING),
        ("failed", StepState.FAILED),
        ("upstream_failed", StepState.LEFT_OUT),
        ("skipped", StepState.LEFT_OUT),
        ("success", StepState.DONE),
    ],
)
def test_a_step_is_as_far_as_its_task(task, step):
    from hector_salto.ui.dag_runs import step_state

    assert step_state(task) is step


def test_the_steps_of_a_run_are_tasks_of_the_sync(airflow_db, integrations):
    from airflow.dag_processing.dagbag import DagBag

    from hector_salto.ui.dag_runs import STEPS, STEPS_AT_ONCE

    integrations("campus", LINES.format(name="campus"))
    dags = Path(__file__).resolve().parents[2] / "dags"
    tasks = set(DagBag(str(dags / "salto_sync.py")).dags["salto_sync__campus"].task_ids)

    assert {*STEPS.values(), *STEPS_AT_ONCE.values()} <= tasks


def test_buttons_name_what_they_do_and_what_follows(campus, visit, known):
    text = visit("user").get("/").text
    assert "Sync now (Hector's reload)" in text
    assert '<svg class="icon"' in text
    assert "Shows what would change; nothing is sent." in text

    known.times = DagTimes(known=True, paused=True)
    assert "scheduled runs only plan too, until a sync is started here" in visit("user").get("/").text


def test_the_account_stays_visible_after_the_first_run(campus, visit, known, now):
    client = visit("user")
    assert '<span class="state active">active</span> read the site' in client.get("/").text

    run = campus.begin_run(RunStart("campus", "sync", "manual__2", "f2", now))
    campus.end_run(run, ended_at=now, causes=["the account is not active"])
    text = client.get("/").text
    assert '<span class="state in-doubt">in doubt</span> last read the site' in text
    assert 'hx-get="/doors/steps?integration=campus"' in text


def test_every_setting_is_a_sentence(integrations):
    assert set(SETTINGS) == set(Integration.model_fields)
    lines = "office_mode: {groups: [Teachers, Staff], departments: [Music]}\ngrace_period: {before: 5, after: 10}\n"
    found = {one.key: one.text for one in list_settings(load(integrations("campus", LINES.format(name="x") + lines)))}

    assert found["grace_period"] == "5 minutes before, 10 minutes after"
    assert found["office_mode"] == "users of group Teachers or group Staff who are also of department Music"
    assert found["horizon_days"] == "doors are set up 7 days ahead"
    assert found["delete_users"] == "stay on the site"


def test_who_may_toggle_office_mode_is_a_list_with_how_it_is_done(campus, visit, now):
    from dataclasses import replace

    client = visit("viewer")
    assert "No user of the last reading may toggle it" in client.get("/office?integration=campus").text
    seen = look(now)
    office = seen.people["user_id"].eq("u_1")
    people = seen.people.assign(office_mode=office).astype(seen.people.dtypes.to_dict())
    campus.observe(1, "campus", replace(seen, people=people).tables(), now + timedelta(seconds=1), read_at=now)
    text = client.get("/office?integration=campus").text

    assert "<li>Ana Roy <small>ana@x.example, user u_1</small></li>" in text
    assert text.count("<li>") == 1
    assert "while the inside handle is held down" in text


def test_the_place_attribute_is_made_by_a_step_before_any_sync(visit, integrations, ledger_url, known, monkeypatch):
    from sandbox import Sandbox, empty

    integrations("campus", LINES.format(name="campus").replace("DE1", "DE4520000000"))
    client = visit("user")

    def steps():
        end = time.monotonic() + 20
        while "<ol" not in (text := client.get("/steps").text) and time.monotonic() < end:
            assert "asking" not in text  # a list is drawn once it has answers
            time.sleep(0.05)
        return text

    with Sandbox(empty()) as sandbox:
        for name, value in sandbox.connections("campus").items():
            monkeypatch.setenv(name, value)
        sandbox.hector.attributes.clear()
        text = steps()
        assert "Make the place attribute in Hector" in text
        given = re.search(r'name="token" value="([^"]+)"', text).group(1)
        answer = client.post("/attribute", data={"integration": "campus", "token": given})
        assert (answer.status_code, answer.headers["location"]) == (303, "/doors/#campus")
        assert "Make the place attribute in Hector" not in steps()
        assert [row["key"] for row in sandbox.hector.attributes.values()] == ["salto_lock_id"]
    assert client.post("/attribute", data={"integration": "campus", "token": "forged"}).status_code == 403


@pytest.fixture
def many(integrations, ledger_url, known, now):
    """Forty integrations; the last of them ended red."""
    from hector_salto.ledger.ledger import Ledger

    for number in range(40):
        integrations(f"site{number:02}", LINES.format(name="x").replace("DE1", f"DE{number:02}"))
    kept = Ledger.open(ledger_url)
    run = kept.begin_run(RunStart("site39", "sync", "manual__1", "f", now))
    kept.end_run(run, ended_at=now, causes=["a token ran out"])
    return kept


def shown(text):
    return re.findall(r'<article class="card" id="(\w+)"', text)


def test_many_integrations_come_in_parts_those_that_need_action_first(many, visit):
    client = visit("viewer")
    first = client.get("/").text
    follows = client.get("/?after=30").text

    assert shown(first)[:2] == ["site39", "site00"]
    assert (len(shown(first)), len(shown(follows))) == (30, 10)
    assert set(shown(first)) | set(shown(follows)) == {f"site{number:02}" for number in range(40)}
    assert 'hx-trigger="revealed"' in first
    assert "<html" not in follows


def test_the_filter_applies_as_one_types_and_lives_in_the_address(many, visit):
    text = visit("viewer").get("/?words=DE1").text

    assert 'hx-trigger="input delay:200ms"' in text
    assert 'hx-push-url="true"' in text
    assert shown(text) == [f"site{number}" for number in range(10, 20)]
    assert "10 of 40 integrations" in text
    assert "No integration or site holds “nowhere”" in visit("viewer").get("/?words=nowhere").text


def test_the_card_of_a_run_that_was_just_started_is_on_the_first_part(many, visit):
    assert shown(visit("user").get("/?done=started&run=x&integration=site38").text)[0] == "site38"


def test_the_horizon_of_the_last_sync_is_marked_in_the_week(campus, visit, now):
    from zoneinfo import ZoneInfo

    later = (now + timedelta(days=5)).astimezone(ZoneInfo("America/Toronto")).date()
    text = visit("viewer").get(f"/week?day={later}").text

    assert re.search(r'<table class="ends" style="--horizon:\d+\.?\d*%">', text)
    assert "horizon of the last sync: doors are set up until here" in text
    assert 'class="ends"' not in visit("viewer").get(f"/week?day={later + timedelta(days=14)}").text
