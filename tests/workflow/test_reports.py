"""Whole syncs from report files: the steps of a run, what stops one before anything is written, and the watch."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from hector.report_errors import ReportContentError, ReportLayoutError, ReportMissingError, ReportShrunkError
from hector.triggers import HectorChangeTrigger
from hector_salto.access.watermark import Watermark
from hector_salto.integration import Integration
from hector_salto.report_fields import ReportFields
from hector_salto.workflow import extraction, plan_application, planning, run_history, run_start
from hector_salto.workflow.failures import HistoryError
from sandbox import Sandbox, empty, openings
from sandbox.report_files import BLOCK, write_reports
from tests.imap_server import LOGIN, PASSWORD, SENDER, imap_server

NOW = datetime.now(UTC).replace(microsecond=0)
START = NOW.replace(minute=0, second=0) + timedelta(hours=3)
HOUR = timedelta(hours=1)
KINDS = ("Users.xlsx", "Places.xlsx", "Loaners.xlsx")


class School:
    """A Hector that is known by its reports only, and the steps of a run."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.folder, self.count = sandbox, folder, 0
        self.integration = Integration(
            hector_conn_id="hector_reports",
            salto_conn_id="salto_campus",
            site_id="DE4520000000",
            hector_reports=ReportFields.model_validate(BLOCK | {"timezone": sandbox.hector.environment["time_zone"]}),
        )

    def book(self, reference, email="ana@campus.example", place="Studio 204", start=START):
        hector = self.sandbox.hector
        users = {row["email"]: one for one, row in hector.users.items()}
        places = {row["name"]: one for one, row in hector.places.items()}
        return hector.add_loaner(users[email], places[place], start, start + HOUR, reference=reference, assets=1)

    def send(self, *, ago=timedelta(minutes=5)):
        """The reports arrive in the folder."""
        write_reports(self.sandbox.hector, self.folder)
        for name in KINDS:
            self.stamp(name, ago)

    def stamp(self, name, ago):
        at = (NOW - ago).timestamp()
        os.utime(self.folder / name, (at, at))

    def replace(self, name, content):
        (self.folder / name).write_bytes(content)
        self.stamp(name, timedelta(minutes=1))

    def read(self, **conf):
        self.count += 1
        folder = run_start.start_run("campus", f"manual__{self.count}", conf, NOW)
        for step in (extraction.extract_people, extraction.extract_places, extraction.extract_loaners):
            step(self.integration, folder)
        extraction.build_desired(self.integration, folder)
        return folder

    def run(self, **conf):
        folder = self.read(**conf)
        planned = planning.plan(self.integration, folder, references=conf.get("references"), approve=None)
        return plan_application.apply(self.integration, folder, NOW, planned["fingerprint"])

    @property
    def doors(self):
        found = openings(self.sandbox.salto, NOW, NOW + timedelta(days=8))
        return [(one.email, one.lock_name, one.begin, one.end) for one in found]

    @property
    def groups(self):
        return sorted(group.name for group in self.sandbox.salto.groups.values())


@pytest.fixture
def school(tmp_path, monkeypatch):
    folder = tmp_path / "reports"
    monkeypatch.setenv("HECTOR_SALTO_RUNS", (tmp_path / "runs").as_uri())
    with Sandbox(empty()) as sandbox:
        for name, value in sandbox.connections("campus").items():
            monkeypatch.setenv(name, value)
        connection = {"conn_type": "hector_reports", "host": folder.as_uri()}
        connection["extra"] = {"fingerprint_key": "0123456789abcdef"}
        monkeypatch.setenv("AIRFLOW_CONN_HECTOR_REPORTS", json.dumps(connection))
        sandbox.salto.enrol_tag("04A2B3C4")
        sandbox.salto.add_lock("Studio 204")
        sandbox.hector.add_attribute("salto_lock_id", "Salto Lock Id")
        sandbox.hector.add_user(email="ana@campus.example", unique_code="04A2B3C4")
        for number in range(12):
            sandbox.hector.add_user(email=f"user{number}@campus.example")
        sandbox.hector.add_place("Studio 204", lock="Studio 204")
        found = School(sandbox, folder)
        found.book("10452")
        yield found


WINDOW = [("ana@campus.example", "Studio 204", START - timedelta(minutes=15), START + HOUR + timedelta(minutes=15))]


def test_files_open_the_door_and_a_second_run_writes_nothing(school):
    school.send()
    school.run()
    assert school.doors == WINDOW
    assert [row for row in school.sandbox.requests if row.server == "hector"] == []

    written = len(school.sandbox.writes)
    school.run()
    assert len(school.sandbox.writes) == written


def test_a_newer_file_takes_the_door_away_and_a_reload_uses_the_newest(school):
    loaner = school.book("7", start=START + 2 * HOUR)
    school.send()
    school.run()
    assert school.groups == ["Hector_10452", "Hector_7"]

    school.sandbox.hector.set_status(loaner, "cancelled")
    school.send(ago=timedelta(minutes=1))
    school.run(references=["7"])
    assert school.groups == ["Hector_10452"]


def test_a_report_older_than_the_last_one_used_ends_the_run(school):
    school.send(ago=timedelta(minutes=5))
    school.run()
    written = len(school.sandbox.writes)
    school.stamp("Users.xlsx", timedelta(minutes=6))

    with pytest.raises(ReportMissingError, match=r"file Users.xlsx is of .*, older than Users.xlsx of .*, used last"):
        school.run()
    assert len(school.sandbox.writes) == written


def test_a_plan_that_is_not_applied_uses_no_report(school):
    school.send(ago=timedelta(minutes=1))
    school.read()
    school.send(ago=timedelta(minutes=5))

    school.run()
    assert school.doors == WINDOW


def test_a_report_that_shows_much_less_ends_the_run(school):
    school.send()
    school.run()
    users = school.sandbox.hector.users
    for one in list(users)[5:]:
        del users[one]
    school.send(ago=timedelta(minutes=1))
    written = len(school.sandbox.writes)

    with pytest.raises(ReportShrunkError, match=r"Users.xlsx shows 5 rows, 13 last time; limit: 50 % fewer .*role in"):
        school.run()
    assert len(school.sandbox.writes) == written

    block = school.integration.hector_reports.model_copy(update={"shrink": 70})
    school.integration = school.integration.model_copy(update={"hector_reports": block})
    school.run()
    assert run_history.read_file("campus", "reports.json")["users"]["rows"] == 5


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("Users.xlsx", b"PK\x03\x04 half a file", ReportContentError),
        ("Places.xlsx", b"Name\nStudio 204\n", ReportLayoutError),
        (
            "Loaners.xlsx",
            b"Number,Status,Start,Finish,Borrower email,Resources\n1,New,?,?,a@b.c,x\n",
            ReportContentError,
        ),
    ],
)
def test_a_bad_file_ends_the_run_with_nothing_written(school, name, content, error):
    school.send()
    school.replace(name, content)

    with pytest.raises(error, match=rf"connection hector_reports\): file {name}"):
        school.run()
    assert school.sandbox.writes == []


def test_damaged_memory_ends_the_run(school):
    school.send()
    run_history.keep("campus", "reports.json", {"users": {"file": "x"}})

    with pytest.raises(HistoryError, match=r"reports.json of campus is damaged .*remove the file"):
        school.run()


def test_the_report_of_users_alone_says_who_left(school):
    """Everything else is as with the API: who is absent is no user any more."""
    school.send()
    school.run()
    users = school.sandbox.hector.users
    del users[next(one for one, row in users.items() if row["email"] == "ana@campus.example")]
    school.send(ago=timedelta(minutes=1))
    school.run()

    assert school.doors == []


def fired(school, mark, seconds):
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    reports = school.integration.hector_reports.model_dump(exclude_none=True)
    kind, fields = HectorChangeTrigger("hector_reports", mark, 0.05, until, {}, reports).serialize()
    assert kind == "hector.triggers.HectorChangeTrigger"

    async def first():
        async for one in HectorChangeTrigger(**json.loads(json.dumps(fields))).run():
            return one.payload
        return None

    return asyncio.run(first())


def test_new_files_start_one_sync_of_everything(school):
    school.send()
    last = Watermark(extraction.pd.Timestamp(NOW - timedelta(hours=2))).as_json()
    found = fired(school, last, 5)
    assert (found["references"], found["everything"]) == ([], True)

    assert not fired(school, found["mark"], 0.3)["everything"]


def test_a_whole_sync_from_the_mails_of_a_real_server(school, monkeypatch):
    with imap_server() as server:
        connection = {"conn_type": "hector_reports", "host": server.address, "login": LOGIN, "password": PASSWORD}
        connection["extra"] = {"sender": SENDER}
        monkeypatch.setenv("AIRFLOW_CONN_HECTOR_REPORTS", json.dumps(connection))
        school.send()
        for name in KINDS:
            server.deliver({name: (school.folder / name).read_bytes()}, at=NOW - timedelta(minutes=5))
        server.deliver({"Users.xlsx": b"forged"}, sender="attacker@x.example")
        school.run()

        assert school.doors == WINDOW
        assert set(server.flags()) == {b"%d (FLAGS ())" % number for number in range(1, 5)}
