"""Each view as its visitors see it: what it shows, who may see it, who may press what, and what is never let through."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest

from tests.ui.conftest import look, removal, trouble

pytestmark = pytest.mark.airflow
SITE = "hector_conn_id: hector_campus\nsalto_conn_id: salto_campus\nsite_id: DE4520000000\n"
VIEWS = (
    "/",
    "/week",
    "/why",
    "/lists",
    "/runs",
    "/trends",
    "/runs/1",
    "/run?dag_id=salto_sync__campus&run_id=manual__1%2B0",
)


def token(client, path="/"):
    return re.search(r'name="token" value="([^"]+)"', client.get(path).text).group(1)


@pytest.fixture
def started(monkeypatch):
    """What would be started, instead of starting it: (integration, conf, who, unpause)."""
    from hector_salto.ui import dag_runs

    calls = []

    def start(name, conf, visitor, *, unpause=False):
        calls.append((name, conf, visitor.name, unpause))
        return "manual__now"

    monkeypatch.setattr(dag_runs, "start", start)
    monkeypatch.setattr(dag_runs, "waiting_for", lambda name, digest: None)
    return calls


@pytest.fixture
def known(monkeypatch):
    """Airflow has read the DAG, and it is not paused."""
    from hector_salto.ui import app, dag_runs

    monkeypatch.setattr(app, "schedules", lambda names: dict.fromkeys(names, dag_runs.DagTimes(known=True)))


@pytest.mark.parametrize("path", VIEWS)
def test_nobody_sees_anything_without_logging_in(campus, visit, path):
    answer = visit(None).get(path)

    assert answer.status_code == 401
    assert "Log in" in answer.text
    assert "campus" not in answer.text


@pytest.mark.parametrize("path", VIEWS)
def test_every_view_is_shown_to_a_reader_and_nothing_of_it_is_markup_of_others(campus, visit, path):
    answer = visit("viewer").get(path)

    assert answer.status_code == 200
    assert "<b>1</b>" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


def test_an_integration_that_may_not_be_read_is_not_there(campus, visit, monkeypatch):
    from hector_salto.ui.permissions import Visitor

    monkeypatch.setattr(Visitor, "may_read", lambda self, dag_id: False)
    client = visit("viewer")

    assert client.get("/week?integration=campus").status_code == 404
    assert "campus" not in client.get("/").text
    assert "is not one that opens doors, or you may not read it" in client.get("/run?dag_id=salto_sync__campus").text


def test_a_card_says_how_the_integration_stands_and_shows_its_settings(campus, visit, integrations, known):
    integrations("bad", "site: <script>1</script>\n")
    text = visit("admin").get("/").text

    assert "Rehearsal House (DE1)" in text
    assert "4 used of 10" in text
    assert "removals are held back and wait for approval" in text.lower()
    assert "1 planned, 0 done, 1 held, 0 not done" in text
    assert "campus.yaml" in text
    assert "<dd>15 minutes before, 15 minutes after</dd>" in text
    assert "bad.yaml: " in text
    assert "<script>1" not in text


def test_a_viewer_is_not_told_what_a_broken_file_says(campus, visit, integrations, monkeypatch):
    from hector_salto.ui.permissions import Visitor

    monkeypatch.setattr(Visitor, "may_read_import_errors", lambda self: False)
    integrations("bad", "site: 1\n")
    text = visit("viewer").get("/").text

    assert "1 integration file cannot be used" in text
    assert "unknown key" not in text


def test_a_card_without_a_dag_shows_the_import_error_to_who_may_read_it(campus, visit, monkeypatch):
    """A DAG that could not be built is no new file that Airflow will soon have read."""
    from airflow.models.dag import DagModel
    from airflow.models.errors import ParseImportError
    from airflow.utils.session import create_session
    from sqlalchemy import update

    from hector_salto.ui.permissions import Visitor

    error = "campus.yaml: salto_sync__campus could not be built (ValueError: <x>)"
    row = ParseImportError(filename="/dags/broken_integrations.py", bundle_name="dags", stacktrace=error)
    with create_session() as session:
        # Tests of one process share Airflow's database; another may have registered the DAG.
        session.execute(update(DagModel).where(DagModel.dag_id == "salto_sync__campus").values(is_stale=True))
        session.add(row)
    try:
        assert "could not be built (ValueError: &lt;x&gt;)" in visit("admin").get("/").text
        monkeypatch.setattr(Visitor, "may_read_import_errors", lambda self: False)
        hidden = visit("viewer").get("/").text
    finally:
        with create_session() as session:
            session.delete(session.merge(row))
    assert "Airflow has no DAG of it" in hidden
    assert "ValueError" not in hidden


def test_who_may_not_trigger_gets_no_button_and_is_refused(campus, visit, known, started):
    client = visit("viewer")
    assert "<button" not in client.get("/").text
    assert "Approve" not in client.get("/runs/1").text
    given = visit("user").get("/")
    assert "Sync now (Hector's reload)" in given.text

    client = visit("viewer")
    from hector_salto.ui.permissions import Visitor

    own = Visitor(type("User", (), {"get_id": lambda self: "viewer", "get_name": lambda self: "viewer"})()).form_token()
    for path, form in (("/reload", {}), ("/approve", {"run": "1"})):
        answer = client.post(path, data={"integration": "campus", "token": own} | form)
        assert (answer.status_code, "you may not start" in answer.text) == (403, True)
    assert started == []


def test_reload_plan_only_and_one_reservation_start_just_that(campus, visit, known, started):
    client = visit("user")
    given = token(client)
    for form in ({}, {"plan_only": "true"}, {"reference": "10452"}):
        answer = client.post("/reload", data={"integration": "campus", "token": given} | form)
        assert (answer.status_code, answer.headers["location"].startswith("/doors/?done=started")) == (303, True)

    assert [call[1] for call in started] == [{}, {"plan_only": True}, {"references": ["10452"]}]
    assert {call[2] for call in started} == {"user"}


def test_a_paused_dag_is_told_and_can_be_unpaused_with_the_press(campus, visit, started, monkeypatch):
    from hector_salto.ui import app, dag_runs

    paused = dag_runs.DagTimes(known=True, paused=True)
    monkeypatch.setattr(app, "schedules", lambda names: dict.fromkeys(names, paused))
    client = visit("user")
    text = client.get("/").text
    assert "The DAG is paused" in text
    assert "Unpause and sync now (Hector's reload)" in text

    client.post("/reload", data={"integration": "campus", "token": token(client), "unpause": "true"})
    assert started == [("campus", {}, "user", True)]


def test_unpause_and_plan_only_withdraws_the_release_so_that_nothing_else_is_sent(campus, visit, started, monkeypatch):
    from hector_salto.access.release import ReleaseDecision, Target
    from hector_salto.ui import app, dag_runs

    campus.add_release("campus", ReleaseDecision(Target("site-1"), "ops", datetime.now(UTC)), "manual__1")
    monkeypatch.setattr(
        app, "schedules", lambda names: dict.fromkeys(names, dag_runs.DagTimes(known=True, paused=True))
    )
    client = visit("user")
    form = {"integration": "campus", "token": token(client), "unpause": "true", "plan_only": "true"}
    client.post("/reload", data=form)

    assert started == [("campus", {"plan_only": True}, "user", True)]
    assert (campus.last_release("campus").by, campus.last_release("campus").withdrawn) == ("user", True)
    assert "Plans only, nothing is sent: a person asked integration campus for plans only" in client.get("/").text


@pytest.mark.parametrize("forged", ["", "nonsense", "of somebody else", "by another site"])
def test_a_forged_form_does_nothing(campus, visit, known, started, forged):
    own = token(visit("admin"))
    headers = {"sec-fetch-site": "cross-site"} if forged == "by another site" else {}
    client = visit("user")
    if forged == "by another site":
        own = token(client)
    sent = own if forged.startswith(("of", "by")) else forged
    answer = client.post("/reload", data={"integration": "campus", "token": sent}, headers=headers)

    assert answer.status_code == 403
    assert started == []


def test_a_form_is_too_old_after_half_a_day(campus, visit, known, started, monkeypatch):
    from hector_salto.ui import permissions

    client = visit("user")
    given = token(client)
    monkeypatch.setattr(permissions, "FORM_LIVES", -1)

    assert client.post("/reload", data={"integration": "campus", "token": given}).status_code == 403
    assert started == []


def test_a_held_run_names_who_loses_which_door_and_why_hector_says_so(campus, visit, known):
    text = visit("user").get("/runs/1").text

    assert text.count("withdrawals: 1 removal from 1 live group; limits: hold_above 0") == 1
    assert "Hector shows these reservations as cancelled or refused (1)" in text
    assert "Ana Roy, ana@x.example <small>user u_1</small>" in text
    assert "the unique code of =cmd|&#39; /C calc&#39;!A0, bo@x.example <small>user u_2</small> is no tag" in text


def test_who_approved_is_shown_at_once_and_the_button_goes(campus, visit, known, started):
    client = visit("user")
    form = {"integration": "campus", "run": "1", "token": token(client, "/runs/1")}
    assert client.post("/approve", data=form).status_code == 303

    assert "held removals were approved" in client.get("/").text.lower()
    run = client.get("/runs/1").text
    assert "Approved by user," in run
    assert ">Approve 1 held" not in run
    assert client.post("/approve", data=form | {"token": token(client)}).status_code == 409
    assert len(started) == 1


@pytest.fixture
def green(campus, now):
    """The last sync of all reservations is green, and nothing of the next day stays shut."""
    from hector_salto.access.snapshot import empty_snapshot
    from hector_salto.ledger.ledger import RunStart

    run = campus.begin_run(RunStart("campus", "sync", "manual__green", "g", now))
    campus.plan(run, removal().iloc[:0], trouble().iloc[:0], planned_at=now)
    campus.observe(run, "campus", empty_snapshot().tables(), now, read_at=now)
    campus.end_run(run, ended_at=now, causes=[])
    return campus


@pytest.mark.parametrize(
    ("kind", "plan_only", "causes", "state"),
    [
        ("sync", True, ["1 operation is held"], "held"),
        ("sync", False, ["credentials were refused"], "failed"),
        ("cleanup", False, ["a group is still there"], "failed"),
    ],
)
def test_a_red_run_after_a_green_sync_shows_on_the_card(green, visit, known, now, kind, plan_only, causes, state):
    from hector_salto.ledger.ledger import RunStart

    client = visit("viewer")
    assert '<span class="state green">green</span>' in client.get("/").text
    run = green.begin_run(
        RunStart("campus", kind, "manual__red", "r", now, plan_only=plan_only, chosen_references=None)
    )
    if state == "held":
        green.plan(run, removal(), trouble().iloc[:0], planned_at=now, holds=["withdrawals: why"], digest="cd34")
    green.end_run(run, ended_at=now, causes=causes)
    text = client.get("/").text

    assert f'campus <span class="state {state}">' in text
    assert f'href="/doors/runs/{run}?integration=campus"' in text
    assert causes[0] in text


def test_a_door_that_will_not_open_within_a_day_makes_the_card_no_longer_green(green, visit, known, now):
    """Also when the last sync ended green: Ana has a reservation now, and no seat."""
    from dataclasses import replace

    seen = look(now)
    seatless = replace(
        seen, people=seen.people.assign(subscription_state="suspended").astype(seen.people.dtypes.to_dict())
    )
    green.observe(2, "campus", seatless.tables(), now, read_at=now)
    text = visit("viewer").get("/").text

    assert 'campus <span class="state will-not-open">' in text
    assert '<span class="state green">' not in text
    assert "1 reservation of the next 24 hours</a>: a door will not open" in text


def test_one_day_opens_today(campus, visit, now):
    """From this week: not Monday; from another week its first day."""
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    today = now.astimezone(ZoneInfo("America/Toronto")).date()
    later = today + timedelta(days=14)
    client = visit("viewer")

    assert f"day={today}&amp;days=1" in client.get("/week").text
    assert f"day={later}&amp;days=1" in client.get(f"/week?day={later}").text


def test_a_card_s_causes_name_users(green, visit, known, now):
    from hector_salto.ledger.ledger import RunStart

    green.observe(2, "campus", look(now).tables(), now, read_at=now)
    run = green.begin_run(RunStart("campus", "sync", "manual__red", "r", now))
    green.end_run(run, ended_at=now, causes=["user u_1 got no seat"])

    assert "Ana Roy, ana@x.example <small>user u_1</small> got no seat" in visit("viewer").get("/").text


def test_a_run_that_airflow_has_ended_does_not_say_running_for_ever(campus, visit, known, now, monkeypatch):
    from hector_salto.ledger.ledger import RunStart
    from hector_salto.ui import dag_runs

    run = campus.begin_run(RunStart("campus", "sync", "manual__cut", "c", now))
    monkeypatch.setattr(dag_runs, "states", lambda wanted: dict.fromkeys(wanted, "failed"))
    text = visit("viewer").get("/runs").text

    assert "running" not in text
    assert campus.unfinished("campus") == []
    assert "the run was cut off before its report: Airflow has it as failed" in visit("viewer").get(f"/runs/{run}").text


def test_the_newest_held_set_can_be_approved_and_an_older_one_cannot(campus, visit, known, started, now):
    client = visit("user")
    assert "Approve 1 held operations" in client.get("/runs/1").text
    answer = client.post("/approve", data={"integration": "campus", "run": "1", "token": token(client, "/runs/1")})
    assert answer.status_code == 303
    assert started == [("campus", {"approve": "ab12"}, "user", False)]

    from hector_salto.ledger.ledger import RunStart
    from tests.ui.conftest import removal, trouble

    older, newer = (
        campus.begin_run(RunStart(integration="campus", kind="sync", airflow_run_id=name, folder=name, began_at=now))
        for name in ("r2", "r3")
    )
    for run, digest in ((older, "cd34"), (newer, "ef56")):
        campus.plan(run, removal(), trouble(), planned_at=now, holds=["x"], digest=digest)
    text = client.get(f"/runs/{older}").text
    assert "A later run has looked at this set again" in text
    assert "Approve 1" not in text
    form = {"integration": "campus", "run": str(older), "token": token(client, "/")}
    assert client.post("/approve", data=form).status_code == 409


def test_the_week_shows_the_bar_with_its_words(campus, visit):
    text = visit("viewer").get("/week").text

    assert 'class="bar held"' in text
    assert "Ana Roy &lt;ana@x.example&gt;" in text
    assert "America/Toronto" in text
    assert "<small>offline</small>" in text
    assert 'class="bar' not in visit("viewer").get("/week?words=attic").text
    assert 'class="bar' not in visit("viewer").get("/week?state=in+place").text
    for day in ("tomorrow", "0001-01-01", "9999-12-31"):
        assert visit("viewer").get(f"/week?day={day}").status_code == 400
    assert 'class="bar' not in visit("viewer").get("/week?day=2199-12-30&words=%00ana").text


def test_a_week_of_many_bars_comes_in_parts_and_loses_no_door(campus, visit, monkeypatch):
    """The HTML of a large site stays small; the other doors follow as they come into view."""
    from hector_salto.ui import app

    monkeypatch.setattr(app, "BARS_AT_ONCE", 0)
    client = visit("viewer")
    first = client.get("/week").text
    assert 'hx-trigger="revealed"' in first
    follows = client.get("/week?after=1").text

    assert "Attic</a>" in first
    assert "Studio</a>" not in first
    assert "Studio</a>" in follows
    assert "<html" not in follows
    assert "hx-trigger" not in follows
    assert client.get("/week?after=9").status_code == 200


def test_filters_apply_as_one_types_and_live_in_the_address(campus, visit):
    text = visit("viewer").get("/week?words=studio").text

    assert 'hx-push-url="true"' in text
    assert 'hx-select="#calendar"' in text
    assert 'value="studio"' in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("%3Cb%3E1%3C/b%3E", "reservation &lt;b&gt;1&lt;/b&gt;"),
        ("ANA@x.example", "reservation &lt;b&gt;1&lt;/b&gt;"),
        ("ana roy", "reservation &lt;b&gt;1&lt;/b&gt;"),
        ("studio", "who should enter Studio"),
        ("barn", "place Barn names no lock"),
        ("cy roy", "user u_3 has no reservation"),
        ("nobody", "Nothing is called “nobody”"),
        ("roy", "What is meant?"),
    ],
)
def test_one_box_finds_references_emails_names_and_doors(campus, visit, words, told):
    assert told in visit("viewer").get(f"/why?words={words}").text


def test_a_question_that_cannot_be_answered_says_why(campus, visit):
    assert "is no date and time" in visit("viewer").get("/why?words=studio&at=noon").text
    assert "is no date and time" in visit("viewer").get("/why?words=studio&at=9999-12-31T23:00Z").text


def test_lists_say_what_is_missing_and_come_as_csv_without_formulas(campus, visit):
    client = visit("viewer")
    text = client.get("/lists").text
    for title in ("People without an email (1)", "People without a unique code (1)", "Codes without their tag (1)",
                  "Places that name no lock (1)", "Places whose lock is not on the site (1)",
                  "Locks that no place names (1)", "Locks that are offline (1)"):  # fmt: skip
        assert title in text

    answer = client.get("/lists/no-tag.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="campus-no-tag.csv"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    (row,) = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert row["who"] == "'=cmd|' /C calc'!A0"
    assert row["step"].startswith("create the tag in the Salto dashboard")
    assert client.get("/lists/other.csv").status_code == 404


def test_a_run_tells_before_after_and_where_its_log_is(campus, visit):
    text = visit("viewer").get("/runs/1").text

    assert "withdrawals: 1 removal from 1 live group" in text
    assert "access group removed" in text
    assert 'href="/dags/salto_sync__campus/runs/manual__1%2B0/tasks/report"' in text
    assert "create it in the Salto dashboard" in text


@pytest.mark.parametrize("path", ["/runs/0", "/runs/-1", f"/runs/{2**40}", "/runs?before=0", "/week?days=x"])
def test_what_no_link_of_ours_asks_is_refused_and_breaks_nothing(campus, visit, path):
    assert visit("viewer").get(path).status_code in {404, 422}


def test_the_tab_on_runs_of_other_dags_says_so(campus, visit):
    client = visit("viewer")

    assert "other_dag is not one that opens doors" in client.get("/run?dag_id=other_dag&run_id=x").text
    assert "knows nothing of this run yet" in client.get("/run?dag_id=salto_sync__campus&run_id=y").text
    assert "1 planned" in client.get("/run?dag_id=salto_sync__campus&run_id=manual__1+0").text


def test_the_first_steps_are_asked_of_the_services_and_tick_themselves(
    visit, integrations, ledger_url, known, monkeypatch
):
    import time

    from sandbox import Sandbox, empty

    integrations("campus", SITE + "office_mode: {groups: [Teachers, Techers]}\n")
    client = visit("user")
    with Sandbox(empty()) as sandbox:
        for name, value in sandbox.connections("campus").items():
            monkeypatch.setenv(name, value)
        sandbox.salto.add_lock("Studio")
        sandbox.hector.add_place("Studio", lock="studio ")
        sandbox.hector.add_place("Foyer")
        sandbox.hector.add_group("Teachers")
        assert "First steps" in client.get("/").text
        end = time.monotonic() + 20
        while "<ol" not in (text := client.get("/steps").text) and time.monotonic() < end:
            time.sleep(0.05)
    states = re.findall(r'<li class="(\w+)">', text)
    assert states == ["done"] * 6 + ["open"] * 3
    assert "1 of 1 named locks are on the site; 1 of 2 places name none" in text
    assert "1 of 2 exist; correct office_mode" in text
    assert "&#39;Techers&#39;, nearest is &#39;Teachers&#39;" in text
    assert "every 15s" in text
    assert re.search(r"asked \d+ s ago", text)
    assert visit("viewer").get("/steps").status_code == 403


def test_a_ledger_that_cannot_be_read_is_told_as_a_page(visit, integrations, monkeypatch):
    integrations("campus", "hector_conn_id: h\nsalto_conn_id: s\nsite_id: DE1\n")
    monkeypatch.setenv("HECTOR_SALTO_LEDGER", "nowhere")
    answer = visit("viewer").get("/week")

    assert answer.status_code == 503
    assert "the ledger&#39;s connection nowhere cannot be found" in answer.text


def test_what_airflow_does_not_know_yet_is_not_started_and_not_logged(campus, visit, integrations, known):
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    integrations("never_read", "hector_conn_id: h\nsalto_conn_id: s\nsite_id: DE1\n")
    client = visit("user")
    answer = client.post("/reload", data={"integration": "never_read", "token": token(client), "unpause": "true"})

    assert (answer.status_code, "try again shortly" in answer.text) == (404, True)
    with create_session() as session:
        assert session.scalar(select(func.count()).select_from(Log).where(Log.dag_id == "salto_sync__never_read")) == 0


def test_a_zone_nobody_knows_and_a_room_whose_lock_is_gone_break_no_view(campus, visit, known, now):
    from sqlalchemy import update

    from hector_salto.ledger.tables import Run, SeenLock

    with campus.transaction() as connection:
        connection.execute(update(Run).values(site_zone="Mars/Olympus"))
        connection.execute(update(SeenLock).values(until=now))
    for path in ("/", "/card?integration=campus", "/week", "/runs", "/runs/1", "/lists"):
        assert visit("viewer").get(path).status_code == 200, path


def test_a_run_that_was_cut_off_is_no_run_under_way(campus, visit, known, now):
    from datetime import timedelta

    from sqlalchemy import update

    from hector_salto.ledger.tables import Run

    with campus.transaction() as connection:
        connection.execute(update(Run).values(state="running", ended_at=None, began_at=now - timedelta(minutes=20)))
    text = visit("viewer").get("/").text

    assert '<span class="state running">' not in text
    assert "/progress?" not in text


def test_a_missing_pool_is_made_by_the_page(campus, visit, known):
    """A task whose pool is missing stays queued, and Airflow logs nothing."""
    from airflow.models.pool import Pool

    Pool.delete_pool("salto_site_de1") if Pool.get_pool("salto_site_de1") else None
    assert visit("viewer").get("/").status_code == 200

    assert Pool.get_pool("salto_site_de1").slots == 1


def test_a_pool_that_cannot_be_made_is_a_red_card_with_its_name(campus, visit, known, monkeypatch):
    from airflow.models.pool import Pool
    from airflow.providers.common.compat.sdk import AirflowException

    def refuse(*_, **__):
        raise AirflowException("not here")

    Pool.delete_pool("salto_site_de1") if Pool.get_pool("salto_site_de1") else None
    monkeypatch.setattr(Pool, "create_or_update_pool", refuse)
    text = visit("viewer").get("/").text

    assert "no pool salto_site_de1" in text
    assert "Its pool is missing" in text


def test_trends_are_pictures_with_a_table_behind_each_and_an_empty_one_says_why(campus, visit):
    text = visit("viewer").get("/trends?integration=campus").text

    drawn = text.count('role="img"')
    assert drawn == text.count("<details><summary>Table: ") == text.count("<desc ")
    assert drawn > 0
    assert "The seats suffice on every day until " in text
    assert "has had a door prepared." in text


def test_today_leads_to_the_seats_of_the_days_ahead(campus, visit):
    client = visit("viewer")
    link = re.search(r'href="/doors(/trends\?integration=campus)#seats"', client.get("/today").text).group(1)

    assert 'id="seats"' in client.get(link).text
