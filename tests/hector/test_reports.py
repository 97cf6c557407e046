"""Hector by its reports: what rows become, what they cannot say, and which files are refused."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from hector.client import HectorReader, hector_service, hector_transport
from hector.report_errors import ReportContentError, ReportLayoutError, ReportMissingError
from hector.report_mapping import email_id
from hector.report_sources import ReportFile, matches
from hector.reports import HectorReportsReader
from hector_salto.access.texts import plain
from hector_salto.http_client.fingerprint import Fingerprint
from hector_salto.http_client.rate_limit import RateLimit
from hector_salto.http_client.timing import SYSTEM_CLOCK
from hector_salto.report_fields import ReportFields
from sandbox import Sandbox, campus
from sandbox.report_files import BLOCK, loaners, places, users

FINGERPRINT = Fingerprint(b"key")
NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
USERS = "Email,Unique code,Status,Groups,Department\nana@x.org,04A2,active,Staff;Teachers,Music\n"
PLACES = "Name,Salto Lock Id\nStudio 204,Studio 204\nStudio 205,\n"
HEADING = "Number,Status,Start,Finish,Borrower email,Resources\n"
ROW = "10452,New,2026-01-14 10:15,2026-01-14 12:00,Ana@x.org,Studio 204\n"
FIELDS = {
    "users": {
        "file": "Users*",
        "columns": {
            "email": "Email",
            "unique_code": "Unique code",
            "status": "Status",
            "groups": "Groups",
            "department": "Department",
        },
    },
    "places": {"file": "Places*", "columns": BLOCK["places"]["columns"]},
    "loaners": {"file": "Loaners*", "columns": BLOCK["loaners"]["columns"]},
    "timezone": "America/Toronto",
}


ANA = email_id("ana@x.org")


class Files:
    """A source in memory."""

    address = "memory"

    def __init__(self, **contents):
        self.contents = contents
        self.at = dict.fromkeys(contents, NOW)

    def newest(self, patterns):
        files = [ReportFile(name, self.at[name], lambda name=name: self.bytes_of(name)) for name in self.contents]
        return {pattern: file for pattern in patterns for file in files if matches(file.name, pattern)}

    def bytes_of(self, name):
        content = self.contents[name]
        return content if isinstance(content, bytes) else content.encode()


def reader(*, now=NOW, fields=None, **contents):
    files = Files(**{"Users": USERS, "Places": PLACES, "Loaners": HEADING + ROW} | contents)
    found = HectorReportsReader(
        files, ReportFields.model_validate(FIELDS | (fields or {})), "hector_campus", now=lambda: now
    )
    found.files = files
    return found


def loaners_of(rows, **options):
    return reader(Loaners=HEADING + rows, **options).loaners(NOW - timedelta(days=1), NOW + timedelta(days=1))


def columns(kind, **more):
    """The fields with more columns in one report."""
    return {kind: {**FIELDS[kind], "columns": {**FIELDS[kind]["columns"], **more}}}


def test_the_campus_by_its_reports_is_the_campus_by_its_api():
    """Apart from ids, and from what a report cannot say: imported groups, participants, blocking events."""
    with Sandbox(campus(datetime.now(UTC))) as sandbox:
        service = hector_service(sandbox.hector_url, "hector_test")
        pacing = RateLimit(rate=10_000, timing=SYSTEM_CLOCK)
        rest = HectorReader(
            hector_transport(service, sandbox.credentials.hector_token, pacing=pacing, timing=SYSTEM_CLOCK)
        )
        state = sandbox.hector
        files = Files(Users=users(state), Places=places(state), Loaners=loaners(state))
        by_reports = HectorReportsReader(
            files,
            ReportFields.model_validate(
                {
                    **BLOCK,
                    "users": {**BLOCK["users"], "file": "Users"},
                    "places": {**BLOCK["places"], "file": "Places"},
                    "loaners": {**BLOCK["loaners"], "file": "Loaners"},
                }
            ),
            "hector_test",
            now=lambda: NOW,
        )
        span = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=7)
        ours, theirs = by_reports.users(FINGERPRINT).users, rest.users(FINGERPRINT).users
        theirs = theirs[theirs["email"].notna()]
        same = ["email", "first_name", "last_name", "tag", "near", "code_forms", "code_length", "status"]
        assert comparable_rows(ours, same) == comparable_rows(theirs, same)
        same = ["name", "active", "lock_name"]
        assert comparable_rows(by_reports.places(), same) == comparable_rows(rest.places(), same)
        ours, theirs = by_reports.loaners(*span), rest.loaners(*span)
        same = ["reference", "status", "start", "finish", "blocking"]
        theirs_real = theirs.reservations[~theirs.reservations["blocking"]]
        assert len(theirs_real) > 10
        assert comparable_rows(ours.reservations, same) == comparable_rows(theirs_real, same)
        assert len(ours.places) == theirs.places["reservation_id"].isin(theirs_real["reservation_id"]).sum()


def comparable_rows(table, names):
    rows = table[names].astype("object").fillna("").itertuples(index=False, name=None)
    return sorted(str([plain(cell) if isinstance(cell, str) else cell for cell in row]) for row in rows)


def test_users_are_known_by_their_email_and_codes_leave_as_fingerprints():
    found = reader().users(FINGERPRINT)

    row = found.users.iloc[0]
    assert (row["user_id"], row["email"], row["status"], row["department_id"]) == (
        ANA,
        "ana@x.org",
        "active",
        "music",
    )
    assert row["tag"] == FINGERPRINT("04A2")
    assert list(found.groups["name"]) == ["Staff", "Teachers"]
    assert list(found.user_groups["group_id"]) == ["staff", "teachers"]


def test_rows_of_one_user_are_one_and_rows_that_differ_are_left_to_the_rules():
    rows = "Email,Unique code,Status,Groups,Department\na@x.org,1,active,A,\nA@x.org,1,active,B,\na@x.org,1,active,C,\n"
    found = reader(Users=rows.replace("A@x.org", "a@x.org")).users(FINGERPRINT)
    assert (len(found.users), list(found.user_groups["group_id"])) == (1, ["a", "b", "c"])

    found = reader(Users=rows.replace("A@x.org,1", "a@x.org,2")).users(FINGERPRINT)
    assert list(found.users["user_id"]) == [email_id("a@x.org"), f"{email_id('a@x.org')} (row 3)"]
    assert set(found.users["email"]) == {"a@x.org"}


def test_a_status_that_no_code_is_known_for_comes_through():
    rows = USERS + "bo@x.org,2,Gelé,,\ncy@x.org,3,Actif,,\n"
    found = reader(Users=rows, fields={"statuses": {"ACTIF": "active"}}).users(FINGERPRINT)

    assert list(found.users["status"]) == ["active", "gelé", "active"]


@pytest.mark.parametrize(
    ("start", "utc"),
    [
        ("2026-01-14 10:15", "2026-01-14T15:15"),
        ("2026-01-14T10:15:00-05:00", "2026-01-14T15:15"),
        ("46036.427083333336", "2026-01-14T15:15"),
        ("46036,427083333336", "2026-01-14T15:15"),
        ("2026-01-14 10:15:30", "2026-01-14T15:15:30"),
    ],
)
def test_times_are_text_serials_or_instants(start, utc):
    cell = f'"{start}"'
    found = loaners_of(ROW.replace("2026-01-14 10:15", cell, 1).replace("2026-01-14 12:00", "2026-01-14 23:00"))

    assert found.reservations["start"].iloc[0] == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_the_hour_that_exists_twice_is_open_in_both_of_its_turns():
    rows = "1,New,2026-11-01 01:15,2026-11-01 01:45,ana@x.org,Studio 204\n"
    row = (
        reader(Loaners=HEADING + rows)
        .loaners(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
        .reservations.iloc[0]
    )

    assert (row["start"].hour, row["start"].minute, row["finish"].hour, row["finish"].minute) == (5, 15, 6, 45)


@pytest.mark.parametrize("bad", ["14/01/2026 10h15", "soon", "0", "12", "2026-01-14"])
def test_a_time_that_cannot_be_read_ends_the_run(bad):
    with pytest.raises(ReportContentError, match=r"Loaners has a Start in row 2 that is no time: correct date_format"):
        loaners_of(ROW.replace("2026-01-14 10:15", bad))


def test_rows_of_one_loaner_are_one_and_resources_that_are_no_places_are_equipment(caplog):
    caplog.set_level(logging.INFO)
    rows = ROW + ROW.replace("Studio 204", "studio  205") + ROW.replace("Studio 204", "Camera 3; Studio 204")
    found = loaners_of(rows)

    assert list(found.reservations["reservation_id"]) == ["10452"]
    assert list(found.places["place_id"]) == ["studio 204", "studio 205"]
    assert list(found.people["person_id"]) == [ANA]
    assert "1 resources of loaners are no places" in caplog.text
    assert "the report of loaners does not say participants, blocking: nothing is granted by them" in caplog.text


def test_a_reference_with_two_starts_stays_two_loaners():
    found = loaners_of(ROW + ROW.replace("10:15", "10:30"))

    assert list(found.reservations["reservation_id"]) == ["10452", "10452 (row 3)"]
    assert list(found.reservations["reference"]) == ["10452", "10452"]


def test_a_borrower_without_email_is_no_user_and_a_column_without_any_is_an_error():
    times = "New,2026-01-14 10:15,2026-01-14 12:00"
    found = loaners_of(f"{ROW}7,{times},Site office,Studio 204\n8,{times},Bo Li <Bo@x.org>,Studio 204\n")
    assert list(found.people["person_type"]) == ["user", "contact", "user"]
    assert list(found.people["person_id"]) == [ANA, "unknown", email_id("Bo@x.org")]

    with pytest.raises(ReportLayoutError, match="column Borrower email without any email: choose the field"):
        loaners_of(ROW.replace("Ana@x.org", "Ana Roy"))


def test_participants_and_blocking_are_read_where_a_report_has_them():
    heading = HEADING.strip() + ",Participants,Blocking\n"
    rows = ROW.strip() + ",bo@x.org; ana@x.org; Cy,no\n" + ROW.strip().replace("10452", "8") + ",,Oui\n"
    found = reader(
        Loaners=heading + rows, fields=columns("loaners", participants="Participants", blocking="Blocking")
    ).loaners(NOW, NOW + timedelta(days=1))

    assert list(found.people["person_id"]) == [ANA, email_id("Bo@x.org"), ANA]
    assert list(found.reservations["blocking"]) == [False, True]


def test_users_with_ids_are_found_by_the_borrowers_email():
    users_ = "Id,Email,Unique code,Status,Groups,Department\nu_17,ANA@x.org,1,active,,\nu_18,,2,active,,\n"
    found = reader(Users=users_, fields=columns("users", id="Id"))

    assert list(found.users(FINGERPRINT).users["user_id"]) == ["u_17", "u_18"]
    assert list(found.loaners(NOW, NOW + timedelta(days=1)).people["person_id"]) == ["u_17"]


def test_only_loaners_of_the_span_are_shown():
    found = reader(Loaners=HEADING + ROW + ROW.replace("10452", "9").replace("01-14", "03-14"))

    assert list(found.loaners(NOW, NOW + timedelta(days=1)).reservations["reference"]) == ["10452"]
    assert found.used[0].rows == 2


def test_columns_that_are_not_mapped_are_known():
    found = reader(Places="Name,Floor,Salto Lock Id, ,Seats\nStudio 204,2,Studio 204,,3\n")
    found.places()

    assert found.used[0].unmapped == ("Floor", "Seats")


def test_a_place_with_two_locks_ends_the_run():
    with pytest.raises(ReportContentError, match="Salto Lock Id in row 4 that is not the one that an earlier row"):
        reader(Places=PLACES + "studio 204,Other\n").places()


def test_users_without_email_are_counted_and_left_out(caplog):
    caplog.set_level(logging.INFO)
    found = reader(Users=USERS + ",77,active,,\nbo@x.org,,active,,\n").users(FINGERPRINT)

    assert len(found.users) == 2
    assert "1 rows of the report of users without email are left out" in caplog.text


def test_damaged_codes_are_near_and_never_the_tag():
    rows = "Email,Unique code,Status,Groups,Department\na@x.org,4.2E+10,active,,\nb@x.org,'04A2,active,,\n"
    found = reader(Users=rows).users(FINGERPRINT).users

    assert list(found["code_forms"]) == ["scientific", "apostrophe"]
    assert set(found["tag"]).isdisjoint({FINGERPRINT("42000000000"), FINGERPRINT("04A2")})


def test_an_old_or_missing_report_names_what_to_do():
    late = NOW + timedelta(hours=27)
    with pytest.raises(
        ReportMissingError, match=r"Users is 27 hours old, the limit \(max_age_hours\) is 26: check the"
    ):
        reader(now=late).users(FINGERPRINT)
    gone = reader()
    del gone.files.contents["Users"]
    with pytest.raises(ReportMissingError, match=r"file Users\* is not in memory: check the report's subscription"):
        gone.users(FINGERPRINT)
    assert reader().environment().time_zone == "America/Toronto"


def test_a_new_file_is_news_once_it_has_settled():
    found = reader(now=NOW + timedelta(seconds=30))
    span = NOW, NOW + timedelta(days=1)
    assert found.loaners_changed_since(*span, NOW - timedelta(minutes=2)).empty

    found = reader(now=NOW + timedelta(seconds=61))
    changed = found.loaners_changed_since(*span, NOW - timedelta(minutes=2))
    assert set(changed["reservation_id"]) == {"users", "places", "loaners"}
    assert set(changed["reference"]) == {""}
    assert found.loaners_changed_since(*span, NOW + timedelta(seconds=1)).empty


def test_no_row_shows_what_it_holds():
    assert "ana" not in repr(reader()._read("users").table)
