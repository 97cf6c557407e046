"""Whole DAG runs in one process, against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox import faults, openings
from tests.dags.conftest import connections_with

NOW = datetime.now(UTC)
START = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)


@pytest.fixture
def campus(sandbox):
    """One person, one tag, one door, one reservation three hours ahead."""
    sandbox.salto.enrol_tag("04A2B3C4")
    sandbox.salto.add_lock("Studio 204")
    user = sandbox.hector.add_user(email="ana@campus.example", unique_code="04A2B3C4")
    place = sandbox.hector.add_place("Studio 204", lock="Studio 204")
    sandbox.hector.add_loaner(user, place, START, START + timedelta(hours=1), reference="10452")
    return sandbox


def opened(sandbox):
    found = openings(sandbox.salto, NOW, NOW + timedelta(days=8))
    return [(one.email, one.lock_name, one.begin, one.end) for one in found]


WINDOW = [
    (
        "ana@campus.example",
        "Studio 204",
        START - timedelta(minutes=15),
        START + timedelta(hours=1, minutes=15),
    )
]


def test_a_reservation_opens_its_door_and_a_second_run_writes_nothing(campus, run_in_airflow):
    first = run_in_airflow("sync", "campus", sandbox=campus)

    assert first.state == "success"
    assert opened(campus) == WINDOW

    written = len(campus.writes)
    second = run_in_airflow("sync", "campus", sandbox=campus)

    assert second.state == "success"
    assert len(campus.writes) == written


def test_plan_only_sends_nothing_but_reads(campus, run_dag):
    ended = run_dag("sync", "campus", sandbox=campus, conf={"plan_only": True})

    assert ended.state == "success"
    assert ended.tasks["apply"] == "skipped"
    assert campus.writes == []
    assert {"user_create", "group_create", "member_add"} <= set(ended.table("operations")["kind"])


def test_references_brings_only_that_reservation_in_step(campus, run_dag):
    user = campus.hector.add_user(email="bo@campus.example")
    campus.hector.add_loaner(user, next(iter(campus.hector.places)), START, START + timedelta(hours=1), reference="7")
    ended = run_dag("sync", "campus", sandbox=campus, conf={"references": ["10452"]})

    assert ended.state == "success"
    assert [group.name for group in campus.salto.groups.values()] == ["Hector_10452"]


def test_cleanup_removes_what_is_over_while_hector_is_away(campus, run_in_airflow):
    outdated_group(campus)
    campus.hector_faults.on("*", ".*", faults.drop())

    ended = run_in_airflow("cleanup", "campus", sandbox=campus)

    assert ended.state == "success"
    assert campus.salto.groups == {}
    assert not [request for request in campus.requests if request.server == "hector"]


def test_references_from_a_form(campus, run_dag):
    """One that exists is brought in step however it is typed; one that nobody has ends red."""
    ended = run_dag("sync", "campus", sandbox=campus, conf={"references": [" Hector_10452\r"]})
    assert ended.state == "success"
    assert [group.name for group in campus.salto.groups.values()] == ["Hector_10452"]

    ended = run_dag("sync", "campus", sandbox=campus, conf={"references": ["7, 8"]})
    assert ended.state == "failed"
    assert "Hector shows none of the reservations asked for in this horizon (7, 8)" in ended.log


def outdated_group(sandbox):
    group = sandbox.salto.add_group("Hector_1")
    past = (NOW - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S")
    sandbox.salto.add_schedule(group, "10:00", "12:14", days=(0,), start_date="2026-01-01T10:00:00", end_date=past)


def test_a_cleanup_that_only_plans_deletes_nothing(campus, run_dag, tmp_path):
    """Neither groups nor what is past retention."""
    outdated_group(campus)
    old = tmp_path / "runs" / "campus" / "20200101T000000Z_old"
    old.mkdir(parents=True)
    ended = run_dag("cleanup", "campus", sandbox=campus, conf={"plan_only": True})

    assert (ended.state, ended.tasks["apply"], ended.tasks["remove_outdated"]) == ("success", "skipped", "skipped")
    assert list(ended.table("operations")["kind"]) == ["group_delete"]
    assert campus.writes == []
    assert old.exists()

    assert run_dag("cleanup", "campus", sandbox=campus).state == "success"
    assert campus.salto.groups == {}
    assert not old.exists()


def test_the_place_attribute_is_made_when_it_is_missing(sandbox, run_dag):
    sandbox.hector.attributes.clear()

    assert run_dag("sync", "campus", sandbox=sandbox, conf={"plan_only": True}).state == "success"
    assert sandbox.hector.attributes == {}

    assert run_dag("sync", "campus", sandbox=sandbox).state == "success"
    assert [one["key"] for one in sandbox.hector.attributes.values()] == ["salto_lock_id"]


def test_every_decision_about_a_reservation_can_be_found_by_its_reference(campus, run_dag):
    campus.hector.add_loaner("u_none", next(iter(campus.hector.places)), START, START, reference="BAD-7")
    ended = run_dag("sync", "campus", sandbox=campus)

    assert "reservation 10452: access" in ended.log
    assert "group_create Hector_10452: done" in ended.log
    assert "member_add Hector_10452" in ended.log
    assert "reservation BAD-7: no_access" in ended.log


def test_nothing_secret_is_in_any_output_or_file(campus, run_in_airflow, tmp_path):
    from tests.conftest import HOME

    ended = run_in_airflow("sync", "campus", sandbox=campus)
    known = campus.credentials
    secrets = ["04A2B3C4", known.hector_token, known.client_secret, known.user_password]
    tables = "".join(path.read_bytes().decode("latin-1") for path in ended.folder.glob("*"))
    frames = "".join(ended.table(path.stem).to_csv() for path in ended.folder.glob("*.parquet"))
    kept = "".join(path.read_bytes().decode("latin-1") for path in HOME.rglob("*") if path.is_file())

    assert ended.state == "success"
    for secret in secrets:
        for where in (ended.log, tables, frames, kept):
            assert secret not in where
    assert "Bearer" not in ended.log


def test_unknown_run_parameters_are_refused(campus, run_in_airflow):
    ended = run_in_airflow("sync", "campus", sandbox=campus, conf={"plan_onyl": True})

    assert ended.state == "failed"
    assert "unknown run parameter 'plan_onyl' of salto_sync: allowed are approve, plan_only, references" in ended.log
    assert campus.writes == []


RED = {
    "hector token refused": (lambda s: connections_with(s, "campus", "hector", password="wrong"), {}, "hector_campus"),
    "client secret refused": (lambda s: connections_with(s, "campus", "salto", password="wrong"), {}, "salto_campus"),
    "account not active": (None, {"account_active": False}, "not active on this site yet"),
    "account not Site Admin": (None, {"acting_site_admin": False}, "not Site Admin"),
    "no identity url": (
        lambda s: connections_with(s, "campus", "salto", extra={"identity_url": ""}),
        {},
        "identity_url",
    ),
    "plain http beyond loopback": (
        lambda s: connections_with(s, "campus", "salto", host="http://connect.example"),
        {},
        "https",
    ),
}


@pytest.mark.parametrize("case", RED)
def test_wrong_credentials_end_red_with_one_clear_sentence_and_nothing_written(
    campus, run_in_airflow, monkeypatch, case
):
    connections, behaviour, told = RED[case]
    campus.change(**behaviour)
    if connections is not None:
        for variable, value in connections(campus).items():
            monkeypatch.setenv(variable, value)
    ended = run_in_airflow("sync", "campus", sandbox=None if connections else campus)

    assert ended.state == "failed"
    assert told in ended.log
    assert campus.writes == []


def test_a_missing_connection_is_named(campus, run_dag):
    ended = run_dag("sync", "nowhere")

    assert ended.state == "failed"
    assert "Hector (connection hector_nowhere) cannot be found or read in Airflow: make it under Admin" in ended.log


def test_an_unknown_site_ends_red_and_names_the_sites_that_are_visible(campus, run_dag):
    ended = run_dag("sync", "campus", sandbox=campus, site="DE999")

    assert ended.state == "failed"
    assert "DE4520000000" in ended.log
    assert campus.writes == []


@pytest.mark.parametrize("fault", [faults.half_list("items"), faults.half_list("link"), faults.html()])
@pytest.mark.parametrize("server", ["hector", "salto"])
def test_a_read_that_is_not_complete_ends_red_and_writes_nothing(campus, run_dag, server, fault):
    campus.change(page_size=1, hector_page_size=1)
    campus.hector.add_user(email="bo@campus.example")
    plan = campus.hector_faults if server == "hector" else campus.salto_faults
    plan.on("GET", r"/users(\?|$)", fault)
    ended = run_dag("sync", "campus", sandbox=campus)

    assert ended.state == "failed"
    assert campus.writes == []


def test_no_free_seat_turns_the_run_red_although_everything_else_is_done(campus, run_dag):
    campus.salto.site.subscribed_user_amount = campus.salto.seats_used()
    ended = run_dag("sync", "campus", sandbox=campus)

    assert ended.state == "failed"
    assert "seat" in ended.log
    assert opened(campus) == []
