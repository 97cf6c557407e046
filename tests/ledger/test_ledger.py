"""What runs write, in SQLite and in a real PostgreSQL: as it goes, and so that any moment can be asked about."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from hector_salto.access import schemas
from hector_salto.access.operations import operations
from hector_salto.access.snapshot import SCHEMAS, empty_snapshot
from hector_salto.ledger import queries
from hector_salto.ledger.ledger import MIGRATIONS, RESTARTING, VERSION, Ledger, LedgerError, RunStart, Selection
from hector_salto.ledger.tables import Call, Operation, Run, Table

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
NOTHING = schemas.frame(schemas.PROBLEMS, [])


def begun(hours=0.0, **changes):
    facts = {"integration": "campus", "kind": "sync", "airflow_run_id": f"r{hours}", "folder": f"f{hours}"}
    return RunStart(**(facts | {"began_at": NOW + timedelta(hours=hours)} | changes))


def adding(*people, reference="1"):
    rows = pd.DataFrame([{"group_name": f"Hector_{reference}", "group_id": "g", "user_id": one} for one in people])
    rows = rows.assign(platform_user_id="p_" + rows["user_id"], reference=reference)
    return operations("member_add", rows, cause="new", reason="booked", unit=f"reservation {reference}")


def problem(code="tag_unknown", subject="user u_1"):
    row = {"code": code, "who": "salto_admin", "subject": subject, "reference": None, "message": "m", "next_step": "n"}
    return schemas.frame(schemas.PROBLEMS, [row | {"red": False}])


def rows(ledger, query):
    with ledger.reading() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def members(*people):
    rows_ = [{"group_id": "g", "platform_user_id": one} for one in people]
    return {"members": schemas.frame(schemas.SEEN_MEMBERS, rows_)}


def test_the_migrations_make_exactly_the_documented_tables(ledger):
    with ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_the_version_that_is_expected_is_that_of_the_last_migration():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_current_head() == VERSION


def test_opening_it_again_changes_nothing_and_all_may_open_it_at_once(url):
    opened = []

    def open_it():
        opened.append(Ledger(url))
        opened[-1]._upgrade(migrates=True)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(opened) == 4
    assert {one._version() for one in opened} == {VERSION}
    for one in opened:
        one.engine.dispose()


def test_a_ledger_of_a_newer_version_is_not_touched(url):
    ledger = Ledger.open(url)
    with ledger.engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    Ledger.forget_all()

    with pytest.raises(LedgerError, match="was made by a newer version of this product: install that version"):
        Ledger.open(url)


def test_a_ledger_that_cannot_be_reached_says_where_it_is_and_no_password():
    with pytest.raises(
        LedgerError, match=r"the ledger at postgresql\+psycopg2://me:\*\*\*@127\.0\.0\.1:1/x cannot"
    ) as e:
        Ledger.open("postgresql+psycopg2://me:very-secret@127.0.0.1:1/x")
    assert "very-secret" not in str(e.value)


@contextmanager
def stopped(server, again_after=None):
    """A server that is away, and comes back by itself or at the end."""
    server.stop()
    back = threading.Timer(again_after or 0.0, server.start)
    try:
        if again_after is not None:
            back.start()
        yield
    finally:
        if again_after is None:
            back.start()
        back.join()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_run_waits_for_a_database_that_restarts(url, postgres_server):
    patient = Ledger.open(url, 60.0)
    with stopped(postgres_server, again_after=1.0):
        assert patient.begin_run(begun()) > 0


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_who_looks_at_a_page_is_told_at_once(url, postgres_server):
    page = Ledger.open(url)
    with stopped(postgres_server, again_after=3.0), pytest.raises(LedgerError, match="refused"):
        page.begin_run(begun())  # had it waited, it would have been there again


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_an_outage_is_waited_for_once_and_not_by_every_call(url, postgres_server, monkeypatch):
    patient, tries = Ledger.open(url, 0.5), []
    dialect = patient.engine.dialect
    connect = dialect.connect
    monkeypatch.setattr(dialect, "connect", lambda *given, **named: tries.append(1) or connect(*given, **named))
    with stopped(postgres_server):
        for _ in range(3):
            before = len(tries)
            with pytest.raises(LedgerError):
                patient.begin_run(begun())
            made = len(tries) - before
        assert made == 1
        assert len(tries) > 3
    assert patient.begin_run(begun()) > 0
    with stopped(postgres_server, again_after=0.2):
        patient.patience = 60.0
        assert patient.begin_run(begun()) > 0  # what was there again is waited for again


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_nobody_waits_for_what_no_waiting_mends(url):
    with pytest.raises(LedgerError, match="does not exist"):
        Ledger.open(f"{url}_of_somebody_else", 3600.0)


@pytest.mark.parametrize(
    "said",
    [
        'connection to server at "10.0.0.7", port 5432 failed: Connection refused',
        'connection to server at "10.0.0.7", port 5432 failed: Connection timed out',
        'connection to server at "10.0.0.7", port 5432 failed: No route to host',
        'connection to server at "10.0.0.7", port 5432 failed: timeout expired',
        "could not receive data from server: Connection reset by peer",
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
        "FATAL:  the database system is not yet accepting connections",
        "FATAL:  the database system is in recovery mode",
        "FATAL:  terminating connection due to administrator command",
        "server closed the connection unexpectedly",
        'could not translate host name "postgres" to address: Name or service not known',
    ],
)
def test_what_a_database_says_that_restarts(said):
    assert RESTARTING.search(said)


@pytest.mark.parametrize(
    "said",
    [
        'FATAL:  password authentication failed for user "airflow"',
        'FATAL:  database "other" does not exist',
        'FATAL:  no pg_hba.conf entry for host "10.0.0.7"',
        "FATAL:  sorry, too many clients already",
    ],
)
def test_what_waiting_does_not_mend(said):
    assert not RESTARTING.search(said)


def test_the_intent_is_there_before_the_answer_and_carries_its_operations(ledger):
    run = ledger.begin_run(begun())
    ledger.plan(run, adding("u_1", "u_2"), NOTHING)
    ids = ledger.operation_ids(run)

    call = ledger.send(run, ids.values(), ("Salto KS", "PATCH", "/x"), NOW)
    assert rows(ledger, "select status, answered_at from calls") == [{"status": None, "answered_at": None}]
    ledger.answer(call, NOW + timedelta(seconds=1), 204, None)
    for number in ids.values():
        ledger.settle(number, NOW + timedelta(seconds=1), "done", "")

    assert rows(ledger, "select status from calls") == [{"status": 204}]
    assert rows(ledger, "select count(*) as n from call_operations") == [{"n": 2}]
    assert {row["outcome"] for row in rows(ledger, "select outcome from run_changes")} == {"done"}
    with ledger.reading() as connection:
        assert connection.execute(select(Call.sent_at)).scalar_one() == NOW  # aware, in UTC
    ledger.end_run(run, ended_at=NOW, causes=["door x"], seconds=1.5, requests_salto=3)
    assert rows(ledger, "select state, seconds from runs") == [{"state": "red", "seconds": 1.5}]


def test_a_second_try_of_the_plan_replaces_the_first(ledger):
    run = ledger.begin_run(begun())
    ledger.plan(run, adding("u_1"), problem())
    ledger.plan(run, adding("u_2"), NOTHING)

    assert [row["user_id"] for row in rows(ledger, "select user_id from operations")] == ["u_2"]
    assert rows(ledger, "select * from problems") == []


def test_many_threads_write_at_once(ledger):
    run = ledger.begin_run(begun())
    people = [f"u_{number}" for number in range(40)]
    ledger.plan(run, adding(*people), NOTHING)
    ids = list(ledger.operation_ids(run).values())

    def write(numbers):
        for number in numbers:
            call = ledger.send(run, [number], ("Salto KS", "PATCH", "/x"), NOW)
            ledger.answer(call, NOW, 204, None)
            ledger.settle(number, NOW, "done", "")

    threads = [threading.Thread(target=write, args=[ids[start::8]]) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert rows(ledger, "select count(*) as n from calls where status = 204") == [{"n": 40}]
    assert rows(ledger, "select count(*) as n from operations where outcome = 'done'") == [{"n": 40}]


def test_what_was_so_at_any_moment_can_be_asked(ledger):
    first, second = ledger.begin_run(begun()), ledger.begin_run(begun(24))
    ledger.observe(first, "campus", members("ana", "bo"), NOW)
    ledger.observe(second, "campus", members("bo", "cleo"), NOW + timedelta(hours=24))

    def inside(hours):
        found = ledger.read_snapshot("campus", None if hours is None else NOW + timedelta(hours=hours))
        return set(found.members["platform_user_id"])

    assert inside(-1) == set()
    assert inside(0) == inside(23.9) == {"ana", "bo"}
    assert inside(24) == inside(None) == {"bo", "cleo"}
    assert ledger.read_snapshot("other").members.empty
    since = queries.memberships_since(ledger, "campus", NOW + timedelta(hours=25)).set_index("platform_user_id")
    assert since["run"].to_dict() == {"bo": "r0.0", "cleo": "r24"}


def test_the_same_look_twice_adds_nothing(ledger):
    run = ledger.begin_run(begun())
    for _ in range(2):
        ledger.observe(run, "campus", members("ana"), NOW)

    assert rows(ledger, "select count(*) as n from seen_members") == [{"n": 1}]


def test_a_change_of_ours_is_dated_by_its_call_and_a_strangers_by_the_look(ledger):
    run = ledger.begin_run(begun())
    ledger.observe(run, "campus", members(), NOW)
    ledger.plan(run, adding("ana"), NOTHING)
    (number,) = ledger.operation_ids(run).values()
    ledger.settle(number, NOW + timedelta(seconds=5), "done", "")
    ledger.observe(run, "campus", members("p_ana"), NOW + timedelta(minutes=1))
    ledger.observe(run, "campus", members("p_ana", "stranger"), NOW + timedelta(hours=1))

    found = rows(ledger, "select platform_user_id, seen_at from seen_members order by seen_at")
    assert [row["platform_user_id"] for row in found] == ["p_ana", "stranger"]
    assert "15:00:05" in str(found[0]["seen_at"])
    assert "16:00:00" in str(found[1]["seen_at"])


def reservation(reference, hours):
    at = pd.Timestamp(NOW) + pd.Timedelta(hours=hours)
    return {
        "reservation_id": f"l_{reference}",
        "reference": reference,
        "status": "new",
        "start": at,
        "finish": at + pd.Timedelta(hours=1),
        "decision": "access",
        "reason": "its window opens its doors",
        "window_start": at,
        "window_end": at + pd.Timedelta(hours=1),
    }


def booked(*rows_):
    return {"reservations": schemas.frame(schemas.SEEN_RESERVATIONS, rows_)}


def test_a_reservation_that_is_over_is_not_taken_for_a_cancelled_one(ledger):
    """Hector is not asked for what is over, so it shows neither; only the later one should still be there."""
    run = ledger.begin_run(begun())
    ledger.observe(run, "campus", booked(reservation("over", 1), reservation("gone", 40)), NOW)
    later = NOW + timedelta(hours=24)
    ledger.observe(run, "campus", booked(), later, still_read=later)

    shown = {row["reference"]: row["gone_since"] is None for row in rows(ledger, "select * from latest_reservations")}
    assert shown == {"over": True, "gone": False}
    assert queries.last_known(ledger, "campus", "gone")["status"] == "new"
    assert queries.last_known(ledger, "campus", "over") is None


def test_problems_are_open_since_the_first_run_that_found_them_without_a_break(ledger):
    for hours, found in ((0, problem()), (24, NOTHING), (48, problem()), (72, problem())):
        run = ledger.begin_run(begun(hours))
        ledger.plan(run, adding("ana"), found, planned_at=NOW)
    only = ledger.begin_run(begun(73, chosen_references=["1"]))
    ledger.plan(only, adding("ana"), NOTHING, planned_at=NOW)
    ledger.plan(ledger.begin_run(begun(74, plan_only=True)), adding("ana"), NOTHING, planned_at=NOW)

    (row,) = rows(ledger, "select * from open_problems")
    assert row["code"] == "tag_unknown"
    assert "2026-01-16 15:00" in str(row["open_since"])


def test_a_run_answers_for_what_it_looked_at_after_it_changed_it(ledger):
    """Drift is measured against the last sync of all; a later reload answers for its own; what was cut off, nobody."""
    whole, reload = ledger.begin_run(begun()), ledger.begin_run(begun(1, chosen_references=["7"]))
    assert ledger.accounts("campus", NOW + timedelta(hours=2)) == ((), frozenset())
    ledger.observe(whole, "campus", members("ana"), NOW)
    ledger.plan(reload, adding("bo", reference="7"), NOTHING)
    (number,) = ledger.operation_ids(reload).values()

    ledger.send(reload, [number], ("Salto KS", "PATCH", "/x"), NOW + timedelta(hours=1))
    (base,), unsure = ledger.accounts("campus", NOW + timedelta(hours=2))
    assert (base.units, unsure) == (None, {"reservation 7"})
    assert set(base.seen.members["platform_user_id"]) == {"ana"}

    cleanup = ledger.begin_run(begun(1.5, kind="cleanup"))
    ledger.observe(cleanup, "campus", members("ana", "bo", "somebody"), NOW + timedelta(hours=1, minutes=30))
    assert ledger.accounts("campus", NOW + timedelta(hours=2))[1] == {"reservation 7"}

    ledger.observe(reload, "campus", members("ana", "bo", "somebody"), NOW + timedelta(hours=1, minutes=40))
    (base, own), unsure = ledger.accounts("campus", NOW + timedelta(hours=2))
    assert set(base.seen.members["platform_user_id"]) == {"ana"}
    assert (own.units, unsure) == ({"reservation 7"}, frozenset())
    assert set(own.seen.members["platform_user_id"]) == {"ana", "bo", "somebody"}


def test_what_is_past_retention_goes_and_what_is_still_so_stays(ledger):
    old, new = ledger.begin_run(begun()), ledger.begin_run(begun(48))
    for run in (old, new):
        ledger.plan(run, adding("ana"), problem())
        ids = ledger.operation_ids(run).values()
        ledger.send(run, ids, ("Salto KS", "PATCH", "/x"), NOW)
    ledger.observe(old, "campus", members("ana", "bo"), NOW)
    ledger.observe(old, "campus", members("ana"), NOW + timedelta(hours=1))

    removed = ledger.remove_before("campus", NOW + timedelta(hours=24))

    assert {name: count for name, count in removed.items() if count} == {
        "calls": 1, "operations": 1, "problems": 1, "runs": 1, "seen_members": 1,
    }  # fmt: skip
    with ledger.reading() as connection:
        assert connection.execute(select(Run.id)).scalars().all() == [new]
        assert connection.execute(select(Operation.run_id)).scalars().all() == [new]
    assert set(ledger.read_snapshot("campus").members["platform_user_id"]) == {"ana"}


def test_every_table_of_a_look_comes_back_as_it_was(ledger):
    run = ledger.begin_run(begun())
    person = {
        "person": "hector:u_1", "user_id": "u_1", "email": "a@b.example", "name": "Ana Roy", "hector_status": "active", "has_code": True, "code_shared": False,
        "site_user_id": None, "platform_user_id": None, "subscription_state": None, "blocked": False, "has_tag": False,
        "tag_id": None, "own_tag": False, "tag_blocked": False, "managed": True, "office_mode": True,
    }  # fmt: skip
    room = {"reservation_id": "l_1", "place_id": "p", "place_name": "Room", "lock_name": None, "lock_id": None}
    look = replace(
        empty_snapshot(),
        reservations=booked(reservation("1", 1))["reservations"],
        borrowers=schemas.frame(schemas.SEEN_BORROWERS, [{"reservation_id": "l_1", "user_id": "u_1"}]),
        rooms=schemas.frame(schemas.SEEN_ROOMS, [room]),
        people=schemas.frame(schemas.SEEN_PEOPLE, [person]),
        places=schemas.frame(
            schemas.SEEN_PLACES,
            [{"place_id": "p", "place_name": "Room", "active": True, "lock_name": "Room", "lock_id": None}],
        ),
        **members("ana"),
    )
    ledger.observe(run, "campus", look.tables(), NOW)

    back = ledger.read_snapshot("campus").tables()
    for name, table in look.tables().items():
        pd.testing.assert_frame_equal(back[name], schemas.validate(SCHEMAS[name], table))


def test_what_was_booked_long_ago_is_neither_read_nor_kept_for_ever(ledger):
    """A reservation that is over is never seen to end: it stays until retention, and the runs of today pass it over."""
    run = ledger.begin_run(begun())
    both = booked(reservation("old", 1), reservation("new", 90 * 24))
    ledger.observe(run, "campus", both, NOW)
    ledger.observe(run, "campus", booked(reservation("new", 90 * 24)), NOW, still_read=NOW + timedelta(days=40))

    def known(**about):
        return set(ledger.read_snapshot("campus", about=Selection(**about)).reservations["reference"])

    assert known() == {"old", "new"}
    assert known(finish_after=NOW + timedelta(days=40)) == {"new"}
    assert known(reference="old") == {"old"}
    assert known(reference="old", finish_after=NOW + timedelta(days=40)) == set()
    assert known(open_at=NOW + timedelta(hours=1, minutes=30)) == {"old"}
    assert known(user_ids=frozenset({"nobody"})) == set()
    assert ledger.remove_before("campus", NOW + timedelta(days=40))["seen_reservations"] == 1
    assert known() == {"new"}


def test_a_reservation_that_was_over_and_is_moved_ahead_is_known_once(ledger):
    run = ledger.begin_run(begun())
    ledger.observe(run, "campus", booked(reservation("1", 1)), NOW)
    later = NOW + timedelta(days=40)
    ledger.observe(run, "campus", booked(reservation("1", 41 * 24)), later, still_read=later)

    (row,) = ledger.read_snapshot("campus").reservations.to_dict("records")
    assert row["start"] > later
